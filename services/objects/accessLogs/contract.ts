/** Where the access log of a bucket goes (S3 User Guide, "Logging requests with server access logging"). */
import { z } from "zod";
import { route, timestamp } from "../../../kernel/contract.ts";

const inBucket = z.object({ bucket: z.string().max(100).describe("Id or name.") });
export const keyFormats = ["simple", "event_time", "delivery_time"] as const;
const keyFormat = z
  .enum(keyFormats)
  .describe(
    "How the log's objects are named below the prefix: simple is by the time of delivery; with the others they lie in folders by account, region, bucket and the day of the requests (event_time) or of the delivery (delivery_time).",
  );
const targetPrefix = z
  .string()
  .max(800)
  .regex(/^[^\p{Cc}]*$/u, "Without control characters.")
  .describe("What the keys of the log's objects begin with, such as logs/.");

export const bucketLogging = z.object({
  logging: z
    .object({
      targetBucket: z.string(),
      targetPrefix: z.string(),
      keyFormat,
      problem: z
        .enum(["target_missing", "target_full"])
        .optional()
        .describe(
          "Why nothing is delivered: the target is gone or of another project now, or a quota lets nothing more into it.",
        ),
      waitingSince: timestamp.optional().describe("Of the oldest request that is not in the log yet; given up after three days."),
    })
    .optional()
    .describe("Absent: no log is kept."),
});

export const loggingRoutes = {
  bucketLoggingGet: route({
    method: "GET",
    path: "/v1/buckets/{bucket}/logging",
    summary: "Show where the access log of a bucket goes",
    permission: "objects.bucket.read",
    roles: ["viewer"],
    params: inBucket,
    response: bucketLogging,
    errors: ["not_found"],
  }),
  bucketLoggingUpdate: route({
    method: "PUT",
    path: "/v1/buckets/{bucket}/logging",
    summary: "Keep an access log of a bucket",
    description:
      "A line for each request of an S3 client, in S3's format, written into the target bucket about once a minute. The target is of the same project; the log needs no policy there, and counts as stored bytes of it.",
    permission: "objects.bucket.update",
    roles: ["editor"],
    params: inBucket,
    body: z.strictObject({
      targetBucket: z.string().max(63).describe("The name of a bucket of the same project."),
      targetPrefix: targetPrefix.default(""),
      keyFormat: keyFormat.default("simple"),
      createTarget: z.boolean().default(false).describe("Makes the target bucket when it is not there."),
    }),
    response: bucketLogging,
    errors: ["not_found", "already_exists", "quota_exceeded"],
  }),
  bucketLoggingDelete: route({
    method: "DELETE",
    path: "/v1/buckets/{bucket}/logging",
    summary: "Keep no access log of a bucket any more",
    description: "What is in the log stays.",
    permission: "objects.bucket.update",
    roles: ["editor"],
    params: inBucket,
    status: 204,
    errors: ["not_found"],
  }),
};
