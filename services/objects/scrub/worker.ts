import { audit } from "../../../kernel/audit.ts";
import type { Actor } from "../../../kernel/contract.ts";
import type { Database } from "../../../kernel/db/database.ts";
import { emit } from "../../../kernel/events.ts";
import type { Log } from "../../../kernel/log.ts";
import type { Worker } from "../../../kernel/service.ts";
import type { ObjectStore, ScrubReport } from "../driver.ts";
import { bucketStore } from "../store.ts";
import { verificationStore } from "./store.ts";

const everyDays = 7;
const dayMs = 24 * 3_600_000;
/** How much is read until what was done is written down. */
const sliceMs = 5_000;
/** A terabyte takes nine hours, and clients hardly notice. */
const bytesPerSecond = 32 * 2 ** 20;
/** Somebody waits for it. */
const askedBytesPerSecond = 128 * 2 ** 20;
const verifier: Actor = { kind: "system", name: "Verification" };

/** Reads everything that is stored once a week, or when it is asked for; goes on where it stopped. */
export function scrubWorker({
  database,
  store,
  log,
  now,
}: {
  database: Database;
  store: ObjectStore;
  log: Log;
  now: () => number;
}): Worker {
  /** Where to go on, and how fast; undefined when it is not due. */
  async function begin(): Promise<{ from?: string; bytesPerSecond: number } | undefined> {
    return await database.transaction("system", async (tx) => {
      const { askedAt, startedAt, finishedAt, position } = await verificationStore.get(tx);
      if (startedAt !== null) return { ...(position !== null && { from: position }), bytesPerSecond };
      const isDue = finishedAt === null || now() - finishedAt.getTime() >= everyDays * dayMs;
      if (askedAt === null && !isDue) return undefined;
      await verificationStore.start(tx);
      return { bytesPerSecond: askedAt === null ? bytesPerSecond : askedBytesPerSecond };
    });
  }

  async function write(report: ScrubReport): Promise<void> {
    await database.transaction("system", async (tx) => {
      await verificationStore.advance(tx, report);
      for (const found of report.damaged) {
        const row = await verificationStore.damaged(tx, found);
        if (!row?.isNew) continue;
        const bucket = await bucketStore.find(tx, row.bucketId);
        log.error(
          { bucket: bucket?.name, key: row.key, problem: row.problem },
          `an object is damaged: ${bucket?.name}/${row.key}`,
        );
        audit(tx, {
          action: "objects.object.damaged",
          actor: verifier,
          organisationId: row.organisationId,
          projectId: bucket?.projectId,
          resource: { kind: "bucket", id: row.bucketId, name: bucket?.name },
          after: { key: row.key, problem: row.problem, ...(row.versionId !== "" && { versionId: row.versionId }) },
        });
        await emit(tx, {
          type: "objects.object.damaged",
          organisationId: row.organisationId,
          projectId: bucket?.projectId,
          payload: { bucketId: row.bucketId, key: row.key },
        });
      }
      if (report.next === undefined) await verificationStore.finish(tx);
    });
  }

  return {
    name: "objects.verification",
    everySeconds: 10,
    async run(signal) {
      const begun = await begin();
      if (begun === undefined) return;
      for (let { from } = begun; !signal.aborted; ) {
        const report = await store.scrub({
          signal,
          forMs: sliceMs,
          bytesPerSecond: begun.bytesPerSecond,
          quarantine: true,
          ...(from !== undefined && { from }),
        });
        await write(report);
        if (report.next === undefined) return;
        from = report.next;
      }
    },
  };
}
