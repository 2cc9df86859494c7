import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, notFound, there } from "../../../kernel/errors.ts";
import { toPage } from "../../../kernel/http/cursor.ts";
import type { Area, RequestContext } from "../../../kernel/service.ts";
import { serveAudio } from "../audio/serving.ts";
import { deleteAudio, findAudio } from "../audio/store.ts";
import { myExtensions } from "../mine.ts";
import { placeOf, subjectOf } from "../parts.ts";
import { openSystem } from "../systems/openSystem.ts";
import { systemStore } from "../systems/store.ts";
import { belowOf } from "./calls.ts";
import type { recordRoutes } from "./contract.ts";
import { type RecordingRow, recordingStore } from "./store/recordings.ts";
import { viewRecording } from "./views.ts";

type RecordingRoutes = Pick<
  typeof recordRoutes,
  "recordingList" | "recordingDownload" | "recordingUpdate" | "recordingDelete" | "myRecordingList" | "myRecordingDownload"
>;

async function openRecording(context: Pick<RequestContext, "tx" | "authorize">, id: string): Promise<RecordingRow> {
  const row = there(await recordingStore.find(context.tx, id, { lock: true }), "recording");
  context.authorize(placeOf(row), "recording");
  return row;
}

/** How long each of these phone systems keeps recordings, in days. */
async function retention(tx: Tx, rows: readonly RecordingRow[]): Promise<(row: RecordingRow) => number | undefined> {
  const days = new Map<string, number | undefined>();
  for (const id of new Set(rows.map(({ systemId }) => systemId)))
    days.set(id, (await systemStore.find(tx, id))?.settings.recording.retentionDays);
  return ({ systemId }) => days.get(systemId);
}

const subject = (row: RecordingRow) => subjectOf("recording", row, `${row.fromNumber} to ${row.toNumber}`);

async function page(tx: Tx, rows: RecordingRow[], limit: number) {
  const daysOf = await retention(tx, rows);
  return toPage(
    rows,
    limit,
    (row) => viewRecording(row, daysOf(row)),
    ({ id }) => [id],
  );
}

export const recordingHandlers = (): Area<RecordingRoutes>["handlers"] => ({
  async recordingList(context, { params, query }) {
    const system = await openSystem(context, params.phoneSystem);
    const rows = await recordingStore.page(context.tx, {
      systemId: system.id,
      extensionIds: query.extension === undefined ? undefined : [query.extension],
      callId: query.call,
      legalHold: query.legalHold,
      from: query.from,
      to: query.to,
      below: belowOf(query.cursor),
      limit: query.limit + 1,
    });
    return page(context.tx, rows, query.limit);
  },

  async recordingDownload(context, { params }) {
    const audio = await context.transaction(async (tx) => {
      const row = await openRecording({ ...context, tx }, params.recording);
      context.audit(tx, subject(row));
      return there(await findAudio(tx, row.audioId), "recording");
    });
    return serveAudio(context, audio, "recording.wav");
  },

  async recordingUpdate(context, { params, body }) {
    const row = await openRecording(context, params.recording);
    const after = await recordingStore.hold(context.tx, row, body.legalHold);
    context.audit({ ...subject(row), before: { legalHold: row.legalHold }, after: { legalHold: after.legalHold } });
    const daysOf = await retention(context.tx, [after]);
    return viewRecording(after, daysOf(after));
  },

  async recordingDelete(context, { params }) {
    const row = await openRecording(context, params.recording);
    if (row.legalHold)
      throw new CloudError("failed_precondition", "This recording is on legal hold. Lift the hold first.", {
        details: { resource: "recording", reason: "legal_hold" },
      });
    await recordingStore.delete(context.tx, row);
    await deleteAudio(context.tx, row.audioId);
    context.audit({ ...subject(row), before: { seconds: row.milliseconds / 1000, sha256: row.sha256 } });
    return undefined;
  },

  async myRecordingList(context, { query }) {
    const mine = await myExtensions(context.tx, context.principal, query.extension);
    const rows = await recordingStore.page(context.tx, {
      extensionIds: mine.map(({ id }) => id),
      from: query.from,
      to: query.to,
      below: belowOf(query.cursor),
      limit: query.limit + 1,
    });
    return page(context.tx, rows, query.limit);
  },

  async myRecordingDownload(context, { params }) {
    const audio = await context.transaction(async (tx) => {
      const row = await recordingStore.find(tx, params.recording);
      const mine = await myExtensions(tx, context.principal);
      if (row === undefined || !mine.some(({ id }) => row.extensionIds.includes(id))) throw notFound("recording");
      context.audit(tx, { ...subject(row), action: "voice.recording.read" });
      return there(await findAudio(tx, row.audioId), "recording");
    });
    return serveAudio(context, audio, "recording.wav");
  },
});
