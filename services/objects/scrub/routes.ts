import { isoTime } from "../../../kernel/clock.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { see } from "../../../kernel/db/visibility.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import type { Handlers } from "../../../kernel/service.ts";
import type contract from "../contract.ts";
import { openBucket } from "../parts.ts";
import type { scrubRoutes, Verification } from "./contract.ts";
import { type VerificationRow, verificationStore } from "./store.ts";

type Routes = Pick<Handlers<typeof contract>, keyof typeof scrubRoutes>;

const stateOf = ({ startedAt, askedAt }: VerificationRow): Verification["state"] => {
  if (startedAt !== null) return "running";
  return askedAt === null ? "idle" : "waiting";
};

async function view(tx: Tx): Promise<Verification> {
  const row = await verificationStore.get(tx);
  const { startedAt, finishedAt, objects, totalObjects, sizeBytes } = row;
  return {
    state: stateOf(row),
    ...(startedAt && { startedAt: isoTime(startedAt) }),
    ...(finishedAt && { finishedAt: isoTime(finishedAt) }),
    objects,
    totalObjects: Math.max(totalObjects, objects),
    sizeBytes,
    damagedObjects: await verificationStore.count(tx),
  };
}

const progressOf = ({ objects, totalObjects }: VerificationRow): number =>
  totalObjects === 0 ? 0 : Math.min(objects / totalObjects, 1);

export function scrubHandlers(): Routes {
  return {
    async objectsVerify(context) {
      context.authorize({}, "cloud");
      context.audit({ resource: { kind: "cloud", id: "cloud" } });
      // What is kept of it belongs to no tenant.
      await see(context.tx, "system");
      await verificationStore.ask(context.tx);
      return view(context.tx);
    },

    async objectVerificationGet(context) {
      context.authorize({}, "cloud");
      await see(context.tx, "system");
      return view(context.tx);
    },

    async bucketSafetyGet(context, { params }) {
      const { id } = await openBucket(context, context.tx, params.bucket);
      const damagedObjects = await verificationStore.count(context.tx, id);
      await see(context.tx, "system");
      const row = await verificationStore.get(context.tx);
      return {
        ...(row.finishedAt && { verifiedAt: isoTime(row.finishedAt) }),
        ...(row.startedAt && { progress: progressOf(row) }),
        damagedObjects,
      };
    },

    async damagedObjectList(context, { params, query }) {
      const { id } = await openBucket(context, context.tx, params.bucket);
      const cursor = decodeCursor(query.cursor, 2);
      const rows = await verificationStore.page(context.tx, {
        bucketId: id,
        after: cursor && { key: String(cursor[0]), versionId: String(cursor[1]) },
        limit: query.limit + 1,
      });
      return toPage(
        rows,
        query.limit,
        ({ bucketId, storeBucketId, key, versionId, problem, foundAt }) => ({
          bucketId,
          key,
          ...(versionId !== "" && { versionId }),
          inTrash: storeBucketId !== bucketId,
          problem,
          foundAt: isoTime(foundAt),
        }),
        (row) => [row.key, row.versionId],
      );
    },
  };
}
