import { CloudError } from "../../../../kernel/errors.ts";
import { defineOperation, type StepContext } from "../../../../kernel/operations/definition.ts";
import { activeOperations } from "../../../../kernel/operations/store.ts";
import type { ComputeParts } from "../../parts.ts";
import { removeRecord } from "../recordRemoval.ts";
import { instanceStore } from "../store/instances.ts";
import { endWith, lookAgain, momentIn, type OnInstance, observe } from "./outcome.ts";

export type DeleteInput = OnInstance & { force: boolean };

/** How long what was cancelled may take to come to its end; then it is deleted under its feet. */
const patienceMs = 60_000;

export function defineDelete(parts: ComputeParts) {
  const driver = () => parts.engine();
  const look = lookAgain(driver);
  return defineOperation<DeleteInput>({
    kind: "compute.instance.delete",
    steps: [
      {
        name: "cancel",
        deadlineSeconds: patienceMs / 1000 + 30,
        async run(context) {
          if (context.input.force) await waitForOthers(context);
        },
      },
      {
        name: "delete",
        deadlineSeconds: 600,
        async run({ input, memory, signal, attempt, begunAt }) {
          // Gone before we ask again: it went when we asked first.
          const gone = attempt > 1 && (await observe(driver(), input.engineName, signal)).state === "missing";
          try {
            if (!gone) await driver().instanceDelete(input.engineName, { signal });
          } catch (error) {
            if (!CloudError.is(error, "not_found")) throw error;
          }
          memory["at"] = gone ? begunAt.getTime() : Date.now();
        },
        undo: look,
      },
      {
        name: "network",
        deadlineSeconds: 120,
        async run({ input, projectId, database, log }) {
          await database.transaction("system", (tx) => parts.networks.deletePorts(tx, input.instanceId));
          // Nobody waits for the host to forget a card that is gone; the worker of networks does what fails here, or ends with the process.
          parts.networks
            .apply(projectId as string)
            .catch((error) =>
              log.warn({ err: error, project: projectId }, "the network still has the port of a deleted instance"),
            );
        },
      },
    ],
    async finish(tx, context, outcome) {
      const { input, memory } = context;
      const row = await instanceStore.find(tx, input.instanceId, { lock: true });
      if (!row) return undefined;
      if (outcome === "succeeded") await removeRecord(tx, parts, row, momentIn(memory, "at"));
      else await endWith(tx, context, outcome, async (same) => same, "taken");
      return undefined;
    },
  });
}

async function waitForOthers({
  operationId,
  input,
  signal,
  database,
}: Pick<StepContext<DeleteInput>, "operationId" | "input" | "signal" | "database">): Promise<void> {
  for (const until = Date.now() + patienceMs; Date.now() < until; ) {
    const active = await database.transaction("system", (tx) => activeOperations(tx, [input.instanceId]));
    if (!active.get(input.instanceId)?.some(({ id }) => id !== operationId)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
    signal.throwIfAborted();
  }
}
