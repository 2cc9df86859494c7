/**
 * Installing, updating and removing an app of the catalogue: one operation each, over the operations of its parts, which it waits for. What an
 * installation made is undone as a whole when it fails.
 */
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError } from "../../../kernel/errors.ts";
import { type Id, newId } from "../../../kernel/ids.ts";
import { defineOperation, NotYet, type OperationDefinition, type StepContext } from "../../../kernel/operations/definition.ts";
import { becauseOf } from "../../../kernel/operations/failure.ts";
import { finishedStates, operationOutcome } from "../../../kernel/operations/store.ts";
import type { Backups } from "../backups/area.ts";
import { beginBackup, planBackup } from "../backups/operations.ts";
import { backupStore } from "../backups/store.ts";
import type { AppLifecycle } from "../deploying/lifecycle.ts";
import type { DeploymentRequest } from "../deploying/requests.ts";
import { viewSetting } from "../deploying/settings.ts";
import type { AppRow } from "../deploying/store/apps.ts";
import { settingStore } from "../deploying/store/settings.ts";
import type { AppsParts } from "../parts.ts";
import type { CatalogueDatabases } from "./databases.ts";
import { linkingOfDatabases } from "./linkDatabase.ts";
import { type InstallationChange, type InstallationRow, installationStore } from "./store.ts";
import type { Template, Templates } from "./template.ts";
import { type Facts, firstSettings } from "./values.ts";

export type InstallInput = { installationId: Id<"installation">; appId: Id<"app"> };
export type UpdateInput = InstallInput & { bucketId?: string; bucketName?: string };
export type RemoveInput = InstallInput & { name: string; bucketId?: string; bucketName?: string; databaseId?: string };

export interface CatalogueOperations {
  install: OperationDefinition<InstallInput>;
  update: OperationDefinition<UpdateInput>;
  remove: OperationDefinition<RemoveInput>;
}

export interface CatalogueTools {
  templates: Templates;
  lifecycle: AppLifecycle;
  backups: Pick<Backups, "definitions">;
  databases: CatalogueDatabases;
}

type Context = StepContext<InstallInput>;
const minute = 60;
const mebibyte = 1024 ** 2;
const gibibyte = 1024 ** 3;
/** Of building, or fetching an image, and of a backup that comes before: their own deadlines end them. */
const longest = 8 * 60 * minute;
const shownLines = 6;
const heldMs = 2 * 60_000;

export function defineCatalogue(
  parts: AppsParts,
  { templates, lifecycle, backups, databases }: CatalogueTools,
): CatalogueOperations {
  const { database } = parts;
  const link = linkingOfDatabases(parts);

  async function templateOf(row: Pick<InstallationRow, "template">): Promise<Template> {
    const found = await templates.find(row.template);
    if (found) return found;
    throw new CloudError("failed_precondition", `The catalogue has no template ${row.template} any more.`, {
      details: { reason: "template_gone" },
    });
  }

  const enter = (context: Context): Promise<{ row: InstallationRow; app: AppRow }> =>
    database.transaction("system", async (tx) => {
      const row = await installationStore.find(tx, context.input.installationId);
      const app = await lifecycle.find(tx, context.input.appId);
      if (!row || !app || app.state === "deleting") throw new CloudError("cancelled", "The app was deleted.");
      return { row, app };
    });

  /** An id that is the same when the step is begun again. */
  async function remembered<K extends "deployment" | "appBackup">(context: Context, key: string, kind: K): Promise<Id<K>> {
    if (context.memory[key] === undefined) {
      context.memory[key] = newId(kind);
      await context.remember();
    }
    return context.memory[key] as Id<K>;
  }

  /** NotYet until it has ended; its error when it failed. */
  async function ended(operationId: string): Promise<void> {
    const outcome = await operationOutcome(database, operationId);
    if (outcome === undefined || outcome.state === "succeeded") return;
    if (!finishedStates.has(outcome.state)) throw new NotYet();
    throw becauseOf(outcome.error, "part_failed");
  }

  /** Begins the deployment, once; NotYet until it has ended. What it said last is in the error: an app that is taken away again has no log any more. */
  async function deployed(context: Context, app: AppRow, template: Template, backupId?: string): Promise<void> {
    const id = await remembered(context, "deploymentId", "deployment");
    await lifecycle.deploy(app.id, {
      id,
      folder: template.source,
      source: {
        kind: template.image ? "image" : "archive",
        description: `${template.name} ${template.version}`,
        ...(template.image ? { image: template.image.reference } : {}),
      },
      request: requestOf(template, backupId),
      actor: context.actor,
    });
    const deployment = await database.transaction("system", (tx) => lifecycle.deployment(tx, id));
    if (!deployment) throw new CloudError("cancelled", "The app was deleted.");
    if (deployment.finishedAt === null) {
      const { fraction, words } = stages[deployment.state] ?? { fraction: 0, words: "" };
      context.progress(fraction, words);
      throw new NotYet();
    }
    if (deployment.state === "succeeded") return;
    const said = await lifecycle.lastLines(id, shownLines).catch(() => "");
    const why = deployment.error ?? `the deployment was ${deployment.state}.`;
    const because = (deployment.operationId && (await operationOutcome(database, deployment.operationId))?.error) || {
      code: "failed_precondition",
      message: why,
    };
    throw new CloudError(
      "failed_precondition",
      `${template.name} could not be deployed: ${why}${said === "" ? "" : `\n${said}`}`,
      { details: { reason: "deployment_failed", name: template.name, because, output: said } },
    );
  }

  /** The app with all that is in it; NotYet until it is gone. */
  async function appGone(context: Context): Promise<void> {
    const { appId } = context.input;
    const begun = await database.transaction("system", (tx) => lifecycle.remove(tx, appId, context.actor));
    if (begun === undefined) return;
    await ended(begun);
    // It has ended well, or nobody works on it any more: the next look tells.
    throw new NotYet();
  }

  const factsOf = (tx: Tx, app: AppRow): Promise<Facts> => factsOfApp(parts, tx, app);

  async function databaseReady(context: Context, row: InstallationRow, app: AppRow, template: Template): Promise<void> {
    if (!template.database) return;
    let id = row.databaseId;
    if (id === null) {
      const { memoryMegabytes, diskGigabytes } = template.database;
      id = await database.transaction("system", async (tx) => {
        const locked = await installationStore.find(tx, row.id, { lock: true });
        if (!locked) throw new CloudError("cancelled", "The app was deleted.");
        if (locked.databaseId !== null) return locked.databaseId;
        const made = await databases.create(tx, {
          organisationId: row.organisationId,
          projectId: row.projectId,
          name: app.name,
          memoryBytes: memoryMegabytes * mebibyte,
          diskBytes: diskGigabytes * gibibyte,
          ...(row.bucketId === null || row.bucketName === null ? {} : { bucket: { id: row.bucketId, name: row.bucketName } }),
          actor: context.actor,
        });
        await installationStore.update(tx, locked, { databaseId: made.databaseId });
        return made.databaseId;
      });
    }
    context.progress(0.3, "The database is being made.");
    const { state, operationId } = await database.transaction("system", (tx) => databases.look(tx, id));
    if (operationId !== undefined) await ended(operationId);
    if (state === "creating") throw new NotYet();
    await link(app.id, id, { actor: context.actor, signal: context.signal });
  }

  async function databaseGone(context: Context, id: string): Promise<void> {
    const begun = await database
      .transaction("system", (tx) => databases.remove(tx, id, context.actor))
      .catch((error: unknown) => {
        // The user that the app had goes soon after it; of others it is told.
        const held = CloudError.is(error, "failed_precondition") && error.details.reason === "database_held";
        if (held && Date.now() - context.begunAt.getTime() < heldMs) throw new NotYet();
        throw error;
      });
    if (begun === undefined) return;
    await ended(begun);
    throw new NotYet();
  }

  const finished = async (tx: Tx, id: string, wanted: InstallationChange): Promise<InstallationRow | undefined> => {
    const row = await installationStore.find(tx, id, { lock: true });
    if (row) await installationStore.update(tx, row, { operationId: null, ...wanted });
    return row;
  };

  return {
    install: defineOperation<InstallInput>({
      kind: "apps.installation.create",
      steps: [
        // The app was made with the request: this is what takes it away again.
        {
          name: "app",
          deadlineSeconds: 30 * minute,
          run: async () => {},
          async undo(context) {
            // The app first: it has a user in the database. With it the row goes that tells which one that is.
            const row = await database.transaction("system", (tx) => installationStore.find(tx, context.input.installationId));
            if (row?.databaseId && context.memory["databaseId"] === undefined) {
              context.memory["databaseId"] = row.databaseId;
              await context.remember();
            }
            await appGone(context);
            const id = context.memory["databaseId"] as string | undefined;
            if (id !== undefined) await databaseGone(context, id);
          },
        },
        {
          name: "database",
          deadlineSeconds: 30 * minute,
          async run(context) {
            const { row, app } = await enter(context);
            await databaseReady(context, row, app, await templateOf(row));
          },
        },
        {
          name: "deploy",
          deadlineSeconds: longest,
          async run(context) {
            const { row, app } = await enter(context);
            await deployed(context, app, await templateOf(row));
          },
          async undo(context) {
            const id = context.memory["deploymentId"] as string | undefined;
            if (id !== undefined) await database.transaction("system", (tx) => lifecycle.cancel(tx, id));
          },
        },
      ],
      async finish(tx, { input }, outcome) {
        if (outcome !== "succeeded") return undefined;
        await finished(tx, input.installationId, { state: "installed", stateReason: null, updatedAt: new Date() });
        return { installationId: input.installationId, appId: input.appId };
      },
    }),

    update: defineOperation<UpdateInput>({
      kind: "apps.installation.update",
      steps: [
        {
          name: "backup",
          deadlineSeconds: longest,
          async run(context) {
            const { row } = await enter(context);
            if (row.databaseId === null || context.input.bucketId === undefined) return;
            if (context.memory["databaseBackup"] === undefined) {
              const begun = await database.transaction("system", (tx) =>
                databases.backup(tx, row.databaseId as string, context.actor),
              );
              context.memory["databaseBackup"] = begun ?? "";
              await context.remember();
            }
            context.progress(0.5, "The database is being backed up.");
            if (context.memory["databaseBackup"] !== "") await ended(context.memory["databaseBackup"] as string);
          },
        },
        {
          name: "deploy",
          deadlineSeconds: longest,
          async run(context) {
            const { row, app } = await enter(context);
            const template = await templateOf(row);
            const backupId = await prepared(context, app, template);
            await deployed(context, app, template, backupId);
          },
          async undo(context) {
            const { deploymentId, settings } = context.memory as { deploymentId?: string; settings?: SettingsBefore };
            await database.transaction("system", async (tx) => {
              if (deploymentId !== undefined) await lifecycle.cancel(tx, deploymentId);
              const app = await lifecycle.find(tx, context.input.appId, { lock: true });
              if (app && settings)
                await lifecycle.configure(tx, app, { set: settings.changed, setSecrets: {}, unset: settings.added });
            });
          },
        },
      ],
      async finish(tx, { input, memory, error }, outcome) {
        const backupId = memory["backupId"] as Id<"appBackup"> | undefined;
        const backup = backupId === undefined ? undefined : await backupStore.find(tx, backupId, { lock: true });
        // What was planned and never begun.
        if (backup?.state === "creating") await backupStore.remove(tx, backup.id);
        const kept = backup?.state === "available" ? { lastBackupId: backup.id } : {};
        if (outcome !== "succeeded") {
          const words = `The update failed: ${error?.message ?? ""} The version before goes on.`;
          await finished(tx, input.installationId, { ...kept, state: "installed", stateReason: words });
          return undefined;
        }
        await finished(tx, input.installationId, {
          ...kept,
          state: "installed",
          stateReason: null,
          version: memory["version"] as string,
          updatedAt: new Date(),
        });
        return { installationId: input.installationId, appId: input.appId, ...(backup ? { appBackupId: backup.id } : {}) };
      },
    }),

    remove: defineOperation<RemoveInput>({
      kind: "apps.installation.remove",
      steps: [
        {
          name: "backup",
          deadlineSeconds: longest,
          async run(context) {
            const { bucketId, bucketName } = context.input;
            if (bucketId === undefined || bucketName === undefined) return;
            const id = await remembered(context, "backupId", "appBackup");
            const operationId = await database.transaction("system", async (tx) => {
              const app = await lifecycle.find(tx, context.input.appId, { lock: true });
              if (!app) return undefined;
              const begun = await backupStore.find(tx, id);
              if (begun) return begun.operationId ?? (begun.state === "available" ? undefined : failedBackup(begun.stateReason));
              await lifecycle.checkFree(tx, app, "delete");
              const bucket = { id: bucketId, name: bucketName };
              return (await beginBackup(tx, backups.definitions, app, { id, bucket, reason: "removal", actor: context.actor }))
                .operation.id;
            });
            context.progress(0.5, "The disks are being copied.");
            if (operationId !== undefined) {
              await ended(operationId);
              throw new NotYet();
            }
          },
        },
        { name: "app", deadlineSeconds: 60 * minute, run: appGone },
        {
          name: "database",
          deadlineSeconds: 30 * minute,
          async run(context) {
            const { databaseId } = (context as StepContext<RemoveInput>).input;
            if (databaseId !== undefined) await databaseGone(context, databaseId);
          },
        },
      ],
      async finish(tx, { input, error }, outcome) {
        // With the app its row has gone.
        if (outcome !== "succeeded")
          await finished(tx, input.installationId, {
            state: "installed",
            stateReason: `It could not be removed: ${error?.message ?? "that was cancelled."} Remove it again.`,
          });
        return undefined;
      },
    }),
  };

  /** Settings and disks that the new version has besides, and the backup that its deployment makes; once. */
  async function prepared(context: StepContext<UpdateInput>, app: AppRow, template: Template): Promise<string | undefined> {
    const { bucketId, bucketName } = context.input;
    const backupId = bucketId === undefined ? undefined : await remembered(context, "backupId", "appBackup");
    if (context.memory["version"] !== undefined) return backupId;
    const settings = await database.transaction("system", async (tx) => {
      const locked = await lifecycle.find(tx, app.id, { lock: true });
      if (!locked) throw new CloudError("cancelled", "The app was deleted.");
      const before = new Map((await settingStore.list(tx, app.id)).map((each) => [each.name, viewSetting(parts.secrets, each)]));
      const wanted = firstSettings(template, await factsOf(tx, locked), {}, (name) => before.has(name));
      await lifecycle.configure(tx, locked, wanted);
      await parts.running.ensureDisks(tx, app.id, template.image ? template.disks : []);
      if (backupId !== undefined && bucketId !== undefined && bucketName !== undefined && !(await backupStore.find(tx, backupId)))
        await planBackup(tx, locked, {
          id: backupId as Id<"appBackup">,
          bucket: { id: bucketId, name: bucketName },
          reason: "update",
          actor: context.actor,
        });
      const added = [...Object.keys(wanted.set), ...Object.keys(wanted.setSecrets)].filter((name) => !before.has(name));
      const changed = Object.fromEntries(
        Object.keys(wanted.set).flatMap((name) => {
          const value = before.get(name)?.value;
          return value === undefined ? [] : [[name, value]];
        }),
      );
      return { added, changed } satisfies SettingsBefore;
    });
    context.memory["settings"] = settings;
    context.memory["version"] = template.version;
    await context.remember();
    return backupId;
  }
}

/** To go back to when an update fails. */
interface SettingsBefore {
  added: string[];
  changed: Record<string, string>;
}

function failedBackup(reason: string | null): never {
  const said = reason ?? "that was cancelled.";
  throw new CloudError("failed_precondition", `Its disks could not be copied: ${said}`, {
    details: { reason: "backup_failed", said },
  });
}

const stages: Record<string, { fraction: number; words: string }> = {
  queued: { fraction: 0.05, words: "It waits for its turn." },
  building: { fraction: 0.2, words: "The image is being made." },
  releasing: { fraction: 0.6, words: "The release is being made." },
  starting: { fraction: 0.7, words: "It is being started." },
  switching: { fraction: 0.95, words: "Requests go to it." },
};

function requestOf({ image }: Template, backupId: string | undefined): DeploymentRequest {
  const copy = backupId === undefined ? {} : { backupId };
  if (!image) return { what: "source", from: "folder", ...copy };
  return {
    what: "imagePull",
    reference: image.reference,
    port: image.port,
    healthPath: image.health.path,
    startSeconds: image.health.startSeconds,
    capabilities: image.capabilities,
    processes: Object.fromEntries(
      Object.entries(image.processes).map(([name, { command, memoryMegabytes, cpus }]) => [
        name,
        {
          ...(command === undefined ? {} : { command }),
          memoryBytes: memoryMegabytes * mebibyte,
          ...(cpus === undefined ? {} : { cpus }),
        },
      ]),
    ),
    ...copy,
  };
}

export async function factsOfApp(
  parts: Pick<AppsParts, "routing">,
  tx: Tx,
  app: Pick<AppRow, "id" | "name" | "projectId">,
): Promise<Facts> {
  const url = (await parts.routing.hosts(tx, [app])).get(app.id)?.url ?? "";
  return { url, host: url === "" ? "" : new URL(url).host, name: app.name };
}
