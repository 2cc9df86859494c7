import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { isoTime } from "../../../kernel/clock.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, notFound, there } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { newId } from "../../../kernel/ids.ts";
import type { Area, BytesResponse, StreamContext } from "../../../kernel/service.ts";
import { receiveSound } from "../audio/receiving.ts";
import { serveAudio } from "../audio/serving.ts";
import { deleteAudio, findAudio, writeAudio } from "../audio/store.ts";
import type { PhoneLanguage } from "../destinations/contract.ts";
import { subjectOf, type VoiceParts } from "../parts.ts";
import { clipFile } from "../prompts/say.ts";
import { SpeechError, speak } from "../prompts/speech.ts";
import { clipWords } from "../prompts/words.ts";
import { openSystem } from "../systems/openSystem.ts";
import { raisePlanVersion } from "../systems/store.ts";
import { type ownPromptRoutes, type PhonePromptView, promptLimits } from "./contract.ts";
import { type OwnPromptRow, ownPromptStore } from "./store.ts";

interface PromptName {
  phoneSystem: string;
  language: PhoneLanguage;
  prompt: string;
}

/** not_found when no recorded word of that language has this name. */
const textOf = ({ language, prompt }: Pick<PromptName, "language" | "prompt">): string =>
  there(clipWords(language).get(prompt), "phonePrompt");

const viewPrompt = (language: PhoneLanguage, prompt: string, text: string, own?: OwnPromptRow): PhonePromptView => ({
  language,
  prompt,
  text,
  ...(own && {
    own: {
      fileName: own.fileName,
      seconds: own.milliseconds / 1000,
      sizeBytes: own.sizeBytes,
      replacedAt: isoTime(own.createdAt),
    },
  }),
});

async function replace(context: StreamContext, name: PromptName, fileName: string): Promise<PhonePromptView> {
  const { language, prompt } = name;
  const open = (tx: Tx, lock = false) => openSystem({ ...context, tx }, name.phoneSystem, { lock });
  return receiveSound(context.request, promptLimits, async (receive) => {
    // Who may not do it learns that before anything is read.
    await context.transaction((tx) => open(tx));
    const text = textOf(name);
    const { wav, milliseconds } = await receive();
    return context.transaction(async (tx) => {
      const system = await open(tx, true);
      const before = await ownPromptStore.find(tx, system.id, language, prompt);
      const { organisationId, projectId, id: systemId } = system;
      const placed = { organisationId, projectId, systemId, milliseconds, createdAt: new Date() };
      const sound = { id: newId("phoneAudio"), ownerId: systemId, contentType: "audio/wav", ...placed };
      const { id: audioId, sizeBytes } = await writeAudio(tx, sound, [wav]);
      const row = { ...placed, language, prompt, audioId, fileName, sizeBytes };
      await ownPromptStore.set(tx, row);
      if (before) await deleteAudio(tx, before.audioId);
      await raisePlanVersion(tx, system);
      context.audit(tx, {
        ...subjectOf("phoneSystem", system, system.name),
        before: { language, prompt, fileName: before?.fileName },
        after: { language, prompt, fileName },
      });
      return viewPrompt(language, prompt, text, row);
    });
  });
}

async function shipped({ language, prompt }: PromptName): Promise<BytesResponse> {
  const file = clipFile({ language, clip: prompt });
  const headers = {
    "content-type": "audio/wav",
    "content-length": String((await stat(file)).size),
    "content-disposition": `inline; filename="${prompt}.wav"`,
    "cache-control": "private, no-cache",
    "x-content-type-options": "nosniff",
  };
  return { status: 200, headers, body: createReadStream(file) };
}

/** A text as WAV. failed_precondition where it cannot be spoken. */
async function spoken(text: string, language: PhoneLanguage, folder: string): Promise<Buffer> {
  try {
    return await readFile(await speak(text, language, folder));
  } catch (error) {
    if (!(error instanceof SpeechError)) throw error;
    throw error.code === "too_long"
      ? new CloudError("invalid_argument", error.message, { details: { reason: "speech_too_long" } })
      : new CloudError("failed_precondition", error.message, { details: { reason: "speech_failed" } });
  }
}

/** What a phone system says in its own words: in place of Khmara's, or of a text. */
export function createOwnPromptArea(parts: VoiceParts): Area<typeof ownPromptRoutes> {
  const folder = join(parts.dataDirectory, "voice", "speech");
  return {
    handlers: {
      async phonePromptList(context, { params, query }) {
        const system = await openSystem(context, params.phoneSystem);
        const language = query.language ?? system.settings.language;
        const [after] = decodeCursor(query.cursor, 1) ?? [];
        const own = new Map((await ownPromptStore.all(context.tx, system.id, language)).map((row) => [row.prompt, row]));
        const sought = query.search?.toLocaleLowerCase(language) ?? "";
        const rows = [...clipWords(language)]
          .map(([prompt, text]) => viewPrompt(language, prompt, text, own.get(prompt)))
          .filter((row) => query.own === undefined || query.own === (row.own !== undefined))
          .filter(({ prompt, text }) => prompt.includes(sought) || text.toLocaleLowerCase(language).includes(sought))
          // Names are of one alphabet: their order is that of the cursor.
          .sort((one, other) => (one.prompt < other.prompt ? -1 : 1));
        const rest = after === undefined ? rows : rows.filter(({ prompt }) => prompt > String(after));
        return toPage(
          rest,
          query.limit,
          (row) => row,
          ({ prompt }) => [prompt],
        );
      },

      phonePromptUpload: (context, { params, query }) => replace(context, params, query.fileName),

      async phonePromptDownload(context, { params, query }) {
        const own = await context.transaction(async (tx) => {
          const system = await openSystem({ ...context, tx }, params.phoneSystem);
          const row = query.shipped ? undefined : await ownPromptStore.find(tx, system.id, params.language, params.prompt);
          return row && there(await findAudio(tx, row.audioId), "phonePrompt");
        });
        textOf(params);
        return own ? serveAudio(context, own, `${params.prompt}.wav`) : shipped(params);
      },

      async phonePromptDelete(context, { params }) {
        const system = await openSystem(context, params.phoneSystem, { lock: true });
        const { language, prompt } = params;
        const row = await ownPromptStore.find(context.tx, system.id, language, prompt);
        if (row === undefined) throw notFound("phonePrompt");
        await ownPromptStore.delete(context.tx, row);
        await deleteAudio(context.tx, row.audioId);
        await raisePlanVersion(context.tx, system);
        context.audit({
          ...subjectOf("phoneSystem", system, system.name),
          before: { language, prompt, fileName: row.fileName },
        });
        return undefined;
      },

      async phoneSpeechCreate(context, { params, body }) {
        await context.transaction((tx) => openSystem({ ...context, tx }, params.phoneSystem));
        const wav = await spoken(body.text, body.language, folder);
        const headers = {
          "content-type": "audio/wav",
          "content-length": String(wav.length),
          "x-content-type-options": "nosniff",
        };
        return { status: 200, headers, body: Readable.from([wav]) };
      },
    },
  };
}
