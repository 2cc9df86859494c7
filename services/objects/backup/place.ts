import { randomUUID } from "node:crypto";
import type { Database } from "../../../kernel/db/database.ts";
import { CloudError } from "../../../kernel/errors.ts";
import { outboundSettings } from "../../../kernel/outbound/settings.ts";
import type { Secrets } from "../../../kernel/secrets.ts";
import type { BucketRow } from "../store.ts";
import { inParallel } from "../walk.ts";
import { backupsFolder, type ManifestHead, type Summary, summaryNames, summaryOf } from "./manifest.ts";
import type { RemoteBucket, RemoteOptions } from "./remote.ts";
import { type TargetRow, targetSecretPurpose, targetStore } from "./store.ts";

/** Says whose backups lie there: two buckets at one place would delete what the other needs. */
const markName = "khmara-backup.json";
const mostFound = 1000;
const mostDocumentBytes = 10_000;

type Mark = Pick<ManifestHead, "format" | "bucketId" | "bucketName" | "projectId">;

/** A backup that lies at a place. */
export type Found = Summary & { manifest: string };

/** Loaded where there are backups only: the S3 client takes memory. */
export const openRemote = async (options: RemoteOptions): Promise<RemoteBucket> =>
  new (await import("./remote.ts")).RemoteBucket(options);

export interface PlaceParts {
  database: Database;
  secrets: Secrets;
}

export const secretOf = (secrets: Secrets, target: TargetRow): string =>
  secrets.decrypt(targetSecretPurpose(target.bucketId), target.secret).toString();

/** Where a bucket is backed up to. @throws CloudError failed_precondition (nowhere, a private address, taken over by another) */
export async function openPlace({ database, secrets }: PlaceParts, bucketId: string, signal: AbortSignal): Promise<RemoteBucket> {
  const { target, allowedNetworks } = await database.transaction("system", async (tx) => ({
    target: await targetStore.find(tx, bucketId),
    allowedNetworks: (await outboundSettings(tx)).allowedNetworks,
  }));
  if (!target) throw noTarget();
  const { targetBucket: bucket, endpoint, region, prefix, accessKeyId, pathStyle } = target;
  const secretAccessKey = secretOf(secrets, target);
  const options = { endpoint, region, bucket, prefix, accessKeyId, secretAccessKey, pathStyle, allowedNetworks, signal };
  const remote = await openRemote(options);
  try {
    const mark = await readMark(remote);
    if (mark !== undefined && mark.bucketId !== bucketId) throw takenBy(mark);
    return remote;
  } catch (error) {
    remote.close();
    throw error;
  }
}

export const noTarget = (): CloudError =>
  new CloudError("failed_precondition", "This bucket is backed up nowhere. Set a backup target first.", {
    details: { resource: "bucket", reason: "no_backup_target" },
  });

const takenBy = ({ bucketName }: Mark): CloudError =>
  new CloudError(
    "failed_precondition",
    `Backups of another bucket, ${bucketName}, lie at this place. Choose another prefix, or take them over.`,
    { details: { resource: "backupTarget", reason: "backup_target_taken", bucketName } },
  );

async function readMark(remote: RemoteBucket): Promise<Mark | undefined> {
  if (!(await remote.head(markName))) return undefined;
  const mark = await readSmall<Mark>(remote, markName);
  if (mark?.format === 1 && typeof mark.bucketId === "string") return mark;
  throw new CloudError("failed_precondition", `The object ${markName} at this place is none of ours. Choose another prefix.`, {
    details: { resource: "backupTarget", reason: "backup_target_taken" },
  });
}

/**
 * Tries all that backups need (list, write, read, delete), marks the place as this bucket's, and tells which backups lie there.
 * @throws CloudError failed_precondition: what the other S3 said, or that another bucket's backups lie there
 */
export async function claimPlace(
  remote: RemoteBucket,
  bucket: Pick<BucketRow, "id" | "name" | "projectId">,
  { takeOver }: { takeOver: boolean },
): Promise<Found[]> {
  // First what is answered with words when it is refused; a HEAD is not.
  const found = await findBackups(remote);
  const mark = await readMark(remote);
  if (mark !== undefined && mark.bucketId !== bucket.id && !takeOver) throw takenBy(mark);
  await tryPlace(remote);
  const own: Mark = { format: 1, bucketId: bucket.id, bucketName: bucket.name, projectId: bucket.projectId };
  await remote.put(markName, Buffer.from(`${JSON.stringify(own)}\n`));
  return found;
}

async function tryPlace(remote: RemoteBucket): Promise<void> {
  const name = `khmara-try-${randomUUID()}`;
  const bytes = Buffer.from("Khmara looks whether it may write, read and delete here.\n");
  await remote.put(name, bytes);
  const back = Buffer.concat(await (await remote.read(name)).toArray());
  await remote.remove(name);
  if (!back.equals(bytes))
    throw new CloudError("failed_precondition", "What was written there came back as something else.", {
      details: { resource: "backupTarget", reason: "backup_target", said: "other bytes came back" },
    });
}

async function findBackups(remote: RemoteBucket): Promise<Found[]> {
  const names: string[] = [];
  for await (const page of remote.list(backupsFolder)) {
    names.push(...summaryNames(page));
    // By name they are by time: the newest count.
    names.splice(0, Math.max(0, names.length - mostFound));
  }
  const found: Found[] = [];
  await inParallel(names, async (manifest) => {
    const summary = await readSmall<Summary>(remote, summaryOf(manifest));
    if (summary?.format === 1) found.push({ manifest, ...summary });
  });
  return found;
}

/** A document of ours; undefined: it is not there, or none. */
async function readSmall<T>(remote: RemoteBucket, name: string): Promise<T | undefined> {
  const there = await remote.head(name);
  if (!there || there.sizeBytes > mostDocumentBytes) return undefined;
  const bytes = Buffer.concat(await (await remote.read(name)).toArray());
  try {
    return JSON.parse(bytes.toString()) as T;
  } catch {
    return undefined;
  }
}
