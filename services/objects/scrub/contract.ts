/** The reading of all stored bytes, against their checksums, that goes on in the background; and what it has found. */
import { z } from "zod";
import { page, pageQuery, route, timestamp } from "../../../kernel/contract.ts";

const verification = z.object({
  state: z.enum(["waiting", "running", "idle"]),
  startedAt: timestamp.optional(),
  finishedAt: timestamp.optional().describe("When the last one came to its end."),
  objects: z.int().describe("Read so far, or by the last one."),
  totalObjects: z.int(),
  sizeBytes: z.int().describe("Read so far, or by the last one."),
  damagedObjects: z.int().describe("Of the whole cloud, as far as is known."),
});
export type Verification = z.infer<typeof verification>;

const damagedObject = z.object({
  bucketId: z.string(),
  key: z.string().describe("In the trash: the name that it has there."),
  versionId: z.string().optional(),
  inTrash: z.boolean(),
  problem: z.string(),
  foundAt: timestamp,
});

export const scrubRoutes = {
  objectsVerify: route({
    method: "POST",
    path: "/v1/object-verification",
    summary: "Read all stored objects now and compare them with their checksums",
    description:
      "It goes on in the background, and begins by itself once a week. Damaged files are put aside: whoever asks for such an object gets an error instead of other bytes.",
    permission: "objects.verification.update",
    roles: ["admin"],
    response: verification,
  }),
  objectVerificationGet: route({
    method: "GET",
    path: "/v1/object-verification",
    summary: "Show how far the reading of all stored objects is",
    permission: "objects.verification.read",
    roles: ["viewer"],
    response: verification,
  }),
  bucketSafetyGet: route({
    method: "GET",
    path: "/v1/buckets/{bucket}/safety",
    summary: "Show whether a bucket's objects are whole on the disk",
    permission: "objects.bucket.read",
    roles: ["viewer"],
    params: z.object({ bucket: z.string().max(100).describe("Id or name.") }),
    response: z.object({
      verifiedAt: timestamp.optional().describe("When all objects of the cloud were last read; absent: not yet."),
      progress: z.number().min(0).max(1).optional().describe("Of the reading that is under way."),
      damagedObjects: z.int(),
    }),
    errors: ["not_found"],
  }),
  damagedObjectList: route({
    method: "GET",
    path: "/v1/buckets/{bucket}/damaged-objects",
    summary: "List what the disk has damaged of a bucket",
    description: "Write such an object again, or delete it; the next reading then finds it whole.",
    permission: "objects.bucket.read",
    roles: ["viewer"],
    params: z.object({ bucket: z.string().max(100).describe("Id or name.") }),
    query: pageQuery,
    response: page(damagedObject),
    errors: ["not_found"],
  }),
};
