import { defineOperation } from "../../../../kernel/operations/definition.ts";
import type { ComputeParts } from "../../parts.ts";
import { instanceStore } from "../store/instances.ts";
import type { OnInstance } from "./outcome.ts";

export const configureKind = "compute.instance.configure";

/** Brings the engine and the network to what the record says. It disturbs nothing, so it may run beside other operations. */
export function defineConfigure(parts: ComputeParts) {
  return defineOperation<OnInstance>({
    kind: configureKind,
    steps: [
      {
        name: "configure",
        deadlineSeconds: 120,
        async run({ input, signal, projectId, database }) {
          const wanted = async () => {
            const row = await database.transaction("system", (tx) => instanceStore.find(tx, input.instanceId));
            return row && row.state !== "deleting" && row.state !== "missing"
              ? { hostName: row.name, autoRestart: row.autoRestart }
              : undefined;
          };
          // Until nothing was changed meanwhile: two of these may be at work, and the record has the last word.
          for (let now = await wanted(); now !== undefined; ) {
            await parts.engine().instanceConfigure(input.engineName, now, { signal });
            const then = await wanted();
            if (!then || JSON.stringify(then) === JSON.stringify(now)) break;
            now = then;
          }
          await parts.networks.apply(projectId as string, signal);
        },
      },
    ],
  });
}
