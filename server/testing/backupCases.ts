import { newId } from "../../kernel/ids.ts";
import type { Case, Input } from "./authorizationCase.ts";
import { as, cloud, newProject, unique } from "./authorizationWalk.ts";

const nowhere = {
  targetEndpoint: "https://127.0.0.1:9",
  targetBucket: "walked",
  accessKeyId: "WALK",
  secretAccessKey: "walked",
};

/** The cases of backups of buckets. The place they go to does not exist, so that nothing that is begun gets anywhere. */
export function backupCases(): Record<string, Case> {
  let project: Promise<string> | undefined;
  const newBucket = async () => {
    project ??= newProject();
    return as("owner", "bucketCreate", { body: { project: await project, name: unique("walk") } });
  };
  const newBackup = async () => {
    const { id: bucketId, projectId, organisationId } = await newBucket();
    const id = newId("bucketBackup");
    await cloud.database
      .sql`insert into objects.backup_targets (bucket_id, organisation_id, endpoint, region, target_bucket, prefix, access_key_id,
        secret, path_style, keep_days, keep_last)
      values (${bucketId}, ${organisationId}, ${nowhere.targetEndpoint}, 'us-east-1', 'walked', '', 'WALK', ${Buffer.alloc(1)}, true, 1, 1)`;
    await cloud.database
      .sql`insert into objects.backups (id, bucket_id, organisation_id, project_id, state, manifest, automatic, created_at)
      values (${id}, ${bucketId}, ${organisationId}, ${projectId}, 'available', ${id}, false, now())`;
    return { id, bucketId };
  };
  const inBucket = (more: Partial<Input> = {}): Case => ({
    input: async () => ({ params: { bucket: (await newBackup()).bucketId }, ...more }),
  });
  const onBackup = (more: Partial<Input> = {}): Case => ({
    input: async () => ({ params: { bucketBackup: (await newBackup()).id }, ...more }),
  });
  return {
    bucketBackupTargetGet: inBucket(),
    // An address of our own networks is not called.
    bucketBackupTargetUpdate: { ...inBucket({ body: nowhere }), ownerStatus: 409 },
    bucketBackupTargetDelete: inBucket(),
    bucketBackupList: inBucket(),
    bucketBackupCreate: inBucket(),
    bucketBackupGet: onBackup(),
    bucketBackupVerify: onBackup(),
    bucketBackupRestore: {
      input: async () => {
        const { id, bucketId } = await newBackup();
        return { params: { bucketBackup: id }, body: { bucket: bucketId } };
      },
    },
    bucketBackupDelete: onBackup(),
  };
}
