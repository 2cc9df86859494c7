import { isoTime } from "../../../kernel/clock.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, checkRevision, invalid, nameTaken, notFound } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { newId } from "../../../kernel/ids.ts";
import { checkHost } from "../../../kernel/outbound/addresses.ts";
import { outboundSettings } from "../../../kernel/outbound/settings.ts";
import { reserveQuota } from "../../../kernel/quota.ts";
import type { RequestContext } from "../../../kernel/service.ts";
import { linkStore } from "../linking/store.ts";
import { type AppsParts, type Area, placeOf } from "../parts.ts";
import { loginOf, sealPassword } from "./accounts.ts";
import type { MailAccount, MailAccountUsers, mailAccountRoutes } from "./contract.ts";
import { type ListedMailAccount, type MailAccountRow, mailAccountStore } from "./store.ts";
import { tryMailAccount } from "./trying.ts";

const view = (row: ListedMailAccount): MailAccount => ({
  id: row.id,
  projectId: row.projectId,
  name: row.name,
  description: row.description,
  host: row.host,
  port: row.port,
  security: row.security,
  userName: row.userName,
  sender: row.sender,
  linkedApps: row.linkedApps,
  createdAt: isoTime(row.createdAt),
  revision: row.revision,
});

const subjectOf = (row: MailAccountRow) => ({
  organisationId: row.organisationId,
  projectId: row.projectId,
  resource: { kind: "mailAccount", id: row.id, name: row.name },
});
/** Without the password. */
const told = ({ description, host, port, security, userName, sender }: MailAccountRow) => ({
  description,
  host,
  port,
  security,
  userName,
  sender,
});

/** Accounts at outgoing mail servers, which apps are linked to as they are to databases. */
export function createMailAccounts(
  parts: Pick<AppsParts, "identity" | "secrets">,
  otherUsers: MailAccountUsers = async () => [],
): Area<typeof mailAccountRoutes> {
  const { identity, secrets } = parts;
  /** Those that are being tried, of this process: each a connection to a server of somebody's choice. */
  const trying = new Set<string>();

  async function open(
    { authorize }: Pick<RequestContext, "authorize">,
    tx: Tx,
    id: string,
    options: { lock?: "change" } = {},
  ): Promise<ListedMailAccount> {
    const row = await mailAccountStore.find(tx, id, options);
    if (row === undefined) throw notFound("mailAccount");
    authorize(placeOf(row), "mailAccount");
    return row;
  }

  const checkServer = async (tx: Tx, host: string): Promise<void> =>
    checkHost(host, (await outboundSettings(tx)).allowedNetworks, "body.host");

  /** Sealed; a user name and a password come together. */
  function passwordOf(
    row: Pick<MailAccountRow, "id" | "userName" | "password">,
    password: string | undefined,
  ): Uint8Array | null {
    if (row.userName === "") {
      if (password !== undefined) throw invalid("body.userName", "Give a user name too, or no password.");
      return null;
    }
    if (password !== undefined) return sealPassword(secrets, row.id, password);
    if (row.password === null) throw invalid("body.password", "Give the password of this user, or no user name.");
    return row.password;
  }

  return {
    handlers: {
      async mailAccountList(context, { query }) {
        const place = await identity.projectPlace(context.tx, query.project);
        if (!place) throw notFound("project");
        context.authorize(place, "project");
        const [after] = decodeCursor(query.cursor, 1) ?? [];
        const rows = await mailAccountStore.page(context.tx, {
          projectId: query.project,
          after: after === undefined ? undefined : String(after),
          limit: query.limit + 1,
        });
        return toPage(rows, query.limit, view, ({ name }) => [name]);
      },

      async mailAccountCreate(context, { body }) {
        const { tx } = context;
        const place = await identity.projectPlace(tx, body.project);
        if (!place) throw notFound("project");
        context.authorize(place, "project");
        await checkServer(tx, body.host);
        const { password, project, ...said } = body;
        const id = newId("mailAccount");
        const row: MailAccountRow = {
          ...said,
          id,
          organisationId: place.organisationId as MailAccountRow["organisationId"],
          projectId: project,
          password: passwordOf({ id, userName: said.userName, password: null }, password),
          createdAt: new Date(),
          revision: 1,
        };
        if (!(await mailAccountStore.insert(tx, row))) throw nameTaken("mail account", "The project", row.name);
        await reserveQuota(tx, row, "apps.mail_accounts", 1);
        context.audit({ ...subjectOf(row), after: told(row) });
        return view({ ...row, linkedApps: 0 });
      },

      mailAccountGet: async (context, { params }) => view(await open(context, context.tx, params.mailAccount)),

      async mailAccountUpdate(context, { params, body }) {
        const { tx } = context;
        const before = await open(context, tx, params.mailAccount, { lock: "change" });
        checkRevision(context.ifMatch, before, "mail account");
        const { password, ...said } = body;
        if (said.host !== undefined) await checkServer(tx, said.host);
        const given = Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));
        const merged: ListedMailAccount = { ...before, ...given };
        const after = { ...merged, password: passwordOf(merged, password) };
        if (password === undefined && JSON.stringify(told(before)) === JSON.stringify(told(after))) return view(before);
        await mailAccountStore.update(tx, after);
        context.audit({
          ...subjectOf(before),
          before: told(before),
          after: { ...told(after), ...(password === undefined ? {} : { password: "changed" }) },
        });
        return view({ ...after, revision: before.revision + 1 });
      },

      async mailAccountDelete(context, { params }) {
        const { tx } = context;
        const row = await open(context, tx, params.mailAccount, { lock: "change" });
        const apps = await linkStore.appsOf(tx, row.id, 10);
        if (apps.length > 0)
          throw new CloudError(
            "failed_precondition",
            `The mail account ${row.name} is linked to ${apps.join(", ")}. Take the links away first, and wait for the releases without it.`,
            { details: { resource: "mailAccount", reason: "linked", apps } },
          );
        const users = await otherUsers(tx, row.id);
        if (users.length > 0)
          throw new CloudError(
            "failed_precondition",
            `The mail account ${row.name} sends the mail of ${users.join(", ")}. Choose another one there first.`,
            { details: { resource: "mailAccount", reason: "in_use", users } },
          );
        await mailAccountStore.delete(tx, row);
        await reserveQuota(tx, row, "apps.mail_accounts", -1);
        context.audit({ ...subjectOf(row), before: told(row) });
        return undefined;
      },

      async mailAccountTest(context, { params, body }) {
        const { row, allowedNetworks } = await context.transaction(async (tx) => ({
          row: await open(context, tx, params.mailAccount),
          ...(await outboundSettings(tx)),
        }));
        if (trying.has(row.id))
          throw new CloudError("conflict", "This mail account is being tried already. Wait for that.", {
            details: { resource: "mailAccount", reason: "already_running" },
          });
        trying.add(row.id);
        try {
          const result = await tryMailAccount({
            login: loginOf(secrets, row),
            to: body.to,
            name: row.name,
            allowedNetworks,
            signal: context.signal,
          });
          const { step, message } = result.steps.at(-1) ?? {};
          const after = { succeeded: result.succeeded, ...(body.to === undefined ? {} : { to: body.to }), step, message };
          await context.transaction(async (tx) => context.audit(tx, { ...subjectOf(row), after }));
          return result;
        } finally {
          trying.delete(row.id);
        }
      },
    },
  };
}
