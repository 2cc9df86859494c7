import { isoTime } from "../../kernel/clock.ts";
import type { Tx } from "../../kernel/db/database.ts";
import { see } from "../../kernel/db/visibility.ts";
import { CloudError, notFound } from "../../kernel/errors.ts";
import { AddressLimit } from "../../kernel/http/addressLimit.ts";
import { decodeCursor, toPage } from "../../kernel/http/cursor.ts";
import { newId } from "../../kernel/ids.ts";
import { hashToken, newToken } from "../../kernel/secrets.ts";
import type { Handlers } from "../../kernel/service.ts";
import { checkWritable } from "./buckets.ts";
import type contract from "./contract.ts";
import { download } from "./download.ts";
import { nameOf } from "./entries.ts";
import { type ObjectsParts, openBucket } from "./parts.ts";
import { type ShareRow, shareStore } from "./store.ts";

type ShareRoutes = Pick<
  Handlers<typeof contract>,
  "shareList" | "shareCreate" | "shareDelete" | "sharedObjectGet" | "sharedObjectDownload"
>;

/** A video asks for many pieces; a guesser of tokens finds nothing anyway, and is slowed down all the same. */
const requestsPerMinute = 600;
const missesPerMinute = 30;

const stateOf = (share: ShareRow): "active" | "expired" | "revoked" =>
  share.revokedAt ? "revoked" : share.expiresAt.getTime() <= Date.now() ? "expired" : "active";

const viewShare = (share: ShareRow) => ({
  id: share.id,
  bucketId: share.bucketId,
  key: share.key,
  state: stateOf(share),
  downloads: share.downloads,
  createdBy: share.createdBy,
  expiresAt: isoTime(share.expiresAt),
  createdAt: isoTime(share.createdAt),
});

const subjectOfShare = (share: ShareRow) => ({
  organisationId: share.organisationId,
  projectId: share.projectId,
  resource: { kind: "share", id: share.id, name: share.key },
});

export function shareRoutes({ database, identity, store, publicUrl, log }: ObjectsParts): ShareRoutes {
  const requests = new AddressLimit(requestsPerMinute);
  const misses = new AddressLimit(missesPerMinute);

  /** What a token opens. To whoever has none all tokens look alike: unknown, expired and revoked. */
  async function admitted<T>(sourceIp: string, look: () => Promise<T | undefined>): Promise<T> {
    requests.take(sourceIp);
    misses.check(sourceIp);
    const found = await look();
    if (found !== undefined) return found;
    misses.count(sourceIp);
    throw new CloudError("not_found", "This link does not work: it has expired, was revoked, or what it led to is gone.", {
      details: { resource: "share" },
    });
  }

  /** The share of a token; none while its organisation is suspended. */
  async function open(tx: Tx, token: string): Promise<ShareRow | undefined> {
    const share = await shareStore.ofToken(tx, hashToken(token));
    return share && (await identity.organisationActive(tx, share.organisationId)) ? share : undefined;
  }

  return {
    async shareList(context, { params, query }) {
      const bucket = await openBucket(context, context.tx, params.bucket);
      const cursor = decodeCursor(query.cursor, 2);
      const rows = await shareStore.page(context.tx, {
        bucketId: bucket.id,
        key: query.key,
        before: cursor && { at: String(cursor[0]), id: String(cursor[1]) },
        limit: query.limit + 1,
      });
      return toPage(rows, query.limit, viewShare, (row) => [isoTime(row.createdAt), row.id]);
    },

    async shareCreate(context, { params, body }) {
      const bucket = await openBucket(context, context.tx, params.bucket);
      checkWritable(bucket);
      if (!(await store.head(bucket.id, body.key))) throw notFound("object");
      const createdAt = new Date();
      const token = newToken("khs_");
      const share: ShareRow = {
        id: newId("share"),
        bucketId: bucket.id,
        organisationId: bucket.organisationId,
        projectId: bucket.projectId,
        key: body.key,
        downloads: 0,
        createdBy: context.principal.name,
        createdAt,
        expiresAt: new Date(createdAt.getTime() + body.expiresInHours * 3_600_000),
        revokedAt: null,
      };
      await shareStore.insert(context.tx, share, hashToken(token));
      context.audit({
        ...subjectOfShare(share),
        after: { bucket: bucket.name, key: share.key, expiresAt: isoTime(share.expiresAt) },
      });
      return { ...viewShare(share), link: `${publicUrl}/s/${token}` };
    },

    async shareDelete(context, { params }) {
      const share = await shareStore.find(context.tx, params.share);
      if (!share) throw notFound("share");
      context.authorize(share, "share");
      await shareStore.revoke(context.tx, share.id);
      context.audit({ ...subjectOfShare(share), before: { key: share.key, state: stateOf(share), downloads: share.downloads } });
      return undefined;
    },

    sharedObjectGet: (context, { params }) =>
      admitted(context.sourceIp, async () => {
        // Whoever has the token has proven the right to this one share.
        await see(context.tx, "system");
        const share = await open(context.tx, params.token);
        const object = share && (await store.head(share.bucketId, share.key));
        if (!share || !object) return undefined;
        store.meter(share.bucketId, { requestClass: "read" });
        return {
          name: nameOf(object.key),
          sizeBytes: object.sizeBytes,
          contentType: object.headers.contentType,
          modifiedAt: isoTime(object.modifiedAtMs),
          expiresAt: isoTime(share.expiresAt),
          sharedBy: share.createdBy,
        };
      }),

    async sharedObjectDownload(context, { params, query }) {
      const share = await admitted(context.sourceIp, async () => {
        const found = await database.transaction("system", (tx) => open(tx, params.token));
        return found && (await store.head(found.bucketId, found.key)) ? found : undefined;
      });
      return download(store, context, {
        bucketId: share.bucketId,
        key: share.key,
        disposition: query.disposition,
        onBegin: () =>
          database
            .transaction("system", (tx) => shareStore.countDownload(tx, share.id))
            .catch((error) => log.warn({ err: error, share: share.id }, "a download was not counted")),
      });
    },
  };
}
