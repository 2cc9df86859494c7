import type { Actor } from "../../../../kernel/contract.ts";
import type { Tx } from "../../../../kernel/db/database.ts";
import type { Id } from "../../../../kernel/ids.ts";
import type { JobState, TaskState } from "../contract.ts";

export interface JobRow {
  id: Id<"job">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  name: string;
  state: JobState;
  stateReason: string | null;
  imageId: Id<"image">;
  imageName: string;
  sizeId: Id<"size"> | null;
  sizeName: string;
  vcpus: number;
  memoryBytes: number;
  diskBytes: number;
  command: string[] | null;
  script: string | null;
  environmentNames: string[];
  inputBucketId: Id<"bucket"> | null;
  inputBucketName: string | null;
  inputPrefix: string | null;
  outputBucketId: Id<"bucket"> | null;
  outputBucketName: string | null;
  outputPrefix: string | null;
  arraySize: number;
  parallel: number | null;
  priority: number;
  maximumRetries: number;
  timeoutSeconds: number;
  networkIds: string[];
  labels: Record<string, string>;
  createdBy: Actor;
  counts: Record<TaskState, number>;
  crowdedOutSince: Date | null;
  createdAt: Date;
  startedAt: Date | null;
  finishedAt: Date | null;
  revision: number;
}

const columns = `id, organisation_id as "organisationId", project_id as "projectId", name, state, state_reason as "stateReason",
  image_id as "imageId", image_name as "imageName", size_id as "sizeId", size_name as "sizeName", vcpus, memory_bytes as "memoryBytes",
  disk_bytes as "diskBytes", command, script, environment_names as "environmentNames", input_bucket_id as "inputBucketId",
  input_bucket_name as "inputBucketName", input_prefix as "inputPrefix", output_bucket_id as "outputBucketId",
  output_bucket_name as "outputBucketName", output_prefix as "outputPrefix", array_size as "arraySize", parallel, priority,
  maximum_retries as "maximumRetries", timeout_seconds as "timeoutSeconds", network_ids as "networkIds", labels, created_by as "createdBy",
  json_build_object('queued', queued, 'starting', starting, 'running', running, 'uploading', uploading, 'succeeded', succeeded,
    'failed', failed, 'cancelled', cancelled, 'timed_out', timed_out) as counts, crowded_out_since as "crowdedOutSince",
  created_at as "createdAt", started_at as "startedAt", finished_at as "finishedAt", revision`;

export type JobChange = Partial<Pick<JobRow, "state" | "stateReason" | "startedAt" | "finishedAt" | "crowdedOutSince">>;

export const jobStore = {
  async find(tx: Tx, id: string, options: { lock?: boolean } = {}): Promise<JobRow | undefined> {
    const [row] = await tx.sql<JobRow[]>`select ${tx.sql.unsafe(columns)} from compute.jobs where id = ${id}
      ${options.lock ? tx.sql`for update` : tx.sql``}`;
    return row;
  },

  async insert(tx: Tx, row: JobRow, environment: Uint8Array | undefined, taskIds: readonly string[]): Promise<void> {
    await tx.sql`insert into compute.jobs (id, organisation_id, project_id, name, state, image_id, image_name, size_id, size_name, vcpus,
        memory_bytes, disk_bytes, command, script, environment, environment_names, input_bucket_id, input_bucket_name, input_prefix,
        output_bucket_id, output_bucket_name, output_prefix, array_size, parallel, priority, maximum_retries, timeout_seconds, network_ids,
        labels, created_by, queued, created_at)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.name}, ${row.state}, ${row.imageId}, ${row.imageName}, ${row.sizeId},
        ${row.sizeName}, ${row.vcpus}, ${row.memoryBytes}, ${row.diskBytes}, ${row.command ? tx.sql.json(row.command) : null}, ${row.script},
        ${environment ?? null}, ${row.environmentNames}, ${row.inputBucketId}, ${row.inputBucketName}, ${row.inputPrefix},
        ${row.outputBucketId}, ${row.outputBucketName}, ${row.outputPrefix}, ${row.arraySize}, ${row.parallel}, ${row.priority},
        ${row.maximumRetries}, ${row.timeoutSeconds}, ${row.networkIds}, ${tx.sql.json(row.labels)}, ${tx.sql.json(row.createdBy as never)},
        ${row.counts.queued}, ${row.createdAt})`;
    await tx.sql`insert into compute.tasks (id, organisation_id, project_id, job_id, index, created_at)
      select task.id, ${row.organisationId}, ${row.projectId}, ${row.id}, task.number - 1, ${row.createdAt}
      from unnest(${taskIds as string[]}::text[]) with ordinality as task (id, number)`;
  },

  async update(tx: Tx, id: string, change: JobChange): Promise<JobRow> {
    const names = {
      state: "state",
      stateReason: "state_reason",
      startedAt: "started_at",
      finishedAt: "finished_at",
      crowdedOutSince: "crowded_out_since",
    } as const;
    const values = Object.fromEntries(Object.entries(change).map(([field, value]) => [names[field as keyof JobChange], value]));
    const [row] = await tx.sql<JobRow[]>`update compute.jobs set ${tx.sql(values as never)}, revision = revision + 1
      where id = ${id} returning ${tx.sql.unsafe(columns)}`;
    return row as JobRow;
  },

  /** Some tasks went from one state to another. */
  async count(tx: Tx, id: string, from: TaskState, to: TaskState, tasks = 1): Promise<JobRow> {
    const [row] = await tx.sql<JobRow[]>`update compute.jobs set ${tx.sql(from)} = ${tx.sql(from)} - ${tasks},
        ${tx.sql(to)} = ${tx.sql(to)} + ${tasks}, revision = revision + 1
      where id = ${id} returning ${tx.sql.unsafe(columns)}`;
    return row as JobRow;
  },

  /** Sealed; absent when there is none, or it is gone. */
  async environment(tx: Tx, id: string): Promise<Uint8Array | undefined> {
    const [row] = await tx.sql<{ environment: Uint8Array | null }[]>`select environment from compute.jobs where id = ${id}`;
    return row?.environment ?? undefined;
  },
  async forgetEnvironment(tx: Tx, id: string): Promise<void> {
    await tx.sql`update compute.jobs set environment = null where id = ${id}`;
  },

  /** Newest first. */
  page: (
    tx: Tx,
    filter: {
      projectId: string;
      state?: JobState | undefined;
      search?: string | undefined;
      before?: string | undefined;
      limit: number;
    },
  ): Promise<JobRow[]> => tx.sql<JobRow[]>`
    select ${tx.sql.unsafe(columns)} from compute.jobs where project_id = ${filter.projectId}
      ${filter.state === undefined ? tx.sql`` : tx.sql`and state = ${filter.state}`}
      ${filter.search ? tx.sql`and strpos(lower(name), ${filter.search.toLowerCase()}) > 0` : tx.sql``}
      ${filter.before === undefined ? tx.sql`` : tx.sql`and id < ${filter.before}`}
    order by id desc limit ${filter.limit}`,

  /** The bytes of all its logs, which its deletion frees. */
  async logBytes(tx: Tx, id: string): Promise<number> {
    const [row] = await tx.sql<{ bytes: number }[]>`select coalesce(sum(length(l.content)), 0)::bigint as bytes
      from compute.tasks t join compute.task_logs l on l.task_id = t.id where t.job_id = ${id}`;
    return row?.bytes ?? 0;
  },
  async delete(tx: Tx, id: string): Promise<void> {
    await tx.sql`delete from compute.jobs where id = ${id}`;
  },
  /** One that is finished since before then. */
  async takeExpired(tx: Tx, before: Date): Promise<JobRow | undefined> {
    const [row] = await tx.sql<JobRow[]>`select ${tx.sql.unsafe(columns)} from compute.jobs where finished_at < ${before}
      order by finished_at limit 1 for update skip locked`;
    return row;
  },

  async size(tx: Tx, idOrName: string): Promise<SizeRow | undefined> {
    const [row] = await tx.sql<
      SizeRow[]
    >`select id, name, vcpus, memory_bytes as "memoryBytes", disk_bytes as "diskBytes", retired
      from compute.sizes where ${idOrName.includes("_") ? tx.sql`id = ${idOrName}` : tx.sql`name = ${idOrName}`}`;
    return row;
  },
  async offeredSizes(tx: Tx): Promise<string[]> {
    const rows = await tx.sql<
      { name: string }[]
    >`select name from compute.sizes where not retired order by vcpus, memory_bytes, disk_bytes, name limit 50`;
    return rows.map(({ name }) => name);
  },
  /** Which of these networks the project has. */
  async networksOf(tx: Tx, projectId: string, ids: readonly string[]): Promise<Set<string>> {
    const rows = await tx.sql<
      { id: string }[]
    >`select id from compute.networks where project_id = ${projectId} and id = any (${ids as string[]}::text[])`;
    return new Set(rows.map(({ id }) => id));
  },
};

export interface SizeRow {
  id: Id<"size">;
  name: string;
  vcpus: number;
  memoryBytes: number;
  diskBytes: number;
  retired: boolean;
}
