/**
 * Packs the long-lived processes, each with all that it imports, into few files without comments and spaces: `node server/pack.ts FOLDER ENTRY...`.
 * Started by packed-program.ts, in a process of its own: the bundler needs more memory for a moment than the cloud does for good.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { type Plugin, rolldown } from "rolldown";

/** lmdb looks for its native part beside itself; postgres is mended while it is loaded (`kernel/db/postgres-client.ts`). */
const unpacked = ["lmdb", "postgres"];

/** Throws what the bundler says: of an import that leads nowhere, and of whatever it would only warn of. */
export async function pack(folder: string, entries: readonly string[]): Promise<void> {
  const bundle = await rolldown({
    input: [...entries],
    platform: "node",
    // Optional, and not built here: whoever asks for one does without.
    external: /\.node$/,
    plugins: [ownPlaces, leaveOut],
    onwarn: ({ message }) => {
      throw new Error(message);
    },
  });
  // Names of functions and classes stay, for the stacks of errors.
  await bundle.write({
    dir: folder,
    format: "esm",
    comments: { legal: false },
    minify: { compress: false, mangle: { keepNames: true }, codegen: { removeWhitespace: true } },
  });
  await bundle.close();
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    writeFileSync(path, inAscii(readFileSync(path, "utf8")));
  }
}

/** What a module reads beside itself (migrations, sounds, keys), and the programs that it starts, stay where they are. */
const ownPlaces: Plugin = {
  name: "own-places",
  transform: {
    filter: { id: /\.[cm]?[jt]s$/, code: /\bimport\.meta\.|\b__(dirname|filename)\b/ },
    handler: (code, id) => ({ code: placed(code, id), map: null }),
  },
};

export function placed(code: string, file: string): string {
  const places = { dirname: dirname(file), filename: file, url: pathToFileURL(file).href, main: false };
  const named = code.replace(/\bimport\.meta\.(dirname|filename|url|main)\b/g, (_, name: keyof typeof places) =>
    JSON.stringify(places[name]),
  );
  const needsNames = /\b__(dirname|filename)\b/.test(named) && !/\b(const|let|var)\s+__(dirname|filename)\b/.test(named);
  return needsNames ? `var __dirname=${JSON.stringify(places.dirname)},__filename=${JSON.stringify(file)};${named}` : named;
}

const leaveOut: Plugin = {
  name: "leave-out",
  resolveId: {
    filter: { id: new RegExp(`^(${unpacked.join("|")})$`) },
    async handler(source, importer, options) {
      const found = await this.resolve(source, importer, { ...options, skipSelf: true });
      if (found === null) throw new Error(`${source} is not installed beside ${importer}.`);
      return { id: pathToFileURL(found.id).href, external: true };
    },
  },
};

/** One other character anywhere, and V8 keeps the whole text with two bytes for each. In a program without comments all of them are in strings and patterns. */
export const inAscii = (code: string): string =>
  code.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);

if (import.meta.main) {
  const [folder = "", ...entries] = process.argv.slice(2);
  try {
    await pack(folder, entries);
  } catch (error) {
    process.stderr.write(stripVTControlCharacters(error instanceof Error ? error.message : String(error)));
    process.exit(1);
  }
}
