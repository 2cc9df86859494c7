import { z } from "zod";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError } from "../../../kernel/errors.ts";
import { keyFormats } from "../accessLogs/contract.ts";
import { type ConfigurationChange, objectOwnerships } from "../configuration.ts";
import type { BucketSettings, ObjectStore } from "../driver.ts";
import { transitionClasses } from "../lifecycle/transitions.ts";
import { destinationKinds } from "../notifications/configuration.ts";
import { parsePolicy } from "../s3/access/policy.ts";
import { isPublicPolicy } from "../s3/access/publicAccess.ts";
import { S3Error } from "../s3/errors.ts";
import { corsRule } from "../settings/contract.ts";
import { type BucketRow, bucketStore, configurationStore, websiteStore } from "../store.ts";
import { websiteConfiguration } from "../websites/contract.ts";
import { settingsOf } from "./manifest.ts";
import type { RemoteBucket } from "./remote.ts";

/** How the bucket was set when it was backed up, in one document beside the list of its objects. */

const mostBytes = 1_000_000;
const text = z.string().max(1024);
const count = z.int().min(0);
const transitionClass = z.enum(transitionClasses);
const grantee = z.union([
  z.strictObject({ canonicalId: text, displayName: text, permission: text }),
  z.strictObject({ group: z.enum(["everyone", "authenticated", "logDelivery"]), permission: text }),
]);

/**
 * What comes from another S3 is looked at as what comes from anybody: each document by itself, so that one which is none of ours is left out
 * alone. Not the limit of the bucket, which administrators set, nor where its bytes lie.
 */
const documents = {
  tags: z.record(text, text),
  lifecycle: z.array(
    z.strictObject({
      id: text,
      enabled: z.boolean(),
      filter: z.strictObject({
        prefix: text.optional(),
        tags: z.record(text, text).optional(),
        largerThanBytes: count.optional(),
        smallerThanBytes: count.optional(),
      }),
      prefixAlone: z.boolean().optional(),
      expiration: z
        .union([
          z.strictObject({ days: count }),
          z.strictObject({ atMs: z.number() }),
          z.strictObject({ expiredMarkers: z.boolean() }),
        ])
        .optional(),
      noncurrent: z.strictObject({ days: count, newerVersions: count.optional() }).optional(),
      abortUploadsDays: count.optional(),
      transitions: z
        .array(
          z.union([
            z.strictObject({ days: count, storageClass: transitionClass }),
            z.strictObject({ atMs: z.number(), storageClass: transitionClass }),
          ]),
        )
        .optional(),
      noncurrentTransitions: z
        .array(z.strictObject({ days: count, storageClass: transitionClass, newerVersions: count.optional() }))
        .optional(),
    }),
  ),
  policy: z.strictObject({ text: z.string().max(20 * 1024) }),
  publicAccessBlock: z.strictObject({
    blockPublicAcls: z.boolean(),
    ignorePublicAcls: z.boolean(),
    blockPublicPolicy: z.boolean(),
    restrictPublicBuckets: z.boolean(),
  }),
  ownership: z.enum(objectOwnerships),
  acl: z.strictObject({ owner: z.strictObject({ canonicalId: text, displayName: text }), grants: z.array(grantee) }),
  requestPayer: z.enum(["BucketOwner", "Requester"]),
  cors: z.array(corsRule),
  logging: z.strictObject({
    targetBucket: text,
    targetPrefix: text,
    keyFormat: z.enum(keyFormats),
    targetGrants: z.array(grantee).optional(),
  }),
  notification: z.strictObject({
    rules: z.array(
      z.strictObject({
        id: text,
        kind: z.enum(destinationKinds),
        arn: text,
        webhook: text,
        events: z.array(text),
        prefix: text.optional(),
        suffix: text.optional(),
      }),
    ),
    eventBridge: z.literal(true).optional(),
  }),
};
type Kind = keyof typeof documents;

const days = z.int().min(1).optional();
const store = {
  versioning: z.enum(["never", "enabled", "suspended"]),
  lock: z.strictObject({
    retention: z.strictObject({ mode: z.enum(["governance", "compliance"]), days, years: days }).optional(),
  }),
  encryption: z.enum(["server", "none"]),
  managedKey: z.strictObject({ keyId: text.optional(), bucketKey: z.boolean() }),
};

interface SettingsDocument {
  format: 1;
  store: Record<string, unknown>;
  configuration: Record<string, unknown>;
  website?: unknown;
}

export async function sendSettings(
  { store, remote }: { store: Pick<ObjectStore, "settings">; remote: Pick<RemoteBucket, "put"> },
  bucket: BucketRow,
  manifest: string,
): Promise<void> {
  const { engine: _, ...settings } = await store.settings(bucket.id);
  const { quota: __, ...configuration } = bucket.configuration ?? {};
  const document: SettingsDocument = {
    format: 1,
    store: settings,
    configuration,
    ...(bucket.website && { website: bucket.website }),
  };
  await remote.put(settingsOf(manifest), Buffer.from(`${JSON.stringify(document)}\n`));
}

/** Undefined: the backup was made before settings were in it, or what lies there is no such document. */
export async function fetchSettings(
  remote: Pick<RemoteBucket, "head" | "read">,
  manifest: string,
): Promise<SettingsDocument | undefined> {
  const there = await remote.head(settingsOf(manifest));
  if (!there || there.sizeBytes > mostBytes) return undefined;
  try {
    const bytes = Buffer.concat(await (await remote.read(settingsOf(manifest))).toArray());
    const document = JSON.parse(bytes.toString()) as SettingsDocument;
    const isOurs =
      document?.format === 1 && [document.store, document.configuration].every((each) => each && typeof each === "object");
    return isOurs ? document : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Before the objects, which are written as these say. Returns what could not be set. */
export async function restoreStoreSettings(
  objects: Pick<ObjectStore, "settings" | "settingsUpdate">,
  bucket: BucketRow,
  { store: wanted }: SettingsDocument,
  { sameProject }: { sameProject: boolean },
): Promise<string[]> {
  const change: Partial<BucketSettings> = {};
  const leftOut: string[] = [];
  for (const [name, value] of Object.entries(wanted)) {
    const found = store[name as keyof typeof store]?.safeParse(value);
    // The managed key is the project's.
    if (found?.success && (name !== "managedKey" || sameProject)) Object.assign(change, { [name]: found.data });
    else leftOut.push(name);
  }
  // Versions that were never kept are no reason to end those of a bucket that keeps them.
  if (change.versioning === "never") delete change.versioning;
  try {
    await objects.settingsUpdate(bucket.id, change);
  } catch (error) {
    // A bucket that is there already may have a lock, or versions, that these do not go together with.
    if (!CloudError.is(error, "failed_precondition")) throw error;
    return Object.keys(wanted);
  }
  return leftOut;
}

/** After the objects, so that no rule, log or webhook is busy with each of them. Returns what could not be set. */
export async function restoreConfiguration(
  tx: Tx,
  id: string,
  { configuration, website }: SettingsDocument,
  { sameProject }: { sameProject: boolean },
): Promise<{ set: string[]; leftOut: string[] }> {
  const bucket = await bucketStore.lock(tx, id);
  if (bucket?.state !== "active") return { set: [], leftOut: Object.keys(configuration) };
  const change: ConfigurationChange = {};
  const leftOut: string[] = [];
  for (const [kind, value] of Object.entries(configuration)) {
    const found = documents[kind as Kind]?.safeParse(value);
    if (found?.success && (await fits(tx, bucket, kind as Kind, found.data, sameProject)))
      Object.assign(change, { [kind]: found.data });
    else leftOut.push(kind);
  }
  const set = Object.keys(change);
  if (set.length > 0) await configurationStore.change(tx, bucket, change);
  if (website !== undefined) {
    const found = websiteConfiguration.safeParse(website);
    if (found.success && !bucket.publicForbidden) await websiteStore.put(tx, bucket, found.data);
    (found.success && !bucket.publicForbidden ? set : leftOut).push("website");
  }
  return { set, leftOut };
}

async function fits(tx: Tx, bucket: BucketRow, kind: Kind, document: unknown, sameProject: boolean): Promise<boolean> {
  // Who is named in a list, and which webhooks there are, is the project's.
  if (kind === "acl" || kind === "notification") return sameProject;
  if (kind === "logging") {
    const target = await bucketStore.find(tx, (document as { targetBucket: string }).targetBucket);
    return sameProject && target?.projectId === bucket.projectId;
  }
  if (kind !== "policy") return true;
  try {
    // It names its bucket: in one of another name it would say nothing.
    const policy = parsePolicy((document as { text: string }).text, bucket.name);
    return !(bucket.publicForbidden && isPublicPolicy(policy));
  } catch (error) {
    if (error instanceof S3Error) return false;
    throw error;
  }
}
