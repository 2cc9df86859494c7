import { isoTime } from "../../../kernel/clock.ts";
import { notFound } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { newId } from "../../../kernel/ids.ts";
import type { Area } from "../../../kernel/service.ts";
import { receiveSound } from "../audio/receiving.ts";
import { serveAudio } from "../audio/serving.ts";
import { deleteAudio, findAudio, writeAudio } from "../audio/store.ts";
import { systemOf } from "../extensions/store.ts";
import { presenceStore } from "../live/store/presence.ts";
import { subjectOf, type VoiceParts } from "../parts.ts";
import { openSystem } from "../systems/openSystem.ts";
import { raisePlanVersion } from "../systems/store.ts";
import { agentHandlers } from "./agents.ts";
import { type AnnouncementView, announcementLimits, type ElementKind, elementKinds, type elementRoutes } from "./contract.ts";
import { elementHandlers, openElement } from "./handlers.ts";
import { directoryPage, elementStore } from "./store/elements.ts";
import type { AudioReference, ElementRow } from "./store/rows.ts";
import { viewElement } from "./views.ts";

type Handlers = Area<typeof elementRoutes>["handlers"];

/** Where calls can go beside extensions. */
export function createElementArea(parts: VoiceParts): Area<typeof elementRoutes> {
  const ofKinds = Object.fromEntries(
    (Object.keys(elementKinds) as ElementKind[]).flatMap((kind) => Object.entries(elementHandlers(parts, kind))),
  ) as unknown as Handlers;
  return { handlers: { ...ofKinds, ...agentHandlers(), ...directoryHandlers(), ...announcementHandlers() } };
}

const directoryHandlers = (): Pick<Handlers, "phoneDirectoryList"> => ({
  async phoneDirectoryList(context, { params, query }) {
    const system = await openSystem(context, params.phoneSystem);
    const [name, id] = decodeCursor(query.cursor, 2) ?? [];
    const rows = await directoryPage(context.tx, {
      systemId: system.id,
      search: query.search,
      after: id === undefined ? undefined : { name: String(name), id: String(id) },
      limit: query.limit + 1,
    });
    const presences = await presenceStore.of(
      context.tx,
      system.id,
      rows.flatMap(({ id, doNotDisturb }) => (doNotDisturb === null ? [] : [{ id, doNotDisturb }])),
    );
    return toPage(
      rows,
      query.limit,
      ({ doNotDisturb: _, ...row }) => ({ ...row, presence: presences.get(row.id)?.presence }) as never,
      // A contact has several numbers.
      (row) => [row.name, `${row.id} ${row.number}`],
    );
  },
});

const audioOf = (row: ElementRow): AudioReference | undefined => row.settings["audio"] as AudioReference | undefined;

const announcementHandlers = (): Pick<Handlers, "announcementUpload" | "announcementDownload"> => ({
  announcementUpload: (context, { params, query }) =>
    receiveSound(context.request, announcementLimits, async (receive) => {
      // Who may not do it learns that before anything is read.
      await context.transaction((tx) => openElement({ ...context, tx }, "announcement", params.announcement));
      const { wav, milliseconds } = await receive();
      return context.transaction(async (tx) => {
        const row = await openElement({ ...context, tx }, "announcement", params.announcement, { lock: true });
        const before = audioOf(row);
        const createdAt = new Date();
        const written = await writeAudio(
          tx,
          {
            id: newId("phoneAudio"),
            organisationId: row.organisationId,
            projectId: row.projectId,
            systemId: row.systemId,
            ownerId: row.id,
            contentType: "audio/wav",
            milliseconds,
            createdAt,
          },
          [wav],
        );
        const audio: AudioReference = {
          id: written.id,
          fileName: query.fileName,
          sizeBytes: written.sizeBytes,
          seconds: milliseconds / 1000,
          uploadedAt: isoTime(createdAt),
        };
        if (before) await deleteAudio(tx, before.id);
        const changed = await elementStore.update(tx, { ...row, settings: { ...row.settings, audio } });
        await raisePlanVersion(tx, systemOf(row));
        context.audit(tx, {
          ...subjectOf("announcement", row, row.name),
          before: before && { fileName: before.fileName, sizeBytes: before.sizeBytes },
          after: { fileName: audio.fileName, sizeBytes: audio.sizeBytes },
        });
        return viewElement(changed) as AnnouncementView;
      });
    }),

  async announcementDownload(context, { params }) {
    const audio = await context.transaction(async (tx) => {
      const row = await openElement({ ...context, tx }, "announcement", params.announcement);
      const reference = audioOf(row);
      return reference && findAudio(tx, reference.id);
    });
    if (audio === undefined) throw notFound("announcement's recording");
    return serveAudio(context, audio, "announcement.wav");
  },
});
