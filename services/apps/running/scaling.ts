import type { Actor } from "../../../kernel/contract.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError } from "../../../kernel/errors.ts";
import { emit } from "../../../kernel/events.ts";
import { defineOperation, type OperationDefinition } from "../../../kernel/operations/definition.ts";
import { beginOperation, hasActiveOperation, type OperationRecord } from "../../../kernel/operations/store.ts";
import { deployingEvents } from "../deploying/contract.ts";
import type { AppView, CallOptions } from "../parts.ts";
import { addRows, livePlan, scaleOf, standingOf } from "./rows.ts";
import type { Runtime } from "./runtime.ts";
import type { Starting } from "./starting.ts";
import type { Stopping } from "./stopping.ts";
import type { ContainerRow } from "./store/containers.ts";
import { diskStore } from "./store/disks.ts";
import { type ProcessChange, type ProcessRow, processStore } from "./store/processes.ts";
import { usageStore } from "./store/usage.ts";
import { holdUsage, memoryOf, reserveMemory } from "./usage.ts";

type Scale = Pick<ProcessRow, "count" | "memoryBytes" | "cpus" | "autoscaleMinimum" | "autoscaleMaximum" | "autoscaleCpuPercent">;

interface ScaleInput extends Record<string, unknown> {
  appId: string;
  process: string;
  before: Scale;
}

export interface Scaling {
  operations: OperationDefinition<ScaleInput>[];
  /** In the transaction of the caller: limits, quota, record, operation. */
  begin(tx: Tx, app: AppView, row: ProcessRow, change: ProcessChange, actor: Actor): Promise<OperationRecord>;
  /** Brings the containers of a process of the live release to what its record says. `wait`: new ones have to be healthy first. */
  converge(appId: string, process: string, options?: CallOptions & { wait?: boolean }): Promise<void>;
}

const scaleFields = (row: ProcessRow): Scale => {
  const { count, memoryBytes, cpus, autoscaleMinimum, autoscaleMaximum, autoscaleCpuPercent } = row;
  return { count, memoryBytes, cpus, autoscaleMinimum, autoscaleMaximum, autoscaleCpuPercent };
};

export const emitChanged = (tx: Tx, app: AppView): Promise<void> =>
  emit(tx, {
    type: deployingEvents.appChanged.type,
    organisationId: app.organisationId,
    projectId: app.projectId,
    payload: { appId: app.id, name: app.name, state: app.state },
  });

/**
 * Who goes: first those with other limits, then those that serve nobody, then from where most of them are, so that no node has all of them, and of
 * those the highest numbers.
 */
function leaving(stale: readonly ContainerRow[], fitting: readonly ContainerRow[], count: number): ContainerRow[] {
  const left = [...stale, ...fitting];
  const rank = (row: ContainerRow) => (stale.includes(row) ? 0 : row.state === "healthy" ? 2 : 1);
  const beside = (row: ContainerRow) => left.filter(({ node }) => node === row.node).length;
  const go: ContainerRow[] = [];
  while (go.length < count) {
    const [next] = left.toSorted(
      (one, other) => rank(one) - rank(other) || beside(other) - beside(one) || other.number - one.number,
    );
    if (!next) break;
    left.splice(left.indexOf(next), 1);
    go.push(next);
  }
  return go;
}

export function createScaling(runtime: Runtime, starting: Starting, stopping: Stopping): Scaling {
  const { parts } = runtime;
  const { database } = parts;

  async function change(tx: Tx, app: Pick<AppView, "id" | "organisationId" | "projectId">, process: string, to: ProcessChange) {
    const before = memoryOf(await processStore.ofApp(tx, app.id, { lock: true }));
    await processStore.update(tx, app.id, process, to);
    await reserveMemory(tx, app, memoryOf(await processStore.ofApp(tx, app.id)) - before);
  }

  interface Step {
    app: AppView;
    release: NonNullable<Awaited<ReturnType<typeof livePlan>>>["release"];
    stay: ContainerRow[];
    go: ContainerRow[];
    more: boolean;
  }

  /**
   * The next step on the way: what is to be there, what is to go, and whether there is more to do. Those with other limits are replaced a
   * quarter at a time, the new ones first; with disks the old one goes first, as two never write to one.
   */
  async function next(appId: string, process: string): Promise<Step | undefined> {
    return database.transaction("system", async (tx) => {
      await usageStore.lock(tx, appId);
      const plan = await livePlan(tx, parts.deploying, appId);
      if (!plan) return undefined;
      const { app, release, processes, rows } = plan;
      const scale = release.processes[process] === undefined ? { ...scaleOf([], process) } : scaleOf(processes, process);
      const { fitting, stale, missing } = standingOf(rows, release.id, process, scale);
      const alone = stale.length > 0 && (await diskStore.ofApp(tx, appId)).length > 0;
      if (alone) return { app, release, stay: fitting, go: stale, more: true };
      const batch = stale.length === 0 ? missing : Math.min(missing, Math.max(1, Math.ceil(scale.count / 4)));
      const added = await addRows(tx, release, process, scale, batch);
      if (added.length > 0) await holdUsage(tx, app);
      const stay = [...fitting, ...added];
      const surplus = stay.length + stale.length - scale.count;
      const go = leaving(stale, fitting, surplus);
      return {
        app,
        release,
        stay: stay.filter((row) => !go.includes(row)),
        go,
        more: missing > batch || go.length < stale.length,
      };
    });
  }

  async function converge(
    appId: string,
    process: string,
    { signal, wait = true }: CallOptions & { wait?: boolean } = {},
  ): Promise<void> {
    for (;;) {
      signal?.throwIfAborted();
      const step = await next(appId, process);
      if (!step) return;
      await starting.ensure(step.stay, step.release, step.app, { signal });
      if (wait) {
        await starting.settle(
          step.stay.filter(({ state }) => state !== "healthy"),
          step.release,
          { signal },
        );
        if (process === "web" && step.stay.length > 0) await parts.routing.apply({ signal });
      }
      await stopping.takeDown(step.go, { signal });
      if (!step.more) return;
    }
  }

  const operation = defineOperation<ScaleInput>({
    kind: "apps.process.scale",
    steps: [
      {
        name: "scale",
        deadlineSeconds: 900,
        run: ({ input, signal }) => converge(input.appId, input.process, { signal }),
        async undo({ input, signal }) {
          await database.transaction("system", async (tx) => {
            const app = await parts.deploying.find(tx, input.appId);
            if (!app) return;
            await change(tx, app, input.process, input.before);
            await emitChanged(tx, app);
          });
          await converge(input.appId, input.process, { signal, wait: false });
        },
      },
    ],
    async finish(tx, { input }, outcome) {
      const app = await parts.deploying.find(tx, input.appId);
      if (app) await emitChanged(tx, app);
      return outcome === "succeeded" ? { appId: input.appId, process: input.process } : undefined;
    },
  });

  return {
    operations: [operation],
    converge,
    async begin(tx, app, row, to, actor) {
      if (await hasActiveOperation(tx, app.id))
        throw new CloudError(
          "conflict",
          `Something else is being done to the app ${app.name} just now. Try again when it is over.`,
          {
            details: { reason: "busy", retryAfterSeconds: 5 },
          },
        );
      await change(tx, app, row.name, to);
      await emitChanged(tx, app);
      return beginOperation(tx, operation, {
        input: { appId: app.id, process: row.name, before: scaleFields(row) },
        actor,
        organisationId: app.organisationId,
        projectId: app.projectId,
        resource: { kind: "app", id: app.id, name: app.name },
      });
    },
  };
}
