import type { z } from "zod";
import { audit } from "../../kernel/audit.ts";
import { systemActor } from "../../kernel/auth/principal.ts";
import type { Actor } from "../../kernel/contract.ts";
import type { Tx } from "../../kernel/db/database.ts";
import { CloudError } from "../../kernel/errors.ts";
import { newId } from "../../kernel/ids.ts";
import { hashToken, newToken, sameSecret } from "../../kernel/secrets.ts";
import { auditSignIn, createOrganisation, createUser, describeIdentity, startSession } from "./accounts.ts";
import { type cloud, email, type Identity, type Locale, password } from "./contract.ts";
import { type AnyContext, at, type Parts, type Some } from "./parts.ts";
import { createProject } from "./projects.ts";
import { bindingStore } from "./store/bindings.ts";
import { cloudStore } from "./store/cloud.ts";
import { type UserRow, userStore } from "./store/people.ts";
import { WrongProof } from "./throttle.ts";

interface Newcomer {
  email: string;
  name: string;
  locale: Locale;
  passwordHash: string;
  organisationName: string;
}

/** A person with an organisation of their own and a first project in it. */
async function settle(tx: Tx, parts: Parts, person: Newcomer, source: Partial<Parameters<typeof audit>[1]>): Promise<UserRow> {
  const { organisationName, ...account } = person;
  const user = await createUser(tx, parts, account);
  const organisationId = await createOrganisation(tx, parts, { name: organisationName, ownerId: user.id });
  const project = await createProject(tx, parts, { organisationId, name: "Default", slug: "default" });
  const actor: Actor = source.actor ?? { kind: "user", id: user.id, name: user.name };
  audit(tx, {
    ...source,
    actor,
    action: "identity.user.create",
    resource: { kind: "user", id: user.id, name: user.name },
    after: { email: user.email, name: user.name },
  });
  audit(tx, {
    ...source,
    actor,
    action: "identity.organisation.create",
    organisationId,
    resource: { kind: "organisation", id: organisationId, name: organisationName },
    after: { name: organisationName, owner: user.id, project: project.id },
  });
  return user;
}

async function settleOwner(
  tx: Tx,
  parts: Parts,
  person: Newcomer,
  source: Partial<Parameters<typeof audit>[1]>,
): Promise<UserRow> {
  const user = await settle(tx, parts, person, source);
  await bindingStore.insert(tx, {
    id: newId("roleBinding", parts.clock.nowMs()),
    principalId: user.id,
    role: "owner",
    organisationId: undefined,
    projectId: undefined,
    createdAt: at(parts),
  });
  await cloudStore.removeSetupToken(tx);
  audit(tx, {
    ...source,
    actor: source.actor ?? { kind: "user", id: user.id, name: user.name },
    action: "identity.cloud.set_up",
    resource: { kind: "cloud", id: "cloud" },
    after: { owner: user.id },
  });
  return user;
}

const sourceOf = (context: AnyContext) => ({
  sourceIp: context.sourceIp,
  userAgent: context.userAgent,
  requestId: context.requestId,
});

/** For an unattended first start. False when the cloud has an owner already: then nothing is changed. */
export async function ensureOwner(parts: Parts, owner: { email: string; password: string }): Promise<boolean> {
  const address = email.safeParse(owner.email.trim());
  if (!address.success) throw new CloudError("invalid_argument", "The owner's e-mail address is not one, like name@example.org.");
  if (await cloudStore.asSystem(parts.database, (tx) => bindingStore.hasOwner(tx))) return false;
  const secret = password.safeParse(owner.password);
  if (!secret.success) throw new CloudError("invalid_argument", `The owner's password: ${secret.error.issues[0]?.message}`);
  const passwordHash = await parts.passwords.hash(secret.data);
  return cloudStore.asSystem(parts.database, async (tx) => {
    await cloudStore.lockFirstOwner(tx);
    if (await bindingStore.hasOwner(tx)) return false;
    const name = address.data.split("@")[0] as string;
    const person: Newcomer = { email: address.data, name, locale: "en", passwordHash, organisationName: "Home" };
    await settleOwner(tx, parts, person, { actor: systemActor });
    return true;
  });
}

/** The secret with which the first owner is made, new at each start; undefined once there is one. */
export const setupToken = (parts: Parts): Promise<string | undefined> =>
  cloudStore.asSystem(parts.database, async (tx) => {
    if (await bindingStore.hasOwner(tx)) return undefined;
    const token = newToken("");
    await cloudStore.saveSetupTokenHash(tx, hashToken(token));
    return token;
  });

export function cloudHandlers(parts: Parts): Some<"cloudGet" | "cloudUpdate" | "setupComplete" | "signUpCreate"> {
  const { config, database, passwords, throttle } = parts;

  async function view(tx: Tx): Promise<z.output<typeof cloud>> {
    const settings = await cloudStore.settings(tx);
    return {
      ...settings,
      version: config.version,
      setupNeeded: !(await bindingStore.hasOwner(tx)),
      s3: { endpoint: config.s3Url, region: config.region },
      ...(config.ssh === undefined ? {} : { ssh: config.ssh }),
    };
  }

  return {
    cloudGet: (context) => view(context.tx),

    async cloudUpdate(context, { body }) {
      context.authorize({}, "cloud");
      const before = await cloudStore.settings(context.tx);
      const after = {
        name: body.name ?? before.name,
        signUpOpen: body.signUpOpen ?? before.signUpOpen,
        currency: body.currency ?? before.currency,
      };
      await cloudStore.saveSettings(context.tx, after);
      context.audit({ resource: { kind: "cloud", id: "cloud", name: after.name }, before: { ...before }, after });
      return view(context.tx);
    },

    async setupComplete(context, { body }) {
      const check = async (tx: Tx) => {
        if (await bindingStore.hasOwner(tx)) {
          throw new CloudError("failed_precondition", "This cloud has an owner already. Sign in instead.", {
            details: { reason: "setup_done" },
          });
        }
        const expected = await cloudStore.setupTokenHash(tx);
        if (!expected || !sameSecret(hashToken(body.token), expected)) {
          throw new WrongProof(
            "failed_precondition",
            "link_invalid",
            "This link is no longer the right one: each start of the cloud prints a new one.",
          );
        }
      };
      return throttle.attempt({ link: context.sourceIp }, async () => {
        await cloudStore.asSystem(database, check);
        const passwordHash = await passwords.hash(body.password);
        return signUp(context, passwordHash, body, async (tx, person) => {
          await cloudStore.lockFirstOwner(tx);
          await check(tx);
          return settleOwner(tx, parts, person, sourceOf(context));
        });
      });
    },

    signUpCreate: (context, { body }) =>
      throttle.count({ signUp: context.sourceIp }, async () => {
        const check = async (tx: Tx) => {
          if ((await cloudStore.settings(tx)).signUpOpen) return;
          throw new CloudError("failed_precondition", "Only those who are invited can have an account here.", {
            details: { reason: "sign_up_closed" },
          });
        };
        await cloudStore.asSystem(database, check);
        const passwordHash = await passwords.hash(body.password);
        return signUp(context, passwordHash, body, async (tx, person) => {
          await check(tx);
          return settle(tx, parts, person, sourceOf(context));
        });
      }),
  };

  /** Makes the account and signs its person in, in one transaction. */
  async function signUp(
    context: Parameters<typeof auditSignIn>[0],
    passwordHash: string,
    body: { email: string; name: string; locale: Locale; organisationName: string },
    make: (tx: Tx, person: Newcomer) => Promise<UserRow>,
  ): Promise<Identity> {
    const { session, identity } = await cloudStore.asSystem(database, async (tx) => {
      const { email, name, locale, organisationName } = body;
      const made = await make(tx, { email, name, locale, organisationName, passwordHash });
      const started = await startSession(tx, parts, context, made.id, "password");
      auditSignIn(context, tx, made, started, "password");
      const user = (await userStore.find(tx, made.id)) as UserRow;
      return { session: started, identity: await describeIdentity(tx, { kind: "user", id: user.id, name: user.name }) };
    });
    session.setCookie(context);
    return identity;
  }
}
