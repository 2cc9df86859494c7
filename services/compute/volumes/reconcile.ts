import { CloudError } from "../../../kernel/errors.ts";
import type { Id } from "../../../kernel/ids.ts";
import type { ComputeDriver, VolumeReport } from "../driver.ts";
import type { ComputeParts, InstanceView, VolumeDifferences } from "../parts.ts";
import { verificationStore } from "./backups/store.ts";
import { restingState } from "./operations.ts";
import { holdVolume, releaseVolume, type VolumeRow, volumeStore } from "./store.ts";

/** Volumes compared at a time. */
const pageSize = 500;
/** In these the instance has its devices, whatever else it does. */
const settledInstances = new Set(["running", "stopped", "frozen", "error"]);

/** Compares the records of volumes with the engine; see VolumesPart.reconcile. */
export async function reconcileVolumes(
  parts: Pick<ComputeParts, "database" | "engine" | "instances" | "log">,
  signal?: AbortSignal,
): Promise<VolumeDifferences> {
  const { database, log } = parts;
  const driver = parts.engine();
  const options = signal ? { signal } : {};
  const reports = new Map((await driver.volumeList(options)).map((report) => [report.name, report]));
  const differences: VolumeDifferences = { repaired: [], missing: [], orphans: [] };
  const known = new Set<string>();
  for (let after: Id<"volume"> | undefined; ; ) {
    const rows = await database.transaction("system", (tx) => volumeStore.each(tx, { after, limit: pageSize }));
    for (const row of rows) {
      signal?.throwIfAborted();
      known.add(row.engineName);
      if (row.operationId !== null) continue;
      try {
        await compare(row, reports.get(row.engineName));
      } catch (error) {
        if (signal?.aborted || CloudError.is(error, "unavailable")) throw error;
        log.warn({ err: error, volume: row.id }, "this volume could not be brought to what its record says; it is tried again");
      }
    }
    if (rows.length < pageSize) break;
    after = rows.at(-1)?.id;
  }
  const strangers = [...reports.values()].filter(({ name }) => !known.has(name));
  await sweep(strangers);
  differences.orphans = await orphansAmong(strangers);
  return differences;

  async function compare(row: VolumeRow, report: VolumeReport | undefined): Promise<void> {
    if (!report) {
      if (row.state === "missing" || row.state === "error" || (await stillThere(driver, row))) return;
      if (await writeDown(row, "missing")) differences.missing.push(row.id);
      return;
    }
    let changed = row.state === "missing" && (await writeDown(row, restingState(row)));
    if (row.state !== "error" && (await repair(row, report))) changed = true;
    if (changed) differences.repaired.push(row.id);
  }

  /** The state, and what it holds from now on; not when somebody was faster. */
  async function writeDown(row: VolumeRow, state: "missing" | "attached" | "available"): Promise<boolean> {
    return database.transaction("system", async (tx) => {
      const now = await volumeStore.find(tx, row.id, { lock: true });
      if (now?.revision !== row.revision || now.operationId !== null) return false;
      const stateReason = state === "missing" ? "It is gone from the engine without our doing." : null;
      await volumeStore.update(tx, row.id, { state, stateReason });
      if (state === "missing") await releaseVolume(tx, row.id, new Date());
      else await holdVolume(tx, row, new Date());
      return true;
    });
  }

  async function repair(row: VolumeRow, report: VolumeReport): Promise<boolean> {
    const instance = row.instanceId ? await find(row.instanceId) : undefined;
    // What an operation does with the instance may include its volumes.
    if (instance && !settledInstances.has(instance.state)) return false;
    const wrong = report.attachedTo.filter((name) => name !== instance?.engineName);
    const lacking = instance !== undefined && !report.attachedTo.includes(instance.engineName);
    const small = report.sizeBytes > 0 && report.sizeBytes < row.sizeBytes;
    if (wrong.length === 0 && !lacking && !small) return false;
    // Asked again, as an operation may have begun and ended since the list was made.
    const now = await database.transaction("system", (tx) => volumeStore.find(tx, row.id));
    if (now?.revision !== row.revision || now.operationId !== null) return false;
    for (const name of wrong) await driver.volumeDetach(row.engineName, name, options);
    if (lacking) await driver.volumeAttach(row.engineName, instance.engineName, row.mountPath as string, options);
    if (small) await driver.volumeResize(row.engineName, row.sizeBytes, options);
    log.info({ volume: row.id, wrong, lacking, small }, "a volume of the engine differed from its record and was put right");
    return true;
  }

  function find(instanceId: string): Promise<InstanceView | undefined> {
    return database.transaction("system", (tx) => parts.instances.find(tx, instanceId));
  }

  /** What restore drills left that ended without deleting their copy. */
  async function sweep(volumes: readonly VolumeReport[]): Promise<void> {
    const copies = volumes.filter(({ labels }) => labels["restore-drill"] !== undefined).map(({ name }) => name);
    const instances = (await driver.instanceList(options))
      .filter(({ labels }) => labels["restore-drill"] !== undefined)
      .map(({ name }) => name);
    if (copies.length === 0 && instances.length === 0) return;
    const running = new Set(await database.transaction("system", (tx) => verificationStore.running(tx)));
    for (const name of copies) if (!running.has(name)) await driver.volumeDelete(name, options);
    for (const name of instances) if (!running.has(name)) await driver.instanceDelete(name, options);
  }

  /** Those that are still there, and still have no record: between two looks something may have been made or deleted. */
  async function orphansAmong(volumes: readonly VolumeReport[]): Promise<VolumeDifferences["orphans"]> {
    const ours = volumes.filter(({ labels }) => labels["volume"] !== undefined);
    if (ours.length === 0) return [];
    const rows = await database.transaction("system", (tx) =>
      Promise.all(ours.map(({ labels }) => volumeStore.find(tx, labels["volume"] as string))),
    );
    const names = new Set((await driver.volumeList(options)).map(({ name }) => name));
    return ours
      .filter(({ name }, index) => !rows[index] && names.has(name))
      .map(({ name, labels }) => ({ kind: "volume", name, labels }));
  }
}

/** Made since the list was. */
async function stillThere(driver: ComputeDriver, row: VolumeRow): Promise<boolean> {
  return (await driver.volumeList()).some(({ name }) => name === row.engineName);
}
