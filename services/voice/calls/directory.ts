import type { Destination, PhoneLanguage } from "../destinations/contract.ts";
import type { PlanExtension } from "../plan.ts";
import type { Saying } from "../prompts/say.ts";
import { greetingStore } from "../records/store/voicemails.ts";
import type { Call } from "./call.ts";
import { anyKey, ask, say } from "./say.ts";
import { audioFile, textSource } from "./spoken.ts";

/** Letters of the keys (ITU-T E.161; the Ukrainian ones as ETSI ES 202 130 has them), from key 2 on. */
const keys = ["abcабвгґ", "defдеєжз", "ghiиіїйкл", "jklмноп", "mnoрсту", "pqrsфхцч", "tuvшщ", "wxyzьюя"];
const keyOf = new Map(keys.flatMap((letters, index) => [...letters].map((letter) => [letter, String(index + 2)] as const)));

/** As in passports (resolution 55 of the Cabinet of Ministers of Ukraine, 2010); a second one is at the beginning of a word. */
const latin: Record<string, readonly [string, string?]> = {
  ...{ а: ["a"], б: ["b"], в: ["v"], г: ["h"], ґ: ["g"], д: ["d"], е: ["e"], є: ["ie", "ye"], ж: ["zh"], з: ["z"], и: ["y"] },
  ...{ і: ["i"], ї: ["i", "yi"], й: ["i", "y"], к: ["k"], л: ["l"], м: ["m"], н: ["n"], о: ["o"], п: ["p"], р: ["r"], с: ["s"] },
  ...{ т: ["t"], у: ["u"], ф: ["f"], х: ["kh"], ц: ["ts"], ч: ["ch"], ш: ["sh"], щ: ["shch"], ь: [""], ю: ["iu", "yu"] },
  ...{ я: ["ia", "ya"], ß: ["ss"], œ: ["oe"], æ: ["ae"], ø: ["o"], ł: ["l"] },
};

const inLatin = (word: string): string =>
  [...word.replaceAll("зг", "zgh")]
    .map((letter, at) => {
      const [usual = letter, first = usual] = latin[letter] ?? [];
      return at === 0 ? first : usual;
    })
    .join("");
const onKeys = (word: string): string =>
  [...word].map((letter) => keyOf.get(letter) ?? keyOf.get(letter.normalize("NFD")[0] as string) ?? "").join("");

/** What is pressed for each word of a name: by its own letters, and by Latin ones, as not every phone shows Cyrillic. */
export function pressedFor(name: string): string[] {
  const written = name.toLowerCase().normalize("NFC");
  // Лук'ян is one word, and d'Œuvre may be looked for as Œuvre.
  const words = [written.replace(/['’ʼ]/g, ""), written].flatMap((text) => text.split(/[^\p{L}]+/u));
  return [...new Set(words.flatMap((word) => [onKeys(word), onKeys(inLatin(word))]))].filter((digits) => digits !== "");
}

export const findByKeys = (extensions: readonly PlanExtension[], pressed: string): PlanExtension[] =>
  extensions.filter(({ inDirectory, name }) => inDirectory && pressedFor(name).some((digits) => digits.startsWith(pressed)));

const mostAsked = 3;
const mostOffered = 20;
const choiceMs = 6000;

/** The caller spells a name and hears who has it. Returns where the call goes next. @throws the reason of `signal` */
export async function searchDirectory(call: Call, signal: AbortSignal): Promise<Destination | undefined> {
  await call.subject.answer();
  for (let asked = 0; asked < mostAsked; asked++) {
    const pressed = await ask(call, "directory", signal, { maximum: 3 });
    const found = pressed === "" ? [] : findByKeys(call.plan.extensions, pressed).slice(0, mostOffered);
    const chosen = await offer(call, found, signal);
    if (chosen === "stop") break;
    if (chosen) {
      call.to = { number: chosen.number, name: chosen.name };
      return { kind: "extension", id: chosen.id } as Destination;
    }
    if (pressed !== "") await say(call, "directory_none", signal);
  }
  await say(call, "goodbye", signal);
  return undefined;
}

async function offer(call: Call, found: PlanExtension[], signal: AbortSignal): Promise<PlanExtension | "stop" | undefined> {
  for (const extension of found) {
    await say(call, [...(await nameOf(call, extension)), "directory_press"], signal, { untilDtmf: anyKey });
    const digit = await call.subject.digits.next(choiceMs, signal);
    if (digit === "1") return extension;
    if (digit === "*") return "stop";
  }
  return undefined;
}

/** Letters that the voice of another language would spell. */
const languageOf = (name: string, spoken: PhoneLanguage): PhoneLanguage =>
  /\p{Script=Cyrillic}/u.test(name) ? "uk" : spoken === "uk" ? "en" : spoken;

/** As they have said it themselves, else as it is written; their number where texts cannot be spoken. */
export async function nameOf(call: Call, extension: PlanExtension): Promise<Saying[]> {
  const name = await call.board.database.transaction("system", (tx) => greetingStore.find(tx, extension.id, "name"));
  const file = name && (await audioFile(call.board, name.audioId));
  if (file !== undefined) return [{ file }];
  const spoken = await textSource(call, extension.name, languageOf(extension.name, call.language));
  return "file" in spoken ? [{ file: spoken.file }] : ["extension", { digits: extension.number }];
}
