import type { Tx } from "../../../kernel/db/database.ts";
import { newId } from "../../../kernel/ids.ts";
import { closeUsageSpans, openUsageSpan } from "../../../kernel/metering/journal.ts";
import { reserveQuota } from "../../../kernel/quota.ts";
import { runningMeters } from "./contract.ts";
import type { ProcessRow } from "./store/processes.ts";
import { usageStore } from "./store/usage.ts";

interface UsedApp {
  id: string;
  name: string;
  organisationId: string;
  projectId: string;
}

/** In the transaction that makes, drains or removes containers: the journal says what is held from now on. */
export async function holdUsage(tx: Tx, app: UsedApp): Promise<void> {
  const [wanted, held] = [await usageStore.wanted(tx, app.id), await usageStore.held(tx, app.id)];
  if (wanted.memoryBytes === (held?.memoryBytes ?? 0) && wanted.cpus === (held?.cpus ?? 0)) return;
  const now = new Date();
  const rates = [
    ["apps.memory", wanted.memoryBytes],
    ["apps.cpus", wanted.cpus],
  ] as const;
  for (const [meter, rate] of rates) {
    if (held) await closeUsageSpans(tx, app.id, now, meter);
    if (rate === 0) continue;
    await openUsageSpan(tx, {
      id: newId("usageRecord"),
      organisationId: app.organisationId,
      projectId: app.projectId,
      service: "apps",
      resource: { kind: "app", id: app.id, name: app.name },
      meter,
      unit: runningMeters[meter].unit,
      from: now,
      rate,
    });
  }
  await usageStore.setHeld(
    tx,
    { appId: app.id, organisationId: app.organisationId },
    wanted.memoryBytes === 0 && wanted.cpus === 0 ? undefined : { ...wanted, since: now },
  );
}

/** Bytes of memory that processes may have together, whether they run or not. */
export const memoryOf = (rows: readonly Pick<ProcessRow, "inRelease" | "count" | "memoryBytes">[]): number =>
  rows.reduce((sum, { inRelease, count, memoryBytes }) => sum + (inRelease ? count * memoryBytes : 0), 0);

/** quota_exceeded when the organisation or the project has no room for the difference. */
export async function reserveMemory(
  tx: Tx,
  place: { organisationId: string; projectId: string },
  difference: number,
): Promise<void> {
  const { organisationId, projectId } = place;
  if (difference !== 0) await reserveQuota(tx, { organisationId, projectId }, "apps.memory", difference);
}
