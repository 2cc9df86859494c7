/** Where the bytes of a bucket lie, on this machine or in the storage cluster, and moving them while the bucket is used. */
import { z } from "zod";
import { route } from "../../../kernel/contract.ts";
import { operation } from "../../operations/contract.ts";

export const engine = z
  .enum(["local", "cluster"])
  .describe("Where the bytes lie: on the disks of this machine, or in the storage cluster.");

export const relocationRoutes = {
  bucketRelocate: route({
    method: "POST",
    path: "/v1/buckets/{bucket}/relocate",
    summary: "Move the bytes of a bucket to the storage cluster, or back",
    description:
      "The bucket is used as before meanwhile; new objects go to the new place at once. Cancelled, what was moved stays there, and the rest can be moved later.",
    permission: "objects.bucket.relocate",
    roles: ["admin"],
    params: z.object({ bucket: z.string().max(100).describe("Id or name.") }),
    body: z.strictObject({ engine }),
    response: operation,
    status: 202,
    errors: ["not_found", "failed_precondition"],
  }),
};
