import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { warmUpVariable } from "../kernel/config.ts";
import { childWords } from "./node-words.ts";
import { inAscii, placed } from "./pack.ts";
import { packedProgram } from "./packed-program.ts";

const repository = resolve(import.meta.dirname, "..");
const folder = mkdtempSync(join(tmpdir(), "khmara-packed-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const run = async (words: string[], environment: NodeJS.ProcessEnv = {}): Promise<string> =>
  (await promisify(execFile)(process.execPath, words, { env: { ...process.env, ...environment }, maxBuffer: 2 ** 22 })).stdout;

/** A repository with a supervisor alone, which tells in JSON what it sees of itself. */
function small(name: string): string {
  const home = join(folder, name);
  for (const each of ["server", "kernel"]) mkdirSync(join(home, each), { recursive: true });
  for (const file of ["server/pack.ts", "package.json", "package-lock.json"])
    writeFileSync(join(home, file), readFileSync(join(repository, file)));
  symlinkSync(join(repository, "node_modules"), join(home, "node_modules"));
  writeFileSync(join(home, "server", "beside.txt"), "beside");
  writeFileSync(
    join(home, "server", "supervisor.ts"),
    `import { readFileSync } from "node:fs";
import { open } from "lmdb";
import { words } from "../kernel/words.ts";
if (process.env.${warmUpVariable}) process.exit(0);
const { late }: { late: string } = await import("../kernel/late.ts");
const beside = readFileSync(new URL("./beside.txt", import.meta.url), "utf8");
class Remembered extends Error {}
console.log(JSON.stringify({ words, late, beside, folder: import.meta.dirname, lmdb: typeof open, name: new Remembered().constructor.name }));
`,
  );
  writeFileSync(
    join(home, "kernel", "words.ts"),
    'export const words: string[] = ["хмара", `вже ☁😀`, "à".replace(/[à-ü]/u, "є")];',
  );
  writeFileSync(join(home, "kernel", "late.ts"), 'export const late: string = "пізно";');
  return home;
}

test("a packed program does what its sources do, and reads what lies beside them", async () => {
  const home = small("does");
  let packs = 0;
  const pack = () => packedProgram(home, join(folder, "cache"), () => packs++);
  const packed = await pack();
  const told = await run([join(packed, "supervisor.js")]);
  assert.equal(told, await run([join(home, "server", "supervisor.ts")]));
  assert.deepEqual(JSON.parse(told).words, ["хмара", "вже ☁😀", "є"]);
  assert.deepEqual([JSON.parse(told).folder, JSON.parse(told).lmdb], [join(home, "server"), "function"]);
  for (const name of readdirSync(packed)) assert.doesNotMatch(readFileSync(join(packed, name), "utf8"), /[^\0-\x7f]/, name);
  assert.equal(await pack(), packed);
  assert.equal(packs, 1, "once");
});

test("each version has its own, and the newest few stay; two starts at once pack the same", async () => {
  const home = small("versions");
  const cache = join(folder, "versions-cache");
  const source = join(home, "kernel", "late.ts");
  const made: string[] = [];
  for (let version = 0; version < 5; version++) {
    writeFileSync(source, `export const late: string = "${"later".repeat(version + 1)}";`);
    utimesSync(source, version + 1, version + 1);
    const [one = "", other] = await Promise.all([packedProgram(home, cache, () => {}), packedProgram(home, cache, () => {})]);
    assert.equal(one, other);
    made.push(one);
  }
  assert.equal(new Set(made).size, 5);
  const versions = resolve(made[0] ?? "", "../..");
  assert.equal(readdirSync(versions).length, 3);
  assert.match(await run([join(made[4] ?? "", "supervisor.js")]), /"late":"(later){5}"/);
});

test("what cannot be packed is told with its reason, and leaves nothing behind", async () => {
  const home = small("broken");
  writeFileSync(join(home, "kernel", "late.ts"), 'export { late } from "./nowhere.ts";');
  const cache = join(folder, "broken-cache");
  await assert.rejects(
    packedProgram(home, cache, () => {}),
    /nowhere\.ts/,
  );
  const [clone = ""] = readdirSync(join(cache, "packed"));
  assert.deepEqual(readdirSync(join(cache, "packed", clone)), []);
});

test("the places of a module stand in it; one that names its own keeps them", () => {
  assert.equal(
    placed('new URL("./x/", import.meta.url)', "/a/b.ts"),
    `new URL("./x/", ${JSON.stringify(pathToFileURL("/a/b.ts").href)})`,
  );
  assert.equal(placed("join(__dirname, 1)", "/a/b.js"), 'var __dirname="/a",__filename="/a/b.js";join(__dirname, 1)');
  assert.equal(placed("const __dirname = f(import.meta.dirname);", "/a/b.js"), 'const __dirname = f("/a");');
  assert.equal(inAscii("`є😀`"), "`\\u0454\\ud83d\\ude00`");
});

test("every process of the cloud loads from its pack, without Node's stripping of types and without undici, 25 and 7 MB in each", async () => {
  const cache = join(folder, "real");
  const packed = await packedProgram(repository, cache, () => {});
  const texts = readdirSync(packed).map((name) => readFileSync(join(packed, name), "utf8"));
  assert.ok(
    texts.some((text) => text.includes("/node_modules/postgres/src/index.js")),
    "loaded from its own files, which are mended on the way",
  );
  assert.ok(!texts.some((text) => text.includes("ParameterStatus")));
  const tell = 'process.on("exit", () => process.stdout.write(process.moduleLoadList.join() + "\\n"));';
  for (const name of ["supervisor", "control", "objects", "voice"]) {
    const entry = join(packed, `${name}.js`);
    const loaded = await run(["--import", `data:text/javascript,${encodeURIComponent(tell)}`, ...childWords(entry)], {
      [warmUpVariable]: "1",
    });
    assert.match(loaded, /NativeModule net\b/, name);
    assert.doesNotMatch(loaded, /amaro|undici/, name);
  }
});
