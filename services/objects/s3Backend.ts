import { audit } from "../../kernel/audit.ts";
import { authorize, readVerbs, visibilityOf } from "../../kernel/auth/authorize.ts";
import { actorOf, type Principal } from "../../kernel/auth/principal.ts";
import type { Role, RouteDefinition } from "../../kernel/contract.ts";
import type { Database } from "../../kernel/db/database.ts";
import { CloudError, notFound } from "../../kernel/errors.ts";
import type { IdentityService } from "../identity/contract.ts";
import type { AccessLogs } from "./accessLogs/collect.ts";
import type { BucketCache } from "./bucketCache.ts";
import { changeSettings, createBucket, deleteBucket, placeOf, subjectOf } from "./buckets.ts";
import { type Changes, watchStore } from "./changes.ts";
import contract from "./contract.ts";
import type { ObjectStore } from "./driver.ts";
import { webhookStore } from "./notifications/store.ts";
import type { Notifier } from "./notifications/telling.ts";
import { accountIdOf, canonicalIdOf, displayNameOf } from "./s3/access/identity.ts";
import type { S3Account, S3Backend, S3Bucket, S3Caller, S3Permission } from "./s3/backend.ts";
import type { StorageQuota } from "./storageQuota.ts";
import { type BucketRow, bucketStore, configurationStore } from "./store.ts";
import { changeWebsite } from "./websites/websites.ts";

/** What is carried through the door as the caller's principal: the key's own project with it. */
export interface KeyHolder {
  principal: Principal;
  organisationId: string;
  projectId: string;
  /** The only bucket that the key reaches. */
  bucketId?: string;
}
const holderOf = (caller: S3Caller): KeyHolder => {
  if (caller.anonymous) throw denied();
  return caller.principal as KeyHolder;
};
const actorFrom = (caller: S3Caller) => actorOf(caller.anonymous ? undefined : holderOf(caller).principal);

/** The roles of an S3 permission are those of the API route with the same one. */
const rolesOf = (permission: string): readonly Role[] => rolesByPermission.get(permission) ?? [];
const rolesByPermission = new Map<string, readonly Role[]>([["objects.object.bypass", ["admin"]]]);
for (const { permission, roles } of Object.values<RouteDefinition>(contract.routes))
  if (!rolesByPermission.has(permission)) rolesByPermission.set(permission, roles ?? []);

const accounts = new Map<string, S3Account>();
/** To S3 a project is what an account is there. */
export function accountOf(projectId: string): S3Account {
  let account = accounts.get(projectId);
  if (account === undefined) {
    const canonicalId = canonicalIdOf(projectId);
    account = { displayName: displayNameOf(canonicalId), canonicalId, accountId: accountIdOf(projectId) };
    if (accounts.size >= mostRemembered) accounts.clear();
    accounts.set(projectId, account);
  }
  return account;
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
  accessLogs: AccessLogs;
  notifier: Notifier;
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
    owner: accountOf(bucket.projectId),
  });

  /** Checked where the resource lives; a place that the key does not reach is denied, as S3 says it, not hidden. */
  function check(caller: S3Caller, permission: S3Permission | `objects.bucket.${string}`, place: KeyHolder | BucketRow): void {
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

  /** Whether the caller's role is what is missing; everything else that is refused is refused whatever a policy allows. */
  function standing(caller: S3Caller, permission: S3Permission, row: BucketRow): "role" | "none" {
    const { principal, projectId, organisationId } = holderOf(caller);
    const isOwn = row.projectId === projectId;
    try {
      // What others share with the caller is used with the role that the caller has at home.
      check(caller, permission, isOwn ? row : ({ organisationId, projectId, id: row.id } as BucketRow));
      return isOwn ? "role" : "none";
    } catch (error) {
      const lacksRole = CloudError.is(error, "permission_denied") && error.details["roles"] !== undefined;
      if (!isOwn || !lacksRole) throw error;
      if (principal.readOnly && !readVerbs.has(permission.slice(permission.lastIndexOf(".") + 1))) throw denied();
      return "none";
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

  /** A client that goes on with what it has just changed finds it changed. */
  const changing = <T>(name: string, ...transaction: Parameters<typeof database.transaction<T>>): Promise<T> =>
    buckets.changing(name, () => database.transaction(...transaction));

  const auditSource = { userAgent: "S3" };
  /** Who was let in by a policy is of another organisation; what changes is this one's. */
  const within = (row: BucketRow) => ({ organisationIds: [row.organisationId] });

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
    async bucketByName(name) {
      const bucket = await buckets.find(name);
      if (!bucket || bucket.state === "deleting") throw notFound("bucket");
      return view(bucket);
    },
    async bucketCreate(caller, name, configuration = {}, settings = {}) {
      const holder = holderOf(caller);
      check(caller, "objects.bucket.create", holder);
      const bucket = await changing(name, visibilityOf(holder.principal), async (tx) => {
        const created = await createBucket(tx, holder, name);
        if (Object.keys(configuration).length > 0) await configurationStore.change(tx, created, configuration);
        audit(tx, {
          ...auditSource,
          ...subjectOf(created),
          action: "objects.bucket.create",
          actor: actorOf(holder.principal),
          after: { name, ...configuration, ...settings, accessKeyId: caller.accessKeyId },
        });
        // Before the commit: a bucket that is to lock what it holds is never there without that. Settings of one that did not come to be say nothing.
        if (Object.keys(settings).length > 0)
          tx.beforeCommit(async () => {
            await store.settingsUpdate(created.id, settings);
          });
        return created;
      });
      return view(bucket);
    },
    async bucketDelete(caller, bucket) {
      const row = await rowOf(bucket);
      await changing(row.name, within(row), async (tx) => {
        const deleted = await deleteBucket(tx, store, bucket.bucketId);
        audit(tx, {
          ...auditSource,
          ...subjectOf(deleted),
          action: "objects.bucket.delete",
          actor: actorFrom(caller),
          before: { name: deleted.name, accessKeyId: caller.accessKeyId },
        });
      });
    },
    async standing(caller, permission, bucket) {
      const row = await rowOf(bucket);
      if (row.state === "emptying" && permission === "objects.object.write") {
        throw new CloudError("unavailable", "This bucket is being emptied. Try again when that is done.", {
          details: { retryAfterSeconds: 5 },
        });
      }
      // Whoever is of the organisation carries its suspension; for others it is looked at here.
      const isHome = !caller.anonymous && holderOf(caller).organisationId === row.organisationId;
      if (!isHome && !(await isActive(row.organisationId))) throw denied();
      return caller.anonymous ? "none" : standing(caller, permission, row);
    },
    async configuration(bucket) {
      const { configuration, publicForbidden } = await rowOf(bucket);
      return publicForbidden ? { ...configuration, publicForbidden } : (configuration ?? {});
    },
    async configurationUpdate(caller, bucket, change) {
      const row = await rowOf(bucket);
      await changing(row.name, within(row), async (tx) => {
        const locked = await bucketStore.lock(tx, bucket.bucketId);
        if (!locked || locked.state === "deleting") throw notFound("bucket");
        await configurationStore.change(tx, locked, change);
        audit(tx, {
          ...auditSource,
          ...subjectOf(row),
          action: "objects.bucket.update",
          actor: actorFrom(caller),
          before: { ...locked.configuration },
          after: { ...change, accessKeyId: caller.accessKeyId },
        });
      });
    },
    async settingsUpdate(caller, bucket, change) {
      const row = await rowOf(bucket);
      await database.transaction(within(row), async (tx) => {
        await changeSettings(tx, store, bucket.bucketId, change);
        audit(tx, {
          ...auditSource,
          ...subjectOf(row),
          action: "objects.bucket.update",
          actor: actorFrom(caller),
          after: { ...change, accessKeyId: caller.accessKeyId },
        });
      });
    },
    website: async (bucket) => (await rowOf(bucket)).website ?? undefined,
    async websiteUpdate(caller, bucket, configuration) {
      const row = await rowOf(bucket);
      const action = configuration === undefined ? "objects.website.delete" : "objects.website.update";
      await changing(row.name, within(row), async (tx) => {
        const { before } = await changeWebsite(tx, bucket.bucketId, configuration);
        audit(tx, {
          ...auditSource,
          ...subjectOf(row),
          action,
          actor: actorFrom(caller),
          ...(before === undefined ? {} : { before }),
          after: { ...configuration, accessKeyId: caller.accessKeyId },
        });
      });
    },
    async missingWebhooks(bucket, names) {
      const { projectId } = await rowOf(bucket);
      const there = await database.transaction("system", (tx) => webhookStore.names(tx, projectId, names));
      return names.filter((name) => !there.has(name));
    },
    testWebhooks: async (bucket, names) => parts.notifier.test(await rowOf(bucket), names),
    accessLog(name) {
      const row = buckets.known(name);
      if (!row?.configuration?.logging) return undefined;
      return { owner: view(row).owner, note: (line) => parts.accessLogs.note(row, line) };
    },
    corsRules: async (name) => (await buckets.find(name))?.configuration?.cors,
    async site(name) {
      const row = await buckets.find(name);
      if (row?.website == null || row.state === "deleting") return undefined;
      return (await isActive(row.organisationId)) ? { bucket: view(row), configuration: row.website } : undefined;
    },
    room: async (bucket, work) => quota.room(await rowOf(bucket), work),
  };
}
