import { CloudError } from "../../../../kernel/errors.ts";
import type { Worker } from "../../../../kernel/service.ts";
import type { ComputeDriver } from "../../driver.ts";
import type { ComputeParts } from "../../parts.ts";
import { volumeStore } from "../store.ts";
import { snapshotStore } from "./store.ts";

/** How old a measurement may get. */
const measuredSeconds = 300;
const sourcesAtOnce = 500;

/**
 * What snapshots take is what the engine says that would be free without them: a disk that changes gives them more. It is asked every
 * five minutes, new ones within a minute, and billed from then on until the next look. Where the pool does not know (a folder),
 * nothing is billed.
 */
export function measureWorker({ database, engine }: Pick<ComputeParts, "database" | "engine">): Worker {
  return {
    name: "compute.snapshot_sizes",
    everySeconds: 60,
    async run(signal) {
      const sources = await database.transaction("system", (tx) =>
        snapshotStore.unmeasured(tx, { olderThanSeconds: measuredSeconds, limit: sourcesAtOnce }),
      );
      if (sources.length === 0) return;
      const driver = engine();
      for (const { sourceId, kind, engineName } of sources) {
        signal.throwIfAborted();
        const sizes = await sizesOf(driver, kind, engineName, signal);
        const at = new Date();
        await database.transaction("system", async (tx) => {
          for (const row of await snapshotStore.ofSource(tx, sourceId, { lock: true })) {
            if (row.state !== "available" && row.state !== "missing") continue;
            const state = sizes.has(row.engineName) ? "available" : "missing";
            if (state !== row.state) {
              const stateReason = state === "missing" ? "It is gone from the engine without our doing." : null;
              await snapshotStore.update(tx, row.id, { state, stateReason });
            }
            await snapshotStore.measure(tx, row, sizes.get(row.engineName), at);
          }
        });
      }
    },
  };
}

/** By name; those without a size are there, too. */
async function sizesOf(
  driver: ComputeDriver,
  kind: "instance" | "volume",
  engineName: string,
  signal: AbortSignal,
): Promise<Map<string, number | undefined>> {
  try {
    const reports =
      kind === "instance"
        ? await driver.instanceSnapshotList(engineName, { signal })
        : await driver.volumeSnapshotList(engineName, { signal });
    return new Map(reports.map(({ name, sizeBytes }) => [name, sizeBytes]));
  } catch (error) {
    // With the whole of it.
    if (CloudError.is(error, "not_found")) return new Map();
    throw error;
  }
}

/** The same for volumes: no bill hangs on it, people just see it. */
export function volumeUseWorker({ database, engine }: Pick<ComputeParts, "database" | "engine">): Worker {
  return {
    name: "compute.volume_use",
    everySeconds: 300,
    async run(signal) {
      const some = await database.transaction("system", (tx) => volumeStore.each(tx, { limit: 1 }));
      if (some.length === 0) return;
      const reports = await engine().volumeList({ signal });
      const used = reports.flatMap(({ name, usedBytes }) => (usedBytes === undefined ? [] : [{ engineName: name, usedBytes }]));
      await database.transaction("system", (tx) => volumeStore.setUsed(tx, used));
    },
  };
}
