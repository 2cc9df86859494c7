import { isoTime } from "../../../kernel/clock.ts";
import type { Database } from "../../../kernel/db/database.ts";
import { emit } from "../../../kernel/events.ts";
import { type Id, newId } from "../../../kernel/ids.ts";
import type { Log } from "../../../kernel/log.ts";
import type { Deletion, ObjectStore, StoredObject } from "../driver.ts";
import { canonicalIdOf } from "../s3/access/identity.ts";
import type { BucketRow } from "../store.ts";
import { wants } from "./configuration.ts";
import { origins } from "./origin.ts";
import { type NewDelivery, webhookStore } from "./store.ts";

const atOnce = 500;
/** More is not kept while the database is away. */
const mostKept = 20_000;
const againMs = 1000;
/** Nobody's change waits longer for its events. */
const patienceMs = 2000;

/** Something that happened to an object, named as S3 does without "s3:". */
export interface ObjectEvent {
  name: string;
  key: string;
  atMs: number;
  versionId?: string | undefined;
  sizeBytes?: number;
  etag?: string;
}

export interface Notifier {
  /** Resolves when they are written down, and so will be told; where nobody wants them, at once. */
  tell(bucket: BucketRow, events: ObjectEvent[]): Promise<void>;
  /** "This works", when a bucket begins to tell somebody of itself. */
  test(bucket: BucketRow, webhooks: string[]): Promise<void>;
  stop(): Promise<void>;
}

interface Pending {
  deliveries: NewDelivery[];
  /** For the cloud's own stream. */
  event?: Parameters<typeof emit>[1];
}

/** What is sent to find out whether an address takes events. */
export const testDelivery = (bucket: BucketRow, webhook: string): NewDelivery & { id: Id<"bucketWebhookDelivery"> } => ({
  id: newId("bucketWebhookDelivery"),
  projectId: bucket.projectId,
  webhook,
  bucketId: bucket.id,
  event: "s3:TestEvent",
  body: JSON.stringify({
    Service: "Amazon S3",
    Event: "s3:TestEvent",
    Time: isoTime(Date.now()),
    Bucket: bucket.name,
    RequestId: origins.getStore()?.requestId ?? "",
    HostId: origins.getStore()?.hostId ?? "",
  }),
});

export function createNotifier({ database, log, region }: { database: Database; log: Log; region: string }): Notifier {
  const pending: Pending[] = [];
  let running: Promise<void> | undefined;
  let isRunning = false;
  let timer: NodeJS.Timeout | undefined;
  let counter = 0;

  /** Whatever came meanwhile goes together with the next transaction. */
  function write(): Promise<void> {
    if (isRunning && running) return running;
    isRunning = true;
    running = writeAll();
    return running;
  }

  async function writeAll(): Promise<void> {
    while (pending.length > 0) {
      const taken = pending.splice(0, atOnce);
      try {
        await database.transaction("system", async (tx) => {
          const deliveries = taken.flatMap((each) => each.deliveries);
          if (deliveries.length > 0) await webhookStore.tell(tx, deliveries);
          for (const { event } of taken) if (event) await emit(tx, event);
        });
      } catch (error) {
        pending.unshift(...taken);
        if (pending.length > mostKept) {
          log.warn({ events: pending.length - mostKept }, "events of objects are given up: the database does not take them");
          pending.splice(0, pending.length - mostKept);
        }
        log.debug({ err: error }, "events of objects could not be written down yet");
        timer ??= setTimeout(() => {
          timer = undefined;
          void write();
        }, againMs).unref();
        break;
      }
    }
    isRunning = false;
  }

  async function written(added: Pending[]): Promise<void> {
    pending.push(...added);
    let patience: NodeJS.Timeout | undefined;
    await Promise.race([write(), new Promise<void>((resolve) => (patience = setTimeout(resolve, patienceMs)))]);
    clearTimeout(patience);
  }

  /** Later events of a key have a greater one, as far as one process can say. */
  const sequencer = (atMs: number): string =>
    `${atMs.toString(16).padStart(12, "0")}${(counter++ & 0xffff).toString(16).padStart(4, "0")}`.toUpperCase();

  const recordOf = (bucket: BucketRow, ruleId: string, event: ObjectEvent) => {
    const { principalId, sourceAddress, requestId, hostId } = origins.getStore() ?? {};
    return {
      eventVersion: "2.1",
      eventSource: "aws:s3",
      awsRegion: region,
      eventTime: isoTime(event.atMs),
      eventName: event.name,
      userIdentity: { principalId: principalId ?? "khmara" },
      requestParameters: { sourceIPAddress: sourceAddress ?? "" },
      responseElements: { "x-amz-request-id": requestId ?? "", "x-amz-id-2": hostId ?? "" },
      s3: {
        s3SchemaVersion: "1.0",
        configurationId: ruleId,
        bucket: {
          name: bucket.name,
          ownerIdentity: { principalId: canonicalIdOf(bucket.projectId) },
          arn: `arn:aws:s3:::${bucket.name}`,
        },
        object: {
          key: encodeURIComponent(event.key).replaceAll("%2F", "/").replaceAll("%20", "+"),
          ...(event.sizeBytes !== undefined && { size: event.sizeBytes }),
          ...(event.etag !== undefined && { eTag: event.etag }),
          ...(event.versionId !== undefined && { versionId: event.versionId }),
          sequencer: sequencer(event.atMs),
        },
      },
    };
  };

  return {
    async tell(bucket, events) {
      const configuration = bucket.configuration?.notification;
      if (configuration === undefined) return;
      const added: Pending[] = [];
      for (const event of events) {
        const deliveries = configuration.rules
          .filter((rule) => wants(rule, event.name, event.key))
          .map((rule) => ({
            id: newId("bucketWebhookDelivery"),
            projectId: bucket.projectId,
            webhook: rule.webhook,
            bucketId: bucket.id,
            event: `s3:${event.name}`,
            key: event.key,
            body: JSON.stringify({ Records: [recordOf(bucket, rule.id, event)] }),
          }));
        const { name, key, versionId, sizeBytes } = event;
        const told = {
          type: "objects.object.notified",
          organisationId: bucket.organisationId,
          projectId: bucket.projectId,
          payload: { bucketId: bucket.id, event: name, key, versionId, sizeBytes },
        };
        if (deliveries.length > 0 || configuration.eventBridge)
          added.push({ deliveries, ...(configuration.eventBridge && { event: told }) });
      }
      if (added.length > 0) await written(added);
    },

    test: (bucket, webhooks) => written([{ deliveries: webhooks.map((webhook) => testDelivery(bucket, webhook)) }]),

    async stop() {
      clearTimeout(timer);
      await write().catch(() => {});
      clearTimeout(timer);
    },
  };
}

/** The store as it is, but that what is changed in it is told to whom its buckets say. */
export function tellingStore(
  store: ObjectStore,
  { tell, bucketOf }: { tell: Notifier["tell"]; bucketOf: (storeId: string) => Promise<BucketRow | undefined> },
): ObjectStore {
  async function told(bucketId: string, events: (bucket: BucketRow) => ObjectEvent[]): Promise<void> {
    const bucket = await bucketOf(bucketId);
    // To the store a bucket's trash is one, too.
    if (bucket?.configuration?.notification && bucket.id === bucketId) await tell(bucket, events(bucket));
  }
  const created = (how: string, { key, modifiedAtMs, versionId, sizeBytes, etag }: StoredObject): ObjectEvent[] => [
    { name: `ObjectCreated:${how}`, key, atMs: modifiedAtMs, versionId, sizeBytes, etag },
  ];
  const removed = ({ key, versionId, marker }: Deletion, wasNamed: boolean): ObjectEvent => {
    const family = origins.getStore()?.lifecycle ? "LifecycleExpiration" : "ObjectRemoved";
    return { name: `${family}:${marker && !wasNamed ? "DeleteMarkerCreated" : "Delete"}`, key, atMs: Date.now(), versionId };
  };
  const telling: Partial<ObjectStore> = {
    async put(bucketId, ...rest) {
      const object = await store.put(bucketId, ...rest);
      await told(bucketId, () => created(origins.getStore()?.post ? "Post" : "Put", object));
      return object;
    },
    async copy(source, target, options) {
      const object = await store.copy(source, target, options);
      await told(target.bucketId, () => created("Copy", object));
      return object;
    },
    async uploadComplete(bucketId, ...rest) {
      const object = await store.uploadComplete(bucketId, ...rest);
      await told(bucketId, () => created("CompleteMultipartUpload", object));
      return object;
    },
    async delete(bucketId, key, options) {
      const deletion = await store.delete(bucketId, key, options);
      if (deletion) await told(bucketId, () => [removed(deletion, options?.versionId !== undefined)]);
      return deletion;
    },
    async deleteMany(bucketId, names, options) {
      const results = await store.deleteMany(bucketId, names, options);
      await told(bucketId, () =>
        results.flatMap(({ deletion }, index) => (deletion ? [removed(deletion, names[index]?.versionId !== undefined)] : [])),
      );
      return results;
    },
    async mark(bucketId, key, marks, options) {
      const object = await store.mark(bucketId, key, marks, options);
      const names = [
        ...(marks.tags === undefined ? [] : [`ObjectTagging:${Object.keys(marks.tags).length > 0 ? "Put" : "Delete"}`]),
        ...(marks.access === undefined ? [] : ["ObjectAcl:Put"]),
      ];
      const { versionId, sizeBytes, etag } = object;
      if (names.length > 0)
        await told(bucketId, () => names.map((name) => ({ name, key, atMs: Date.now(), versionId, sizeBytes, etag })));
      return object;
    },
  };
  const bound = new Map<PropertyKey, unknown>(Object.entries(telling));
  return new Proxy(store, {
    get(target, name) {
      const known = bound.get(name);
      if (known !== undefined) return known;
      const value = Reflect.get(target, name) as unknown;
      if (typeof value !== "function") return value;
      const method = value.bind(target) as unknown;
      bound.set(name, method);
      return method;
    },
  });
}
