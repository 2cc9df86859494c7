import type { Duplex } from "node:stream";
import type { AppEngine } from "../driver.ts";
import type { AppsParts } from "../parts.ts";
import type { LogBook } from "./logs/book.ts";

/** A TCP connection to a container. */
export type Connect = (address: string, port: number, signal: AbortSignal) => Promise<Duplex>;

/** Milliseconds; tests shorten some. */
export interface RunningTimes {
  /** How often everything is looked at though nothing was told. */
  roundMs: number;
  /** How often networks, and what was left behind, are looked at. */
  repairMs: number;
  sampleMs: number;
  /** Until the gateway has to have let go of a container that is to be stopped. */
  drainMs: number;
  /** What has no port is held for healthy when it has run for so long. */
  settledMs: number;
  /** Whoever is unhealthy for so long is started anew; doubled each time that it does not help, to an hour. */
  hangMs: number;
  /** Whoever has run for so long is over its crashes. */
  steadyMs: number;
  /** A draining container that nobody has taken away by then was left by a process that is gone. */
  leftMs: number;
  /** The same of a container that runs one command: how long since its owner was seen. */
  ownerMs: number;
  autoscaleUpMs: number;
  autoscaleDownMs: number;
}

export const defaultTimes: RunningTimes = {
  roundMs: 5000,
  repairMs: 30_000,
  sampleMs: 15_000,
  drainMs: 30_000,
  settledMs: 2000,
  hangMs: 180_000,
  steadyMs: 20_000,
  leftMs: 180_000,
  ownerMs: 60_000,
  autoscaleUpMs: 60_000,
  autoscaleDownMs: 300_000,
};

/** What the pieces of this part share. */
export interface Runtime {
  parts: AppsParts;
  times: RunningTimes;
  connect: Connect;
  logs: LogBook;
  /** Engine names of containers that this process is taking down. */
  leaving: Set<string>;
  engine(): AppEngine;
}

/** Runs `work` on all, so many at once; the first failure is thrown when all that were begun are over. */
export async function eachOf<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const failures: unknown[] = [];
  await Promise.all(
    Array.from({ length: Math.min(atOnce, waiting.length) }, async () => {
      for (let item = waiting.shift(); item !== undefined && failures.length === 0; item = waiting.shift())
        await work(item).catch((error) => void failures.push(error));
    }),
  );
  if (failures.length > 0) throw failures[0];
}
