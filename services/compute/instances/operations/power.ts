import { CloudError } from "../../../../kernel/errors.ts";
import { defineOperation, type StepContext } from "../../../../kernel/operations/definition.ts";
import type { ComputeParts } from "../../parts.ts";
import { planRestart } from "../restarts.ts";
import { settle } from "../states.ts";
import { endWith, lookAgain, momentIn, type OnInstance, observe } from "./outcome.ts";

export type PowerInput = OnInstance & {
  timeoutSeconds?: number;
  /** The state in which it was asked for. */
  from: string;
};
export type PowerOperations = ReturnType<typeof definePowerOperations>;

/** The longest a guest may take, and what the engine needs besides. */
const stopSeconds = 600 + 120;
const startSeconds = 300;

export function definePowerOperations(parts: ComputeParts) {
  const driver = () => parts.engine();
  const undo = lookAgain(driver);

  /** Starts it, with its network there; remembers since when it runs. */
  async function start({ input, memory, signal, projectId, attempt }: StepContext<OnInstance>): Promise<void> {
    await parts.networks.apply(projectId as string, signal);
    await startConnected(input, signal);
    const now = new Date();
    // Begun before, it may run for a while already.
    const since = attempt > 1 ? ((await observe(driver(), input.engineName, signal)).startedAt ?? now) : now;
    memory["at"] = Math.min(now.getTime(), since.getTime());
  }

  /** Its cards may be of a time when its bridges had other names. */
  async function startConnected({ instanceId, engineName }: OnInstance, signal: AbortSignal): Promise<void> {
    try {
      await driver().instanceStart(engineName, { signal });
    } catch (error) {
      if (!CloudError.is(error, "failed_precondition") || error.details.reason !== "bridge_missing") throw error;
      const ports = await parts.database.transaction("system", (tx) => parts.networks.ports(tx, [instanceId]));
      const interfaces = (ports.get(instanceId) ?? []).map((port) => port.interface);
      await driver().instanceConfigure(engineName, { interfaces }, { signal });
      await driver().instanceStart(engineName, { signal });
    }
  }

  const instanceStart = defineOperation<PowerInput>({
    kind: "compute.instance.start",
    steps: [{ name: "start", deadlineSeconds: startSeconds, run: start, undo }],
    async finish(tx, context, outcome) {
      const bySystem = context.actor.kind === "system";
      await endWith(tx, context, outcome, (row) =>
        settle(
          tx,
          row,
          { state: "running", at: momentIn(context.memory, "at") },
          { restartNeeded: false, ...(bySystem ? {} : { restarts: 0 }) },
        ),
      );
      if (outcome === "failed" && bySystem) await planRestart(tx, context.input.instanceId);
      return undefined;
    },
  });

  const instanceStop = defineOperation<PowerInput>({
    kind: "compute.instance.stop",
    steps: [
      {
        name: "stop",
        deadlineSeconds: stopSeconds,
        async run({ input, memory, signal, attempt, begunAt }) {
          const { engineName, timeoutSeconds = 30 } = input;
          const known = input.from === "running" && attempt === 1;
          const state = known ? "running" : (await observe(driver(), engineName, signal)).state;
          if (state === "stopped" && attempt > 1) {
            // It stopped while nobody looked, soon after it was told to.
            memory["at"] = begunAt.getTime();
            return;
          }
          // Who is frozen hears nothing.
          if (state === "frozen") await driver().instanceUnfreeze(engineName, { signal });
          await driver().instanceStop(engineName, { timeoutSeconds, signal });
          memory["at"] = Date.now();
        },
        undo,
      },
    ],
    async finish(tx, context, outcome) {
      await endWith(tx, context, outcome, (row) => settle(tx, row, { state: "stopped", at: momentIn(context.memory, "at") }));
      return undefined;
    },
  });

  const instanceRestart = defineOperation<PowerInput>({
    kind: "compute.instance.restart",
    steps: [
      {
        name: "restart",
        deadlineSeconds: stopSeconds + startSeconds,
        async run({ input, memory, signal }) {
          const { engineName, timeoutSeconds = 30 } = input;
          const state = input.from === "running" ? "running" : (await observe(driver(), engineName, signal)).state;
          if (state === "stopped") await driver().instanceStart(engineName, { signal });
          else await driver().instanceRestart(engineName, { timeoutSeconds, signal });
          memory["at"] = Date.now();
        },
        undo,
      },
    ],
    async finish(tx, context, outcome) {
      const at = momentIn(context.memory, "at");
      await endWith(tx, context, outcome, (row) =>
        settle(tx, row, { state: "running", at, startedAt: at }, { restartNeeded: false }),
      );
      return undefined;
    },
  });

  const between = (kind: "freeze" | "unfreeze") =>
    defineOperation<PowerInput>({
      kind: `compute.instance.${kind}`,
      steps: [
        {
          name: kind,
          deadlineSeconds: 120,
          async run({ input, memory, signal }) {
            if (kind === "freeze") await driver().instanceFreeze(input.engineName, { signal });
            else await driver().instanceUnfreeze(input.engineName, { signal });
            memory["at"] = Date.now();
          },
          undo,
        },
      ],
      async finish(tx, context, outcome) {
        await endWith(tx, context, outcome, (row) =>
          settle(tx, row, { state: kind === "freeze" ? "frozen" : "running", at: momentIn(context.memory, "at") }),
        );
        return undefined;
      },
    });

  return {
    instanceStart,
    instanceStop,
    instanceRestart,
    instanceFreeze: between("freeze"),
    instanceUnfreeze: between("unfreeze"),
    start,
  };
}
