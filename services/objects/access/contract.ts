/** Who besides the project's own people and keys gets at a bucket: the documents of S3 (User Guide, "Access control in Amazon S3"). */
import { z } from "zod";
import { route } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";
import { publicReach } from "../resources/contract.ts";

const publicAccessBlock = z.strictObject({
  blockPublicAcls: z.boolean().describe("New lists that are public are refused."),
  ignorePublicAcls: z.boolean().describe("Lists that are public do not count."),
  blockPublicPolicy: z.boolean().describe("New policies that are public are refused."),
  restrictPublicBuckets: z.boolean().describe("A policy that is public lets in nobody but the own project."),
});
const ownership = z
  .enum(["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"])
  .describe("BucketOwnerEnforced: access control lists do not count, and all objects are the bucket's.");
/** As long as S3 lets them be; what is in it is checked where it is read. */
const policy = z.string().max(20 * 1024, "A policy has at most 20 KB.");

export const bucketAccess = z.object({
  isPublic: z.boolean().describe("Somebody without any key gets at it, by its policy or its own list."),
  publicReach,
  isForbidden: z.boolean().describe("The organisation lets none of its buckets be public."),
  publicAccessBlock,
  ownership,
  policy: z.string().optional().describe("As it was written: JSON."),
  accountId: z.string().describe("The project's, in the ARNs of its people: arn:aws:iam::<account>:user/<id>."),
});

const inBucket = z.object({ bucket: z.string().max(100).describe("Id or name.") });
const inOrganisation = z.object({ organisation: id("organisation") });
const forbidden = z.object({ isForbidden: z.boolean() });

export const accessRoutes = {
  bucketAccessGet: route({
    method: "GET",
    path: "/v1/buckets/{bucket}/access",
    summary: "Show who besides the project gets at a bucket",
    permission: "objects.bucket.read",
    roles: ["viewer"],
    params: inBucket,
    response: bucketAccess,
    errors: ["not_found"],
  }),
  bucketAccessUpdate: route({
    method: "PUT",
    path: "/v1/buckets/{bucket}/access",
    summary: "Say who besides the project gets at a bucket",
    description:
      "The policy, the switches that block public access, and whether access control lists count: the same that S3 clients put. What is not given stays.",
    permission: "objects.bucket.update",
    roles: ["editor"],
    params: inBucket,
    body: z
      .strictObject({
        policy: policy.nullable().optional().describe("JSON in the language of IAM policies; null takes it away."),
        publicAccessBlock: publicAccessBlock.optional(),
        ownership: ownership.optional(),
      })
      .refine((body) => Object.values(body).some((value) => value !== undefined), "Give what is to be changed."),
    response: bucketAccess,
    errors: ["not_found", "failed_precondition"],
  }),
  publicAccessGet: route({
    method: "GET",
    path: "/v1/organisations/{organisation}/public-access",
    summary: "Show whether buckets of an organisation may be public",
    permission: "objects.publicAccess.read",
    roles: ["viewer"],
    params: inOrganisation,
    response: forbidden,
    errors: ["not_found"],
  }),
  publicAccessUpdate: route({
    method: "PUT",
    path: "/v1/organisations/{organisation}/public-access",
    summary: "Forbid that buckets of an organisation are public, or allow it",
    description:
      "Forbidden, it holds for all of them at once, whatever they say themselves: websites of buckets show nothing either. Share links are not meant.",
    permission: "objects.publicAccess.update",
    roles: ["admin"],
    params: inOrganisation,
    body: z.strictObject({ isForbidden: z.boolean() }),
    response: forbidden,
    errors: ["not_found"],
  }),
};
