import { CloudError } from "../../../kernel/errors.ts";
import type { Id } from "../../../kernel/ids.ts";
import type { ObjectStore, VersionEntry, VersionPosition } from "../driver.ts";
import { inParallel } from "../walk.ts";
import { abortOf, expiryOf, type LifecycleRule, markerExpired, prefixesOf, versionExpired } from "./rules.ts";
import { noncurrentTransitionOf, transitionOf } from "./transitions.ts";

const atOnce = 500;

/** What rules did, or would do now. */
export interface LifecycleCounts {
  objects: number;
  versions: number;
  markers: number;
  uploads: number;
  /** Objects and versions that have another storage class now. */
  transitions: number;
  /** Of the objects and versions. */
  sizeBytes: number;
  /** False when there was more than could be looked at. */
  isComplete: boolean;
}

/** One deletion, or another storage class, that a rule asks for. */
interface Due {
  kind: "objects" | "versions" | "markers" | "transitions";
  key: string;
  sizeBytes: number;
  versionId?: string;
  /** An object that was written later is another one. */
  notAfterMs?: number;
  storageClass?: string;
}

/**
 * Carries out the rules of a bucket, a page of its versions at a time. It may be cut short anywhere and begun anew. What is locked
 * stays. `dryRun` only counts, and `most` is how many versions it looks at.
 */
export async function carryOut(
  store: ObjectStore,
  bucketId: Id<"bucket">,
  rules: readonly LifecycleRule[],
  options: { nowMs: number; signal?: AbortSignal; dryRun?: boolean; most?: number },
): Promise<LifecycleCounts> {
  const counts: LifecycleCounts = {
    objects: 0,
    versions: 0,
    markers: 0,
    uploads: 0,
    transitions: 0,
    sizeBytes: 0,
    isComplete: true,
  };
  let left = options.most ?? Number.POSITIVE_INFINITY;
  for (const prefix of prefixesOf(rules)) {
    const judge = judgeOf(rules, options.nowMs);
    for (let after: VersionPosition | undefined, more = true; more; more = after !== undefined) {
      options.signal?.throwIfAborted();
      const page = await store.versionList(bucketId, { prefix, limit: atOnce, ...(after !== undefined && { after }) });
      after = page.next;
      const due = [...page.versions.flatMap(judge.take), ...(after === undefined ? judge.rest() : [])];
      await inParallel(due, async (each) => {
        if (!options.dryRun && !(await (each.kind === "transitions" ? relabel : expire)(store, bucketId, each))) return;
        counts[each.kind]++;
        counts.sizeBytes += each.sizeBytes;
      });
      left -= page.versions.length;
      if (left <= 0 && after !== undefined) return { ...counts, isComplete: false };
    }
    await expireUploads(store, bucketId, rules, prefix, options, counts);
  }
  return counts;
}

/** Looks at all versions in the order of the listing, which is by key and the newest first. */
function judgeOf(rules: readonly LifecycleRule[], nowMs: number) {
  let key: string | undefined;
  let newer = 0;
  let successorMs = 0;
  /** A marker with nothing behind it, so far. */
  let lone: Due[] = [];

  function rest(): Due[] {
    const due = lone;
    lone = [];
    return due;
  }

  function take({ isLatest, object, marker }: VersionEntry): Due[] {
    const entry = object ?? marker;
    const isNewKey = entry.key !== key;
    const due = isNewKey ? rest() : [];
    lone = [];
    if (isNewKey) [key, newer] = [entry.key, 0];
    const version = {
      key: entry.key,
      sizeBytes: object?.sizeBytes ?? 0,
      ...(entry.versionId !== undefined && { versionId: entry.versionId }),
    };
    if (!isLatest) {
      const state = { key: entry.key, object, noncurrentSinceMs: successorMs, newer };
      // Without its successor on the list, as the page began behind it, it is judged the next time.
      if (!isNewKey && versionExpired(rules, state, nowMs)) due.push({ kind: "versions", ...version });
      else if (!isNewKey && object) {
        const storageClass = noncurrentTransitionOf(rules, { ...state, object }, nowMs);
        if (storageClass !== undefined) due.push({ kind: "transitions", ...version, sizeBytes: 0, storageClass });
      }
      newer++;
    } else if (object) {
      const expiry = expiryOf(rules, object);
      if (expiry !== undefined && expiry.atMs <= nowMs)
        due.push({ kind: "objects", key: object.key, sizeBytes: object.sizeBytes, notAfterMs: object.modifiedAtMs });
      else {
        const storageClass = transitionOf(rules, object, nowMs);
        if (storageClass !== undefined)
          due.push({ kind: "transitions", ...version, sizeBytes: 0, storageClass, notAfterMs: object.modifiedAtMs });
      }
    } else if (markerExpired(rules, marker.key, marker.modifiedAtMs, nowMs)) lone = [{ kind: "markers", ...version }];
    successorMs = entry.modifiedAtMs;
    return due;
  }
  return { take, rest };
}

/** False when it was gone already, is another one by now, or is locked. */
async function expire(
  store: ObjectStore,
  bucketId: Id<"bucket">,
  { kind: _, sizeBytes: __, key, ...options }: Due,
): Promise<boolean> {
  try {
    return (await store.delete(bucketId, key, options)) !== undefined;
  } catch (error) {
    if (CloudError.is(error, "precondition_failed") || CloudError.is(error, "permission_denied")) return false;
    throw error;
  }
}

/** False when it is gone or another one by now. */
async function relabel(store: ObjectStore, bucketId: Id<"bucket">, due: Due): Promise<boolean> {
  const { key, storageClass = "STANDARD", versionId, notAfterMs } = due;
  const options = { ...(versionId !== undefined && { versionId }), ...(notAfterMs !== undefined && { notAfterMs }) };
  try {
    await store.mark(bucketId, key, { storageClass }, options);
    return true;
  } catch (error) {
    if (CloudError.is(error, "precondition_failed") || CloudError.is(error, "not_found")) return false;
    throw error;
  }
}

async function expireUploads(
  store: ObjectStore,
  bucketId: Id<"bucket">,
  rules: readonly LifecycleRule[],
  prefix: string,
  { nowMs, signal, dryRun }: { nowMs: number; signal?: AbortSignal; dryRun?: boolean },
  counts: LifecycleCounts,
): Promise<void> {
  if (!rules.some(({ abortUploadsDays }) => abortUploadsDays !== undefined)) return;
  for (let at: { after?: string; afterUploadId?: string } | undefined = {}; at !== undefined; ) {
    signal?.throwIfAborted();
    const page: Awaited<ReturnType<ObjectStore["uploadList"]>> = await store.uploadList(bucketId, {
      prefix,
      limit: atOnce,
      ...at,
    });
    for (const upload of page.uploads) {
      const abort = abortOf(rules, upload);
      if (abort === undefined || abort.atMs > nowMs) continue;
      // Completed or given up in the meantime: just as well.
      const gone = dryRun || (await store.uploadAbort(bucketId, upload.uploadId).then(() => true, ignoreMissing));
      if (gone) counts.uploads++;
    }
    at = page.next;
  }
}

function ignoreMissing(error: unknown): boolean {
  if (CloudError.is(error, "not_found")) return false;
  throw error;
}
