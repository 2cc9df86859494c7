import { isIP } from "node:net";
import { basicAuthUser } from "../../../gateway/basicAuth.ts";
import { CloudError, checkRevision, type FieldProblem } from "../../../kernel/errors.ts";
import type { Id } from "../../../kernel/ids.ts";
import type { AppsParts, AppView, Area } from "../parts.ts";
import { openApp } from "../subjects.ts";
import { type Applying, sealedUsers } from "./applying.ts";
import type { AppAccess, Audience, routingRoutes } from "./contract.ts";
import { type AccessRow, accessStore } from "./store.ts";
import { announce } from "./subjects.ts";

type Routes = Pick<typeof routingRoutes, "appAccessGet" | "appAccessUpdate">;

export function accessHandlers(parts: AppsParts, { soon }: Pick<Applying, "soon">): Area<Routes>["handlers"] {
  return {
    async appAccessGet(context, { params }) {
      const app = await openApp(parts, context, context.tx, params.app);
      return viewAccess((await accessStore.find(context.tx, app.id)) ?? openToAll(app));
    },

    async appAccessUpdate(context, { params, body }) {
      const { tx } = context;
      const app = await openApp(parts, context, tx, params.app, { lock: true });
      parts.deploying.checkAction(app, "configure");
      const before = (await accessStore.find(tx, app.id)) ?? openToAll(app);
      checkRevision(context.ifMatch, before, "app_access");
      checkNetworks(body);
      const { basicAuth, rateLimit, maximumBodyBytes } = body;
      const after: AccessRow = {
        ...before,
        httpsOnly: body.httpsOnly ?? before.httpsOnly,
        allow: body.allow ?? before.allow,
        deny: body.deny ?? before.deny,
        maintenance: body.maintenance ?? before.maintenance,
        ...(basicAuth === undefined ? {} : usersOf(parts, app.id, basicAuth ?? [])),
        ...(body.signIn === undefined ? {} : signInOf(body.signIn)),
        ...(rateLimit === undefined
          ? {}
          : { rateRequests: rateLimit?.requests ?? null, rateSeconds: rateLimit?.seconds ?? null }),
        ...(maximumBodyBytes === undefined ? {} : { maximumBodyBytes }),
        revision: before.revision + 1,
      };
      await accessStore.put(tx, after);
      await announce(tx, app);
      context.audit({
        organisationId: app.organisationId,
        projectId: app.projectId,
        resource: { kind: "app", id: app.id, name: app.name },
        before: termsOf(before),
        after: { ...termsOf(after), ...(basicAuth == null ? {} : { passwordsChanged: true }) },
      });
      tx.afterCommit(soon);
      return viewAccess(after);
    },
  };
}

const openToAll = (app: AppView): AccessRow => ({
  appId: app.id,
  organisationId: app.organisationId,
  projectId: app.projectId,
  httpsOnly: false,
  userNames: [],
  users: null,
  signIn: null,
  signInUsers: [],
  allow: [],
  deny: [],
  rateRequests: null,
  rateSeconds: null,
  maintenance: false,
  maximumBodyBytes: null,
  revision: 0,
});

function usersOf(
  { secrets }: Pick<AppsParts, "secrets">,
  appId: string,
  people: readonly { name: string; password: string }[],
): Pick<AccessRow, "userNames" | "users"> {
  const names = people.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw refused([{ path: "body.basicAuth", message: `${twice} is there twice.` }]);
  const users = people.map(({ name, password }) => basicAuthUser(name, password));
  return { userNames: names, users: users.length === 0 ? null : secrets.encrypt(sealedUsers(appId), JSON.stringify(users)) };
}

function signInOf(
  wanted: { audience: Audience; users?: string[] | undefined } | null,
): Pick<AccessRow, "signIn" | "signInUsers"> {
  const users = [...new Set(wanted?.users ?? [])];
  if (wanted?.audience === "chosen" && users.length === 0)
    throw refused([{ path: "body.signIn.users", message: "Choose at least one person." }]);
  return { signIn: wanted?.audience ?? null, signInUsers: wanted?.audience === "chosen" ? users : [] };
}

/** `10.0.0.0/8`, `2001:db8::/32` or one address. */
export function isNetwork(text: string): boolean {
  const [ip = "", bits, ...rest] = text.split("/");
  const version = isIP(ip);
  if (version === 0 || ip.includes("%") || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
}

function checkNetworks(body: { allow?: string[] | undefined; deny?: string[] | undefined }): void {
  const problems = (["allow", "deny"] as const).flatMap((field) =>
    (body[field] ?? []).flatMap((text, i): FieldProblem[] =>
      isNetwork(text) ? [] : [{ path: `body.${field}.${i}`, message: "Give an address, or a network such as 10.0.0.0/8." }],
    ),
  );
  if (problems.length > 0) throw refused(problems);
}

const refused = (fields: FieldProblem[]): CloudError =>
  new CloudError("invalid_argument", fields[0]?.message ?? "This cannot be done.", { details: { fields } });

const rateLimitOf = ({ rateRequests, rateSeconds }: AccessRow) =>
  rateRequests === null || rateSeconds === null ? {} : { rateLimit: { requests: rateRequests, seconds: rateSeconds } };

const viewAccess = (row: AccessRow): AppAccess => ({
  httpsOnly: row.httpsOnly,
  ...(row.userNames.length === 0 ? {} : { basicAuth: { users: row.userNames } }),
  ...(row.signIn === null ? {} : { signIn: { audience: row.signIn, users: row.signInUsers as Id<"user">[] } }),
  allow: row.allow,
  deny: row.deny,
  ...rateLimitOf(row),
  maintenance: row.maintenance,
  ...(row.maximumBodyBytes === null ? {} : { maximumBodyBytes: row.maximumBodyBytes }),
  revision: row.revision,
});

/** For the audit log: no hash of a password. */
const termsOf = (row: AccessRow) => ({
  httpsOnly: row.httpsOnly,
  users: row.userNames,
  ...(row.signIn === null ? {} : { signIn: row.signIn, chosen: row.signInUsers }),
  allow: row.allow,
  deny: row.deny,
  ...rateLimitOf(row),
  maintenance: row.maintenance,
  maximumBodyBytes: row.maximumBodyBytes,
});
