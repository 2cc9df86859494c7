import { brokenConstraint, type Tx } from "../../../../kernel/db/database.ts";
import type { Id } from "../../../../kernel/ids.ts";
import type { InstanceState } from "../contract.ts";

export interface InstanceRow {
  id: Id<"instance">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  name: string;
  engineName: string;
  description: string;
  kind: "container" | "vm";
  state: InstanceState;
  stateReason: string | null;
  sizeId: Id<"size"> | null;
  sizeName: string;
  vcpus: number;
  memoryBytes: number;
  diskBytes: number;
  imageId: Id<"image"> | null;
  imageName: string;
  groupId: Id<"instanceGroup"> | null;
  labels: Record<string, string>;
  protected: boolean;
  autoRestart: boolean;
  restartNeeded: boolean;
  hidden: boolean;
  usageOf: { kind: string; id: string; name: string } | null;
  member: string | null;
  sshKeyIds: Id<"sshKey">[];
  sshPublicKeys: string[];
  createdAt: Date;
  startedAt: Date | null;
  /** Since when the open spans of processors and memory, and that of the root disk, are open. */
  runningFrom: Date | null;
  heldFrom: Date | null;
  powerAt: Date | null;
  restarts: number;
  restartAt: Date | null;
  revision: number;
}

const columns = `id, organisation_id as "organisationId", project_id as "projectId", name, engine_name as "engineName", description, kind, state,
  state_reason as "stateReason", size_id as "sizeId", size_name as "sizeName", vcpus, memory_bytes as "memoryBytes", disk_bytes as "diskBytes",
  image_id as "imageId", image_name as "imageName", group_id as "groupId", labels, protected, auto_restart as "autoRestart",
  restart_needed as "restartNeeded", hidden, usage_of as "usageOf", member, ssh_key_ids as "sshKeyIds", ssh_public_keys as "sshPublicKeys",
  created_at as "createdAt", started_at as "startedAt", running_from as "runningFrom", held_from as "heldFrom", power_at as "powerAt",
  restarts, restart_at as "restartAt", revision`;

/** Column of each field that changes after the row is made. */
const changeable = {
  name: "name",
  description: "description",
  state: "state",
  stateReason: "state_reason",
  sizeId: "size_id",
  sizeName: "size_name",
  vcpus: "vcpus",
  memoryBytes: "memory_bytes",
  diskBytes: "disk_bytes",
  imageId: "image_id",
  imageName: "image_name",
  labels: "labels",
  protected: "protected",
  autoRestart: "auto_restart",
  restartNeeded: "restart_needed",
  member: "member",
  startedAt: "started_at",
  runningFrom: "running_from",
  heldFrom: "held_from",
  powerAt: "power_at",
  restarts: "restarts",
  restartAt: "restart_at",
} as const satisfies Partial<Record<keyof InstanceRow, string>>;

export type InstanceChange = Partial<Pick<InstanceRow, keyof typeof changeable>>;

export interface InstanceFilter {
  projectId?: string | undefined;
  states?: readonly string[] | undefined;
  search?: string | undefined;
  /** A key, or a key and its value. */
  label?: { key: string; value: string | undefined } | undefined;
  limit: number;
}

const filtered = (tx: Tx, { projectId, states, search, label }: Omit<InstanceFilter, "limit">) => tx.sql`
  ${projectId === undefined ? tx.sql`` : tx.sql`and project_id = ${projectId}`}
  ${states === undefined ? tx.sql`` : tx.sql`and state = any (${states as string[]}::text[])`}
  ${search ? tx.sql`and strpos(name, ${search.toLowerCase()}) > 0` : tx.sql``}
  ${
    label === undefined
      ? tx.sql``
      : label.value === undefined
        ? tx.sql`and labels ? ${label.key}`
        : tx.sql`and labels ->> ${label.key} = ${label.value}`
  }`;

const watchedSetting = "compute.instances.watched_until";

export const instanceStore = {
  async find(tx: Tx, id: string, options: { lock?: boolean } = {}): Promise<InstanceRow | undefined> {
    const [row] = await tx.sql<InstanceRow[]>`select ${tx.sql.unsafe(columns)} from compute.instances where id = ${id}
      ${options.lock ? tx.sql`for update` : tx.sql``}`;
    return row;
  },

  async byEngineName(tx: Tx, engineName: string): Promise<InstanceRow | undefined> {
    const [row] = await tx.sql<
      InstanceRow[]
    >`select ${tx.sql.unsafe(columns)} from compute.instances where engine_name = ${engineName} for update`;
    return row;
  },

  /** False when the project has one of that name. */
  async insert(tx: Tx, row: InstanceRow, userData: Uint8Array | undefined): Promise<boolean> {
    const rows = await tx.sql`
      insert into compute.instances (id, organisation_id, project_id, name, engine_name, description, kind, state, size_id, size_name, vcpus,
        memory_bytes, disk_bytes, image_id, image_name, group_id, labels, protected, auto_restart, hidden, usage_of, member, ssh_key_ids,
        ssh_public_keys, user_data, created_at)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.name}, ${row.engineName}, ${row.description}, ${row.kind}, ${row.state},
        ${row.sizeId}, ${row.sizeName}, ${row.vcpus}, ${row.memoryBytes}, ${row.diskBytes}, ${row.imageId}, ${row.imageName}, ${row.groupId},
        ${tx.sql.json(row.labels)}, ${row.protected}, ${row.autoRestart}, ${row.hidden}, ${row.usageOf ? tx.sql.json(row.usageOf) : null},
        ${row.member}, ${row.sshKeyIds}, ${row.sshPublicKeys}, ${userData ?? null}, ${row.createdAt})
      on conflict (project_id, name) where not hidden do nothing returning id`;
    return rows.length > 0;
  },

  /** Writes what changes (something does) and answers the row as it is then. */
  async update(tx: Tx, id: string, change: InstanceChange): Promise<InstanceRow> {
    const entries = Object.entries(change).filter(([, value]) => value !== undefined);
    const values = Object.fromEntries(
      entries.map(([field, value]) => [
        changeable[field as keyof typeof changeable],
        field === "labels" ? tx.sql.json(value as never) : value,
      ]),
    );
    const [row] = await tx.sql<InstanceRow[]>`update compute.instances set ${tx.sql(values as never)}, revision = revision + 1
      where id = ${id} returning ${tx.sql.unsafe(columns)}`;
    return row as InstanceRow;
  },

  /** The same where the name may change; undefined when the project has one of that name, and then nothing more can be done in `tx`. */
  async rename(tx: Tx, id: string, change: InstanceChange): Promise<InstanceRow | undefined> {
    try {
      return await instanceStore.update(tx, id, change);
    } catch (error) {
      if (brokenConstraint(error) === "instances_name") return undefined;
      throw error;
    }
  },

  async delete(tx: Tx, id: string): Promise<boolean> {
    return (await tx.sql`delete from compute.instances where id = ${id} returning id`).length > 0;
  },

  /** By name. */
  page: (tx: Tx, filter: InstanceFilter & { after?: string | undefined }): Promise<InstanceRow[]> => tx.sql<InstanceRow[]>`
    select ${tx.sql.unsafe(columns)} from compute.instances where not hidden ${filtered(tx, filter)}
      ${filter.after === undefined ? tx.sql`` : tx.sql`and name > ${filter.after}`}
    order by name limit ${filter.limit}`,

  /** By id, hidden ones too; `living`: not those being deleted. */
  each: (
    tx: Tx,
    filter: InstanceFilter & { after?: string | undefined; living?: boolean | undefined },
  ): Promise<InstanceRow[]> => tx.sql<InstanceRow[]>`
    select ${tx.sql.unsafe(columns)} from compute.instances where true ${filtered(tx, filter)}
      ${filter.living ? tx.sql`and state <> 'deleting'` : tx.sql``}
      ${filter.after === undefined ? tx.sql`` : tx.sql`and id > ${filter.after}`}
    order by id limit ${filter.limit}`,

  async userData(tx: Tx, id: string): Promise<Uint8Array | undefined> {
    const [row] = await tx.sql<
      { userData: Uint8Array | null }[]
    >`select user_data as "userData" from compute.instances where id = ${id}`;
    return row?.userData ?? undefined;
  },

  /** Where the others of a group are, or are about to be. */
  inGroup: (tx: Tx, groupId: string, except?: string): Promise<{ id: string; member: string | null }[]> => tx.sql<
    { id: string; member: string | null }[]
  >`
    select id, member from compute.instances where group_id = ${groupId} and id <> ${except ?? ""}`,

  restartsDue: (tx: Tx, limit: number): Promise<InstanceRow[]> => tx.sql<InstanceRow[]>`
    select ${tx.sql.unsafe(columns)} from compute.instances where restart_at <= now() order by restart_at limit ${limit}
    for update skip locked`,

  /** Until when what happens to instances was certainly seen; undefined before the first look. */
  async watchedUntil(tx: Tx): Promise<Date | undefined> {
    const [row] = await tx.sql<{ value: string }[]>`select value from kernel.settings where name = ${watchedSetting}`;
    return row && new Date(row.value);
  },

  async setWatchedUntil(tx: Tx, at: Date): Promise<void> {
    await tx.sql`insert into kernel.settings (name, value) values (${watchedSetting}, ${tx.sql.json(at.toISOString())})
      on conflict (name) do update set value = excluded.value, updated_at = now()`;
  },

  countByState: (tx: Tx): Promise<{ state: string; kind: string; count: number }[]> =>
    tx.sql<
      { state: string; kind: string; count: number }[]
    >`select state, kind, count(*) as count from compute.instances where not hidden group by state, kind`,
};
