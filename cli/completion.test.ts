import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { bashCompletion, fishCompletion, zshCompletion } from "./completion.ts";
import { temporaryHome } from "./fake-cloud.ts";

const isInstalled = (shell: string): boolean => spawnSync(shell, ["-c", "true"]).status === 0;

function complete(words: string[]): string[] {
  const { folder, remove } = temporaryHome();
  try {
    const path = join(folder, "khmara.bash");
    writeFileSync(path, bashCompletion());
    const quoted = words.map((word) => `'${word}'`).join(" ");
    const script = `source ${path}; COMP_WORDS=(${quoted}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _khmara; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return execFileSync("bash", ["-c", script], { encoding: "utf8" }).split("\n").filter(Boolean);
  } finally {
    remove();
  }
}

test("bash completes resources, verbs, flags and their values", () => {
  const buckets = complete(["khmara", "buc"]);
  assert.ok(
    ["bucket", "bucket-settings", "bucket-website"].every((word) => buckets.includes(word)) &&
      buckets.every((word) => word.startsWith("bucket")),
  );
  assert.ok(complete(["khmara", ""]).includes("login"));
  assert.deepEqual(complete(["khmara", "bucket", "de"]), ["delete"]);
  assert.deepEqual(complete(["khmara", "profile", "u"]).sort(), ["update", "use"]);
  assert.deepEqual(complete(["khmara", "bucket", "empty", "--then"]), ["--then-delete"]);
  assert.ok(complete(["khmara", "bucket", "list", "--"]).includes("--json"));
  assert.deepEqual(complete(["khmara", "role-binding", "create", "--role", "v"]), ["viewer"]);
});

test("the scripts of the other shells are sound", (context) => {
  for (const script of [zshCompletion(), fishCompletion()]) {
    assert.ok(script.includes("bucket"));
    assert.ok(script.includes("owner admin editor viewer billing"));
    assert.ok(!script.includes("undefined"));
  }
  const scripts: [string, string][] = [
    ["zsh", zshCompletion()],
    ["fish", fishCompletion()],
  ];
  for (const [shell, script] of scripts) {
    if (!isInstalled(shell)) context.diagnostic(`${shell} is not installed here: its script was not run.`);
    else assert.equal(spawnSync(shell, ["-n"], { input: script }).status, 0, shell);
  }
});
