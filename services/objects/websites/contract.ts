/** A bucket as a website, in the terms of S3's WebsiteConfiguration (API Reference, PutBucketWebsite). */
import { z } from "zod";
import { route } from "../../../kernel/contract.ts";

const text = (most: number) =>
  z
    .string()
    .min(1)
    .max(most)
    .refine((value) => !/[\p{Cc}]/u.test(value), "No control characters.");
const host = z
  .string()
  .max(261)
  .regex(/^[A-Za-z0-9.-]+(:\d{1,5})?$/, "Give a host name.");
const protocol = z.enum(["http", "https"]);

const rule = z.strictObject({
  condition: z
    .strictObject({ keyPrefix: z.string().max(1024).optional(), httpErrorCode: z.int().min(400).max(599).optional() })
    .refine(({ keyPrefix, httpErrorCode }) => keyPrefix !== undefined || httpErrorCode !== undefined, "Give a condition.")
    .optional(),
  redirect: z
    .strictObject({
      protocol: protocol.optional(),
      host: host.optional(),
      /** In place of the condition's prefix. */
      replaceKeyPrefix: z.string().max(1024).optional(),
      replaceKey: z.string().max(1024).optional(),
      code: z.int().min(301).max(308).optional(),
    })
    .refine(
      ({ replaceKeyPrefix, replaceKey }) => replaceKeyPrefix === undefined || replaceKey === undefined,
      "Replace the key or its prefix, not both.",
    ),
});

export const websiteConfiguration = z
  .strictObject({
    /** Of each folder: a name without a slash. */
    indexDocument: text(512)
      .regex(/^[^/]+$/, "Give a name without a slash, such as index.html.")
      .optional(),
    /** Shown in place of what is not there, or not to be had (4xx). */
    errorDocument: text(1024).optional(),
    redirectAllTo: z.strictObject({ host, protocol: protocol.optional() }).optional(),
    rules: z.array(rule).max(50).optional(),
  })
  .refine(
    ({ indexDocument, redirectAllTo }) => (indexDocument === undefined) !== (redirectAllTo === undefined),
    "Give an index document, or a host that everything is sent to.",
  )
  .refine(
    ({ redirectAllTo, errorDocument, rules }) =>
      redirectAllTo === undefined || (errorDocument === undefined && rules === undefined),
    "What is sent elsewhere has no error document and no rules.",
  );
export type WebsiteConfiguration = z.output<typeof websiteConfiguration>;
export type WebsiteRule = NonNullable<WebsiteConfiguration["rules"]>[number];

export const website = z.object({
  indexDocument: z.string().optional(),
  errorDocument: z.string().optional(),
  redirectAllTo: z.object({ host: z.string(), protocol: protocol.optional() }).optional(),
  rules: z.array(z.any()).optional().describe("As they were given."),
  isReadable: z
    .boolean()
    .describe("Everybody sees its first page. False: the bucket's policy lets nobody read, or public access is blocked."),
  url: z.string().optional().describe("Where it is; absent: there is no gateway that would serve it."),
});

const inBucket = z.object({ bucket: z.string().max(100).describe("Id or name.") });

export const websiteRoutes = {
  bucketWebsiteGet: route({
    method: "GET",
    path: "/v1/buckets/{bucket}/website",
    summary: "Show the website of a bucket",
    permission: "objects.website.read",
    roles: ["viewer"],
    params: inBucket,
    response: website,
    errors: ["not_found"],
  }),
  bucketWebsiteUpdate: route({
    method: "PUT",
    path: "/v1/buckets/{bucket}/website",
    summary: "Make a bucket a website",
    description:
      "From then on everybody sees there what everybody may read: by itself it opens nothing, a policy does (`bucketAccessUpdate`). As S3's PutBucketWebsite does it.",
    permission: "objects.website.update",
    roles: ["editor"],
    params: inBucket,
    body: websiteConfiguration,
    response: website,
    errors: ["not_found"],
  }),
  bucketWebsiteDelete: route({
    method: "DELETE",
    path: "/v1/buckets/{bucket}/website",
    summary: "Make a bucket no website any more",
    permission: "objects.website.delete",
    roles: ["editor"],
    params: inBucket,
    status: 204,
    errors: ["not_found"],
  }),
};
