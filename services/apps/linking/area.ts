import { actorOf } from "../../../kernel/auth/principal.ts";
import { isoTime } from "../../../kernel/clock.ts";
import type { Role } from "../../../kernel/contract.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, notFound } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { newId } from "../../../kernel/ids.ts";
import type { StreamContext } from "../../../kernel/service.ts";
import databaseContract from "../../databases/contract.ts";
import identityContract from "../../identity/contract.ts";
import objectContract from "../../objects/contract.ts";
import { mailAccountRoutes } from "../mailAccounts/contract.ts";
import { type AppsParts, type AppView, type Area, type LinkingPart, placeOf } from "../parts.ts";
import { openApp, subjectOf } from "../subjects.ts";
import type { AppLink, LinkKind, linkingRoutes } from "./contract.ts";
import { createLinking, holderOf, type LinkTarget, newUserName } from "./linking.ts";
import { type LinkRow, linkStore } from "./store.ts";
import { type Credential, variableNames } from "./variables.ts";

const most = 20;

/** What whoever links has to be allowed: the app gets as much. */
const neededFor: Record<LinkKind, readonly { permission: string; roles: readonly Role[] }[]> = {
  database: [databaseContract.routes.databaseUserCreate],
  bucket: [identityContract.routes.accessKeyCreate, objectContract.routes.objectUpload],
  mail_account: [mailAccountRoutes.mailAccountTest],
};
const wordOf = (kind: LinkKind): string => kind.replace("_", " ");

interface Wanted {
  database?: string | undefined;
  bucket?: string | undefined;
  mailAccount?: string | undefined;
}
/** The schema has seen to it that it is one of them. */
const targetOf = ({ database, bucket, mailAccount }: Wanted): LinkTarget =>
  database !== undefined
    ? { kind: "database", id: database }
    : bucket !== undefined
      ? { kind: "bucket", id: bucket }
      : { kind: "mail_account", id: mailAccount as string };

const view = (row: LinkRow): AppLink => ({
  id: row.id,
  appId: row.appId,
  projectId: row.projectId,
  kind: row.kind,
  resourceId: row.resourceId,
  resourceName: row.resourceName,
  prefix: row.prefix,
  access: row.access,
  state: row.state,
  variables: variableNames(row),
  createdBy: row.createdBy,
  createdAt: isoTime(row.createdAt),
});

/** Databases, buckets and mail accounts that apps use. */
export function createLinkingArea(parts: AppsParts): Area<typeof linkingRoutes> & { part: LinkingPart } {
  const linking = createLinking(parts);
  const { database } = parts;

  /** Whoever links may make what the link needs: a token that may not cannot get there by way of an app. */
  function checkMay(context: Pick<StreamContext, "allows">, app: AppView, kind: LinkRow["kind"]): void {
    const lacking = neededFor[kind].find(({ permission, roles }) => !context.allows(permission, roles, placeOf(app)));
    if (lacking === undefined) return;
    throw new CloudError("permission_denied", `For this you have to be allowed ${lacking.permission}: the app gets as much.`, {
      details: { permission: lacking.permission, roles: [...lacking.roles] },
    });
  }

  async function begin(
    tx: Tx,
    context: StreamContext,
    appId: string,
    body: Pick<LinkRow, "prefix" | "access"> & Wanted,
  ): Promise<{ app: AppView; row: LinkRow }> {
    const app = await openApp(parts, context, tx, appId, { lock: true });
    parts.deploying.checkAction(app, "configure");
    const target = targetOf(body);
    const { kind } = target;
    checkMay(context, app, kind);
    const found = await linking.find(tx, app.projectId, target);
    if (found === undefined) throw notFound(kind === "mail_account" ? "mailAccount" : kind);
    const there = await linkStore.ofApp(tx, app.id);
    if (there.length >= most)
      throw new CloudError("failed_precondition", `An app has at most ${most} links. Take one away first.`, {
        details: { reason: "too_many_links" },
      });
    const now = new Date();
    const row: LinkRow = {
      id: newId("appLink"),
      appId: app.id,
      organisationId: app.organisationId,
      projectId: app.projectId as LinkRow["projectId"],
      kind,
      resourceId: found.id,
      resourceName: found.name,
      prefix: body.prefix,
      access: kind === "mail_account" ? "read_write" : body.access,
      state: "creating",
      credentialId: kind === "database" ? newUserName(app) : "",
      credential: null,
      createdBy: actorOf(context.principal),
      createdAt: now,
      changedAt: now,
    };
    if (!(await linkStore.insert(tx, row)))
      throw new CloudError(
        "already_exists",
        body.prefix === ""
          ? `The app ${app.name} has a link to a ${wordOf(kind)} already. Give this one a prefix, such as SECOND.`
          : `The app ${app.name} has a link to a ${wordOf(kind)} with the prefix ${body.prefix} already. Choose another.`,
        { details: { resource: "appLink", fields: [{ path: "body.prefix", message: "This one is taken." }] } },
      );
    await parts.deploying.checkLinkNames(tx, app.id, variableNames(row));
    return { app, row };
  }

  async function credentialFor(context: StreamContext, app: AppView, row: LinkRow): Promise<Credential> {
    if (row.kind === "mail_account") return { kind: "mail_account" };
    if (row.kind === "database") {
      const { password } = await linking.databases().makeUser({
        databaseId: row.resourceId,
        name: row.credentialId,
        access: row.access,
        holder: holderOf(app),
        signal: context.signal,
      });
      return { kind: "database", user: row.credentialId, password };
    }
    const endpoint = await linking.openDoor(context.signal, row.projectId);
    const key = await database.transaction("system", async (tx) => {
      const holder = { id: row.id, name: holderOf(app) };
      await parts.objects.hold(tx, row.resourceId, holder);
      const made = await parts.identity.appKeys.make(tx, {
        organisationId: app.organisationId,
        projectId: app.projectId,
        bucketId: row.resourceId,
        holder,
        readOnly: row.access === "read_only",
      });
      await linkStore.setCredentialId(tx, row.id, made.id);
      return made;
    });
    return { kind: "bucket", accessKeyId: key.accessKeyId, secretAccessKey: key.secretAccessKey, endpoint };
  }

  return {
    part: linking,
    handlers: {
      async appLinkList(context, { params, query }) {
        const app = await openApp(parts, context, context.tx, params.app);
        const [after] = decodeCursor(query.cursor, 1) ?? [];
        const rows = await linkStore.ofApp(context.tx, app.id, {
          after: after === undefined ? undefined : String(after),
          limit: query.limit + 1,
        });
        return toPage(rows, query.limit, view, ({ id }) => [id]);
      },

      /** The record first: what a process that dies leaves behind is known, and is cleared away. */
      async appLinkCreate(context, { params, body }) {
        const { app, row } = await context.transaction((tx) => begin(tx, context, params.app, body));
        try {
          const credential = await credentialFor(context, app, row);
          return await context.transaction(async (tx) => {
            const now = await parts.deploying.find(tx, app.id, { lock: true });
            if (now === undefined) throw notFound("app");
            parts.deploying.checkAction(now, "configure");
            await linkStore.set(tx, row.id, { state: "active", credential: linking.seal(row.id, credential) });
            await linking.bring(tx, app.id);
            const { kind, resourceId, resourceName, prefix, access } = row;
            context.audit(tx, { ...subjectOf(app), after: { link: row.id, kind, resourceId, resourceName, prefix, access } });
            const begun = body.deploy
              ? await parts.deploying.deployAgain(tx, app.id, `Link: ${wordOf(kind)} ${resourceName}`, actorOf(context.principal))
              : undefined;
            return { link: view({ ...row, state: "active" }), ...begun };
          });
        } catch (error) {
          await database.transaction("system", async (tx) => {
            const now = await linkStore.find(tx, row.id, { lock: true });
            if (now !== undefined) await linking.revoke(tx, now);
          });
          throw error;
        }
      },

      async appLinkDelete(context, { params, query }) {
        const { tx } = context;
        const found = await linkStore.find(tx, params.link);
        if (found === undefined) throw notFound("appLink");
        const app = await openApp(parts, context, tx, found.appId, { lock: true });
        parts.deploying.checkAction(app, "configure");
        const row = await linkStore.find(tx, params.link, { lock: true });
        if (row === undefined) throw notFound("appLink");
        if (row.state !== "active")
          throw new CloudError(
            "failed_precondition",
            row.state === "creating" ? "This link is just being made. Wait a moment." : "This link is being taken away already.",
            { details: { resource: "appLink", reason: `state_${row.state}` } },
          );
        await linkStore.set(tx, row.id, { state: "deleting" });
        await linking.bring(tx, app.id);
        const { kind, resourceId, resourceName, prefix, access } = row;
        context.audit({ ...subjectOf(app), before: { link: row.id, kind, resourceId, resourceName, prefix, access } });
        const begun = query.deploy
          ? await parts.deploying.deployAgain(
              tx,
              app.id,
              `Without the ${wordOf(kind)} ${resourceName}`,
              actorOf(context.principal),
            )
          : undefined;
        return begun ?? {};
      },
    },
    workers: [
      {
        name: "apps.links",
        everySeconds: 5,
        run: (signal) => linking.lookAfter(signal),
      },
      {
        name: "apps.object-door",
        everySeconds: 30,
        async run(signal) {
          const projects = await database.transaction("system", linkStore.bucketProjects);
          if (projects.length === 0 || parts.objectDoor === undefined) return;
          try {
            await linking.openDoor(signal);
          } catch (error) {
            if (!CloudError.is(error, "failed_precondition") && !CloudError.is(error, "unavailable")) throw error;
            parts.log.debug({ err: error }, "the S3 door is not open to apps at the moment");
          }
        },
      },
    ],
  };
}
