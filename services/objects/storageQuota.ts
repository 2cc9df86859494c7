import type { Database } from "../../kernel/db/database.ts";
import { CloudError } from "../../kernel/errors.ts";
import { type QuotaUse, quotaStates, reportQuotaUse } from "../../kernel/quota.ts";
import type { ObjectStore } from "./driver.ts";
import { checkBucketQuota, heldIn } from "./quota/bucketQuota.ts";
import { type BucketRow, bucketStore } from "./store.ts";

const quota = "objects.storage_bytes";
const freshMs = 3000;
/** What is refused is looked at anew before, but not more often than this. */
const recheckMs = 250;

type Scope = { organisationId: string; projectId: string };

interface Held {
  readAt: number;
  organisation: { used: number; limit: number };
  /** Without a limit of its own a project is bound by its organisation only. */
  project: { used: number; limit: number | undefined };
}

/** For what is on its way into a bucket: what was taken counts until that has ended, however long it takes. */
export interface StorageRoom {
  /** quota_exceeded when that many bytes more do not fit. */
  take(bytes: number): Promise<void>;
}

/**
 * Stored bytes are not reserved row by row, as puts go to the store alone: they are measured, and what is on its way or was let in since is
 * added. So a limit may be passed by what comes through several processes at once, and by no more.
 */
export interface StorageQuota {
  /** `work` stores something. */
  room<T>(bucket: BucketRow, work: (room: StorageRoom) => Promise<T>): Promise<T>;
  /** quota_exceeded when that many bytes more would not fit now, into the bucket, its project or its organisation. */
  check(bucket: BucketRow, bytes: number): Promise<void>;
  /** Writes down what all scopes use, for whoever lists quotas. */
  report(): Promise<void>;
}

export function createStorageQuota({ database, store }: { database: Database; store: ObjectStore }): StorageQuota {
  const known = new Map<string, Held>();
  const reading = new Map<string, Promise<Held>>();
  /** Bytes on their way, by the id of the organisation, of the project, and of each bucket with a quota of its own. */
  const underWay = new Map<string, number>();

  async function heldBytes(buckets: readonly BucketRow[]): Promise<number[]> {
    const totals = await Promise.all(
      buckets.map((bucket) => Promise.all([store.totals(bucket.id), store.totals(bucket.trashBucketId)])),
    );
    return totals.map((both) => both.reduce((sum, each) => sum + each.sizeBytes + each.versionBytes + each.uploadBytes, 0));
  }

  async function read(place: Scope): Promise<Held> {
    const { buckets, limits, own } = await database.transaction("system", async (tx) => {
      const state = async (scope: { organisationId: string; projectId?: string }) =>
        (await quotaStates(tx, scope)).find((each) => each.name === quota);
      return {
        buckets: await bucketStore.ofOrganisation(tx, place.organisationId),
        limits: await state({ organisationId: place.organisationId }),
        own: await state(place),
      };
    });
    const bytes = await heldBytes(buckets);
    const sum = (of: (bucket: BucketRow) => boolean) =>
      buckets.reduce((total, bucket, index) => total + (of(bucket) ? (bytes[index] as number) : 0), 0);
    const held: Held = {
      readAt: Date.now(),
      organisation: { used: sum(() => true), limit: limits?.limit ?? Number.POSITIVE_INFINITY },
      project: { used: sum((bucket) => bucket.projectId === place.projectId), limit: own?.custom ? own.limit : undefined },
    };
    known.set(place.projectId, held);
    return held;
  }

  async function current(place: Scope, maxAgeMs: number): Promise<Held> {
    const old = known.get(place.projectId);
    if (old && Date.now() - old.readAt < maxAgeMs) return old;
    let promise = reading.get(place.projectId);
    if (!promise) {
      promise = read(place).finally(() => reading.delete(place.projectId));
      reading.set(place.projectId, promise);
    }
    try {
      return await promise;
    } catch (error) {
      // Puts go on while the database restarts.
      if (old && CloudError.is(error, "unavailable")) return old;
      throw error;
    }
  }

  function change(bucket: BucketRow, bytes: number): void {
    for (const id of [bucket.organisationId, bucket.projectId, ...(bucket.configuration?.quota ? [bucket.id] : [])]) {
      const sum = (underWay.get(id) ?? 0) + bytes;
      if (sum > 0) underWay.set(id, sum);
      else underWay.delete(id);
    }
  }

  const usedOf = (place: Scope, held: Held) => ({
    organisation: held.organisation.used + (underWay.get(place.organisationId) ?? 0),
    project: held.project.used + (underWay.get(place.projectId) ?? 0),
  });

  function passed(place: Scope, held: Held, bytes: number): "organisation" | "project" | undefined {
    const { organisation, project } = usedOf(place, held);
    if (organisation + bytes > held.organisation.limit) return "organisation";
    return held.project.limit !== undefined && project + bytes > held.project.limit ? "project" : undefined;
  }

  /** Between the decision and `admitted`, which counts it, nothing else runs: what comes at once is let in one by one. */
  async function admit(bucket: BucketRow, bytes: number, admitted: () => void): Promise<void> {
    let held = await current(bucket, freshMs);
    if (passed(bucket, held, bytes)) held = await current(bucket, recheckMs);
    const inBucket = bucket.configuration?.quota && (await heldIn(store, bucket));
    if (inBucket) checkBucketQuota(bucket, { ...inBucket, bytes: inBucket.bytes + (underWay.get(bucket.id) ?? 0) }, bytes);
    const scope = passed(bucket, held, bytes);
    if (!scope) return admitted();
    const { limit } = held[scope];
    const used = usedOf(bucket, held)[scope];
    throw new CloudError(
      "quota_exceeded",
      `The ${scope} may store ${limit} bytes and has ${used}: ${bytes} more do not fit. Delete what is not needed, or ask an administrator for a higher quota.`,
      { details: { quota, limit, scope } },
    );
  }

  return {
    check: (bucket, bytes) => admit(bucket, bytes, () => {}),
    async room(bucket, work) {
      let taken = 0;
      async function take(bytes: number): Promise<void> {
        await admit(bucket, bytes, () => {
          taken += bytes;
          change(bucket, bytes);
        });
      }
      try {
        return await work({ take });
      } finally {
        change(bucket, -taken);
        // Stored now, for all that is known here until it is measured again.
        const held = known.get(bucket.projectId);
        if (held) {
          held.organisation.used += taken;
          held.project.used += taken;
        }
      }
    },
    async report() {
      const buckets = await database.transaction("system", (tx) => bucketStore.all(tx));
      const bytes = await heldBytes(buckets);
      const uses = new Map<string, QuotaUse>();
      for (const [index, { organisationId, projectId }] of buckets.entries()) {
        for (const scope of [{ organisationId }, { organisationId, projectId }]) {
          const id = "projectId" in scope ? projectId : organisationId;
          uses.set(id, { ...scope, used: (uses.get(id)?.used ?? 0) + (bytes[index] as number) });
        }
      }
      await database.transaction("system", (tx) => reportQuotaUse(tx, quota, [...uses.values()]));
    },
  };
}
