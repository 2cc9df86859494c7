import type { Tx } from "../../../../kernel/db/database.ts";
import { emit } from "../../../../kernel/events.ts";
import type { Id } from "../../../../kernel/ids.ts";

export interface RecordingRow {
  id: Id<"recording">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  systemId: Id<"phoneSystem">;
  callId: Id<"call"> | null;
  extensionIds: Id<"extension">[];
  fromNumber: string;
  toNumber: string;
  audioId: Id<"phoneAudio">;
  sizeBytes: number;
  milliseconds: number;
  sha256: string;
  legalHold: boolean;
  createdAt: Date;
}

const columns = `id, organisation_id as "organisationId", project_id as "projectId", system_id as "systemId", call_id as "callId",
  extension_ids as "extensionIds", from_number as "fromNumber", to_number as "toNumber", audio_id as "audioId", size_bytes as "sizeBytes",
  milliseconds, sha256, legal_hold as "legalHold", created_at as "createdAt"`;

const announce = (tx: Tx, row: RecordingRow): Promise<void> =>
  emit(tx, {
    type: "voice.recording.changed",
    organisationId: row.organisationId,
    projectId: row.projectId,
    payload: { recordingId: row.id, phoneSystemId: row.systemId },
  });

export interface RecordingFilter {
  systemId?: string | undefined;
  extensionIds?: readonly string[] | undefined;
  callId?: string | undefined;
  legalHold?: boolean | undefined;
  from?: string | undefined;
  to?: string | undefined;
  below?: string | undefined;
  limit: number;
}

export const recordingStore = {
  async find(tx: Tx, id: string, options: { lock?: boolean } = {}): Promise<RecordingRow | undefined> {
    const [row] = await tx.sql<RecordingRow[]>`select ${tx.sql.unsafe(columns)} from voice.recordings where id = ${id}
      ${options.lock ? tx.sql`for update` : tx.sql``}`;
    return row;
  },

  /** The newest first. */
  page: (tx: Tx, filter: RecordingFilter): Promise<RecordingRow[]> => tx.sql<RecordingRow[]>`
    select ${tx.sql.unsafe(columns)} from voice.recordings where true
      ${filter.systemId === undefined ? tx.sql`` : tx.sql`and system_id = ${filter.systemId}`}
      ${filter.extensionIds === undefined ? tx.sql`` : tx.sql`and extension_ids && ${filter.extensionIds as string[]}::text[]`}
      ${filter.callId === undefined ? tx.sql`` : tx.sql`and call_id = ${filter.callId}`}
      ${filter.legalHold === undefined ? tx.sql`` : tx.sql`and legal_hold = ${filter.legalHold}`}
      ${filter.from === undefined ? tx.sql`` : tx.sql`and created_at >= ${filter.from}::timestamptz`}
      ${filter.to === undefined ? tx.sql`` : tx.sql`and created_at < ${filter.to}::timestamptz`}
      ${filter.below === undefined ? tx.sql`` : tx.sql`and id < ${filter.below}`} order by id desc limit ${filter.limit}`,

  async insert(tx: Tx, row: RecordingRow): Promise<void> {
    await tx.sql`
      insert into voice.recordings (id, organisation_id, project_id, system_id, call_id, extension_ids, from_number, to_number, audio_id, size_bytes,
        milliseconds, sha256, legal_hold, created_at)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.systemId}, ${row.callId}, ${row.extensionIds}, ${row.fromNumber}, ${row.toNumber},
        ${row.audioId}, ${row.sizeBytes}, ${row.milliseconds}, ${row.sha256}, ${row.legalHold}, ${row.createdAt})`;
    await announce(tx, row);
  },

  async hold(tx: Tx, row: RecordingRow, legalHold: boolean): Promise<RecordingRow> {
    await tx.sql`update voice.recordings set legal_hold = ${legalHold} where id = ${row.id}`;
    await announce(tx, row);
    return { ...row, legalHold };
  },

  /** Its sound is deleted beside (`deleteAudio`). */
  async delete(tx: Tx, row: RecordingRow): Promise<void> {
    await tx.sql`delete from voice.recordings where id = ${row.id}`;
    await announce(tx, row);
  },

  /** Of a phone system, older than it keeps them and not held. */
  expired: (tx: Tx, systemId: string, before: Date, limit: number): Promise<RecordingRow[]> => tx.sql<RecordingRow[]>`
    select ${tx.sql.unsafe(columns)} from voice.recordings where system_id = ${systemId} and created_at < ${before} and not legal_hold
    order by id limit ${limit} for update skip locked`,
};
