import { isoTime } from "../../../kernel/clock.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, checkRevision, invalid, notFound } from "../../../kernel/errors.ts";
import { decodeCursor, encodeCursor } from "../../../kernel/http/cursor.ts";
import { newId } from "../../../kernel/ids.ts";
import { viewOperation } from "../../../kernel/operations/view.ts";
import { outboundSettings } from "../../../kernel/outbound/settings.ts";
import type { Handlers, RequestContext } from "../../../kernel/service.ts";
import { createBucket, placeOf, resourceOf, subjectOf } from "../buckets.ts";
import contract, { bucketName } from "../contract.ts";
import { actorIn, type ObjectsParts, openBucket, openBucketShortly } from "../parts.ts";
import { type BucketRow, bucketStore } from "../store.ts";
import type { BucketBackup, BucketBackupTarget, backupRoutes } from "./contract.ts";
import { type BackupOperations, beginBackup, beginOnBackups, checkFree, checkIdle, newRow } from "./operations.ts";
import { claimPlace, type Found, openRemote, secretOf } from "./place.ts";
import { nextBackupAt } from "./schedule.ts";
import { type BackupRow, backupStore, type TargetRow, targetSecretPurpose, targetStore } from "./store.ts";

type Routes = Pick<Handlers<typeof contract>, keyof typeof backupRoutes>;

const tryingMs = 60_000;

const viewTarget = ({ schedule, nextAt, ...row }: TargetRow): BucketBackupTarget => ({
  targetEndpoint: row.endpoint,
  region: row.region,
  targetBucket: row.targetBucket,
  prefix: row.prefix,
  pathStyle: row.pathStyle,
  accessKeyId: row.accessKeyId,
  ...(schedule !== null && { schedule }),
  keepDays: row.keepDays,
  keepLast: row.keepLast,
  ...(nextAt !== null && { nextAt: isoTime(nextAt) }),
  revision: row.revision,
});

const present = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, each]) => each !== null && each !== undefined)) as T;

export const viewBackup = (row: BackupRow): BucketBackup =>
  present({
    id: row.id,
    bucketId: row.bucketId,
    state: row.state,
    stateReason: row.stateReason ?? undefined,
    automatic: row.automatic,
    objects: row.objects ?? undefined,
    sizeBytes: row.sizeBytes ?? undefined,
    sentObjects: row.sentObjects ?? undefined,
    sentBytes: row.sentBytes ?? undefined,
    leftOut: row.leftOut ?? undefined,
    verification: row.verification ?? undefined,
    verificationMessage: row.verificationMessage ?? undefined,
    verifiedAt: row.verifiedAt ? isoTime(row.verifiedAt) : undefined,
    operationId: row.operationId ?? undefined,
    createdAt: isoTime(row.createdAt),
    finishedAt: row.finishedAt ? isoTime(row.finishedAt) : undefined,
  });

/** What the audit log tells of a target: never its secret. */
const toldOf = ({ endpoint, targetBucket, prefix, accessKeyId, schedule, keepDays, keepLast }: TargetRow) => ({
  backupTarget: { endpoint, targetBucket, prefix, accessKeyId, schedule, keepDays, keepLast },
});

const isSamePlace = (a: TargetRow, b: Pick<TargetRow, "endpoint" | "targetBucket" | "prefix">): boolean =>
  a.endpoint === b.endpoint && a.targetBucket === b.targetBucket && a.prefix === b.prefix;

export const backupResource = (row: BackupRow, bucket: BucketRow) => ({ kind: "bucketBackup", id: row.id, name: bucket.name });

export function backupHandlers(parts: ObjectsParts, operations: BackupOperations): Routes {
  const { database, secrets } = parts;

  /** The bucket, locked: nothing else is begun with its backups until the commit. */
  async function lock(tx: Tx, id: string): Promise<BucketRow> {
    const bucket = await bucketStore.lock(tx, id);
    if (!bucket || bucket.state === "deleting") throw notFound("bucket");
    return bucket;
  }

  async function open(context: RequestContext, id: string): Promise<{ row: BackupRow; bucket: BucketRow }> {
    const row = await backupStore.find(context.tx, id);
    if (!row) throw notFound("bucketBackup");
    context.authorize(row, "bucketBackup");
    const bucket = await lock(context.tx, row.bucketId);
    // As it is now that nobody else can begin anything with it.
    const now = await backupStore.find(context.tx, id);
    if (!now) throw notFound("bucketBackup");
    return { row: now, bucket };
  }

  /** The bucket to restore into: one of the project, or a new one. */
  async function destination(context: RequestContext, from: BucketRow, idOrName: string): Promise<BucketRow> {
    const found = await bucketStore.find(context.tx, idOrName);
    if (found?.projectId === from.projectId) return lock(context.tx, found.id);
    const name = bucketName.safeParse(idOrName);
    if (!name.success) throw invalid("body.bucket", name.error.issues[0]?.message ?? "Give the name of a bucket.");
    const { bucketCreate } = contract.routes;
    if (!context.allows(bucketCreate.permission, bucketCreate.roles, placeOf(from)))
      throw new CloudError("permission_denied", "You may restore, but not make a bucket. Choose one that exists.", {
        details: { permission: bucketCreate.permission },
      });
    const bucket = await createBucket(context.tx, from, idOrName);
    context.audit({ ...subjectOf(bucket), action: bucketCreate.permission, after: { name: bucket.name } });
    return bucket;
  }

  /** A place that is new forgets what was known of the old one. */
  async function remember(
    tx: Tx,
    bucket: BucketRow,
    before: TargetRow | undefined,
    next: Omit<TargetRow, "revision">,
    found: Found[],
  ) {
    if (before && !isSamePlace(before, next)) await backupStore.forgetAll(tx, bucket.id);
    const target = await targetStore.put(tx, next);
    for (const { manifest, automatic, madeAt, objects, sizeBytes, leftOut } of found) {
      const createdAt = new Date(madeAt);
      const known = { objects, sizeBytes, leftOut, state: "available", finishedAt: createdAt } as const;
      await backupStore.insert(tx, newRow(bucket, { id: newId("bucketBackup"), manifest, automatic, createdAt, ...known }));
    }
    await backupStore.announce(tx, { bucketId: bucket.id, organisationId: bucket.organisationId, projectId: bucket.projectId });
    return target;
  }

  return {
    async bucketBackupTargetGet(context, { params }) {
      const bucket = await openBucket(context, context.tx, params.bucket);
      const target = await targetStore.find(context.tx, bucket.id);
      return target ? { target: viewTarget(target) } : {};
    },

    async bucketBackupTargetUpdate(context, { params, body }) {
      const { id } = await openBucketShortly(context, params.bucket);
      const { targetEndpoint, secretAccessKey: given, schedule = null, takeOver, ...rest } = body;
      const prefix = rest.prefix === "" || rest.prefix.endsWith("/") ? rest.prefix : `${rest.prefix}/`;
      const endpoint = new URL(targetEndpoint).origin;
      const nextAt = schedule === null ? null : nextBackupAt(schedule, new Date(parts.now()));
      const { bucket, before, allowedNetworks } = await database.transaction("system", async (tx) => {
        const bucket = await lock(tx, id);
        await checkFree(tx, id);
        const { allowedNetworks } = await outboundSettings(tx);
        return { bucket, before: await targetStore.find(tx, id), allowedNetworks };
      });
      if (before) checkRevision(context.ifMatch, before, "backup target");
      const isKnown = before?.endpoint === endpoint && before.accessKeyId === rest.accessKeyId;
      const secretAccessKey = given ?? (isKnown ? secretOf(secrets, before) : undefined);
      if (secretAccessKey === undefined)
        throw invalid("body.secretAccessKey", "Give the secret access key: for a new endpoint or key it is not known.");
      const next: Omit<TargetRow, "revision"> = {
        ...rest,
        endpoint,
        prefix,
        bucketId: id,
        organisationId: bucket.organisationId,
        secret: secrets.encrypt(targetSecretPurpose(id), secretAccessKey),
        schedule,
        nextAt,
      };
      const signal = AbortSignal.any([context.signal, AbortSignal.timeout(tryingMs)]);
      const found = await tried(
        { ...rest, endpoint, prefix, bucket: rest.targetBucket, secretAccessKey, allowedNetworks, signal },
        (remote) => claimPlace(remote, bucket, { takeOver }),
      );
      return context.transaction(async (tx) => {
        const now = await lock(tx, id);
        await checkFree(tx, id);
        const target = await remember(tx, now, before, next, found);
        context.audit(tx, { ...subjectOf(now), ...(before && { before: toldOf(before) }), after: toldOf(target) });
        return viewTarget(target);
      });
    },

    async bucketBackupTargetDelete(context, { params }) {
      const { id } = await openBucket(context, context.tx, params.bucket);
      const bucket = await lock(context.tx, id);
      await checkFree(context.tx, id);
      const target = await targetStore.find(context.tx, id);
      if (!target) return undefined;
      await targetStore.remove(context.tx, id);
      await backupStore.forgetAll(context.tx, id);
      await backupStore.announce(context.tx, {
        bucketId: bucket.id,
        organisationId: bucket.organisationId,
        projectId: bucket.projectId,
      });
      context.audit({ ...subjectOf(bucket), before: toldOf(target) });
      return undefined;
    },

    async bucketBackupList(context, { params, query }) {
      const bucket = await openBucket(context, context.tx, params.bucket);
      const [at, id] = decodeCursor(query.cursor, 2) ?? [];
      const rows = await backupStore.page(context.tx, {
        bucketId: bucket.id,
        ...(at !== undefined && id !== undefined && { before: { at: String(at), id: String(id) } }),
        limit: query.limit + 1,
      });
      const page = rows.slice(0, query.limit);
      const last = page.at(-1);
      return {
        items: page.map(viewBackup),
        ...(rows.length > page.length && last ? { nextCursor: encodeCursor([last.createdAt.toISOString(), last.id]) } : {}),
      };
    },

    async bucketBackupCreate(context, { params }) {
      const { id } = await openBucket(context, context.tx, params.bucket);
      const bucket = await lock(context.tx, id);
      const { row, operation } = await beginBackup(context.tx, operations, bucket, { actor: actorIn(context), automatic: false });
      context.audit({ ...subjectOf(bucket), after: { backup: row.id } });
      return viewOperation(operation);
    },

    async bucketBackupGet(context, { params }) {
      const row = await backupStore.find(context.tx, params.bucketBackup);
      if (!row) throw notFound("bucketBackup");
      context.authorize(row, "bucketBackup");
      return viewBackup(row);
    },

    async bucketBackupVerify(context, { params }) {
      const { row, bucket } = await open(context, params.bucketBackup);
      const operation = await beginOnBackups(context.tx, operations.verify, [row], {
        input: { backupId: row.id, bucketId: row.bucketId },
        actor: actorIn(context),
        resource: backupResource(row, bucket),
        change: { verification: "running", verificationMessage: null },
      });
      context.audit({ ...subjectOf(bucket), resource: backupResource(row, bucket) });
      return viewOperation(operation);
    },

    async bucketBackupRestore(context, { params, body }) {
      const { row, bucket } = await open(context, params.bucketBackup);
      const isNew = (await bucketStore.find(context.tx, body.bucket))?.projectId !== bucket.projectId;
      const to = await destination(context, bucket, body.bucket);
      const settings = body.settings ?? isNew;
      await checkIdle(context.tx, to);
      const operation = await beginOnBackups(context.tx, operations.restore, [row], {
        input: {
          backupId: row.id,
          bucketId: row.bucketId,
          toBucketId: to.id,
          prefix: body.prefix,
          overwrite: body.overwrite,
          settings,
        },
        actor: actorIn(context),
        resource: resourceOf(to),
      });
      context.audit({
        ...subjectOf(to),
        after: { restoredFrom: row.id, backupOf: bucket.name, prefix: body.prefix, overwrite: body.overwrite, settings },
      });
      return viewOperation(operation);
    },

    async bucketBackupDelete(context, { params }) {
      const { row, bucket } = await open(context, params.bucketBackup);
      context.audit({ ...subjectOf(bucket), resource: backupResource(row, bucket), before: { madeAt: isoTime(row.createdAt) } });
      const operation = await beginOnBackups(context.tx, operations.delete, [row], {
        input: { backupIds: [row.id], bucketId: row.bucketId },
        actor: actorIn(context),
        resource: backupResource(row, bucket),
        change: { state: "deleting", stateReason: null },
        from: ["available", "failed"],
      });
      return viewOperation(operation);
    },
  };
}

/** The form is told what is wrong, not that something may pass. */
async function tried<T>(
  options: Parameters<typeof openRemote>[0],
  work: (remote: Awaited<ReturnType<typeof openRemote>>) => Promise<T>,
): Promise<T> {
  const remote = await openRemote(options);
  const failed = (message: string, cause: unknown, details: { reason: string; said?: string }) =>
    new CloudError("failed_precondition", message, { cause, details: { resource: "backupTarget", ...details } });
  try {
    return await work(remote);
  } catch (error) {
    if (CloudError.is(error, "unavailable")) throw failed(error.message, error, { reason: "backup_target_unreachable" });
    if (CloudError.is(error, "not_found"))
      throw failed("What was written there is not there. Is this an S3?", error, { reason: "backup_target", said: "404" });
    if (options.signal?.aborted && !CloudError.is(error))
      throw failed("It did not answer within a minute.", error, { reason: "backup_target_unreachable" });
    throw error;
  } finally {
    remote.close();
  }
}
