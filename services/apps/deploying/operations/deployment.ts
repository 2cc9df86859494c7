/** Deployments: from what somebody sent to what requests go to. What fails before requests go to it leaves no trace but its log. */
import { createReadStream } from "node:fs";
import { rm } from "node:fs/promises";
import { systemActor } from "../../../../kernel/auth/principal.ts";
import type { Tx } from "../../../../kernel/db/database.ts";
import { CloudError } from "../../../../kernel/errors.ts";
import { closeUsageSpansOf, openUsageSpan } from "../../../../kernel/metering/journal.ts";
import {
  defineOperation,
  type OperationDefinition,
  type OperationStep,
  type StepContext,
} from "../../../../kernel/operations/definition.ts";
import type { Copying } from "../../backups/copying.ts";
import { defaultHealthCheck, defaultPort } from "../../building/plan.ts";
import type { ImageReport } from "../../driver.ts";
import type { AppsParts } from "../../parts.ts";
import { withOwnImages } from "../../registry/bases.ts";
import { imageTarball } from "../../registry/images.ts";
import { unpackArchive } from "../../source/unpack.ts";
import type { Bases } from "../bases.ts";
import { type BuiltApp, buildApp, exposedTcpPort, imageLabelsOf, imageNameOf, type RunFacts } from "../building.ts";
import type { DeploymentState } from "../contract.ts";
import type { ImageSweep } from "../imageSweep.ts";
import type { DeploymentLogs, LogWriter } from "../log.ts";
import { beginOnApp, type DeploymentInput, type DeploymentOperations, nextTurn } from "../queue.ts";
import { makeRelease, type ReleaseContent } from "../releases.ts";
import type { ImageSettings } from "../requests.ts";
import { checkSettings, takeManifest } from "../settings.ts";
import { viewOf } from "../states.ts";
import { type AppRow, appStore } from "../store/apps.ts";
import { type DeploymentRow, deploymentStore } from "../store/deployments.ts";
import { releaseStore } from "../store/releases.ts";
import type { Uploads } from "../uploads.ts";
import type { AppInput } from "./power.ts";

export interface DeploymentTools {
  logs: DeploymentLogs;
  uploads: Uploads;
  bases: Bases;
  sweep: ImageSweep;
  /** Takes away what a deployment should have taken away. */
  tidy: OperationDefinition<AppInput>;
  /** The disks of an app to a backup and back (services/apps/backups). */
  copying: Pick<Copying, "copy" | "putBack">;
}

/** What a deployment knows from one step to the next. */
interface Memory {
  built?: BuiltApp;
  releaseId?: string;
  /** Of an app with disks: the old containers were told to stop. */
  stoppedOld?: boolean;
  /** Its disks are in the backup that was asked for. */
  copied?: boolean;
  /** What requests went to before. */
  before?: Live;
  /** The old containers go: from here on there is no way back. */
  retiring?: boolean;
  /** And they are gone. */
  retired?: boolean;
}
type Live = {
  releaseId: string | null;
  runtime: string | null;
  state: AppRow["state"];
  stateReason: string | null;
  deployedAt: string | null;
};

type Context = StepContext<DeploymentInput>;
type Step = OperationStep<DeploymentInput>;
const memoryOf = (context: Pick<Context, "memory">) => context.memory as Memory;

const minute = 60;
const buildSpan = (deploymentId: string) => `apps.build:${deploymentId}`;

export function defineDeployments(parts: AppsParts, tools: DeploymentTools): DeploymentOperations {
  const { logs, uploads, bases, sweep } = tools;

  /** The step's beginning: both records, and the state that people see. */
  const enter = (context: Context, state: DeploymentState): Promise<{ app: AppRow; deployment: DeploymentRow }> =>
    context.database.transaction("system", async (tx) => {
      const { app, deployment } = await lock(tx, context.input);
      if (!app || !deployment || deployment.finishedAt !== null || app.state === "deleting")
        throw new CloudError("cancelled", "It was cancelled before it began.");
      await deploymentStore.setState(tx, deployment, state);
      return { app, deployment };
    });

  /** A step with the deployment's log open. */
  const logged = async (
    context: Context,
    work: (call: { signal: AbortSignal; onLine(line: string): void }, log: LogWriter) => Promise<void>,
  ): Promise<void> => {
    const log = await logs.open(context.input.deploymentId);
    try {
      await work({ signal: context.signal, onLine: (line) => log.line(line) }, log);
    } finally {
      await log.close();
    }
  };

  const unpack: Step = {
    name: "unpack",
    deadlineSeconds: 30 * minute,
    async run(context) {
      const { deployment } = await enter(context, "building");
      const { request } = deployment;
      if (request.what !== "source") return;
      await logged(context, async ({ signal }, log) => {
        const folder = uploads.folder(deployment.id);
        if (request.from === "folder") return;
        const file = uploads.file(deployment.id);
        await rm(folder, { recursive: true, force: true, maxRetries: 5 });
        const { files, sizeBytes } = await unpackArchive(createReadStream(file), { folder, signal });
        log.line(`--> ${files} ${files === 1 ? "file" : "files"}, ${Math.ceil(sizeBytes / 1024)} KiB`);
      });
    },
  };

  const build: Step = {
    name: "build",
    deadlineSeconds: 75 * minute,
    async run(context) {
      const { app, deployment } = await enter(context, "building");
      const memory = memoryOf(context);
      await context.database.transaction("system", (tx) => openBuildSpan(tx, app, deployment));
      await logged(context, async (call) => {
        const { request } = deployment;
        const common = { appId: app.id, deploymentId: deployment.id, deploymentNumber: deployment.number };
        const spec = { name: imageNameOf(app.id, deployment.number), labels: imageLabelsOf(app.id, deployment.id) };
        if (request.what === "source") {
          const onPlan = (facts: RunFacts) => planned(context, app, deployment, facts);
          memory.built = await buildApp(parts.engine(), withOwnImages(parts, bases, viewOf(app), deployment.createdBy), {
            ...common,
            ...call,
            folder: uploads.folder(deployment.id),
            onPlan,
          }).catch(lasting);
        } else if (request.what === "imageFile") {
          call.onLine("--> loading the image");
          const image = await parts.engine().imageLoad(spec, createReadStream(uploads.file(deployment.id)), call);
          memory.built = factsOfImage(image, request, "Image");
        } else if (request.what === "imagePull") {
          call.onLine(`--> fetching ${request.reference}`);
          const image = await parts.engine().imagePull(spec, request.reference, call);
          memory.built = factsOfImage(image, request, "Image");
        } else if (request.what === "registry") {
          call.onLine(`--> loading ${request.digest.slice(0, 19)} of the registry`);
          const engine = parts.engine();
          const { architecture } = await engine.info(call);
          const content = await imageTarball(parts, request, { architecture, signal: call.signal });
          memory.built = factsOfImage(await engine.imageLoad(spec, content, call), request, "Image");
        } else return;
        call.onLine(`--> image ${memory.built.imageId.slice(0, 19)}, ${Math.ceil(memory.built.imageBytes / 1024 ** 2)} MiB`);
      });
      await context.database.transaction("system", (tx) => closeUsageSpansOf(tx, [buildSpan(deployment.id)], new Date()));
    },
    async undo(context) {
      if (memoryOf(context).retiring) return;
      const row = await context.database.transaction("system", (tx) => deploymentStore.find(tx, context.input.deploymentId));
      if (row) await parts.engine().imageRemove(imageNameOf(row.appId, row.number), { signal: context.signal });
    },
  };

  /** What is found out before the work begins: settings that are missing are told at once, not after minutes. */
  async function planned(context: Context, app: AppRow, deployment: DeploymentRow, facts: RunFacts): Promise<void> {
    await context.database.transaction("system", async (tx) => {
      await takeManifest(tx, parts.secrets, app, facts.settings);
      await deploymentStore.setState(tx, deployment, "building", { runtime: facts.runtime });
    });
    await context.database.transaction("system", async (tx) => {
      await parts.linking.bring(tx, app.id);
      await parts.linking.check(tx, app, facts.links ?? []);
      await checkSettings(tx, app);
    });
  }

  const release: Step = {
    name: "release",
    deadlineSeconds: minute,
    async run(context) {
      await enter(context, "releasing");
      const memory = memoryOf(context);
      const row = await context.database.transaction("system", async (tx) => {
        const { app, deployment } = await lock(tx, context.input);
        if (!app || !deployment) throw new CloudError("cancelled", "The app was deleted.");
        return makeRelease(tx, parts, app, deployment, contentOf(deployment, memory.built));
      });
      memory.releaseId = row.id;
      await logged(context, async ({ onLine }) => onLine(`--> release ${row.number}`));
    },
    async undo(context) {
      const memory = memoryOf(context);
      if (memory.retiring) return;
      const appId = await context.database.transaction("system", async (tx) => {
        const { app, deployment } = await lock(tx, context.input);
        if (deployment?.releaseId != null) {
          await releaseStore.delete(tx, deployment.releaseId);
          await deploymentStore.forgetRelease(tx, deployment.id);
        }
        return app?.id;
      });
      if (appId !== undefined) await sweep.app(appId, context.signal);
    },
  };

  const command: Step = {
    name: "command",
    deadlineSeconds: 30 * minute,
    async run(context) {
      const { deployment } = await enter(context, "releasing");
      const releaseId = memoryOf(context).releaseId as string;
      const row = await context.database.transaction("system", (tx) => releaseStore.find(tx, releaseId));
      const text = row?.releaseCommand;
      // An earlier release has had its command run.
      if (!text || deployment.request.what === "again") return;
      await logged(context, async (call) => {
        call.onLine(`--> release command: ${text}`);
        const code = await parts.running.runOnce(releaseId, text, call);
        if (code !== 0)
          throw new CloudError(
            "failed_precondition",
            `The release command ended with exit code ${code}. Its words are in the log of the deployment; nothing was changed.`,
            { details: { reason: "release_command_failed", exitCode: code } },
          );
      });
    },
  };

  const start: Step = {
    name: "start",
    deadlineSeconds: 40 * minute,
    async run(context) {
      const { app, deployment } = await enter(context, "starting");
      const memory = memoryOf(context);
      const releaseId = memory.releaseId as string;
      const hasDisks = await context.database.transaction("system", (tx) => parts.running.hasDisks(tx, app.id));
      await logged(context, async (call) => {
        if (hasDisks && app.liveReleaseId !== null && app.state !== "stopped") {
          memory.stoppedOld = true;
          await context.remember();
          call.onLine("--> stopping what runs: the app has a disk, and two must not write to it");
          await parts.running.retire(app.id, { ...call, keepReleaseId: releaseId });
        }
        const backupId = backupOf(deployment);
        if (hasDisks && backupId !== undefined && app.liveReleaseId !== null && !memory.copied) {
          call.onLine("--> copying the disks");
          await tools.copying.copy(backupId, call);
          memory.copied = true;
          // Before anything writes to them: begun again, this step would copy what the new release left.
          await context.remember();
        }
        call.onLine("--> starting");
        await parts.running.start(releaseId, call);
        await parts.running.awaitHealthy(releaseId, call);
        call.onLine("--> healthy");
      });
    },
    async undo(context) {
      const memory = memoryOf(context);
      if (memory.retiring || memory.releaseId === undefined) return;
      const { releaseId } = memory;
      await logged(context, async (call) => {
        await parts.running.discard(releaseId, call);
        const { app, deployment } = await context.database.transaction("system", (tx) => lock(tx, context.input));
        const backupId = deployment && backupOf(deployment);
        if (memory.copied && app && app.state !== "deleting" && backupId !== undefined) {
          call.onLine("--> putting the disks back as they were");
          await tools.copying.putBack(backupId, app.id, call);
        }
        if (!memory.stoppedOld) return;
        if (!app?.liveReleaseId || app.liveReleaseId === releaseId || app.state === "deleting") return;
        call.onLine("--> starting what ran before");
        await parts.running.start(app.liveReleaseId, call);
        // Healthy or not, it is what there is; the reconciler looks after it.
        await parts.running.awaitHealthy(app.liveReleaseId, call).catch((error: unknown) => {
          if (call.signal.aborted) throw error;
          call.onLine(`Warning: ${(error as Error).message}`);
        });
        await parts.routing.apply(call);
      });
    },
  };

  const switchOver: Step = {
    name: "switch",
    deadlineSeconds: 5 * minute,
    async run(context) {
      const { app } = await enter(context, "switching");
      const memory = memoryOf(context);
      const releaseId = memory.releaseId as string;
      if (memory.before === undefined) {
        memory.before = {
          releaseId: app.liveReleaseId,
          runtime: app.runtime,
          state: app.state,
          stateReason: app.stateReason,
          deployedAt: app.deployedAt?.toISOString() ?? null,
        };
        // Before anything changes: begun again, this step would find the new release as the old one.
        await context.remember();
      }
      await context.database.transaction("system", async (tx) => {
        const now = (await lock(tx, context.input)).app;
        const row = await releaseStore.find(tx, releaseId);
        if (!now || !row || now.state === "deleting") throw new CloudError("cancelled", "The app was deleted.");
        if (now.liveReleaseId === releaseId) return;
        await appStore.setLive(tx, now, {
          releaseId,
          runtime: row.runtime,
          state: "running",
          stateReason: null,
          deployedAt: new Date(),
        });
        await parts.cron.live(tx, now.id, row.cron);
      });
      await logged(context, async (call) => {
        await parts.routing.apply(call);
        call.onLine("--> requests go to the new release");
      });
    },
    async undo(context) {
      const { before, releaseId, retiring } = memoryOf(context);
      if (retiring || before === undefined) return;
      const changed = await context.database.transaction("system", async (tx) => {
        const { app } = await lock(tx, context.input);
        if (app?.liveReleaseId !== releaseId || !app) return false;
        const state = app.state === "deleting" ? app.state : before.state;
        await appStore.setLive(tx, app, {
          ...before,
          state,
          deployedAt: before.deployedAt === null ? null : new Date(before.deployedAt),
        });
        const old = before.releaseId === null ? undefined : await releaseStore.find(tx, before.releaseId);
        await parts.cron.live(tx, app.id, old?.cron ?? []);
        return true;
      });
      if (changed) await parts.routing.apply({ signal: context.signal });
    },
  };

  const retire: Step = {
    name: "retire",
    deadlineSeconds: 30 * minute,
    async run(context) {
      const { app } = await enter(context, "switching");
      const memory = memoryOf(context);
      memory.retiring = true;
      await context.remember();
      await logged(context, async (call) => {
        try {
          await parts.running.retire(app.id, { ...call, keepReleaseId: memory.releaseId });
          memory.retired = true;
        } catch (error) {
          if (call.signal.aborted) throw error;
          // It answers nobody any more; an operation of its own takes it away.
          context.log.warn({ err: error, app: app.id }, "containers of an earlier release stay for now");
          call.onLine(`Warning: what ran before could not be taken away yet (${(error as Error).message})`);
        }
      });
      await sweep.app(app.id, context.signal);
    },
  };

  const finish = async (
    tx: Tx,
    context: Pick<Context, "input" | "memory"> & { error?: { code: string; message: string } | undefined },
    outcome: "succeeded" | "failed" | "cancelled",
  ): Promise<Record<string, unknown> | undefined> => {
    const { app, deployment } = await lock(tx, context.input);
    if (!app || !deployment) return undefined;
    await closeUsageSpansOf(tx, [buildSpan(deployment.id)], new Date());
    const isDone = outcome === "succeeded" || memoryOf(context).retiring === true;
    if (deployment.finishedAt === null) {
      const state = isDone ? "succeeded" : outcome;
      const error = isDone || outcome === "cancelled" ? undefined : context.error?.message;
      await lastLine(deployment.id, isDone ? "--> done" : outcome === "cancelled" ? "Cancelled." : `Failed: ${error ?? ""}`);
      await deploymentStore.finish(tx, deployment, state, error);
      await appStore.touch(tx, app);
    }
    tx.afterCommit(() => void uploads.remove(deployment.id).catch(() => {}));
    const { retiring, retired } = memoryOf(context);
    if (retiring && !retired && app.operationId === null && app.state !== "deleting")
      await beginOnApp(tx, tools.tidy, app, systemActor, { appId: app.id });
    await nextTurn(tx, app.id);
    return isDone
      ? { deploymentId: deployment.id, releaseId: deployment.releaseId, releaseNumber: deployment.releaseNumber }
      : undefined;
  };

  /** The log is a help: without it the record tells as much. */
  async function lastLine(deploymentId: string, text: string): Promise<void> {
    try {
      const log = await logs.open(deploymentId);
      log.line(text);
      await log.close();
    } catch (error) {
      parts.log.warn({ err: error, deployment: deploymentId }, "the log of a deployment cannot be written");
    }
  }

  const rollout = [release, command, start, switchOver, retire];
  return {
    build: defineOperation<DeploymentInput>({
      kind: "apps.app.deploy",
      long: true,
      steps: [unpack, build, ...rollout],
      finish,
    }),
    release: defineOperation<DeploymentInput>({ kind: "apps.app.release", steps: rollout, finish }),
  };
}

/** The app first, as everywhere: one order, no deadlock. */
async function lock(
  tx: Tx,
  { deploymentId }: DeploymentInput,
): Promise<{ app: AppRow | undefined; deployment: DeploymentRow | undefined }> {
  const found = await deploymentStore.find(tx, deploymentId);
  const app = found && (await appStore.find(tx, found.appId, { lock: true }));
  return { app, deployment: app && (await deploymentStore.find(tx, deploymentId, { lock: true })) };
}

const openBuildSpan = (tx: Tx, app: AppRow, deployment: DeploymentRow): Promise<void> =>
  openUsageSpan(tx, {
    id: buildSpan(deployment.id),
    organisationId: app.organisationId,
    projectId: app.projectId,
    service: "apps",
    resource: { kind: "app", id: app.id, name: app.name },
    meter: "apps.build",
    unit: "seconds",
    from: new Date(),
    rate: 1,
  });

function contentOf({ request }: DeploymentRow, built: BuiltApp | undefined): ReleaseContent {
  if (request.what === "again") return { from: "release", releaseId: request.releaseId, settings: "of then" };
  if (request.what === "settings") return { from: "release", releaseId: request.releaseId, settings: "of now" };
  return { from: "build", facts: built as BuiltApp };
}

const backupOf = ({ request }: DeploymentRow): string | undefined => ("backupId" in request ? request.backupId : undefined);

function factsOfImage(image: ImageReport, settings: ImageSettings, runtime: string): BuiltApp {
  const { port, healthPath, processes, startSeconds, capabilities = [] } = settings;
  return {
    runtime,
    imageId: image.id,
    imageBytes: image.sizeBytes,
    port: port ?? exposedTcpPort(image) ?? defaultPort,
    healthCheck: {
      ...defaultHealthCheck,
      ...(healthPath === undefined ? {} : { path: healthPath }),
      ...(startSeconds === undefined ? {} : { startSeconds }),
    },
    processes: processes ?? { web: {} },
    disks: [],
    settings: {},
    capabilities,
  };
}

/** A build that took too long takes too long the next time as well: it is not tried again. */
function lasting(error: unknown): never {
  if (!CloudError.is(error, "deadline_exceeded") || error.details.reason !== "build_too_long") throw error;
  throw new CloudError("failed_precondition", error.message, { cause: error, details: error.details });
}
