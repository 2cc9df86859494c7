import { createHash } from "node:crypto";
import type { Database, Tx } from "../../../kernel/db/database.ts";
import type { Log } from "../../../kernel/log.ts";
import { heldSeconds, leaseStore, type ProcessReport } from "../live/store/leases.ts";

/** Which phone systems this voice process serves: each is one process's at a time, and another one's soon after that has died. */
export interface Leases {
  readonly processId: string;
  has(systemId: string): boolean;
  all(): string[];
  /** As `has`; looks again when it has not, as nobody may have it. */
  serves(systemId: string): Promise<boolean>;
  /** Called with a phone system that came or went. */
  onChange(listener: (systemId: string, isOurs: boolean) => void): void;
  /** Gives all away, and takes none any more. */
  drain(): Promise<void>;
  close(): void;
}

const renewMs = 3000;
/** Whoever asks for what another process has makes us look so often at the most. */
const againMs = 1000;

export interface LeaseOptions {
  database: Database;
  log: Log;
  /** The same after a restart, and no other's. */
  processId: string;
  /** In the transaction in which the phone system of a process that is gone is taken over. */
  takenOver: (tx: Tx, processId: string, systemId: string) => Promise<void>;
  /** Phone systems in which calls run: they are given to nobody to share out the work. */
  busy: () => Set<string>;
  /** What others are told of this process. */
  report: () => Promise<ProcessReport>;
}

export async function openLeases({ database, log, processId, takenOver, busy, report }: LeaseOptions): Promise<Leases> {
  let ours = new Set<string>();
  let others = new Set<string>();
  let heldUntil = 0;
  let lookedAt = 0;
  let isDraining = false;
  let looking: Promise<void> | undefined;
  const listeners: ((systemId: string, isOurs: boolean) => void)[] = [];
  const has = (systemId: string) => ours.has(systemId) && performance.now() < heldUntil;

  async function round(): Promise<void> {
    if (isDraining) return;
    const began = performance.now();
    lookedAt = began;
    const told = await report();
    const taken = await database.transaction("system", async (tx) => {
      await leaseStore.note(tx, processId, told);
      const processes = await leaseStore.processes(tx);
      const all = await leaseStore.all(tx);
      const talking = busy();
      const mine = all.filter((each) => each.processId === processId);
      const moving = mine.filter(({ systemId }) => chosen(systemId, processes) !== processId && !talking.has(systemId));
      const free = all.filter(
        (each) => each.processId !== processId && each.isOver && chosen(each.systemId, processes) === processId,
      );
      await leaseStore.release(
        tx,
        processId,
        moving.map(({ systemId }) => systemId),
      );
      const gone = new Set(moving);
      const wanted = [...mine.filter((each) => !gone.has(each)), ...free].map(({ systemId }) => systemId);
      const got = new Set(await leaseStore.take(tx, processId, wanted));
      for (const { systemId, processId: before } of free)
        if (before !== null && got.has(systemId)) await takenOver(tx, before, systemId);
      others = new Set(all.flatMap(({ systemId }) => (got.has(systemId) ? [] : [systemId])));
      return got;
    });
    if (isDraining) return;
    heldUntil = began + heldSeconds * 1000;
    change(taken);
  }
  function change(now: Set<string>): void {
    const changed = [...now.symmetricDifference(ours)];
    ours = now;
    for (const systemId of changed) for (const listener of listeners) listener(systemId, now.has(systemId));
  }
  function look(): Promise<void> {
    looking ??= round()
      .catch((error) => log.warn({ err: error }, "which phone systems are served here cannot be told"))
      .finally(() => {
        looking = undefined;
      });
    return looking;
  }

  await round();
  const timer = setInterval(() => void look(), renewMs).unref();
  return {
    processId,
    has,
    all: () => [...ours],
    async serves(systemId) {
      const isWorthIt = !others.has(systemId) || looking !== undefined || performance.now() - lookedAt > againMs;
      if (!has(systemId) && isWorthIt) await look();
      // One that was made while we looked.
      if (!ours.has(systemId) && !others.has(systemId)) await look();
      return has(systemId);
    },
    onChange: (listener) => void listeners.push(listener),
    async drain() {
      isDraining = true;
      clearInterval(timer);
      await looking;
      await database.transaction("system", async (tx) => {
        await leaseStore.leave(tx, processId);
        await leaseStore.release(tx, processId);
      });
      change(new Set());
    },
    close: () => clearInterval(timer),
  };
}

/** The same for all who know the same processes: the highest of their hashes (rendezvous hashing), so that one more or less moves few. */
export function chosen(systemId: string, processes: readonly string[]): string | undefined {
  const weight = (processId: string) => createHash("sha256").update(`${processId} ${systemId}`).digest("hex");
  return processes.toSorted((a, b) => (weight(a) < weight(b) ? 1 : -1))[0];
}
