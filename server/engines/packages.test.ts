import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { engineCandidates, hostSystem, missingTools } from "./packages.ts";

test("the distribution is known by its own file", (t) => {
  const root = `${mkdtempSync(join(tmpdir(), "khmara-host-"))}/`;
  t.after(() => rmSync(root, { recursive: true }));
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  assert.deepEqual(hostSystem(root), { id: "", versionId: "", debian: false });
  write("etc/os-release", 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian"\n');
  assert.equal(hostSystem(root).debian, false, "without apt-get");
  write("usr/bin/apt-get", "");
  assert.deepEqual(hostSystem(root), { id: "debian", versionId: "12", debian: true });
  write("etc/os-release", 'ID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_ID="22"\n');
  assert.equal(hostSystem(root).debian, true);
  write("etc/os-release", "ID=fedora\nVERSION_ID=43\n");
  assert.equal(hostSystem(root).debian, false);
});

test("Incus before LXD, never Ubuntu's door to the snap store, and what machines need only where they run", () => {
  const debian = { id: "debian", versionId: "12", debian: true };
  assert.deepEqual(engineCandidates(debian, false), [["incus-base"], ["incus"], ["lxd"]]);
  assert.deepEqual(engineCandidates(debian, true)[0], ["incus"]);
  assert.ok(engineCandidates(debian, true).at(-1)?.includes("lxd-agent"));
  assert.ok(
    !engineCandidates({ ...debian, id: "ubuntu" }, false)
      .flat()
      .includes("lxd"),
  );
});

test("what is missing is told by its package", () => {
  assert.deepEqual(missingTools({ "/{usr/,}bin/sh": "dash", "/usr/bin/no-such-program": "nothing" }), ["nothing"]);
});
