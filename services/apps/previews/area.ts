/** Previews: a branch other than the main one is deployed too, as an app of its own that goes by itself. */
import { audit } from "../../../kernel/audit.ts";
import { actorOf, systemActor } from "../../../kernel/auth/principal.ts";
import type { Actor } from "../../../kernel/contract.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, notFound } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import type { Id } from "../../../kernel/ids.ts";
import { viewOperation } from "../../../kernel/operations/view.ts";
import type { RequestContext, Worker } from "../../../kernel/service.ts";
import type { AppLifecycle } from "../deploying/lifecycle.ts";
import { checkAction } from "../deploying/states.ts";
import type { AppsParts, AppView, Area } from "../parts.ts";
import { openApp, subjectOf } from "../subjects.ts";
import type { previewRoutes } from "./contract.ts";
import { matches, previewName } from "./names.ts";
import { type PreviewRow, type PreviewSettingsRow, previewSettingsStore, previewStore } from "./store.ts";
import { changeVariables, environmentFor } from "./variables.ts";
import { viewPreviews, viewSettings } from "./views.ts";

/** What doors that take code ask. */
export interface PreviewsPart {
  /**
   * The preview of a branch that was pushed, made or kept for longer, with its settings as they are to be; undefined when the app has none of
   * such branches. failed_precondition, quota_exceeded.
   */
  pushed(
    app: AppView,
    push: { branch: string; commit: string; actor: Actor; sourceIp: string },
  ): Promise<{ appId: Id<"app">; url: string; expiresAt: Date } | undefined>;
  /** Its branch is gone: false when it had none. */
  branchDeleted(app: AppView, push: { branch: string; actor: Actor; sourceIp: string }): Promise<boolean>;
}

const dayMs = 24 * 3600_000;
const expiredAtOnce = 100;

const defaults = (app: Pick<AppView, "id" | "organisationId">): PreviewSettingsRow => ({
  appId: app.id,
  organisationId: app.organisationId,
  enabled: false,
  branches: ["*"],
  lifeDays: 7,
  most: 10,
  revision: 0,
});

export function createPreviews(
  parts: AppsParts,
  lifecycle: AppLifecycle,
): Area<typeof previewRoutes> & { part: PreviewsPart; workers: Worker[] } {
  const { database } = parts;
  const settingsOf = async (tx: Tx, app: Pick<AppView, "id" | "organisationId">): Promise<PreviewSettingsRow> =>
    (await previewSettingsStore.find(tx, app.id)) ?? defaults(app);
  const endOf = ({ lifeDays }: PreviewSettingsRow): Date => new Date(Date.now() + lifeDays * dayMs);

  /** The app of a preview, and what makes it one. */
  async function openPreview(context: RequestContext, id: string): Promise<{ app: AppView; row: PreviewRow }> {
    const app = await openApp(parts, context, context.tx, id, { lock: true });
    const row = await previewStore.find(context.tx, app.id);
    if (!row) throw notFound("preview");
    return { app, row };
  }

  async function make(tx: Tx, app: AppView, branch: string, { most }: PreviewSettingsRow): Promise<Id<"app">> {
    if ((await previewStore.count(tx, app.id)) >= most)
      throw new CloudError(
        "failed_precondition",
        `There is no preview of ${branch}: ${app.name} has ${most} already, as many as it may have. Delete one, or allow more.`,
        { details: { reason: "too_many_previews" } },
      );
    const wanted = { description: `Preview of ${branch}`.slice(0, 500) };
    const create = (name: string) => lifecycle.create(tx, app, { ...wanted, name });
    const made = await create(previewName(app.name, branch)).catch((error: unknown) => {
      if (!CloudError.is(error, "already_exists")) throw error;
      return create(previewName(app.name, branch, { apart: true }));
    });
    return made.id;
  }

  return {
    handlers: {
      async previewSettingsGet(context, { params }) {
        const app = await openApp(parts, context, context.tx, params.app);
        return viewSettings(context.tx, parts.secrets, await settingsOf(context.tx, app));
      },

      async previewSettingsUpdate(context, { params, body }) {
        const { tx } = context;
        const app = await openApp(parts, context, tx, params.app, { lock: true });
        parts.deploying.checkAction(app, "configure");
        if (app.parentId !== undefined)
          throw new CloudError("failed_precondition", "This is a preview itself. Change the app that it is a preview of.", {
            details: { reason: "is_preview" },
          });
        const before = await settingsOf(tx, app);
        if (context.ifMatch !== undefined && context.ifMatch !== before.revision)
          throw new CloudError("precondition_failed", "It was changed meanwhile. Look at it again, then repeat your change.", {
            details: { resource: "preview_settings", revision: before.revision },
          });
        const after: PreviewSettingsRow = {
          ...before,
          enabled: body.enabled ?? before.enabled,
          branches: body.branches ?? before.branches,
          lifeDays: body.lifeDays ?? before.lifeDays,
          most: body.most ?? before.most,
          revision: before.revision + 1,
        };
        await previewSettingsStore.put(tx, after);
        const variables = await changeVariables(tx, parts.secrets, app, body);
        const termsOf = ({ enabled, branches, lifeDays, most }: PreviewSettingsRow) => ({ enabled, branches, lifeDays, most });
        context.audit({ ...subjectOf(app), before: termsOf(before), after: { ...termsOf(after), variables } });
        return viewSettings(tx, parts.secrets, after);
      },

      async previewList(context, { params, query }) {
        const { tx } = context;
        const app = await openApp(parts, context, tx, params.app);
        const [after] = decodeCursor(query.cursor, 1) ?? [];
        const rows = await previewStore.page(tx, {
          parentId: app.id,
          after: after === undefined ? undefined : String(after),
          limit: query.limit + 1,
        });
        const views = await viewPreviews(tx, parts, rows);
        return toPage(
          rows.flatMap((row) => views.get(row.appId) ?? []),
          query.limit,
          (view) => view,
          ({ branch }) => [branch],
        );
      },

      async previewExtend(context, { params }) {
        const { app, row } = await openPreview(context, params.preview);
        parts.deploying.checkAction(app, "configure");
        const parent = { id: row.parentId, organisationId: row.organisationId };
        const expiresAt = endOf(await settingsOf(context.tx, parent));
        await previewStore.extend(context.tx, app.id, expiresAt);
        context.audit({
          ...subjectOf(app),
          before: { expiresAt: row.expiresAt.toISOString() },
          after: { expiresAt: expiresAt.toISOString() },
        });
        const view = (await viewPreviews(context.tx, parts, [{ ...row, expiresAt }])).get(app.id);
        if (!view) throw notFound("preview");
        return view;
      },

      async previewDelete(context, { params }) {
        const { app, row } = await openPreview(context, params.preview);
        parts.deploying.checkAction(app, "delete");
        if (app.liveReleaseId !== undefined) parts.engine();
        const operation = await lifecycle.removal(context.tx, app.id, actorOf(context.principal));
        if (!operation) throw notFound("preview");
        context.audit({ ...subjectOf(app), before: { branch: row.branch, commit: row.commit } });
        return viewOperation(operation);
      },
    },

    workers: [
      {
        name: "apps.previews",
        everySeconds: 60,
        async run() {
          const over = await database.transaction("system", (tx) => previewStore.expired(tx, new Date(), expiredAtOnce));
          for (const { appId } of over)
            await database.transaction("system", async (tx) => {
              const app = await parts.deploying.find(tx, appId, { lock: true });
              // A push at this moment has kept it.
              const row = await previewStore.find(tx, appId);
              if (!app || !row || row.expiresAt.getTime() > Date.now()) return;
              await remove(tx, app, row, systemActor, undefined);
            });
        },
      },
    ],

    part: {
      pushed: (app, { branch, commit, actor, sourceIp }) =>
        database.transaction("system", async (tx) => {
          // Two pushes at one moment make one preview.
          const parent = await parts.deploying.find(tx, app.id, { lock: true });
          if (!parent) throw notFound("app");
          const settings = await settingsOf(tx, parent);
          if (!settings.enabled || !matches(settings.branches, branch)) return undefined;
          parts.engine();
          const now = new Date();
          const expiresAt = endOf(settings);
          const row = await previewStore.ofBranch(tx, app.id, branch);
          const appId = row?.appId ?? (await make(tx, parent, branch, settings));
          const preview = await lifecycle.find(tx, appId, { lock: true });
          if (!preview) throw notFound("app");
          checkAction(preview, "deploy");
          if (row !== undefined) await previewStore.pushed(tx, appId, { commit, expiresAt, pushedAt: now });
          else {
            const { organisationId, projectId } = parent;
            await previewStore.insert(tx, {
              ...{ appId, parentId: parent.id, organisationId, projectId, branch, commit },
              ...{ expiresAt, pushedAt: now, createdAt: now },
            });
            const after = { branch, of: parent.name };
            audit(tx, { ...subjectOf(preview), action: "apps.preview.create", actor, sourceIp, after });
          }
          await lifecycle.configure(tx, preview, await environmentFor(tx, parts.secrets, parent.id, appId));
          const hosts = await parts.routing.hosts(tx, [preview]);
          return { appId, url: hosts.get(appId)?.url ?? "", expiresAt };
        }),

      branchDeleted: (app, { branch, actor, sourceIp }) =>
        database.transaction("system", async (tx) => {
          const row = await previewStore.ofBranch(tx, app.id, branch);
          const preview = row && (await parts.deploying.find(tx, row.appId, { lock: true }));
          if (!row || !preview || preview.state === "deleting") return false;
          await remove(tx, preview, row, actor, sourceIp);
          return true;
        }),
    },
  };

  async function remove(tx: Tx, app: AppView, row: PreviewRow, actor: Actor, sourceIp: string | undefined): Promise<void> {
    await lifecycle.removal(tx, app.id, actor);
    const before = { branch: row.branch, commit: row.commit };
    audit(tx, { ...subjectOf(app), action: "apps.preview.delete", actor, sourceIp, before });
  }
}
