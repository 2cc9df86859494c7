import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { extract } from "tar-stream";
import type { Deployment, Release, Setting } from "../../../services/apps/deploying/contract.ts";
import { difference } from "./difference.ts";
import { looksSecret, parseDotenv } from "./dotenv.ts";
import { folderOfFiles, sourceFolder } from "./folder.ts";
import { aligned, latest } from "./metrics.ts";
import { type Stage, stageStates } from "./stages.ts";
import { FileChanged, packTarGz } from "./tar.ts";
import { type Drafts, pasted, settingChange, variableRows, withDraft } from "./variables.ts";

const folderOf = (files: Record<string, string>) =>
  folderOfFiles(Object.entries(files).map(([path, text]) => ({ path, file: new Blob([text]) })));

test("a folder: what is installed anew and what .gitignore names is left out, the deepest file decides", async () => {
  const source = await sourceFolder(
    folderOf({
      "site/index.html": "hello",
      "site/.gitignore": "dist\n*.log\n/only-here.txt\n",
      "site/dist/built.js": "x",
      "site/a.log": "x",
      "site/only-here.txt": "x",
      "site/sub/only-here.txt": "kept",
      "site/sub/.gitignore": "!important.log\n",
      "site/sub/important.log": "kept",
      "site/sub/other.log": "x",
      "site/node_modules/one/index.js": "x",
      "site/sub/node_modules/two/index.js": "x",
      "site/.git/config": "x",
      "site/.env.local": "SECRET=1",
    }),
  );
  assert.equal(source.name, "site");
  assert.deepEqual(
    source.files.map(({ path }) => path),
    [".gitignore", "index.html", "sub/.gitignore", "sub/important.log", "sub/only-here.txt"],
  );
  // The first six are named, folders before files.
  assert.equal(source.leftOut.length, 6);
  for (const name of ["dist", "node_modules", ".git"]) assert.ok(source.leftOut.includes(name), name);
  // A folder counts as one, however much is in it.
  assert.equal(source.leftOutCount, 8);
  assert.equal(
    source.sizeBytes,
    source.files.reduce((sum, { file }) => sum + file.size, 0),
  );
});

test("a folder with .khmaraignore: what it says counts, .gitignore does not", async () => {
  const source = await sourceFolder(
    folderOf({
      "site/.khmaraignore": "draft.html\n",
      "site/.gitignore": "dist\n",
      "site/dist/index.html": "x",
      "site/draft.html": "x",
    }),
  );
  assert.deepEqual(
    source.files.map(({ path }) => path),
    [".gitignore", ".khmaraignore", "dist/index.html"],
  );
});

test("a folder's rules are read before what is below it: a folder left out is not listed", async () => {
  let listed = 0;
  const source = await sourceFolder({
    name: "app",
    list: async () => [
      { name: "index.js", file: async () => new Blob(["1"]) },
      {
        name: "node_modules",
        list: async () => {
          listed++;
          return [];
        },
      },
    ],
  });
  assert.equal(source.files.length, 1);
  assert.equal(listed, 0);
});

test("an archive: long and foreign names, empty files, scripts that may be executed", async () => {
  const long = `${"folder-with-a-long-name/".repeat(8)}file.txt`;
  const files = [
    { path: "empty", file: new Blob([]) },
    { path: "розклад/уроки.txt", file: new Blob(["Математика"]) },
    { path: long, file: new Blob(["x".repeat(2000)]) },
    { path: "start.sh", file: new Blob(["#!/bin/sh\n"]) },
  ];
  const told: number[] = [];
  const packed = await packTarGz(files, (done) => told.push(done));
  assert.equal(packed.type, "application/gzip");
  assert.deepEqual(told, [1, 2, 3, 4]);
  const reader = extract();
  Readable.from([gunzipSync(Buffer.from(await packed.arrayBuffer()))]).pipe(reader);
  const found: [name: string, mode: number | undefined, bytes: number][] = [];
  for await (const entry of reader) {
    let bytes = 0;
    for await (const part of entry) bytes += (part as Buffer).length;
    found.push([entry.header.name, entry.header.mode, bytes]);
  }
  assert.deepEqual(found, [
    ["empty", 0o644, 0],
    ["розклад/уроки.txt", 0o644, Buffer.byteLength("Математика")],
    [long, 0o644, 2000],
    ["start.sh", 0o755, 10],
  ]);
});

test("an archive: a file that became shorter while it was read is named", async () => {
  const shrunk = new Blob(["four"]);
  Object.defineProperty(shrunk, "size", { value: 5 });
  await assert.rejects(
    packTarGz([{ path: "a.txt", file: shrunk }], () => {}),
    (error) => error instanceof FileChanged && error.path === "a.txt",
  );
});

test("a .env file: quotes, comments, several lines, and lines that are none", () => {
  const { variables, badLines } = parseDotenv(
    [
      "# comment",
      "PLAIN=a b # said why",
      "export EXPORTED=1",
      "HASH=a#b",
      "EMPTY=",
      "SINGLE='a \\n #b'",
      'DOUBLE="a\\n\\"b\\"" # after',
      'KEY="-----BEGIN',
      'line two"',
      "not a variable",
      "2BAD=1",
      'OPEN="never closed',
      "AFTER=1",
      "PLAIN=last\r",
    ].join("\n"),
  );
  assert.deepEqual(Object.fromEntries(variables.map(({ name, value }) => [name, value])), {
    PLAIN: "last",
    EXPORTED: "1",
    HASH: "a#b",
    EMPTY: "",
    SINGLE: "a \\n #b",
    DOUBLE: 'a\n"b"',
    KEY: "-----BEGIN\nline two",
    AFTER: "1",
  });
  assert.deepEqual(badLines, [10, 11, 12]);
});

test("names that sound secret", () => {
  for (const name of ["API_KEY", "SESSION_SECRET", "DATABASE_URL", "GITHUB_TOKEN", "DB_PASSWORD", "STRIPE_KEY"])
    assert.ok(looksSecret(name), name);
  for (const name of ["LOG_LEVEL", "PORT", "KEYBOARD", "MONKEY_NAME", "BASE_URL"]) assert.ok(!looksSecret(name), name);
});

const setting = (given: Partial<Setting> & { name: string }): Setting => ({
  isSecret: false,
  origin: "person",
  isMissing: false,
  ...given,
});

test("variables: many changes become one, what changes nothing is none, a secret stays one", () => {
  const settings = [
    setting({ name: "LEVEL", value: "info" }),
    setting({ name: "TOKEN", isSecret: true }),
    setting({ name: "OLD", value: "1" }),
  ];
  let drafts: Drafts = {};
  drafts = withDraft(drafts, settings[0], "LEVEL", { kind: "set", value: "info", isSecret: false });
  assert.deepEqual(drafts, {});
  drafts = withDraft(drafts, undefined, "NEVER_THERE", { kind: "unset" });
  assert.deepEqual(drafts, {});
  drafts = withDraft(drafts, settings[2], "OLD", { kind: "unset" });
  drafts = pasted(drafts, settings, [
    { name: "LEVEL", value: "debug" },
    { name: "TOKEN", value: "new" },
    { name: "ADDED_SECRET", value: "s" },
  ]);
  assert.deepEqual(settingChange(drafts), {
    set: { LEVEL: "debug" },
    setSecrets: { TOKEN: "new", ADDED_SECRET: "s" },
    unset: ["OLD"],
  });
  assert.deepEqual(
    variableRows(settings, drafts).map(({ name, draft }) => [name, draft?.kind]),
    [
      ["ADDED_SECRET", "set"],
      ["LEVEL", "set"],
      ["OLD", "unset"],
      ["TOKEN", "set"],
    ],
  );
  assert.deepEqual(Object.keys(withDraft(drafts, settings[2], "OLD", undefined)), ["LEVEL", "TOKEN", "ADDED_SECRET"]);
});

test("how far a deployment is", () => {
  const deployment = (given: Partial<Deployment>) =>
    ({ source: { kind: "archive", description: "" }, startedAt: "2026-01-01T00:00:00Z", ...given }) as Deployment;
  const line = (given: Partial<Deployment>, seen?: Stage, step?: string) =>
    Object.values(stageStates(deployment(given), seen, step)).join(" ");
  assert.equal(line({ state: "building" }), "done now coming coming coming");
  assert.equal(line({ state: "succeeded" }), "done done done done done");
  assert.equal(line({ state: "starting", source: { kind: "image", description: "" } }), "done skipped done now coming");
  assert.equal(line({ state: "failed" }, undefined, "start"), "done done done failed notReached");
  assert.equal(line({ state: "failed" }, "releasing"), "done done failed notReached notReached");
  assert.equal(line({ state: "cancelled" }, "building"), "done notReached notReached notReached notReached");
});

test("what going back to a release changes", () => {
  const release = (settings: string[], command: string) =>
    ({ settings, processes: [{ name: "web", command }, { name: "worker" }] }) as unknown as Release;
  assert.deepEqual(difference(release(["A", "B"], "new"), release(["B", "C"], "old")), {
    command: ["web"],
    settingsGone: ["A"],
    settingsBack: ["C"],
  });
  assert.deepEqual(difference(undefined, release(["A"], "x")), { command: undefined, settingsGone: [], settingsBack: [] });
});

test("series with points at different moments stand over the same ones, with gaps", () => {
  const series = [
    {
      metric: "cpu",
      unit: "percent",
      process: "web",
      points: [
        { at: "1", value: 1 },
        { at: "3", value: 3 },
      ],
    },
    { metric: "cpu", unit: "percent", process: "worker", points: [{ at: "2", value: 2 }] },
  ] as const;
  const { at, values } = aligned(series as never);
  assert.deepEqual(at, ["1", "2", "3"]);
  assert.deepEqual(
    [...values.values()],
    [
      [1, undefined, 3],
      [undefined, 2, undefined],
    ],
  );
  assert.equal(latest(series[0] as never), 3);
});
