import type { Database } from "../../kernel/db/database.ts";
import type { Log } from "../../kernel/log.ts";
import { addUsage, type UsageCount } from "../../kernel/metering/journal.ts";
import contract from "./contract.ts";
import type { ObjectStore, StorageFact } from "./driver.ts";
import { bucketStore, factStore, type StoreBucketRow, usageId } from "./store.ts";

type MeterName = keyof typeof contract.meters;

const hourMs = 3_600_000;
/** Each look closes the running spans of all buckets: so many that one look nearly always has them all. */
const factsAtOnce = 20_000;
const looksAtOnce = 10;

/** Fractional digits of byte-hours: the rounding of a trillion records still leaves every byte-millisecond countable. */
const digits = 20;

/** Byte-milliseconds as byte-hours, in integers all the way: 3,600,000 does not divide evenly in decimals. */
export function byteHours(byteMilliseconds: bigint): string {
  const scale = 10n ** BigInt(digits);
  const scaled = (byteMilliseconds * scale * 2n + BigInt(hourMs)) / (2n * BigInt(hourMs));
  return `${scaled / scale}.${(scaled % scale).toString().padStart(digits, "0")}`;
}

/** What one hour of one bucket comes to, before it is written down. */
interface HourOfUse {
  owner: StoreBucketRow;
  hour: number;
  fromMs: number;
  toMs: number;
  byteMilliseconds: bigint;
  amounts: Record<Exclude<MeterName, "objects.storage">, number>;
}

function addUp(facts: readonly StorageFact[], owners: ReadonlyMap<string, StoreBucketRow>): HourOfUse[] {
  const hours = new Map<string, HourOfUse>();
  for (const fact of facts) {
    const owner = owners.get(fact.bucketId) as StoreBucketRow;
    const hour = Math.floor(fact.fromMs / hourMs);
    const id = `${owner.bucketId} ${hour}`;
    let use = hours.get(id);
    if (!use) {
      use = {
        owner,
        hour,
        fromMs: fact.fromMs,
        toMs: fact.toMs,
        byteMilliseconds: 0n,
        amounts: { "objects.requests_write": 0, "objects.requests_read": 0, "objects.traffic_in": 0, "objects.traffic_out": 0 },
      };
      hours.set(id, use);
    }
    use.fromMs = Math.min(use.fromMs, fact.fromMs);
    use.toMs = Math.max(use.toMs, fact.toMs);
    use.byteMilliseconds += BigInt(fact.byteMilliseconds);
    use.amounts["objects.requests_write"] += fact.writeRequests;
    use.amounts["objects.requests_read"] += fact.readRequests;
    use.amounts["objects.traffic_in"] += fact.receivedBytes;
    use.amounts["objects.traffic_out"] += fact.sentBytes;
  }
  return [...hours.values()];
}

function countsOf({ owner, hour, fromMs, toMs, byteMilliseconds, amounts }: HourOfUse): UsageCount[] {
  const count = (meter: MeterName, quantity: string | number): UsageCount => ({
    id: usageId(owner.bucketId, meter, hour),
    organisationId: owner.organisationId,
    projectId: owner.projectId,
    service: contract.name,
    meter,
    unit: contract.meters[meter].unit,
    resource: { kind: "bucket", id: owner.bucketId, name: owner.bucketName },
    from: new Date(fromMs),
    to: new Date(toMs),
    quantity,
  });
  return [
    ...(byteMilliseconds > 0n ? [count("objects.storage", byteHours(byteMilliseconds))] : []),
    ...Object.entries(amounts)
      .filter(([, amount]) => amount > 0)
      .map(([meter, amount]) => count(meter as MeterName, amount)),
  ];
}

/**
 * Brings the facts of the store into the usage journal, each exactly once though the two do not share a transaction: the store
 * hands a fact over until it is acknowledged, and the journal's transaction marks what it has counted. The journal gets one record
 * for each bucket, meter and hour, which grows until the hour is over.
 */
export async function flushUsage({
  database,
  store,
  log,
}: {
  database: Database;
  store: ObjectStore;
  log: Log;
}): Promise<number> {
  let counted = 0;
  for (let look = 0; look < looksAtOnce; look++) {
    const ids = await database.transaction("system", async (tx) => {
      await factStore.lock(tx);
      // Under the lock: what another process has acknowledged is not handed over any more.
      const facts = await store.facts(factsAtOnce);
      const factIds = facts.map((fact) => fact.id);
      if (facts.length < factsAtOnce) await factStore.forgetMarks(tx, factIds);
      const fresh = await factStore.markCounted(tx, factIds);
      if (fresh.size > 0) {
        const storeIds = [...new Set(facts.map((fact) => fact.bucketId))];
        const owners = new Map((await bucketStore.owners(tx, storeIds)).map((owner) => [owner.id as string, owner]));
        const billable = facts.filter((fact) => fresh.has(fact.id) && owners.has(fact.bucketId));
        for (const bucketId of storeIds) {
          if (!owners.has(bucketId)) log.error({ bucketId }, "the store has usage of a bucket that was never ours; not billed");
        }
        await addUsage(tx, addUp(billable, owners).flatMap(countsOf));
      }
      counted += fresh.size;
      return factIds;
    });
    if (ids.length > 0) await store.factsAcknowledge(ids);
    if (ids.length < factsAtOnce) break;
  }
  return counted;
}
