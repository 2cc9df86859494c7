import type { Tx } from "../../../../kernel/db/database.ts";
import { emit } from "../../../../kernel/events.ts";
import type { Id } from "../../../../kernel/ids.ts";
import type { GreetingKind, VoicemailFolder } from "../contract.ts";

export interface VoicemailRow {
  id: Id<"voicemail">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  systemId: Id<"phoneSystem">;
  extensionId: Id<"extension">;
  audioId: Id<"phoneAudio">;
  folder: VoicemailFolder;
  heard: boolean;
  fromNumber: string;
  fromName: string | null;
  forwardedBy: string | null;
  note: string | null;
  callId: Id<"call"> | null;
  sizeBytes: number;
  milliseconds: number;
  createdAt: Date;
  deletedAt: Date | null;
}

const columns = `id, organisation_id as "organisationId", project_id as "projectId", system_id as "systemId", extension_id as "extensionId",
  audio_id as "audioId", folder, heard, from_number as "fromNumber", from_name as "fromName", forwarded_by as "forwardedBy", note,
  call_id as "callId", size_bytes as "sizeBytes", milliseconds, created_at as "createdAt", deleted_at as "deletedAt"`;

/** Tells the voice process of an extension whose messages changed, for its lamp: the id of the phone system, a space, that of the extension. */
export const voicemailChannel = "voice_voicemail";

async function announce(tx: Tx, row: VoicemailRow): Promise<void> {
  await tx.sql`select pg_notify(${voicemailChannel}, ${`${row.systemId} ${row.extensionId}`})`;
  await emit(tx, {
    type: "voice.voicemail.changed",
    organisationId: row.organisationId,
    projectId: row.projectId,
    payload: { voicemailId: row.id, extensionId: row.extensionId, phoneSystemId: row.systemId },
  });
}

export const voicemailStore = {
  async find(tx: Tx, id: string, options: { lock?: boolean } = {}): Promise<VoicemailRow | undefined> {
    const [row] = await tx.sql<VoicemailRow[]>`select ${tx.sql.unsafe(columns)} from voice.voicemails where id = ${id}
      ${options.lock ? tx.sql`for update` : tx.sql``}`;
    return row;
  },

  /** The newest first. Without a folder those that are new or saved. */
  page: (
    tx: Tx,
    filter: {
      systemId?: string | undefined;
      extensionIds?: readonly string[] | undefined;
      folder?: VoicemailFolder | undefined;
      below?: string | undefined;
      limit: number;
    },
  ): Promise<VoicemailRow[]> => tx.sql<VoicemailRow[]>`
    select ${tx.sql.unsafe(columns)} from voice.voicemails where true
      ${filter.systemId === undefined ? tx.sql`` : tx.sql`and system_id = ${filter.systemId}`}
      ${filter.extensionIds === undefined ? tx.sql`` : tx.sql`and extension_id = any (${filter.extensionIds as string[]}::text[])`}
      ${filter.folder === undefined ? tx.sql`and folder <> 'deleted'` : tx.sql`and folder = ${filter.folder}`}
      ${filter.below === undefined ? tx.sql`` : tx.sql`and id < ${filter.below}`} order by id desc limit ${filter.limit}`,

  async insert(tx: Tx, row: VoicemailRow): Promise<void> {
    await tx.sql`
      insert into voice.voicemails (id, organisation_id, project_id, system_id, extension_id, audio_id, folder, heard, from_number, from_name,
        forwarded_by, note, call_id, size_bytes, milliseconds, created_at, deleted_at)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.systemId}, ${row.extensionId}, ${row.audioId}, ${row.folder}, ${row.heard},
        ${row.fromNumber}, ${row.fromName}, ${row.forwardedBy}, ${row.note}, ${row.callId}, ${row.sizeBytes}, ${row.milliseconds}, ${row.createdAt},
        ${row.deletedAt})`;
    await announce(tx, row);
  },

  /** Heard is saved, and what was deleted comes back as it says; answers the row as it is then. */
  async move(
    tx: Tx,
    row: VoicemailRow,
    change: { folder?: VoicemailFolder | undefined; heard?: boolean | undefined },
  ): Promise<VoicemailRow> {
    const folder = change.folder ?? row.folder;
    const [changed] = await tx.sql<VoicemailRow[]>`
      update voice.voicemails set folder = ${folder}, heard = ${change.heard ?? row.heard},
        deleted_at = ${folder === "deleted" ? (row.deletedAt ?? new Date()) : null}
      where id = ${row.id} returning ${tx.sql.unsafe(columns)}`;
    await announce(tx, changed as VoicemailRow);
    return changed as VoicemailRow;
  },

  /** Its sound is deleted beside (`deleteAudio`). */
  async delete(tx: Tx, row: VoicemailRow): Promise<void> {
    await tx.sql`delete from voice.voicemails where id = ${row.id}`;
    await announce(tx, row);
  },

  /** For the lamp of a phone (RFC 3842). */
  async counts(tx: Tx, extensionId: string): Promise<{ new: number; saved: number }> {
    const [row] = await tx.sql<{ new: number; saved: number }[]>`
      select (count(*) filter (where folder = 'new'))::int as new, (count(*) filter (where folder = 'saved'))::int as saved
      from voice.voicemails where extension_id = ${extensionId}`;
    return row ?? { new: 0, saved: 0 };
  },

  /** Of a phone system: older than it keeps them, or deleted long enough ago. */
  expired: (tx: Tx, systemId: string, before: Date, deletedBefore: Date, limit: number): Promise<VoicemailRow[]> => tx.sql<
    VoicemailRow[]
  >`select ${tx.sql.unsafe(columns)} from voice.voicemails where system_id = ${systemId}
      and (created_at < ${before} or deleted_at < ${deletedBefore}) order by id limit ${limit} for update skip locked`,
};

export interface GreetingRow {
  extensionId: Id<"extension">;
  kind: GreetingKind;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  systemId: Id<"phoneSystem">;
  audioId: Id<"phoneAudio">;
  sizeBytes: number;
  milliseconds: number;
  createdAt: Date;
}
const greetingColumns = `extension_id as "extensionId", kind, organisation_id as "organisationId", project_id as "projectId", system_id as "systemId",
  audio_id as "audioId", size_bytes as "sizeBytes", milliseconds, created_at as "createdAt"`;

export const greetingStore = {
  /** At most one of each kind. */
  all: (tx: Tx, extensionId: string): Promise<GreetingRow[]> =>
    tx.sql<
      GreetingRow[]
    >`select ${tx.sql.unsafe(greetingColumns)} from voice.greetings where extension_id = ${extensionId} order by kind`,

  async find(tx: Tx, extensionId: string, kind: GreetingKind): Promise<GreetingRow | undefined> {
    const [row] = await tx.sql<GreetingRow[]>`
      select ${tx.sql.unsafe(greetingColumns)} from voice.greetings where extension_id = ${extensionId} and kind = ${kind}`;
    return row;
  },

  /** Instead of the one of its kind; answers the sound of that one, to be deleted. */
  async set(tx: Tx, row: GreetingRow): Promise<string | undefined> {
    const before = await greetingStore.find(tx, row.extensionId, row.kind);
    await tx.sql`
      insert into voice.greetings (extension_id, kind, organisation_id, project_id, system_id, audio_id, size_bytes, milliseconds, created_at)
      values (${row.extensionId}, ${row.kind}, ${row.organisationId}, ${row.projectId}, ${row.systemId}, ${row.audioId}, ${row.sizeBytes},
        ${row.milliseconds}, ${row.createdAt})
      on conflict (extension_id, kind) do update set audio_id = excluded.audio_id, size_bytes = excluded.size_bytes,
        milliseconds = excluded.milliseconds, created_at = excluded.created_at`;
    return before?.audioId;
  },

  delete: (tx: Tx, row: GreetingRow): Promise<unknown> =>
    tx.sql`delete from voice.greetings where extension_id = ${row.extensionId} and kind = ${row.kind}`,
};
