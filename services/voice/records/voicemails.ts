import type { Principal } from "../../../kernel/auth/principal.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { notFound, there } from "../../../kernel/errors.ts";
import { toPage } from "../../../kernel/http/cursor.ts";
import { newId } from "../../../kernel/ids.ts";
import type { Area, RequestContext } from "../../../kernel/service.ts";
import { serveAudio } from "../audio/serving.ts";
import { copyAudio, deleteAudio, findAudio } from "../audio/store.ts";
import { extensionStore } from "../extensions/store.ts";
import { myExtensions } from "../mine.ts";
import { placeOf, subjectOf } from "../parts.ts";
import { openSystem } from "../systems/openSystem.ts";
import { belowOf } from "./calls.ts";
import type { recordRoutes } from "./contract.ts";
import { type VoicemailRow, voicemailStore } from "./store/voicemails.ts";
import { viewVoicemail } from "./views.ts";

type VoicemailRoutes = Pick<
  typeof recordRoutes,
  | "voicemailList"
  | "voicemailDownload"
  | "voicemailUpdate"
  | "voicemailDelete"
  | "myVoicemailList"
  | "myVoicemailDownload"
  | "myVoicemailUpdate"
  | "myVoicemailForward"
  | "myVoicemailDelete"
>;

async function openVoicemail(context: Pick<RequestContext, "tx" | "authorize">, id: string): Promise<VoicemailRow> {
  const row = there(await voicemailStore.find(context.tx, id, { lock: true }), "voicemail");
  context.authorize(placeOf(row), "voicemail");
  return row;
}

async function openMine(tx: Tx, principal: Principal, id: string): Promise<VoicemailRow> {
  const row = await voicemailStore.find(tx, id, { lock: true });
  const mine = await myExtensions(tx, principal);
  if (row === undefined || !mine.some((extension) => extension.id === row.extensionId)) throw notFound("voicemail");
  return row;
}

/** Also for the voice process. */
export async function deleteVoicemail(tx: Tx, row: VoicemailRow): Promise<void> {
  await voicemailStore.delete(tx, row);
  await deleteAudio(tx, row.audioId);
}

/** To another extension of the same phone system: a message of its own, with a copy of the sound. Also for the voice process. */
export async function forwardVoicemail(
  tx: Tx,
  row: VoicemailRow,
  to: { extensionId: string; by: string; note?: string | undefined },
): Promise<VoicemailRow> {
  const extension = await extensionStore.find(tx, to.extensionId);
  if (extension?.systemId !== row.systemId) throw notFound("extension");
  const copy: VoicemailRow = {
    ...row,
    id: newId("voicemail"),
    extensionId: extension.id,
    audioId: newId("phoneAudio"),
    folder: "new",
    heard: false,
    forwardedBy: to.by,
    note: to.note ?? null,
    createdAt: new Date(),
    deletedAt: null,
  };
  await copyAudio(tx, row.audioId, { id: copy.audioId, ownerId: copy.id, createdAt: copy.createdAt });
  await voicemailStore.insert(tx, copy);
  return copy;
}

const subject = (row: VoicemailRow) => subjectOf("voicemail", row, `from ${row.fromNumber}`);

const managed = (): Pick<
  Area<VoicemailRoutes>["handlers"],
  "voicemailList" | "voicemailDownload" | "voicemailUpdate" | "voicemailDelete"
> => ({
  async voicemailList(context, { params, query }) {
    const system = await openSystem(context, params.phoneSystem);
    const rows = await voicemailStore.page(context.tx, {
      systemId: system.id,
      extensionIds: query.extension === undefined ? undefined : [query.extension],
      folder: query.folder,
      below: belowOf(query.cursor),
      limit: query.limit + 1,
    });
    return toPage(rows, query.limit, viewVoicemail, ({ id }) => [id]);
  },

  async voicemailDownload(context, { params }) {
    const audio = await context.transaction(async (tx) => {
      const row = await openVoicemail({ ...context, tx }, params.voicemail);
      context.audit(tx, subject(row));
      return there(await findAudio(tx, row.audioId), "voicemail");
    });
    return serveAudio(context, audio, "voicemail.wav");
  },

  async voicemailUpdate(context, { params, body }) {
    const row = await openVoicemail(context, params.voicemail);
    const after = await voicemailStore.move(context.tx, row, body);
    context.audit({
      ...subject(row),
      before: { folder: row.folder, heard: row.heard },
      after: { folder: after.folder, heard: after.heard },
    });
    return viewVoicemail(after);
  },

  async voicemailDelete(context, { params }) {
    const row = await openVoicemail(context, params.voicemail);
    await deleteVoicemail(context.tx, row);
    context.audit({ ...subject(row), before: { folder: row.folder } });
    return undefined;
  },
});

/** Those of everybody, and one's own: what somebody does with their own is audited only where it is gone for good or goes to others. */
export const voicemailHandlers = (): Area<VoicemailRoutes>["handlers"] => ({
  ...managed(),
  async myVoicemailList(context, { query }) {
    const mine = await myExtensions(context.tx, context.principal, query.extension);
    const rows = await voicemailStore.page(context.tx, {
      extensionIds: mine.map(({ id }) => id),
      folder: query.folder,
      below: belowOf(query.cursor),
      limit: query.limit + 1,
    });
    return toPage(rows, query.limit, viewVoicemail, ({ id }) => [id]);
  },

  async myVoicemailDownload(context, { params }) {
    const audio = await context.transaction(async (tx) => {
      const row = await openMine(tx, context.principal, params.voicemail);
      return there(await findAudio(tx, row.audioId), "voicemail");
    });
    return serveAudio(context, audio, "voicemail.wav");
  },

  async myVoicemailUpdate(context, { params, body }) {
    const row = await openMine(context.tx, context.principal, params.voicemail);
    return viewVoicemail(await voicemailStore.move(context.tx, row, body));
  },

  async myVoicemailForward(context, { params, body }) {
    const row = await openMine(context.tx, context.principal, params.voicemail);
    const mine = there(await extensionStore.find(context.tx, row.extensionId), "extension");
    const copy = await forwardVoicemail(context.tx, row, {
      extensionId: body.extension,
      by: `${mine.number} ${mine.name}`,
      note: body.note,
    });
    context.audit({ ...subject(row), action: "voice.voicemail.forward", after: { extension: copy.extensionId } });
    return undefined;
  },

  async myVoicemailDelete(context, { params }) {
    const row = await openMine(context.tx, context.principal, params.voicemail);
    await deleteVoicemail(context.tx, row);
    context.audit({ ...subject(row), action: "voice.voicemail.delete", before: { folder: row.folder } });
    return undefined;
  },
});
