import type { Tx } from "../../../kernel/db/database.ts";
import { reserveQuota } from "../../../kernel/quota.ts";
import type { ComputeParts } from "../parts.ts";
import { capacityQuotas } from "./operations/resize.ts";
import { announce, release } from "./states.ts";
import { type InstanceRow, instanceStore } from "./store/instances.ts";

/** The record goes, and with it all that it held: ports, volumes, quotas, open spans of usage. */
export async function removeRecord(
  tx: Tx,
  parts: Pick<ComputeParts, "networks" | "volumes">,
  row: InstanceRow,
  at: Date,
): Promise<void> {
  await parts.networks.deletePorts(tx, row.id);
  await parts.volumes.instanceDeleted(tx, row.id);
  if (!(await instanceStore.delete(tx, row.id))) return;
  await release(tx, row, at);
  if (!row.hidden) {
    await reserveQuota(tx, row, "compute.instances", -1);
    for (const [quota, field] of capacityQuotas) await reserveQuota(tx, row, quota, -row[field]);
  }
  await announce(tx, row, "deleted");
}
