import { actorOf } from "../../../kernel/auth/principal.ts";
import { isoTime } from "../../../kernel/clock.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, invalid, notFound } from "../../../kernel/errors.ts";
import { decodeCursor, encodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { newId } from "../../../kernel/ids.ts";
import { beginOperation } from "../../../kernel/operations/store.ts";
import { viewOperation } from "../../../kernel/operations/view.ts";
import type { RequestContext } from "../../../kernel/service.ts";
import databases from "../../databases/contract.ts";
import { type Backups, bucketFor } from "../backups/area.ts";
import type { AppLifecycle } from "../deploying/lifecycle.ts";
import { checkDeletable } from "../deploying/operations/removal.ts";
import { viewSetting } from "../deploying/settings.ts";
import { type AppRow, appStore } from "../deploying/store/apps.ts";
import { settingStore } from "../deploying/store/settings.ts";
import { type AppsParts, type Area, placeOf } from "../parts.ts";
import { diskStore } from "../running/store/disks.ts";
import {
  type catalogueRoutes,
  type Installation,
  type InstallationAction,
  installationActions,
  type TemplateSettingView,
  type TemplateSummary,
  type TemplateView,
} from "./contract.ts";
import { type CatalogueDatabases, noDatabases } from "./databases.ts";
import { defineCatalogue, factsOfApp } from "./operations.ts";
import { type InstallationRow, installationStore } from "./store.ts";
import { fillIn, openTemplates, type Template } from "./template.ts";
import { checkAnswers, firstSettings } from "./values.ts";

const mebibyte = 1024 ** 2;

export const summaryOf = (template: Template): TemplateSummary => ({
  id: template.id,
  name: template.name,
  description: template.description,
  category: template.category,
  icon: template.icon,
  ...(template.homepage === undefined ? {} : { homepage: template.homepage }),
  licence: template.licence,
  version: template.version,
  builtHere: !template.image,
  hasDisks: template.disks.length > 0,
  hasDatabase: template.database !== undefined,
  memoryBytes:
    (Object.values(template.image?.processes ?? { web: { memoryMegabytes: 512 } }).reduce(
      (sum, each) => sum + each.memoryMegabytes,
      0,
    ) +
      (template.database?.memoryMegabytes ?? 0)) *
    mebibyte,
});

export const viewTemplate = (template: Template): TemplateView => ({
  ...summaryOf(template),
  ...(template.documentation === undefined ? {} : { documentation: template.documentation }),
  ...(template.image ? { image: template.image.reference } : {}),
  capabilities: template.image?.capabilities ?? [],
  disks: template.disks,
  settings: Object.entries(template.settings).flatMap(([name, setting]): TemplateSettingView[] => {
    if (setting.kind === "fixed" || setting.kind === "generated") return [];
    const { kind, label, help, value } = setting;
    const asked = { name, kind, label, ...(help ? { help } : {}), ...(value === undefined ? {} : { value }) };
    if (setting.kind === "choice") return [{ ...asked, required: true, choices: setting.choices }];
    return [{ ...asked, required: setting.required, ...(setting.minimum === undefined ? {} : { minimum: setting.minimum }) }];
  }),
  firstSteps: template.firstSteps,
  ...(template.updateNotes ? { updateNotes: template.updateNotes } : {}),
});

/** `folder` is for tests: other templates. */
export function createCatalogue(
  parts: AppsParts,
  lifecycle: AppLifecycle,
  backups: Pick<Backups, "definitions">,
  { folder, databases: managed = noDatabases }: { folder?: string | undefined; databases?: CatalogueDatabases | undefined } = {},
): Area<typeof catalogueRoutes> {
  const templates = openTemplates(folder);
  const definitions = defineCatalogue(parts, { templates, lifecycle, backups, databases: managed });

  async function openProject(context: Pick<RequestContext, "authorize" | "tx">, projectId: string) {
    const place = await parts.identity.projectPlace(context.tx, projectId);
    if (!place) throw notFound("project");
    context.authorize(place, "project");
    return place;
  }

  const subject = (row: InstallationRow, name: string) => ({
    organisationId: row.organisationId,
    projectId: row.projectId,
    resource: { kind: "installation", id: row.id, name },
  });

  async function view(tx: Tx, row: InstallationRow): Promise<Installation> {
    const app = (await appStore.find(tx, row.appId)) as AppRow;
    const template = await templates.find(row.template);
    const facts = await factsOfApp(parts, tx, app);
    const shown = new Map(
      (await settingStore.list(tx, app.id)).map((each) => [`setting.${each.name}`, viewSetting(parts.secrets, each).value ?? ""]),
    );
    // Whatever a person took away is a gap, and no error.
    const known = Object.fromEntries([
      ...Object.keys(template?.settings ?? {}).map((name) => [`setting.${name}`, ""]),
      ...shown,
      ...Object.entries(facts),
    ]);
    const hasUpdate = template !== undefined && template.version !== row.version;
    const database = row.databaseId === null ? undefined : await managed.look(tx, row.databaseId);
    return {
      id: row.id,
      organisationId: row.organisationId,
      projectId: row.projectId,
      appId: row.appId,
      name: app.name,
      url: facts.url,
      template: {
        id: row.template,
        name: template?.name ?? row.template,
        icon: template?.icon ?? { letters: row.template.charAt(0).toUpperCase(), hue: 0 },
        isListed: template !== undefined,
      },
      version: row.version,
      ...(hasUpdate
        ? { update: { version: template.version, ...(template.updateNotes ? { notes: template.updateNotes } : {}) } }
        : {}),
      state: row.state,
      ...(row.stateReason === null ? {} : { stateReason: row.stateReason }),
      allowedActions: (Object.keys(installationActions) as InstallationAction[]).filter(
        (action) => installationActions[action].includes(row.state) && (action !== "update" || hasUpdate),
      ),
      ...(row.operationId === null ? {} : { operationId: row.operationId }),
      ...(row.databaseId === null || database?.name === undefined
        ? {}
        : { database: { id: row.databaseId, name: database.name } }),
      ...(row.bucketId === null || row.bucketName === null ? {} : { bucket: { id: row.bucketId, name: row.bucketName } }),
      ...(row.lastBackupId === null ? {} : { lastBackupId: row.lastBackupId }),
      hasDisks: (await diskStore.ofApp(tx, app.id)).length > 0,
      firstSteps: (template?.firstSteps ?? []).map(({ en, fr, uk }) => ({
        en: fillIn(en, known),
        fr: fillIn(fr, known),
        uk: fillIn(uk, known),
      })),
      createdBy: row.createdBy,
      createdAt: isoTime(row.createdAt),
      updatedAt: isoTime(row.updatedAt),
      revision: row.revision,
    };
  }

  /** Both locked, and at rest. The app first, as everywhere. */
  async function open(context: RequestContext, id: string, action: InstallationAction) {
    const seen = await installationStore.find(context.tx, id);
    if (!seen) throw notFound("installation");
    context.authorize(placeOf(seen), "installation");
    const app = await lifecycle.find(context.tx, seen.appId, { lock: true });
    const row = await installationStore.find(context.tx, id, { lock: true });
    if (!app || !row) throw notFound("installation");
    if (!installationActions[action].includes(row.state))
      throw new CloudError("failed_precondition", `${app.name} is ${row.state}. Wait until that has ended.`, {
        details: { resource: "installation", reason: "installation_state", state: row.state },
      });
    return { row, app };
  }

  /** The one that is named, or the one it was given before. */
  const bucketOf = async (context: RequestContext, row: InstallationRow, wanted: string | undefined) => {
    const named = wanted ?? row.bucketId ?? undefined;
    return named === undefined ? undefined : bucketFor(parts, context, row, named);
  };

  const handlers: Area<typeof catalogueRoutes>["handlers"] = {
    async templateList(context, { query }) {
      await openProject(context, query.project);
      const [after] = decodeCursor(query.cursor, 1) ?? [];
      const search = query.search?.trim().toLowerCase() ?? "";
      const found = (await templates.list()).filter(
        ({ id, name, description, category }) =>
          (after === undefined || id > String(after)) &&
          (query.category === undefined || category === query.category) &&
          (search === "" || [name, ...Object.values(description)].some((text) => text.toLowerCase().includes(search))),
      );
      const shown = found.slice(0, query.limit);
      const last = shown.at(-1);
      return {
        items: shown.map(summaryOf),
        ...(found.length > query.limit && last ? { nextCursor: encodeCursor([last.id]) } : {}),
      };
    },

    async templateGet(context, { params, query }) {
      await openProject(context, query.project);
      const template = await templates.find(params.template);
      if (!template) throw notFound("template");
      return viewTemplate(template);
    },

    async appInstall(context, { body }) {
      const { tx } = context;
      const place = await openProject(context, body.project);
      const template = await templates.find(body.template);
      if (!template) throw notFound("template");
      checkAnswers(template, body.settings);
      if (template.database) {
        const { permission, roles } = databases.routes.databaseCreate;
        if (!context.allows(permission, roles, place))
          throw new CloudError(
            "permission_denied",
            `${template.name} has a database: for this you have to be allowed to make one.`,
            {
              details: { permission, roles: [...roles] },
            },
          );
      }
      parts.engine();
      const at = { organisationId: place.organisationId as string, projectId: body.project };
      const bucket = body.bucket === undefined ? undefined : await bucketFor(parts, context, at, body.bucket);
      const app = await lifecycle.create(tx, at, { name: body.name, description: template.name });
      await lifecycle.configure(tx, app, firstSettings(template, await factsOfApp(parts, tx, app), body.settings));
      if (template.image) await parts.running.ensureDisks(tx, app.id, template.disks);
      const now = new Date();
      const id = newId("installation");
      const operation = await beginOperation(tx, definitions.install, {
        input: { installationId: id, appId: app.id },
        actor: actorOf(context.principal),
        organisationId: app.organisationId,
        projectId: app.projectId,
        resource: { kind: "installation", id, name: app.name },
      });
      const row: InstallationRow = {
        id,
        organisationId: app.organisationId,
        projectId: app.projectId,
        appId: app.id,
        template: template.id,
        version: template.version,
        state: "installing",
        stateReason: null,
        databaseId: null,
        bucketId: (bucket?.id ?? null) as InstallationRow["bucketId"],
        bucketName: bucket?.name ?? null,
        lastBackupId: null,
        operationId: operation.id,
        createdBy: actorOf(context.principal),
        createdAt: now,
        updatedAt: now,
        revision: 1,
      };
      await installationStore.insert(tx, row);
      context.audit({ ...subject(row, app.name), after: { template: template.id, version: template.version, app: app.id } });
      return viewOperation(operation);
    },

    async installationList(context, { query }) {
      await openProject(context, query.project);
      const [after] = decodeCursor(query.cursor, 1) ?? [];
      const rows = await installationStore.page(context.tx, {
        projectId: query.project,
        appId: query.app,
        after: after === undefined ? undefined : String(after),
        limit: query.limit + 1,
      });
      const views = new Map<string, Installation>();
      for (const row of rows.slice(0, query.limit)) views.set(row.id, await view(context.tx, row));
      return toPage(
        rows,
        query.limit,
        ({ id }) => views.get(id) as Installation,
        ({ id }) => [id],
      );
    },

    async installationGet(context, { params }) {
      const row = await installationStore.find(context.tx, params.installation);
      if (!row) throw notFound("installation");
      context.authorize(placeOf(row), "installation");
      return view(context.tx, row);
    },

    async installationUpdate(context, { params, body }) {
      const { tx } = context;
      const { row, app } = await open(context, params.installation, "update");
      const template = await templates.find(row.template);
      if (!template || template.version === row.version)
        throw new CloudError("failed_precondition", `${app.name} has the version of the catalogue already (${row.version}).`, {
          details: { resource: "installation", reason: "no_update" },
        });
      parts.engine();
      await lifecycle.checkFree(tx, app, "deploy");
      const hasData = row.databaseId !== null || (await diskStore.ofApp(tx, app.id)).length > 0;
      const bucket = body.skipBackup || !hasData ? undefined : await bucketOf(context, row, body.bucket);
      if (hasData && !body.skipBackup && bucket === undefined)
        throw invalid(
          "body.bucket",
          `${app.name} is backed up before its update: name a bucket of the project for that. Without a copy it is updated with skipBackup.`,
        );
      const operation = await beginOperation(tx, definitions.update, {
        input: {
          installationId: row.id,
          appId: app.id,
          ...(bucket === undefined ? {} : { bucketId: bucket.id, bucketName: bucket.name }),
        },
        actor: actorOf(context.principal),
        ...subject(row, app.name),
      });
      await installationStore.update(tx, row, {
        state: "updating",
        stateReason: null,
        operationId: operation.id,
        ...(bucket === undefined ? {} : { bucketId: bucket.id as InstallationRow["bucketId"], bucketName: bucket.name }),
      });
      context.audit({
        ...subject(row, app.name),
        before: { version: row.version },
        after: { version: template.version, backup: bucket?.name ?? "none" },
      });
      return viewOperation(operation);
    },

    async installationDelete(context, { params, query }) {
      const { tx } = context;
      const { row, app } = await open(context, params.installation, "remove");
      checkDeletable(app, query.confirm);
      await lifecycle.checkFree(tx, app, "delete");
      if (app.liveReleaseId !== null) parts.engine();
      const hasDisks = (await diskStore.ofApp(tx, app.id)).length > 0;
      const bucket = query.backup && hasDisks ? await bucketOf(context, row, query.bucket) : undefined;
      if (query.backup && hasDisks && bucket === undefined)
        throw invalid("query.bucket", "Name a bucket of the project for the last copy of its disks.");
      const databaseId = query.deleteDatabase && row.databaseId !== null ? row.databaseId : undefined;
      if (databaseId !== undefined) {
        const { permission, roles } = databases.routes.databaseDelete;
        if (!context.allows(permission, roles, placeOf(row)))
          throw new CloudError("permission_denied", "For this you have to be allowed to delete databases.", {
            details: { permission, roles: [...roles] },
          });
      }
      const operation = await beginOperation(tx, definitions.remove, {
        input: {
          installationId: row.id,
          appId: app.id,
          name: app.name,
          ...(bucket === undefined ? {} : { bucketId: bucket.id, bucketName: bucket.name }),
          ...(databaseId === undefined ? {} : { databaseId }),
        },
        actor: actorOf(context.principal),
        ...subject(row, app.name),
      });
      await installationStore.update(tx, row, { state: "removing", stateReason: null, operationId: operation.id });
      context.audit({
        ...subject(row, app.name),
        before: { template: row.template, version: row.version, app: app.id, database: databaseId ?? "stays" },
      });
      return viewOperation(operation);
    },
  };
  return { handlers, operations: Object.values(definitions) };
}
