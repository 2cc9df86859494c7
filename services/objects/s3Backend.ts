import { createHash } from "node:crypto";
import { audit } from "../../kernel/audit.ts";
import { authorize, visibilityOf } from "../../kernel/auth/authorize.ts";
import { actorOf, type Principal } from "../../kernel/auth/principal.ts";
import type { Role, RouteDefinition } from "../../kernel/contract.ts";
import type { Database } from "../../kernel/db/database.ts";
import { CloudError, notFound } from "../../kernel/errors.ts";
import type { IdentityService } from "../identity/contract.ts";
import type { BucketCache } from "./bucketCache.ts";
import { changeSettings, createBucket, deleteBucket, placeOf, subjectOf } from "./buckets.ts";
import { type Changes, watchStore } from "./changes.ts";
import contract from "./contract.ts";
import type { ObjectStore } from "./driver.ts";
import type { S3Action, S3Backend, S3Bucket, S3Caller, S3Credentials } from "./s3/backend.ts";
import type { StorageQuota } from "./storageQuota.ts";
import { type BucketRow, bucketStore, configurationStore } from "./store.ts";
import { changeWebsite } from "./websites/websites.ts";

/** What is carried through the door as the caller's principal: the key's own project with it. */
interface KeyHolder {
  principal: Principal;
  organisationId: string;
  projectId: string;
  /** The only bucket that the key reaches. */
  bucketId?: string;
}
const holderOf = (caller: S3Caller): KeyHolder => caller.principal as KeyHolder;

/** The roles of an S3 action are those of the API route with the same permission. */
const rolesOf = (permission: string): readonly Role[] =>
  permission === "objects.object.bypass"
    ? ["admin"]
    : (Object.values<RouteDefinition>(contract.routes).find((route) => route.permission === permission)?.roles ?? []);

/** To S3 a project is what an account is there. Nothing can be worked out of the hash that the ids do not tell anyway. */
const canonicalIdOf = (projectId: string): string => createHash("sha256").update(projectId).digest("hex");

export function createS3Credentials(identity: IdentityService): S3Credentials {
  return {
    async resolve(accessKeyId) {
      const key = await identity.accessKey(accessKeyId);
      if (!key) return undefined;
      const { secretAccessKey, ...holder } = key;
      return {
        secretAccessKey,
        caller: {
          accessKeyId,
          principal: holder satisfies KeyHolder,
          displayName: key.projectId,
          canonicalId: canonicalIdOf(key.projectId),
        },
      };
    },
  };
}

const denied = (): CloudError =>
  new CloudError("permission_denied", "This bucket belongs to another project.", { details: { resource: "bucket" } });
const otherBucket = (): CloudError =>
  new CloudError("permission_denied", "This access key is for another bucket.", {
    details: { resource: "bucket", reason: "key_of_one_bucket" },
  });

const freshMs = 5000;
const mostRemembered = 10_000;

export function createS3Backend(parts: {
  database: Database;
  store: ObjectStore;
  buckets: BucketCache;
  quota: StorageQuota;
  changes: Changes;
  identity: Pick<IdentityService, "organisationActive">;
  region: string;
}): S3Backend {
  const { database, buckets, quota, region } = parts;
  const active = new Map<string, { active: boolean; at: number }>();

  const store = watchStore(parts.store, (bucketId, keys) => {
    const bucket = buckets.byId(bucketId);
    if (bucket) for (const key of keys) parts.changes.note(bucket, key);
  });

  const view = (bucket: BucketRow): S3Bucket => ({
    bucketId: bucket.id,
    name: bucket.name,
    createdAtMs: bucket.createdAt.getTime(),
    region,
  });

  /** Checked where the resource lives; a place that the key does not reach is denied, as S3 says it, not hidden. */
  function check(
    caller: S3Caller,
    permission: S3Action | `objects.bucket.${string}` | `objects.website.${string}`,
    place: KeyHolder | BucketRow,
  ): void {
    const { principal, projectId, bucketId } = holderOf(caller);
    if (place.projectId !== projectId) throw denied();
    if (bucketId !== undefined) {
      // Its bucket is not its own either: it comes and goes by a person's word.
      const lists = permission === "objects.bucket.list";
      if (!lists && (/^objects\.(bucket|website)\./.test(permission) || (place as BucketRow).id !== bucketId))
        throw otherBucket();
    }
    try {
      authorize(principal, permission, rolesOf(permission), placeOf(place as BucketRow), "bucket");
    } catch (error) {
      throw CloudError.is(error, "not_found") ? denied() : error;
    }
  }

  /** The row behind what the door holds, for it may have held it for as long as a big put takes. */
  async function rowOf(bucket: S3Bucket): Promise<BucketRow> {
    const row = buckets.byId(bucket.bucketId) ?? (await buckets.find(bucket.name));
    if (row?.id !== bucket.bucketId) throw notFound("bucket");
    return row;
  }

  /** Asked for every page: remembered for some seconds, and longer while the database restarts. */
  async function isActive(organisationId: string): Promise<boolean> {
    const known = active.get(organisationId);
    if (known !== undefined && Date.now() - known.at < freshMs) return known.active;
    try {
      const now = await database.transaction("system", (tx) => parts.identity.organisationActive(tx, organisationId));
      if (active.size >= mostRemembered) active.clear();
      active.set(organisationId, { active: now, at: Date.now() });
      return now;
    } catch (error) {
      if (known !== undefined && CloudError.is(error, "unavailable")) return known.active;
      throw error;
    }
  }

  const auditSource = { userAgent: "S3" };

  return {
    store,
    async bucketList(caller, { prefix, after, limit }) {
      const holder = holderOf(caller);
      check(caller, "objects.bucket.list", holder);
      if (holder.bucketId !== undefined) {
        const own = await database.transaction(visibilityOf(holder.principal), (tx) =>
          bucketStore.find(tx, holder.bucketId as string),
        );
        const isShown = own?.state === "active" && own.name.startsWith(prefix ?? "") && own.name > (after ?? "");
        return { buckets: isShown ? [view(own)] : [] };
      }
      const rows = await database.transaction(visibilityOf(holder.principal), (tx) =>
        bucketStore.page(tx, { projectId: holder.projectId, prefix, after, limit: limit + 1 }),
      );
      const page = rows.slice(0, limit);
      const last = page.at(-1);
      return { buckets: page.map(view), ...(rows.length > limit && last ? { next: last.name } : {}) };
    },
    async bucketByName(caller, name) {
      const bucket = await buckets.find(name);
      if (!bucket || bucket.state === "deleting") throw notFound("bucket");
      // To know that a bucket is there one needs nothing but to be of its project.
      const holder = holderOf(caller);
      if (bucket.projectId !== holder.projectId) throw denied();
      if (holder.bucketId !== undefined && bucket.id !== holder.bucketId) throw otherBucket();
      return view(bucket);
    },
    async bucketCreate(caller, name) {
      const holder = holderOf(caller);
      check(caller, "objects.bucket.create", holder);
      const bucket = await database.transaction(visibilityOf(holder.principal), async (tx) => {
        const created = await createBucket(tx, holder, name);
        audit(tx, {
          ...auditSource,
          ...subjectOf(created),
          action: "objects.bucket.create",
          actor: actorOf(holder.principal),
          after: { name, accessKeyId: caller.accessKeyId },
        });
        return created;
      });
      return view(bucket);
    },
    async bucketDelete(caller, bucket) {
      check(caller, "objects.bucket.delete", await rowOf(bucket));
      const { principal } = holderOf(caller);
      await database.transaction(visibilityOf(principal), async (tx) => {
        const deleted = await deleteBucket(tx, store, bucket.bucketId);
        audit(tx, {
          ...auditSource,
          ...subjectOf(deleted),
          action: "objects.bucket.delete",
          actor: actorOf(principal),
          before: { name: deleted.name, accessKeyId: caller.accessKeyId },
        });
      });
    },
    async authorize(caller, action, bucket) {
      const row = await rowOf(bucket);
      if (row.state === "emptying" && action === "objects.object.write") {
        throw new CloudError("unavailable", "This bucket is being emptied. Try again when that is done.", {
          details: { retryAfterSeconds: 5 },
        });
      }
      check(caller, action, row);
    },
    configuration: async (bucket) => (await rowOf(bucket)).configuration ?? {},
    async configurationUpdate(caller, bucket, change) {
      const row = await rowOf(bucket);
      check(caller, "objects.bucket.update", row);
      const { principal } = holderOf(caller);
      await database.transaction(visibilityOf(principal), async (tx) => {
        const locked = await bucketStore.lock(tx, bucket.bucketId);
        if (!locked || locked.state === "deleting") throw notFound("bucket");
        await configurationStore.change(tx, locked, change);
        audit(tx, {
          ...auditSource,
          ...subjectOf(row),
          action: "objects.bucket.update",
          actor: actorOf(principal),
          before: { ...locked.configuration },
          after: { ...change, accessKeyId: caller.accessKeyId },
        });
      });
    },
    async settingsUpdate(caller, bucket, change) {
      const row = await rowOf(bucket);
      check(caller, "objects.bucket.update", row);
      const { principal } = holderOf(caller);
      await database.transaction(visibilityOf(principal), async (tx) => {
        await changeSettings(tx, store, bucket.bucketId, change);
        audit(tx, {
          ...auditSource,
          ...subjectOf(row),
          action: "objects.bucket.update",
          actor: actorOf(principal),
          after: { ...change, accessKeyId: caller.accessKeyId },
        });
      });
    },
    website: async (bucket) => (await rowOf(bucket)).website ?? undefined,
    async websiteUpdate(caller, bucket, configuration) {
      const row = await rowOf(bucket);
      const action = configuration === undefined ? "objects.website.delete" : "objects.website.update";
      check(caller, action, row);
      const { principal } = holderOf(caller);
      await database.transaction(visibilityOf(principal), async (tx) => {
        const { before } = await changeWebsite(tx, bucket.bucketId, configuration);
        audit(tx, {
          ...auditSource,
          ...subjectOf(row),
          action,
          actor: actorOf(principal),
          ...(before === undefined ? {} : { before }),
          after: { ...configuration, accessKeyId: caller.accessKeyId },
        });
      });
    },
    async site(name) {
      const row = await buckets.find(name);
      if (row?.website == null || row.state === "deleting") return undefined;
      return (await isActive(row.organisationId)) ? { bucket: view(row), configuration: row.website } : undefined;
    },
    room: async (bucket, work) => quota.room(await rowOf(bucket), work),
  };
}
