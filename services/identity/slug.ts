import { randomBytes } from "node:crypto";

// The Ukrainian national transliteration (Cabinet resolution 55 of 2010), without its special forms at the start of a word.
const cyrillic: Record<string, string> = Object.fromEntries(
  "а:a б:b в:v г:h ґ:g д:d е:e є:ie ж:zh з:z и:y і:i ї:i й:i к:k л:l м:m н:n о:o п:p р:r с:s т:t у:u ф:f х:kh ц:ts ч:ch ш:sh щ:shch ь: ю:iu я:ia"
    .split(" ")
    .map((pair) => pair.split(":") as [string, string]),
);

/** A name for machines out of one for people; always one that the contract's `slug` takes. */
export function slugOf(name: string, fallback: string): string {
  const words = name
    .toLowerCase()
    .replace(/[а-яґєії]/g, (letter) => cyrillic[letter] ?? "-")
    .normalize("NFKD")
    .toLowerCase()
    .replace(/\p{M}/gu, "")
    .replace(/['’ʼ]/g, "")
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^[^a-z]+/, "")
    .slice(0, 32)
    .replace(/-+$/, "");
  return words.length >= 3 ? words : `${fallback}-${randomBytes(3).toString("hex")}`;
}

/** What to try when a slug is taken: `school`, `school-2`, …, at last something random. */
export function* slugChoices(slug: string): Generator<string> {
  yield slug;
  for (let n = 2; n <= 5; n++) yield `${slug}-${n}`;
  yield `${slug}-${randomBytes(3).toString("hex")}`;
}
