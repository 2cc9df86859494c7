import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";

const repository = resolve(import.meta.dirname, "..");
let folder: string;
/** A copy of the launcher that hands over to a stand-in, on a PATH with a stand-in for npm and no Node. */
let home: string;
let bin: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "khmara-shell-"));
  home = join(folder, "repository");
  bin = join(folder, "bin");
  for (const name of ["cli", "server"]) mkdirSync(join(home, name), { recursive: true });
  mkdirSync(bin);
  writeFileSync(join(home, "khmara"), readFileSync(join(repository, "khmara")), { mode: 0o755 });
  writeFileSync(join(home, "package.json"), '{\n  "version": "1.2.3",\n  "private": true\n}\n');
  writeFileSync(join(home, "package-lock.json"), '{"packages": {"": {}, "node_modules/a": {"version": "1.0.0"}}}');
  writeFileSync(join(home, "server", "dependencies.ts"), readFileSync(join(repository, "server", "dependencies.ts")));
  writeFileSync(join(home, "cli", "main.ts"), "console.log(JSON.stringify([process.execPath, ...process.argv.slice(2)]));\n");
  for (const tool of "sh readlink dirname grep sed sha256sum flock mkdir mv rm uname cat chmod cp sleep ln".split(" ")) {
    symlinkSync(spawnSync("sh", ["-c", `command -v ${tool}`], { encoding: "utf8" }).stdout.trim(), join(bin, tool));
  }
  writeFileSync(
    join(bin, "npm"),
    `#!/bin/sh
echo "npm $*" >> "$NPM_CALLS"
if [ -n "$NPM_PROBLEM" ]; then echo "npm error code $NPM_PROBLEM" >&2; exit 1; fi
sleep 0.3
case "$*" in
  *--prefix*)
    while [ "$1" != --prefix ]; do shift; done
    for last; do :; done
    name=\${last%@*}
    mkdir -p "$2/node_modules/$name/bin"
    cp "$REAL_NODE" "$2/node_modules/$name/bin/node"
    ;;
  *)
    mkdir -p node_modules/a
    cp package-lock.json node_modules/.package-lock.json
    ;;
esac
`,
    { mode: 0o755 },
  );
  chmodSync(join(bin, "npm"), 0o755);
});
after(() => rmSync(folder, { recursive: true, force: true }));

const calls = () => (existsSync(join(folder, "calls")) ? readFileSync(join(folder, "calls"), "utf8").trim().split("\n") : []);

function launch(words: string[], environment: NodeJS.ProcessEnv = {}, program = join(home, "khmara")) {
  const child = spawn(program, words, {
    env: {
      PATH: bin,
      HOME: folder,
      NPM_CALLS: join(folder, "calls"),
      NPM_PROBLEM: "",
      REAL_NODE: process.execPath,
      ...environment,
    },
  });
  const text = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => (text.stdout += chunk));
  child.stderr.on("data", (chunk) => (text.stderr += chunk));
  return new Promise<{ code: number | null; stdout: string; stderr: string }>((done) =>
    child.on("close", (code) => done({ code, ...text })),
  );
}

test("help and version need nothing", async () => {
  assert.match((await launch(["help"])).stdout, /\.\/khmara up/);
  assert.equal((await launch(["--version"])).stdout, "1.2.3\n");
  assert.deepEqual(calls(), []);
});

test("a registry that cannot be reached, and a machine without npm, are told in one line", async () => {
  const offline = await launch(["bucket", "list"], { NPM_PROBLEM: "ENOTFOUND" });
  assert.equal(offline.code, 1);
  assert.match(offline.stderr, /\nkhmara: Node 26\.10\.0 could not be fetched: npm's registry cannot be reached\..*\n$/);
  const full = await launch(["bucket", "list"], { NPM_PROBLEM: "ENOSPC" });
  assert.match(full.stderr, /the disk is full/);
  const without = join(folder, "without-npm");
  spawnSync("cp", ["-R", bin, without]);
  rmSync(join(without, "npm"));
  assert.match(
    (await launch(["bucket", "list"], { PATH: without })).stderr,
    /^khmara: Node 24\.7 or newer is needed, or npm to fetch it/,
  );
  assert.match((await launch(["x"], { KHMARA_NODE: "/bin/false" })).stderr, /KHMARA_NODE is \/bin\/false, which is not Node/);
});

test("two first starts at once fetch Node and the dependencies once, and hand over every word", async () => {
  rmSync(join(folder, "calls"), { force: true });
  const [one, two] = await Promise.all([launch(["bucket", "create", "a b"]), launch(["login"])]);
  const node = join(folder, ".cache", "khmara", `node-26.10.0-${process.arch}`, "bin", "node");
  assert.deepEqual(JSON.parse(one.stdout), [node, "bucket", "create", "a b"], one.stderr);
  assert.deepEqual(JSON.parse(two.stdout), [node, "login"], two.stderr);
  assert.equal(calls().filter((call) => call.includes("--prefix")).length, 1);
  assert.equal(calls().filter((call) => call.includes("--no-save --ignore-scripts")).length, 1);
  assert.match(calls().join("\n"), /npm install --no-save --ignore-scripts .*--omit=dev/);
});

test("a later start asks npm for nothing; a changed lock file does, and so does a test", async () => {
  rmSync(join(folder, "calls"), { force: true });
  assert.equal((await launch(["login"])).stderr, "");
  // What knows all resources is here now: the help is its own.
  for (const [words, handedOver] of [
    [[], ["help"]],
    [["--help"], ["help"]],
    [
      ["help", "bucket"],
      ["help", "bucket"],
    ],
  ] as const)
    assert.deepEqual(JSON.parse((await launch([...words])).stdout).slice(1), handedOver);
  assert.deepEqual(calls(), []);
  writeFileSync(join(home, "package-lock.json"), '{"packages": {"": {}, "node_modules/a": {"version": "1.0.1"}}}');
  assert.match((await launch(["login"])).stderr, /^Dependencies: installing, once$/m);
  assert.equal(calls().length, 1);
  rmSync(join(home, "node_modules"), { recursive: true });
  await launch(["test"]);
  assert.doesNotMatch(calls().at(-1) ?? "", /--omit=dev/);
});

test("it finds its folder through symbolic links", async () => {
  symlinkSync("repository/khmara", join(folder, "near"));
  symlinkSync(join(folder, "near"), join(bin, "far"));
  const { stdout, stderr } = await launch(["login"], {}, join(bin, "far"));
  assert.deepEqual(JSON.parse(stdout).slice(1), ["login"], stderr);
});
