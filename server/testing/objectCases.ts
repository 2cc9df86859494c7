import type { Case, Input } from "./authorizationCase.ts";
import { as, bucket, newBucket, newObject, organisation, project, unique } from "./authorizationWalk.ts";

let versioned: Promise<string> | undefined;
/** One that keeps versions and locks them; "k" in it has old ones. */
async function versionedBucket(): Promise<string> {
  versioned ??= newBucket().then(async ({ id }) => {
    await as("owner", "bucketSettingsUpdate", { params: { bucket: id }, body: { versioning: "enabled", lock: {} } });
    return id as string;
  });
  return versioned;
}
async function oldVersion(): Promise<string> {
  const params = { bucket: await versionedBucket() };
  for (const bytes of ["old", "new"]) await as("owner", "objectUpload", { params, query: { key: "k" }, bytes });
  const { items } = (await as("owner", "objectVersionList", { params, query: { key: "k" } })) as unknown as {
    items: { versionId: string }[];
  };
  return items[1]!.versionId;
}
async function newWebsite(): Promise<string> {
  const { id } = await newBucket();
  await as("owner", "bucketWebsiteUpdate", { params: { bucket: id }, body: { indexDocument: "index.html" } });
  return id;
}
/** Of nobody, too. */
const bucketWebhook = () => ({ name: unique("walk"), url: "https://hook.example.org/" });
const onBucketWebhook = (rest: Input = {}): Case => ({
  input: async () => {
    const { webhook } = await as("owner", "bucketWebhookCreate", { body: { ...bucketWebhook(), project } });
    return { params: { bucketWebhook: webhook.id }, ...rest };
  },
});
const newUpload = async () =>
  (await as("owner", "uploadCreate", { params: { bucket }, body: { key: unique("upload"), sizeBytes: 5 } }))["id"];
const newTrash = async () => {
  const operation = await as("owner", "objectTrash", { params: { bucket }, body: { keys: [await newObject()] } });
  const done = await as("owner", "operationWait", { params: { operation: operation["id"] } });
  return done["result"].trashId;
};

/** Of object storage; those of its backups are in backupCases.ts. */
export const objectCases: Record<string, Case> = {
  objectsVerify: { atCloud: true, input: () => ({}) },
  objectVerificationGet: { atCloud: true, input: () => ({}) },
  bucketSafetyGet: { input: () => ({ params: { bucket } }) },
  damagedObjectList: { input: () => ({ params: { bucket } }) },
  bucketList: { input: () => ({ query: { project } }) },
  bucketCreate: { input: () => ({ body: { project, name: unique("walk") } }) },
  bucketWebhookList: { input: () => ({ query: { project } }) },
  bucketWebhookCreate: { input: () => ({ body: { ...bucketWebhook(), project } }) },
  bucketWebhookUpdate: onBucketWebhook({ body: { enabled: false } }),
  bucketWebhookDelete: onBucketWebhook(),
  bucketWebhookDeliveryList: onBucketWebhook(),
  bucketWebhookTest: {
    input: async () => {
      const { webhook } = await as("owner", "bucketWebhookCreate", { body: { ...bucketWebhook(), project } });
      return { params: { bucketWebhook: webhook.id }, body: { bucket } };
    },
  },
  bucketWebhookDeliverySend: {
    input: async () => {
      const { webhook } = await as("owner", "bucketWebhookCreate", { body: { ...bucketWebhook(), project } });
      const params = { bucketWebhook: webhook.id };
      const { id } = await as("owner", "bucketWebhookTest", { params, body: { bucket } });
      return { params: { ...params, delivery: id } };
    },
  },
  bucketNotificationGet: { input: () => ({ params: { bucket } }) },
  bucketNotificationUpdate: { input: () => ({ params: { bucket }, body: { rules: [] } }) },
  bucketNotificationDeliveryList: { input: () => ({ params: { bucket } }) },
  bucketLoggingGet: { input: () => ({ params: { bucket } }) },
  bucketLoggingUpdate: { input: () => ({ params: { bucket }, body: { targetBucket: bucket } }) },
  bucketLoggingDelete: { input: () => ({ params: { bucket } }) },
  bucketQuotaGet: { input: () => ({ params: { bucket } }) },
  bucketQuotaUpdate: { input: () => ({ params: { bucket }, body: {} }) },
  bucketSettingsGet: { input: () => ({ params: { bucket } }) },
  bucketSettingsUpdate: { input: () => ({ params: { bucket }, body: { versioning: "enabled" } }) },
  bucketWebsiteGet: { input: async () => ({ params: { bucket: await newWebsite() } }) },
  bucketWebsiteUpdate: {
    input: async () => ({ params: { bucket: (await newBucket())["id"] }, body: { indexDocument: "index.html" } }),
  },
  bucketWebsiteDelete: { input: async () => ({ params: { bucket: await newWebsite() } }) },
  bucketAccessGet: { input: () => ({ params: { bucket } }) },
  bucketAccessUpdate: { input: () => ({ params: { bucket }, body: { policy: null } }) },
  publicAccessGet: { input: () => ({ params: { organisation } }) },
  publicAccessUpdate: { input: () => ({ params: { organisation }, body: { isForbidden: false } }) },
  bucketCorsGet: { input: () => ({ params: { bucket } }) },
  bucketCorsUpdate: { input: () => ({ params: { bucket }, body: { rules: [] } }) },
  bucketLifecycleGet: { input: () => ({ params: { bucket } }) },
  bucketLifecycleUpdate: { input: () => ({ params: { bucket }, body: { rules: [] } }) },
  bucketLifecyclePreview: { input: () => ({ params: { bucket }, body: { rules: [] } }) },
  objectVersionList: { input: () => ({ params: { bucket } }) },
  objectVersionRestore: {
    input: async () => ({ params: { bucket: await versionedBucket() }, body: { key: "k", versionId: await oldVersion() } }),
  },
  objectVersionDelete: {
    input: async () => ({ params: { bucket: await versionedBucket() }, query: { key: "k", versionId: await oldVersion() } }),
  },
  objectUndelete: {
    input: async () => {
      const params = { bucket: await versionedBucket() };
      const key = unique("deleted");
      await as("owner", "objectUpload", { params, query: { key }, bytes: "text" });
      await as("owner", "objectDelete", { params, query: { key } });
      return { params, body: { key } };
    },
  },
  objectTagsUpdate: { input: async () => ({ params: { bucket }, body: { key: await newObject(), tags: { a: "b" } } }) },
  objectLockUpdate: {
    input: async () => {
      const params = { bucket: await versionedBucket() };
      const key = unique("locked");
      await as("owner", "objectUpload", { params, query: { key }, bytes: "text" });
      return { params, body: { key, legalHold: true } };
    },
  },
  bucketGet: { input: () => ({ params: { bucket } }) },
  bucketDelete: { input: async () => ({ params: { bucket: (await newBucket())["id"] } }) },
  bucketRelocate: { input: () => ({ params: { bucket }, body: { engine: "local" as const } }) },
  bucketEmpty: {
    input: async () => {
      const { id, name } = await newBucket();
      return { params: { bucket: id as string }, body: { confirm: name } };
    },
  },
  objectList: { input: () => ({ params: { bucket } }) },
  objectGet: { input: async () => ({ params: { bucket }, query: { key: await newObject() } }) },
  objectDownload: { input: async () => ({ params: { bucket }, query: { key: await newObject() } }) },
  objectUpload: { input: () => ({ params: { bucket }, query: { key: unique("object") }, bytes: "text" }) },
  objectDelete: { input: async () => ({ params: { bucket }, query: { key: await newObject() } }) },
  objectMove: { input: async () => ({ params: { bucket }, body: { keys: [await newObject()], targetPrefix: "moved/" } }) },
  objectTrash: { input: async () => ({ params: { bucket }, body: { keys: [await newObject()] } }) },
  trashList: { input: () => ({ params: { bucket } }) },
  trashRestore: { input: async () => ({ params: { bucket, trash: await newTrash() }, body: {} }) },
  trashDelete: { input: async () => ({ params: { bucket, trash: await newTrash() } }) },
  uploadCreate: { input: () => ({ params: { bucket }, body: { key: unique("upload"), sizeBytes: 5 } }) },
  uploadList: { input: () => ({ params: { bucket } }) },
  uploadPartPut: { input: async () => ({ params: { bucket, upload: await newUpload(), part: 1 }, bytes: "12345" }) },
  uploadPartList: { input: async () => ({ params: { bucket, upload: await newUpload() } }) },
  uploadComplete: {
    input: async () => {
      const upload = await newUpload();
      const { etag } = await as("owner", "uploadPartPut", { params: { bucket, upload, part: 1 }, bytes: "12345" });
      return { params: { bucket, upload }, body: { parts: [{ number: 1, etag }] } };
    },
  },
  uploadDelete: { input: async () => ({ params: { bucket, upload: await newUpload() } }) },
  shareList: { input: () => ({ params: { bucket } }) },
  shareCreate: { input: async () => ({ params: { bucket }, body: { key: await newObject() } }) },
  shareDelete: {
    input: async () => ({
      params: {
        share: (await as("owner", "shareCreate", { params: { bucket }, body: { key: await newObject() } }))["id"],
      },
    }),
  },
};
