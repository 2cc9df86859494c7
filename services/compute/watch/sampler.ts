import { CloudError } from "../../../kernel/errors.ts";
import type { ComputeDriver, EngineMember, InstanceMetrics } from "../driver.ts";
import type { ComputeParts } from "../parts.ts";
import { evaluateAlerts } from "./alerting.ts";
import { type MetricStep, metricSteps } from "./contract.ts";
import { type MeasuredInstance, metricStore, type Sample, type SeriesRow, slotSeconds, type Values } from "./store/metrics.ts";

/** Rates over more than this tell nothing of now. */
const longestGapSeconds = 120;
const engineMs = 8000;
/** What is too old goes a bit in every round, so that no round has much to do. */
const prunedAtOnce = 20_000;
/** In the states of an instance in which the engine may have something to measure. */
const maybeRunning = new Set(["running", "frozen", "stopping", "restarting", "resizing", "restoring", "moving"]);

export const engineKey = "engine";
export const memberKey = (name: string): string => `member:${name}`;
export const slotOf = (atMs: number): number => Math.floor(atMs / 1000 / slotSeconds);

const noValues: Values = {
  cpuPercent: null,
  memoryBytes: null,
  memoryPercent: null,
  diskBytes: null,
  diskPercent: null,
  receivedPerSecond: null,
  sentPerSecond: null,
  processes: null,
};

export interface Sampler {
  /** Measures, unless these ten seconds have been measured already; true when it did. */
  round(signal: AbortSignal, nowMs?: number): Promise<boolean>;
}

export function createSampler(parts: ComputeParts): Sampler {
  const { database, log } = parts;
  const evaluate = evaluateAlerts(parts);

  return {
    async round(signal, nowMs = Date.now()) {
      let engine: ComputeDriver;
      try {
        engine = parts.engine();
      } catch (error) {
        // Without an engine there is nothing to measure.
        if (CloudError.is(error, "failed_precondition")) return false;
        throw error;
      }
      const slot = slotOf(nowMs);
      const before = await database.transaction("system", async (tx) =>
        (await metricStore.takeSlot(tx, slot))
          ? { instances: await metricStore.instances(tx), series: await metricStore.allSeries(tx) }
          : undefined,
      );
      if (!before) return false;
      const { instances, series } = before;
      const running = instances.filter(({ state }) => maybeRunning.has(state));
      const limited = { signal: AbortSignal.any([signal, AbortSignal.timeout(engineMs)]) };
      const [metrics, members] = await Promise.all([
        running.length === 0
          ? new Map<string, InstanceMetrics>()
          : engine.instanceMetrics(
              running.map(({ engineName }) => engineName),
              limited,
            ),
        engine.members(limited),
      ]);
      // Tests set the clock; else it is the time at which the engine has answered.
      const at = new Date(Math.max(nowMs, Date.now()));
      const known = new Map(series.map((row) => [row.key, row]));
      const samples = new Map<string, Sample>();
      for (const instance of running) {
        const seen = metrics.get(instance.engineName);
        if (seen?.state === "running" || seen?.state === "frozen")
          samples.set(instance.id, sampleOf(instance, seen, known.get(instance.id), at));
      }
      const ids = new Map(series.map(({ key, id }) => [key, id]));
      await database.transaction("system", async (tx) => {
        // The hidden ones of jobs too: they are part of the load, and their series go when they do.
        await metricStore.write(tx, slot, at, [...samples.values(), ...engineSamples(members, running, samples)], ids);
        await rollUp(tx, slot);
      });
      await database.transaction("system", (tx) => prune(tx, slot));
      try {
        await evaluate({ instances, values: samples, at, signal });
      } catch (error) {
        log.warn({ err: error }, "alert rules could not be evaluated; the next round does it");
      }
      return true;
    },
  };
}

function sampleOf(instance: MeasuredInstance, seen: InstanceMetrics, last: SeriesRow | undefined, at: Date): Sample {
  const cards = seen.interfaces.filter(({ device }) => device !== "lo");
  const counters = {
    cpuSeconds: seen.cpuSeconds,
    receivedBytes: cards.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0),
    sentBytes: cards.reduce((sum, { sentBytes }) => sum + sentBytes, 0),
  };
  const seconds = last ? (at.getTime() - last.at.getTime()) / 1000 : 0;
  /** Counters begin anew when an instance does. */
  const rate = (now: number, then: number | null | undefined): number | null =>
    seconds < 1 || seconds > longestGapSeconds || then === null || then === undefined || now < then
      ? null
      : (now - then) / seconds;
  const cpu = rate(counters.cpuSeconds, last?.cpuSeconds);
  // A pool that cannot tell says nothing.
  const disk = seen.diskBytes > 0 ? seen.diskBytes : null;
  return {
    key: instance.id,
    organisationId: instance.organisationId,
    ...counters,
    cpuPercent: cpu === null ? null : Math.min(100, (cpu / instance.vcpus) * 100),
    memoryBytes: seen.memoryBytes,
    memoryPercent: percent(seen.memoryBytes, instance.memoryBytes),
    diskBytes: disk,
    diskPercent: disk === null ? null : percent(disk, instance.diskBytes),
    receivedPerSecond: rate(counters.receivedBytes, last?.receivedBytes),
    sentPerSecond: rate(counters.sentBytes, last?.sentBytes),
    processes: seen.processes,
    cpus: instance.vcpus,
    memoryLimitBytes: instance.memoryBytes,
    diskLimitBytes: instance.diskBytes,
  };
}

const percent = (part: number, whole: number): number | null => (whole > 0 ? (part / whole) * 100 : null);

/** Of each member, and of all together. `processes` is how many instances run there. */
function engineSamples(
  members: readonly EngineMember[],
  running: readonly MeasuredInstance[],
  samples: ReadonlyMap<string, Sample>,
): Sample[] {
  const online = members.filter(({ state }) => state !== "offline");
  const sum = (values: readonly (number | null)[]): number | null => {
    const there = values.filter((value) => value !== null);
    return there.length === 0 && values.length > 0 ? null : there.reduce((total, value) => total + value, 0);
  };
  const one = (key: string, of: readonly EngineMember[], on: readonly MeasuredInstance[]): Sample => {
    const measured = on.flatMap((instance) => samples.get(instance.id) ?? []);
    const total = (value: (member: EngineMember) => number) => of.reduce((all, member) => all + value(member), 0);
    const cpus = total((member) => member.cpus);
    const memoryLimitBytes = total((member) => member.memoryBytes);
    const diskLimitBytes = total((member) => member.pool.totalBytes);
    const used = sum(measured.map(({ cpuPercent, cpus: own }) => (cpuPercent === null ? null : (cpuPercent * (own ?? 0)) / 100)));
    const [memoryBytes, diskBytes] = [total((member) => member.memoryUsedBytes), total((member) => member.pool.usedBytes)];
    return {
      ...noValues,
      key,
      organisationId: null,
      cpuSeconds: null,
      receivedBytes: null,
      sentBytes: null,
      cpuPercent: used === null || cpus === 0 ? null : Math.min(100, (used / cpus) * 100),
      memoryBytes,
      memoryPercent: percent(memoryBytes, memoryLimitBytes),
      diskBytes,
      diskPercent: percent(diskBytes, diskLimitBytes),
      receivedPerSecond: sum(measured.map(({ receivedPerSecond }) => receivedPerSecond)),
      sentPerSecond: sum(measured.map(({ sentPerSecond }) => sentPerSecond)),
      processes: measured.length,
      cpus,
      memoryLimitBytes,
      diskLimitBytes,
    };
  };
  const only = online.length === 1 ? online[0]?.name : undefined;
  return [
    ...online.map((member) =>
      one(
        memberKey(member.name),
        [member],
        running.filter((instance) => (instance.member ?? only) === member.name),
      ),
    ),
    one(engineKey, online, running),
  ];
}

type Tx = Parameters<typeof metricStore.progress>[0];

/** Each coarser step is made of the one below it, whenever a whole step of it is over. */
async function rollUp(tx: Tx, slot: number): Promise<void> {
  const progress = await metricStore.progress(tx);
  for (let index = 1; index < metricSteps.length; index++) {
    const step = metricSteps[index]?.seconds as MetricStep;
    const finer = metricSteps[index - 1]?.seconds as MetricStep;
    const width = step / slotSeconds;
    const to = slot - (slot % width);
    const from = progress.get(step) ?? to;
    if (to > from) await metricStore.rollUp(tx, step, finer, from, to);
  }
}

async function prune(tx: Tx, slot: number): Promise<void> {
  for (const { seconds, keptSeconds } of metricSteps) {
    // Finest in every round, the others once in a step of theirs.
    if (slot % (seconds / slotSeconds) === 0)
      await metricStore.prune(tx, seconds, slot - keptSeconds / slotSeconds, prunedAtOnce);
  }
}
