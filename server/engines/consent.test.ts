import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { askConsent, readConsent, rememberConsent, type Terminal } from "./consent.ts";

const terminal = (isTTY: boolean) => {
  const input = Object.assign(new PassThrough(), { isTTY });
  const output = Object.assign(new PassThrough(), { isTTY });
  const faces: Terminal = { input, output };
  return { faces, input, said: () => String(output.read() ?? "") };
};

test("asked on a terminal: only yes is yes", async () => {
  for (const [answer, wanted] of [
    ["y", true],
    ["Yes", true],
    ["n", false],
    ["", false],
    ["what?", false],
  ] as const) {
    const { faces, input, said } = terminal(true);
    const asked = askConsent(faces, "Install it?");
    input.write(`${answer}\n`);
    assert.equal(await asked, wanted, answer);
    assert.equal(said(), "Install it? [y/N] ");
  }
});

test("nobody to ask, or nobody who answers: no answer", async () => {
  const nobody = terminal(false);
  assert.equal(await askConsent(nobody.faces, "Install it?"), undefined);
  assert.equal(nobody.said(), "");
  assert.equal(await askConsent(terminal(true).faces, "Install it?", 20), undefined);
  const gone = terminal(true);
  const asked = askConsent(gone.faces, "Install it?", 500);
  gone.input.end();
  assert.equal(await asked, undefined);
});

test("the answer is kept in the data folder, and can be taken back", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "khmara-consent-"));
  t.after(() => rmSync(folder, { recursive: true }));
  assert.equal(readConsent(folder), undefined);
  rememberConsent(folder, true);
  const first = readConsent(folder);
  assert.equal(first?.install, true);
  rememberConsent(folder, true);
  assert.deepEqual(readConsent(folder), first, "when it was said first");
  rememberConsent(folder, false);
  assert.equal(readConsent(folder)?.install, false);
  writeFileSync(join(folder, "engine.json"), "{");
  assert.equal(readConsent(folder), undefined);
});
