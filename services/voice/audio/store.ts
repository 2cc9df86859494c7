import { createHash } from "node:crypto";
import type { Tx } from "../../../kernel/db/database.ts";
import type { Id } from "../../../kernel/ids.ts";
import { closeUsageSpans, openUsageSpan } from "../../../kernel/metering/journal.ts";

export interface AudioRow {
  id: Id<"phoneAudio">;
  organisationId: string;
  projectId: string;
  systemId: string;
  /** What it is the sound of: an announcement, a voicemail, a recording, the extension of a greeting. */
  ownerId: string;
  contentType: string;
  sizeBytes: number;
  milliseconds: number;
  /** Hex. */
  sha256: string;
  createdAt: Date;
}
export type NewAudio = Omit<AudioRow, "sizeBytes" | "sha256">;

const pieceBytes = 256 * 1024;

/** Pieces of one size, but for the last. */
async function* cut(content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Buffer> {
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  for await (const part of content) {
    for (let at = 0; at < part.length; ) {
      const taken = part.subarray(at, at + pieceBytes - heldBytes);
      held.push(taken);
      heldBytes += taken.length;
      at += taken.length;
      if (heldBytes < pieceBytes) continue;
      yield Buffer.concat(held);
      held = [];
      heldBytes = 0;
    }
  }
  if (heldBytes > 0) yield Buffer.concat(held);
}

/** Writes a sound and begins to meter it, in the transaction of what it is of. What is read is not held whole. */
export async function writeAudio(
  tx: Tx,
  audio: NewAudio,
  content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<AudioRow> {
  await tx.sql`insert into voice.audio (id, organisation_id, project_id, system_id, owner_id, content_type, size_bytes, milliseconds, sha256, created_at)
    values (${audio.id}, ${audio.organisationId}, ${audio.projectId}, ${audio.systemId}, ${audio.ownerId}, ${audio.contentType}, 0,
      ${audio.milliseconds}, '', ${audio.createdAt})`;
  const hash = createHash("sha256");
  let sizeBytes = 0;
  let number = 0;
  for await (const piece of cut(content)) {
    await tx.sql`insert into voice.audio_pieces (audio_id, number, organisation_id, bytes)
      values (${audio.id}, ${number++}, ${audio.organisationId}, ${piece})`;
    hash.update(piece);
    sizeBytes += piece.length;
  }
  const sha256 = hash.digest("hex");
  await tx.sql`update voice.audio set size_bytes = ${sizeBytes}, sha256 = ${sha256} where id = ${audio.id}`;
  await meter(tx, { ...audio, sizeBytes });
  return { ...audio, sizeBytes, sha256 };
}

const meter = (tx: Tx, audio: Omit<AudioRow, "sha256">): Promise<void> =>
  openUsageSpan(tx, {
    // One span for each sound, whose id is used nowhere else.
    id: audio.id.replace(/^[a-z]+/, "use"),
    organisationId: audio.organisationId,
    projectId: audio.projectId,
    service: "voice",
    meter: "voice.recording.bytes",
    unit: "byte",
    resource: { kind: "phoneAudio", id: audio.id },
    from: audio.createdAt,
    rate: audio.sizeBytes,
  });

/** The same sound for another owner. */
export async function copyAudio(tx: Tx, id: string, copy: Pick<AudioRow, "id" | "ownerId" | "createdAt">): Promise<void> {
  const source = await findAudio(tx, id);
  if (source === undefined) return;
  const row = { ...source, ...copy };
  await tx.sql`insert into voice.audio (id, organisation_id, project_id, system_id, owner_id, content_type, size_bytes, milliseconds, sha256, created_at)
    values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.systemId}, ${row.ownerId}, ${row.contentType}, ${row.sizeBytes},
      ${row.milliseconds}, ${row.sha256}, ${row.createdAt})`;
  await tx.sql`insert into voice.audio_pieces (audio_id, number, organisation_id, bytes)
    select ${row.id}, number, organisation_id, bytes from voice.audio_pieces where audio_id = ${id}`;
  await meter(tx, row);
}

export async function findAudio(tx: Tx, id: string): Promise<AudioRow | undefined> {
  const [row] = await tx.sql<AudioRow[]>`
    select id, organisation_id as "organisationId", project_id as "projectId", system_id as "systemId", owner_id as "ownerId",
      content_type as "contentType", size_bytes as "sizeBytes", milliseconds, sha256, created_at as "createdAt"
    from voice.audio where id = ${id}`;
  return row;
}

/** Gone with its bytes, and metered until now. One that is not there is gone already. */
export async function deleteAudio(tx: Tx, id: string): Promise<void> {
  await tx.sql`delete from voice.audio where id = ${id}`;
  await closeUsageSpans(tx, id, new Date());
}

/** Of all sounds of a phone system or an extension that is deleted: rows of theirs go with it by themselves, what is metered does not. */
export async function deleteAudioOf(tx: Tx, of: { systemId: string } | { extensionId: string }): Promise<void> {
  const rows =
    "systemId" in of
      ? await tx.sql<{ id: string }[]>`select id from voice.audio where system_id = ${of.systemId}`
      : await tx.sql<{ id: string }[]>`
          select audio_id as id from voice.voicemails where extension_id = ${of.extensionId}
          union all select audio_id from voice.greetings where extension_id = ${of.extensionId}`;
  for (const { id } of rows) await deleteAudio(tx, id);
}

/** The bytes from `from` to `to`, both included. Each piece is read in a transaction of its own, as whoever listens takes their time. */
export async function* readAudio(
  transaction: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>,
  audio: Pick<AudioRow, "id" | "sizeBytes">,
  { from = 0, to = audio.sizeBytes - 1 }: { from?: number; to?: number } = {},
): AsyncGenerator<Buffer> {
  for (let number = Math.floor(from / pieceBytes); number * pieceBytes <= to; number++) {
    const [row] = await transaction(
      (tx) =>
        tx.sql<{ bytes: Buffer }[]>`select bytes from voice.audio_pieces where audio_id = ${audio.id} and number = ${number}`,
    );
    if (row === undefined) throw new Error(`Sound ${audio.id} was deleted while it was read.`);
    const start = number * pieceBytes;
    yield row.bytes.subarray(Math.max(0, from - start), Math.min(row.bytes.length, to - start + 1));
  }
}
