import type { Tx } from "../../kernel/db/database.ts";
import { emit } from "../../kernel/events.ts";
import type { RequestContext } from "../../kernel/service.ts";
import { folderOf } from "./changes.ts";
import type { BucketRow } from "./store.ts";

/** One object changed through the API: the audit log and whoever looks at its folder are told. */
export async function tellChange(
  tx: Tx,
  audit: RequestContext["audit"],
  bucket: BucketRow,
  key: string,
  change: { before?: Record<string, unknown> | undefined; after?: Record<string, unknown> | undefined },
): Promise<void> {
  await emit(tx, {
    type: "objects.object.changed",
    organisationId: bucket.organisationId,
    projectId: bucket.projectId,
    payload: { bucketId: bucket.id, prefix: folderOf(key) },
  });
  audit({
    organisationId: bucket.organisationId,
    projectId: bucket.projectId,
    resource: { kind: "object", id: `${bucket.id}/${key}`, name: `${bucket.name}/${key}` },
    ...change,
  });
}
