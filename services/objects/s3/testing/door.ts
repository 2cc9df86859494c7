import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { CloudError, notFound } from "../../../../kernel/errors.ts";
import { newId } from "../../../../kernel/ids.ts";
import type { BucketConfiguration } from "../../configuration.ts";
import type { ObjectStore } from "../../driver.ts";
import type { WebsiteConfiguration } from "../../websites/contract.ts";
import type { S3Backend, S3Bucket, S3Caller, S3Credentials } from "../backend.ts";
import { type S3ServerOptions, s3Server } from "../server.ts";

/** A backend of buckets in memory: three keys ("main", "other", "third") that see each their own. */
export function memoryBackend(store: ObjectStore, region = "us-east-1"): { backend: S3Backend; credentials: S3Credentials } {
  const buckets = new Map<string, S3Bucket & { ownerId: string }>();
  const websites = new Map<string, WebsiteConfiguration>();
  const configurations = new Map<string, BucketConfiguration>();
  const keys = new Map<string, { secretAccessKey: string; caller: S3Caller }>(
    ["main", "other", "third"].map((name) => [
      `AK${name.toUpperCase()}`,
      {
        secretAccessKey: `${name}-secret`,
        caller: { accessKeyId: `AK${name.toUpperCase()}`, principal: name, displayName: name, canonicalId: `${name}-id` },
      },
    ]),
  );
  const backend: S3Backend = {
    store,
    bucketList: async (caller, { prefix = "", after = "", limit }) => {
      const mine = [...buckets.values()]
        .filter((bucket) => bucket.ownerId === caller.canonicalId && bucket.name.startsWith(prefix) && bucket.name > after)
        .sort((a, b) => (a.name < b.name ? -1 : 1));
      const page = mine.slice(0, limit);
      return mine.length > limit ? { buckets: page, next: page.at(-1)!.name } : { buckets: page };
    },
    bucketByName: async (caller, name) => {
      const bucket = buckets.get(name);
      if (!bucket) throw notFound("bucket");
      if (bucket.ownerId !== caller.canonicalId) throw new CloudError("permission_denied", "Not yours.");
      return bucket;
    },
    bucketCreate: async (caller, name) => {
      const there = buckets.get(name);
      if (there) {
        const details = there.ownerId === caller.canonicalId ? { reason: "bucket_owned_by_you" } : {};
        throw new CloudError("already_exists", "There is one.", { details });
      }
      const bucket = { bucketId: newId("bucket"), name, createdAtMs: Date.now(), region, ownerId: caller.canonicalId };
      buckets.set(name, bucket);
      return bucket;
    },
    bucketDelete: async (_caller, bucket) => {
      await store.bucketDrop(bucket.bucketId);
      buckets.delete(bucket.name);
    },
    // The key "third" may not pass over a governance retention.
    async authorize(caller, action) {
      if (caller.principal === "third" && action === "objects.object.bypass") throw new CloudError("permission_denied", "No.");
    },
    configuration: async ({ bucketId }) => configurations.get(bucketId) ?? {},
    async configurationUpdate(_caller, { bucketId }, change) {
      const entries = Object.entries({ ...configurations.get(bucketId), ...change }).filter(([, document]) => document !== null);
      configurations.set(bucketId, Object.fromEntries(entries));
    },
    async settingsUpdate(_caller, { bucketId }, change) {
      await store.settingsUpdate(bucketId, change);
    },
    website: async ({ bucketId }) => websites.get(bucketId),
    async websiteUpdate(_caller, { bucketId }, configuration) {
      if (configuration === undefined) websites.delete(bucketId);
      else websites.set(bucketId, configuration);
    },
    async site(name) {
      const bucket = buckets.get(name);
      const configuration = bucket && websites.get(bucket.bucketId);
      return bucket && configuration && { bucket, configuration };
    },
    room: (_, work) => work({ take: async () => {} }),
  };
  return { backend, credentials: { resolve: async (accessKeyId) => keys.get(accessKeyId) } };
}

export async function startDoor(
  store: ObjectStore,
  options: Partial<S3ServerOptions> & { port?: number } = {},
): Promise<{ server: Server; port: number; backend: S3Backend; stop: () => Promise<void> }> {
  const { backend, credentials } = memoryBackend(store, options.region);
  const quiet = { debug: () => {}, warn: () => {}, error: (fields: object, message: string) => console.error(message, fields) };
  const server = s3Server({
    backend,
    credentials,
    region: "us-east-1",
    hosts: ["localhost", "s3.example.org"],
    log: quiet,
    ...options,
  });
  server.listen(options.port ?? 0, "127.0.0.1");
  await once(server, "listening");
  const stop = async (): Promise<void> => {
    server.close();
    server.closeAllConnections();
    await once(server, "close");
  };
  return { server, port: (server.address() as AddressInfo).port, backend, stop };
}
