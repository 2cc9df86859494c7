import { randomBytes } from "node:crypto";
import { type Role, roleIncludes, roles } from "../../kernel/contract.ts";
import { CloudError } from "../../kernel/errors.ts";
import type { Secrets } from "../../kernel/secrets.ts";
import type { IdentityService } from "../identity/contract.ts";
import { roleArn, sessionArn, userArn } from "./s3/access/identity.ts";
import { type Policy, readPolicy } from "./s3/access/policy.ts";
import type { S3Caller, S3Credentials, SessionRequest } from "./s3/backend.ts";
import { S3Error } from "./s3/errors.ts";
import { accountOf, type KeyHolder } from "./s3Backend.ts";

type Key = NonNullable<Awaited<ReturnType<IdentityService["accessKey"]>>>;

/** What a session's token says; sealed with the master key, so that nothing of it is kept here and every process can open it. */
interface SessionToken extends Omit<SessionRequest, "seconds"> {
  accessKeyId: string;
  secretAccessKey: string;
  /** The access key that asked for it: when that goes, the session ends. */
  parentKeyId: string;
  startedAtMs: number;
  expiresAtMs: number;
}

const purpose = "objects.s3_session";
const prefix = "ASIA";
const base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const mostRemembered = 10_000;

export function createS3Credentials(
  identity: Pick<IdentityService, "accessKey">,
  secrets: Secrets,
  now: () => number,
): S3Credentials {
  const opened = new Map<string, { session: SessionToken; policy?: Policy }>();
  /** Of keys as long as identity remembers them: nothing that is said of a key outlives what was read of it. */
  const holders = new WeakMap<Key, { secretAccessKey: string; caller: S3Caller }>();

  function holderOf(accessKeyId: string, key: Key): { secretAccessKey: string; caller: S3Caller } {
    let holder = holders.get(key);
    if (holder === undefined) {
      holder = { secretAccessKey: key.secretAccessKey, caller: callerOf(accessKeyId, key) };
      holders.set(key, holder);
    }
    return holder;
  }

  function open(token: string): { session: SessionToken; policy?: Policy } {
    const known = opened.get(token);
    if (known !== undefined) return known;
    let session: SessionToken;
    try {
      session = JSON.parse(secrets.decrypt(purpose, Buffer.from(token, "base64")).toString()) as SessionToken;
    } catch (error) {
      throw new S3Error("InvalidToken", undefined, { cause: error });
    }
    const entry = { session, ...(session.policy !== undefined && { policy: readPolicy(session.policy) }) };
    if (opened.size >= mostRemembered) opened.delete(opened.keys().next().value as string);
    opened.set(token, entry);
    return entry;
  }

  return {
    async resolve(accessKeyId, sessionToken) {
      if (sessionToken === undefined) {
        const key = await identity.accessKey(accessKeyId);
        return key && holderOf(accessKeyId, key);
      }
      const { session, policy } = open(sessionToken);
      if (session.accessKeyId !== accessKeyId) throw new S3Error("InvalidToken");
      if (now() >= session.expiresAtMs) throw new S3Error("ExpiredToken");
      const key = await identity.accessKey(session.parentKeyId);
      if (!key) throw new S3Error("InvalidToken", "The access key that this token was made with is gone.");
      return { secretAccessKey: session.secretAccessKey, caller: sessionCaller(session, key, policy) };
    },
    sessions: {
      async open(caller, { seconds, role, name, policy }) {
        const key = await identity.accessKey(caller.accessKeyId);
        if (caller.anonymous || caller.session || !key)
          throw new CloudError(
            "permission_denied",
            "Temporary credentials are made with an access key, not with temporary ones.",
          );
        if (role !== undefined && !holds(key, role))
          throw new CloudError(
            "permission_denied",
            `The owner of this access key does not have the role ${role} in this project.`,
          );
        const startedAtMs = now();
        const session: SessionToken = {
          accessKeyId: prefix + [...randomBytes(16)].map((byte) => base32[byte & 31]).join(""),
          secretAccessKey: randomBytes(30).toString("base64"),
          parentKeyId: caller.accessKeyId,
          startedAtMs,
          expiresAtMs: startedAtMs + seconds * 1000,
          ...(role !== undefined && { role }),
          ...(name !== undefined && { name }),
          ...(policy !== undefined && { policy }),
        };
        return {
          accessKeyId: session.accessKeyId,
          secretAccessKey: session.secretAccessKey,
          sessionToken: secrets.encrypt(purpose, JSON.stringify(session)).toString("base64"),
          expiresAtMs: session.expiresAtMs,
        };
      },
    },
  };
}

function callerOf(accessKeyId: string, key: Key): S3Caller {
  const { secretAccessKey: _, ...holder } = key;
  const account = accountOf(key.projectId);
  return {
    accessKeyId,
    principal: holder satisfies KeyHolder,
    ...account,
    userId: key.principal.id,
    arns: [userArn(account.accountId, key.principal.id)],
  };
}

const isRole = (text: string): text is Role => (roles as readonly string[]).includes(text);
const holds = (key: Key, role: string): boolean =>
  isRole(role) && key.principal.bindings.some((binding) => roleIncludes[binding.role].includes(role));

/** The key's owner, with no more than the role that was taken, if they still have it. */
function sessionCaller(session: SessionToken, key: Key, policy: Policy | undefined): S3Caller {
  const { role, name, startedAtMs } = session;
  const bindings =
    role === undefined
      ? key.principal.bindings
      : key.principal.bindings
          .filter((binding) => isRole(role) && roleIncludes[binding.role].includes(role))
          .map((binding) => ({ ...binding, role: role as Role }));
  const caller = callerOf(session.accessKeyId, { ...key, principal: { ...key.principal, bindings } });
  const limits = { ...(policy !== undefined && { sessionPolicy: policy }) };
  if (role === undefined || name === undefined)
    return { ...caller, ...limits, session: { startedAtMs, arn: caller.arns[0] as string } };
  const arn = sessionArn(caller.accountId, role, name);
  return {
    ...caller,
    ...limits,
    userId: `${caller.userId}:${name}`,
    // The person stays nameable, or taking a role would be a way around what a policy denies to them.
    arns: [roleArn(caller.accountId, role), arn, ...caller.arns],
    session: { startedAtMs, arn },
  };
}
