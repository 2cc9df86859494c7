import type { z } from "zod";
import { isoTime } from "../../../kernel/clock.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, invalid } from "../../../kernel/errors.ts";
import type { Handlers, RequestContext } from "../../../kernel/service.ts";
import { createBucket, placeOf, subjectOf } from "../buckets.ts";
import contract, { bucketName } from "../contract.ts";
import { type ObjectsParts, openBucket } from "../parts.ts";
import { changeConfiguration } from "../settings/documents.ts";
import { type BucketRow, bucketStore } from "../store.ts";
import type { LoggingConfiguration } from "./configuration.ts";
import type { bucketLogging, loggingRoutes } from "./contract.ts";
import { accessLogStore } from "./store.ts";

type LoggingProblem = NonNullable<z.output<typeof bucketLogging>["logging"]>["problem"];
type Routes = Pick<Handlers<typeof contract>, keyof typeof loggingRoutes>;

const unfit = (reason: string, message: string): CloudError =>
  new CloudError("invalid_argument", message, { details: { reason, fields: [{ path: "body.targetBucket", message }] } });

export function loggingHandlers({ quota, store }: Pick<ObjectsParts, "quota" | "store">): Routes {
  const isTarget = (target: BucketRow | undefined, bucket: BucketRow): target is BucketRow =>
    target?.projectId === bucket.projectId && target.state !== "deleting";

  async function problemOf(
    tx: Tx,
    bucket: BucketRow,
    { targetBucket }: LoggingConfiguration,
  ): Promise<LoggingProblem | undefined> {
    const target = await bucketStore.find(tx, targetBucket);
    if (!isTarget(target, bucket)) return "target_missing";
    try {
      await quota.check(target, 1);
    } catch (error) {
      if (CloudError.is(error, "quota_exceeded")) return "target_full";
      throw error;
    }
    return undefined;
  }

  async function view(tx: Tx, bucket: BucketRow, logging: LoggingConfiguration | undefined) {
    if (!logging) return {};
    const [problem, waiting] = [await problemOf(tx, bucket, logging), await accessLogStore.waitingSince(tx, bucket.id)];
    const { targetGrants: _, ...shown } = logging;
    return { logging: { ...shown, ...(problem && { problem }), ...(waiting && { waitingSince: isoTime(waiting) }) } };
  }

  /** As at the S3 door ("Enabling Amazon S3 server access logging", S3 User Guide). */
  async function checkTarget({ id, name, configuration }: BucketRow): Promise<void> {
    if (configuration?.requestPayer === "Requester")
      throw unfit(
        "log_target_pays",
        `The requesters of ${name} pay, so no log can go there. Let its owner pay, or choose another bucket.`,
      );
    if ((await store.settings(id)).lock?.retention)
      throw unfit(
        "log_target_retains",
        `${name} locks everything that is written, so no log can go there. Take that from its settings, or choose another bucket.`,
      );
  }

  /** Its name. Whoever may change the one bucket may write into the others of its project, and so may the log. */
  async function targetOf(context: RequestContext, bucket: BucketRow, name: string, createTarget: boolean): Promise<string> {
    const target = await bucketStore.find(context.tx, name);
    if (isTarget(target, bucket)) {
      await checkTarget(target);
      return target.name;
    }
    const { bucketCreate } = contract.routes;
    if (!createTarget)
      throw invalid(
        "body.targetBucket",
        `There is no bucket ${name} in the project of ${bucket.name}. Name one that is, or have it made with createTarget.`,
      );
    if (!bucketName.safeParse(name).success)
      throw invalid("body.targetBucket", "A bucket's name has 3 to 63 small letters, digits, dots and hyphens.");
    if (!context.allows(bucketCreate.permission, bucketCreate.roles, placeOf(bucket)))
      throw new CloudError("permission_denied", "You may not make buckets.", {
        details: { permission: bucketCreate.permission },
      });
    const made = await createBucket(context.tx, bucket, name);
    context.audit({ ...subjectOf(made), action: bucketCreate.permission, after: { name } });
    return name;
  }

  return {
    async bucketLoggingGet(context, { params }) {
      const bucket = await openBucket(context, context.tx, params.bucket);
      return view(context.tx, bucket, bucket.configuration?.logging);
    },

    async bucketLoggingUpdate(context, { params, body: { targetBucket, targetPrefix, keyFormat, createTarget } }) {
      const bucket = await openBucket(context, context.tx, params.bucket);
      const targetGrants = bucket.configuration?.logging?.targetGrants;
      const logging = {
        targetBucket: await targetOf(context, bucket, targetBucket, createTarget),
        targetPrefix,
        keyFormat,
        // Only S3 clients say these: whoever sets the rest leaves them.
        ...(targetGrants && { targetGrants }),
      };
      await changeConfiguration(context, bucket, { logging });
      return view(context.tx, bucket, logging);
    },

    async bucketLoggingDelete(context, { params }) {
      const bucket = await openBucket(context, context.tx, params.bucket);
      await changeConfiguration(context, bucket, { logging: null });
      return undefined;
    },
  };
}
