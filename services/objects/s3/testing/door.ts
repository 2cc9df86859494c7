import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { CloudError, notFound } from "../../../../kernel/errors.ts";
import { newId } from "../../../../kernel/ids.ts";
import { openSecrets } from "../../../../kernel/secrets.ts";
import type { BucketConfiguration } from "../../configuration.ts";
import type { ObjectStore } from "../../driver.ts";
import type { KeyHolder } from "../../s3Backend.ts";
import { createS3Credentials } from "../../s3Credentials.ts";
import type { WebsiteConfiguration } from "../../websites/contract.ts";
import type { S3Backend, S3Bucket, S3Caller, S3Credentials } from "../backend.ts";
import { type S3ServerOptions, s3Server } from "../server.ts";

/** The keys of the door: each is the owner of an account of its own, but VIEWER, who only reads in that of "main". */
function memoryKey(accessKeyId: string) {
  const name = ["main", "other", "third", "viewer"].find((each) => `AK${each.toUpperCase()}` === accessKeyId);
  if (name === undefined) return undefined;
  const place = { organisationId: "o", projectId: name === "viewer" ? "main" : name };
  const bindings = [{ role: name === "viewer" ? "viewer" : "owner", ...place }] as const;
  return { secretAccessKey: `${name}-secret`, ...place, principal: { kind: "user", id: `usr_${name}`, name, bindings } as const };
}

/** A caller as the door's keys make them. */
export const memoryCaller = async (name: string): Promise<S3Caller> => {
  const { credentials } = memoryBackend(undefined as never);
  return (await credentials.resolve(`AK${name.toUpperCase()}`))!.caller;
};

/** A backend of buckets in memory: three keys ("main", "other", "third") that see each their own. */
export function memoryBackend(
  store: ObjectStore,
  region = "us-east-1",
  now: () => number = Date.now,
): { backend: S3Backend; credentials: S3Credentials } {
  const buckets = new Map<string, S3Bucket>();
  const websites = new Map<string, WebsiteConfiguration>();
  const configurations = new Map<string, BucketConfiguration>();
  const credentials = createS3Credentials({ accessKey: async (id) => memoryKey(id) }, openSecrets(randomBytes(32)), now);
  const backend: S3Backend = {
    store,
    bucketList: async (caller, { prefix = "", after = "", limit }) => {
      const mine = [...buckets.values()]
        .filter(
          (bucket) => bucket.owner.canonicalId === caller.canonicalId && bucket.name.startsWith(prefix) && bucket.name > after,
        )
        .sort((a, b) => (a.name < b.name ? -1 : 1));
      const page = mine.slice(0, limit);
      return mine.length > limit ? { buckets: page, next: page.at(-1)!.name } : { buckets: page };
    },
    bucketByName: async (name) => {
      const bucket = buckets.get(name);
      if (!bucket) throw notFound("bucket");
      return bucket;
    },
    bucketCreate: async (caller, name, configuration = {}, settings = {}) => {
      if (caller.anonymous) throw new CloudError("permission_denied", "Nobody makes buckets for nobody.");
      const there = buckets.get(name);
      if (there) {
        const details = there.owner.canonicalId === caller.canonicalId ? { reason: "bucket_owned_by_you" } : {};
        throw new CloudError("already_exists", "There is one.", { details });
      }
      const { canonicalId, displayName, accountId } = caller;
      const owner = { canonicalId, displayName, accountId };
      const bucket = { bucketId: newId("bucket"), name, createdAtMs: Date.now(), region, owner };
      buckets.set(name, bucket);
      configurations.set(bucket.bucketId, configuration);
      if (Object.keys(settings).length > 0) await store.settingsUpdate(bucket.bucketId, settings);
      return bucket;
    },
    bucketDelete: async (_caller, bucket) => {
      await store.bucketDrop(bucket.bucketId);
      buckets.delete(bucket.name);
    },
    // The key "third" may not pass over a governance retention; whoever is a viewer only reads.
    async standing(caller, permission, bucket) {
      if (caller.canonicalId !== bucket.owner.canonicalId) return "none";
      const { bindings, name } = (caller.principal as KeyHolder).principal;
      const mayRead = permission === "objects.object.read" || permission === "objects.object.list";
      const may = bindings.some(({ role }) => role !== "viewer" || mayRead);
      return may && (name !== "third" || permission !== "objects.object.bypass") ? "role" : "none";
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
    accessLog: () => undefined,
    missingWebhooks: async (_bucket, names) => names,
    testWebhooks: async () => {},
    async corsRules(name) {
      const bucket = buckets.get(name);
      return bucket && configurations.get(bucket.bucketId)?.cors;
    },
    async site(name) {
      const bucket = buckets.get(name);
      const configuration = bucket && websites.get(bucket.bucketId);
      return bucket && configuration && { bucket, configuration };
    },
    room: (_, work) => work({ take: async () => {} }),
  };
  return { backend, credentials };
}

export async function startDoor(
  store: ObjectStore,
  options: Partial<S3ServerOptions> & { port?: number } = {},
): Promise<{ server: Server; port: number; backend: S3Backend; stop: () => Promise<void> }> {
  const { backend, credentials } = memoryBackend(store, options.region, options.clock);
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
