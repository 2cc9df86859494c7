import { createWriteStream, existsSync } from "node:fs";
import { access, mkdir, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { findAudio, readAudio } from "../audio/store.ts";
import type { PhoneLanguage } from "../destinations/contract.ts";
import type { Speech, SpokenText } from "../elements/shapes/contract.ts";
import type { PlaySource } from "../media/engine.ts";
import type { PhonePlan } from "../plan.ts";
import { musicFile } from "../prompts/music.ts";
import { speak } from "../prompts/speech.ts";
import type { Board } from "./board.ts";
import type { Call } from "./call.ts";

/** What people have uploaded or written, as something that can be played. */

/** Sounds never change under their id: each is fetched once, and kept until the voice process starts anew. */
export async function audioFile(board: Pick<Board, "database" | "folder">, audioId: string): Promise<string | undefined> {
  const file = soundFile(board.folder, audioId);
  if (
    await access(file).then(
      () => true,
      () => false,
    )
  )
    return file;
  const transaction = <T>(work: Parameters<typeof board.database.transaction<T>>[1]) =>
    board.database.transaction("system", work);
  const audio = await transaction((tx) => findAudio(tx, audioId));
  if (!audio) return undefined;
  await mkdir(dirname(file), { recursive: true });
  const part = `${file}.${process.hrtime.bigint()}.part`;
  await pipeline(readAudio(transaction, audio), createWriteStream(part, { mode: 0o600 }));
  await rename(part, file);
  return file;
}

const soundFile = (folder: string, audioId: string): string => join(folder, "sounds", `${audioId}.wav`);

/** Fetches the words that a phone system says in its own way, so that calls need not wait for them. @throws what the database throws */
export async function fetchOwnWords(board: Pick<Board, "database" | "folder">, plan: PhonePlan): Promise<void> {
  for (const audioId of plan.ownPrompts.values()) await audioFile(board, audioId);
}

/** The file of a word that this phone system says in its own way; undefined where it does not, or could not be fetched. */
export function ownWord(call: Call, { language, clip }: { language: PhoneLanguage; clip: string }): string | undefined {
  const audioId = call.plan.ownPrompts.get(`${language}/${clip}`);
  const file = audioId && soundFile(call.board.folder, audioId);
  return file && existsSync(file) ? file : undefined;
}

const nothing: PlaySource = { sequence: [] };

/** The recording of an announcement, or its text; nothing when it has neither. */
export async function announcementSource(call: Call, announcementId: string): Promise<PlaySource> {
  const announcement = call.plan.elements.announcements.find(({ id }) => id === announcementId);
  const file = announcement?.audio && (await audioFile(call.board, announcement.audio.id));
  if (file !== undefined) return { file };
  return announcement?.text ? writtenSource(call, announcement.text) : nothing;
}

/** Heard in a hold and while somebody waits: this announcement, else the phone system's own music, else Khmara's. */
export async function heldMusic(call: Call, announcementId?: string): Promise<PlaySource> {
  const id = announcementId ?? call.plan.system.musicOnHold ?? undefined;
  const own =
    id === undefined
      ? nothing
      : await announcementSource(call, id).catch((error) => {
          call.board.log.warn({ err: error, call: call.id }, "the music of a phone system cannot be read");
          return nothing;
        });
  return { music: "file" in own ? own.file : musicFile };
}

export const speechSource = (call: Call, speech: Speech): Promise<PlaySource> =>
  speech.kind === "announcement" ? announcementSource(call, speech.id) : writtenSource(call, speech.text);

/** In the call's language where it is there, else in the phone system's, else in any. */
function writtenSource(call: Call, text: SpokenText): Promise<PlaySource> {
  const languages = [call.language, call.plan.system.language, "en", "fr", "uk"] as const;
  const language = languages.find((each) => text[each] !== undefined);
  return language === undefined ? Promise.resolve(nothing) : textSource(call, text[language] as string, language);
}

/** Spoken; nothing where it cannot be, which the log tells: a call goes on without it. */
export async function textSource(call: Call, text: string, language: PhoneLanguage = call.language): Promise<PlaySource> {
  try {
    return { file: await speak(text, language, join(call.board.folder, "speech")) };
  } catch (error) {
    call.board.log.warn({ err: error, call: call.id }, "a text cannot be spoken");
    return nothing;
  }
}
