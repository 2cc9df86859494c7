import type { Readable } from "node:stream";
import { z } from "zod";
import { contract, event, page, pageQuery, route, timestamp } from "../../kernel/contract.ts";
import type { Tx } from "../../kernel/db/database.ts";
import { id } from "../../kernel/ids.ts";
import { operation } from "../operations/contract.ts";
import { accessRoutes } from "./access/contract.ts";
import { loggingRoutes } from "./accessLogs/contract.ts";
import { backupRoutes } from "./backup/contract.ts";
import { lifecycleRoutes } from "./lifecycle/contract.ts";
import { notificationRoutes } from "./notifications/contract.ts";
import { quotaRoutes } from "./quota/contract.ts";
import { relocationRoutes } from "./relocation/contract.ts";
import {
  bucket,
  bucketName,
  objectDetail,
  objectEntry,
  objectKey,
  share,
  storedObject,
  trashItem,
  upload,
  uploadPart,
} from "./resources/contract.ts";
import { scrubRoutes } from "./scrub/contract.ts";
import { settingsRoutes } from "./settings/contract.ts";
import { versionId, versionRoutes } from "./versions/contract.ts";
import { websiteRoutes } from "./websites/contract.ts";

export * from "./resources/contract.ts";

const inBucket = z.object({ bucket: z.union([id("bucket"), bucketName]).describe("The id or the name of a bucket.") });
const selection = z.object({
  keys: z.array(objectKey).max(1000).default([]),
  prefixes: z.array(objectKey).max(100).default([]).describe("Folders: everything whose key begins so."),
});
const byteHeaders = "Ranges (RFC 9110, 14) and conditions (13.1) work.";
const shareToken = z.string().min(20).max(100);

export default contract({
  name: "objects",
  title: "Object storage",
  routes: {
    bucketList: route({
      method: "GET",
      path: "/v1/buckets",
      summary: "List the buckets of a project",
      permission: "objects.bucket.list",
      roles: ["viewer"],
      query: pageQuery.extend({ project: id("project"), search: z.string().max(63).optional() }),
      response: page(bucket),
      errors: ["not_found"],
    }),
    bucketCreate: route({
      method: "POST",
      path: "/v1/buckets",
      summary: "Make a bucket",
      permission: "objects.bucket.create",
      roles: ["editor"],
      body: z.object({ project: id("project"), name: bucketName }),
      response: bucket,
      status: 201,
      errors: ["not_found", "already_exists", "quota_exceeded"],
    }),
    ...settingsRoutes,
    ...accessRoutes,
    ...lifecycleRoutes,
    ...scrubRoutes,
    ...relocationRoutes,
    ...backupRoutes,
    ...notificationRoutes,
    ...loggingRoutes,
    ...quotaRoutes,
    ...websiteRoutes,
    ...versionRoutes,
    bucketGet: route({
      method: "GET",
      path: "/v1/buckets/{bucket}",
      summary: "Show a bucket",
      permission: "objects.bucket.read",
      roles: ["viewer"],
      params: inBucket,
      response: bucket,
      errors: ["not_found"],
    }),
    bucketDelete: route({
      method: "DELETE",
      path: "/v1/buckets/{bucket}",
      summary: "Delete an empty bucket",
      permission: "objects.bucket.delete",
      roles: ["editor"],
      params: inBucket,
      errors: ["not_found", "failed_precondition"],
    }),
    bucketEmpty: route({
      method: "POST",
      path: "/v1/buckets/{bucket}/empty",
      summary: "Delete everything in a bucket, for good",
      description: "Objects, trash and unfinished uploads. With `thenDelete` the bucket goes too.",
      permission: "objects.bucket.empty",
      roles: ["editor"],
      params: inBucket,
      body: z.object({ confirm: z.string().describe("The name of the bucket."), thenDelete: z.boolean().default(false) }),
      response: operation,
      status: 202,
      errors: ["not_found", "failed_precondition"],
    }),

    objectList: route({
      method: "GET",
      path: "/v1/buckets/{bucket}/objects",
      summary: "List the objects of a bucket, folder by folder",
      permission: "objects.object.list",
      roles: ["viewer"],
      params: inBucket,
      query: pageQuery.extend({
        prefix: z.string().max(1024).default(""),
        recursive: z.stringbool().default(false).describe("All keys below the prefix, without folders."),
        search: z
          .string()
          .max(200)
          .optional()
          .describe("Only keys that contain this, in any case; searches all folders below the prefix."),
      }),
      response: page(objectEntry).extend({
        searchedKeys: z.number().int().optional().describe("How many keys a search has looked at in this page."),
      }),
      errors: ["not_found"],
    }),
    objectGet: route({
      method: "GET",
      path: "/v1/buckets/{bucket}/object",
      summary: "Show an object",
      permission: "objects.object.read",
      roles: ["viewer"],
      params: inBucket,
      query: z.object({ key: objectKey, versionId: versionId.optional() }),
      response: objectDetail,
      errors: ["not_found"],
    }),
    objectDownload: route({
      method: "GET",
      path: "/v1/buckets/{bucket}/object/content",
      summary: "Download an object",
      description: byteHeaders,
      permission: "objects.object.read",
      roles: ["viewer"],
      params: inBucket,
      query: z.object({
        key: objectKey,
        versionId: versionId.optional(),
        disposition: z.enum(["attachment", "inline"]).default("attachment"),
      }),
      stream: { response: "bytes" },
      errors: ["not_found", "range_not_satisfiable", "precondition_failed", "conflict"],
    }),
    objectUpload: route({
      method: "PUT",
      path: "/v1/buckets/{bucket}/object/content",
      summary: "Upload an object",
      description:
        "The body is the object; Content-Type is kept. Up to 5 GiB; above, use an upload with parts. `If-None-Match: *` keeps what is there.",
      permission: "objects.object.write",
      roles: ["editor"],
      params: inBucket,
      query: z.object({ key: objectKey }),
      response: storedObject,
      status: 201,
      stream: { request: "bytes" },
      errors: ["not_found", "precondition_failed", "payload_too_large", "quota_exceeded", "storage_full", "failed_precondition"],
    }),
    objectDelete: route({
      method: "DELETE",
      path: "/v1/buckets/{bucket}/object",
      summary: "Delete an object, for good",
      description: "Without the trash, as S3 does; `objectTrash` can be undone.",
      permission: "objects.object.delete",
      roles: ["editor"],
      params: inBucket,
      query: z.object({ key: objectKey }),
      errors: ["not_found", "failed_precondition"],
    }),
    objectMove: route({
      method: "POST",
      path: "/v1/buckets/{bucket}/objects/move",
      summary: "Move or rename objects and folders",
      description:
        "Each key and folder goes below `targetPrefix`; with `rename` the single one gets this name. Nothing is overwritten unless `overwrite`.",
      permission: "objects.object.move",
      roles: ["editor"],
      params: inBucket,
      body: selection.extend({
        targetPrefix: z.string().max(1024).describe("A folder, with its slash; empty for the top."),
        rename: z.string().min(1).max(255).optional(),
        overwrite: z.boolean().default(false),
      }),
      response: operation,
      status: 202,
      errors: ["not_found", "already_exists", "failed_precondition"],
    }),
    objectTrash: route({
      method: "POST",
      path: "/v1/buckets/{bucket}/trash",
      summary: "Delete objects and folders into the trash",
      description: "They stay there, and are billed, for 7 days. The operation's result has `trashId`.",
      permission: "objects.object.delete",
      roles: ["editor"],
      params: inBucket,
      body: selection,
      response: operation,
      status: 202,
      errors: ["not_found", "failed_precondition"],
    }),
    trashList: route({
      method: "GET",
      path: "/v1/buckets/{bucket}/trash",
      summary: "List the trash of a bucket",
      permission: "objects.object.list",
      roles: ["viewer"],
      params: inBucket,
      query: pageQuery,
      response: page(trashItem),
      errors: ["not_found"],
    }),
    trashRestore: route({
      method: "POST",
      path: "/v1/buckets/{bucket}/trash/{trash}/restore",
      summary: "Restore from the trash",
      description: "What stands at the old place now is kept: the restored object then gets a number behind its name.",
      permission: "objects.object.write",
      roles: ["editor"],
      params: inBucket.extend({ trash: z.string().max(100) }),
      body: z.object({}),
      response: operation,
      status: 202,
      errors: ["not_found", "failed_precondition"],
    }),
    trashDelete: route({
      method: "DELETE",
      path: "/v1/buckets/{bucket}/trash/{trash}",
      summary: "Delete from the trash, for good",
      permission: "objects.object.delete",
      roles: ["editor"],
      params: inBucket.extend({ trash: z.string().max(100) }),
      response: operation,
      status: 202,
      errors: ["not_found", "failed_precondition"],
    }),

    uploadCreate: route({
      method: "POST",
      path: "/v1/buckets/{bucket}/uploads",
      summary: "Begin an upload in parts",
      description: "It can be resumed for 7 days: list its parts and send what is missing.",
      permission: "objects.object.write",
      roles: ["editor"],
      params: inBucket,
      body: z.object({
        key: objectKey,
        sizeBytes: z
          .number()
          .int()
          .min(0)
          .max(5 * 2 ** 40),
        contentType: z.string().max(255).optional(),
      }),
      response: upload,
      status: 201,
      errors: ["not_found", "quota_exceeded", "failed_precondition"],
    }),
    uploadList: route({
      method: "GET",
      path: "/v1/buckets/{bucket}/uploads",
      summary: "List unfinished uploads",
      permission: "objects.object.list",
      roles: ["viewer"],
      params: inBucket,
      query: pageQuery.extend({ prefix: z.string().max(1024).default("") }),
      response: page(upload),
      errors: ["not_found"],
    }),
    uploadPartPut: route({
      method: "PUT",
      path: "/v1/buckets/{bucket}/uploads/{upload}/parts/{part}",
      summary: "Send one part of an upload",
      permission: "objects.object.write",
      roles: ["editor"],
      params: inBucket.extend({ upload: id("upload"), part: z.coerce.number().int().min(1).max(10_000) }),
      response: uploadPart,
      stream: { request: "bytes" },
      errors: ["not_found", "payload_too_large", "quota_exceeded", "storage_full", "failed_precondition"],
      cli: false,
    }),
    uploadPartList: route({
      method: "GET",
      path: "/v1/buckets/{bucket}/uploads/{upload}/parts",
      summary: "List the parts that have arrived",
      permission: "objects.object.list",
      roles: ["viewer"],
      params: inBucket.extend({ upload: id("upload") }),
      query: pageQuery,
      response: page(uploadPart),
      errors: ["not_found"],
    }),
    uploadComplete: route({
      method: "POST",
      path: "/v1/buckets/{bucket}/uploads/{upload}/complete",
      summary: "Finish an upload",
      permission: "objects.object.write",
      roles: ["editor"],
      params: inBucket.extend({ upload: id("upload") }),
      body: z.object({
        parts: z
          .array(z.object({ number: z.number().int().min(1).max(10_000), etag: z.string().max(100) }))
          .min(1)
          .max(10_000),
      }),
      response: storedObject,
      status: 201,
      errors: ["not_found", "failed_precondition"],
      cli: false,
    }),
    uploadDelete: route({
      method: "DELETE",
      path: "/v1/buckets/{bucket}/uploads/{upload}",
      summary: "Give an upload up",
      permission: "objects.object.write",
      roles: ["editor"],
      params: inBucket.extend({ upload: id("upload") }),
      errors: ["not_found"],
    }),

    shareList: route({
      method: "GET",
      path: "/v1/buckets/{bucket}/shares",
      summary: "List the links by which objects are shared",
      permission: "objects.share.list",
      roles: ["viewer"],
      params: inBucket,
      query: pageQuery.extend({ key: objectKey.optional() }),
      response: page(share),
      errors: ["not_found"],
    }),
    shareCreate: route({
      method: "POST",
      path: "/v1/buckets/{bucket}/shares",
      summary: "Share an object by a link that expires",
      description: "Whoever has the link can see this one object until then. The link is shown once.",
      permission: "objects.share.create",
      roles: ["editor"],
      params: inBucket,
      body: z.object({
        key: objectKey,
        expiresInHours: z
          .number()
          .int()
          .min(1)
          .max(24 * 365)
          .default(168),
      }),
      response: share.extend({ link: z.string() }),
      status: 201,
      errors: ["not_found", "failed_precondition"],
    }),
    shareDelete: route({
      method: "DELETE",
      path: "/v1/shares/{share}",
      summary: "Revoke a share link",
      permission: "objects.share.delete",
      roles: ["editor"],
      params: z.object({ share: id("share") }),
      errors: ["not_found"],
    }),
    sharedObjectGet: route({
      method: "GET",
      path: "/v1/shared/{token}",
      summary: "Show what a share link is for",
      permission: "public",
      params: z.object({ token: shareToken }),
      response: z.object({
        name: z.string(),
        sizeBytes: z.number().int(),
        contentType: z.string().optional(),
        modifiedAt: timestamp,
        expiresAt: timestamp,
        sharedBy: z.string(),
      }),
      errors: ["not_found", "rate_limited"],
      cli: false,
    }),
    sharedObjectDownload: route({
      method: "GET",
      path: "/v1/shared/{token}/content",
      summary: "Download a shared object",
      description: byteHeaders,
      permission: "public",
      params: z.object({ token: shareToken }),
      query: z.object({ disposition: z.enum(["attachment", "inline"]).default("attachment") }),
      stream: { response: "bytes" },
      errors: ["not_found", "rate_limited", "range_not_satisfiable", "precondition_failed", "conflict"],
      cli: false,
    }),
  },
  events: {
    bucketChanged: event({ type: "objects.bucket.changed", payload: z.object({ id: z.string(), name: z.string() }) }),
    backupChanged: event({ type: "objects.backup.changed", payload: z.object({ bucketId: z.string() }) }),
    objectNotified: event({
      type: "objects.object.notified",
      payload: z.object({
        bucketId: z.string(),
        event: z.string().describe("As S3 names it: ObjectCreated:Put."),
        key: z.string(),
        versionId: z.string().optional(),
        sizeBytes: z.number().optional(),
      }),
    }),
    deliveryChanged: event({ type: "objects.delivery.changed", payload: z.object({ bucketId: z.string() }) }),
    objectDamaged: event({ type: "objects.object.damaged", payload: z.object({ bucketId: z.string(), key: z.string() }) }),
    objectChanged: event({ type: "objects.object.changed", payload: z.object({ bucketId: z.string(), prefix: z.string() }) }),
  },
  quotas: {
    "objects.buckets": { unit: "count", summary: "Buckets", default: 100 },
    "objects.storage_bytes": { unit: "bytes", summary: "Stored bytes", default: 1024 ** 4 },
  },
  meters: {
    "objects.storage": { unit: "byte_hours", summary: "Stored bytes, trash and unfinished uploads included, over time" },
    "objects.requests_write": { unit: "requests", summary: "Requests that write or list" },
    "objects.requests_read": { unit: "requests", summary: "Requests that read" },
    "objects.traffic_in": { unit: "bytes", summary: "Bytes received" },
    "objects.traffic_out": { unit: "bytes", summary: "Bytes sent" },
  },
});

/** Buckets as other services of the cloud use them, inside the process: an export, a backup, the output of a job. */
export interface ObjectsService {
  /** A bucket of this project by id or name, when the transaction may see it. Whoever asks checks the person's permission first. */
  findBucket(tx: Tx, projectId: string, idOrName: string): Promise<{ id: string; name: string } | undefined>;
  /** Keeps a bucket from being deleted while somebody needs it; `holder.name` is for people: "app shop". not_found when it is not there. */
  hold(tx: Tx, bucketId: string, holder: { id: string; name: string }): Promise<void>;
  letGo(tx: Tx, holderId: string): Promise<void>;
  /** Buckets that are websites, of the whole cloud: for system transactions. In pages of ids. */
  websites(
    tx: Tx,
    page: { after?: string | undefined; limit: number },
  ): Promise<{ bucketId: string; name: string; organisationId: string; projectId: string }[]>;
  /** Whoever serves them says where each is. */
  addressWebsites(url: (tx: Tx, bucket: { name: string; projectId: string }) => Promise<string | undefined>): void;
  /** Durable when it resolves; counted and billed like any other write. Content of unknown length is fine. */
  write(request: {
    bucketId: string;
    key: string;
    content: Readable;
    contentType?: string;
    metadata?: Record<string, string>;
    signal?: AbortSignal;
  }): Promise<{ sizeBytes: number; etag: string }>;
  /** not_found when there is none. */
  read(request: { bucketId: string; key: string; signal?: AbortSignal }): Promise<{
    sizeBytes: number;
    contentType: string | undefined;
    metadata: Record<string, string>;
    content: Readable;
  }>;
  list(request: {
    bucketId: string;
    prefix: string;
    after?: string;
    limit: number;
  }): Promise<{ key: string; sizeBytes: number }[]>;
  /** One that is not there is deleted already. */
  delete(request: { bucketId: string; key: string }): Promise<void>;
}
