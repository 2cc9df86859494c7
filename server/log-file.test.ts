import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { calm, childRecord, openLogFile, postgresRecord } from "./log-file.ts";

test("a log is turned over at its size, and two older ones are kept", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "khmara-log-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const log = openLogFile(folder, "control", 1000);
  for (let i = 0; i < 100; i++) log.write(`${i} ${"x".repeat(100)}`);
  assert.deepEqual(readdirSync(folder).sort(), ["control.1.log", "control.2.log", "control.log"]);
  assert.match(readFileSync(log.path, "utf8"), /^9\d x/);
});

test("a log that cannot be written stops nobody", () => {
  openLogFile("/proc/khmara", "control").write("lost");
});

test("PostgreSQL's lines become records", () => {
  const record = JSON.parse(postgresRecord('2026-11-21 15:51:42.042 UTC [7578] ERROR:  relation "x" does not exist'));
  assert.deepEqual(record, {
    level: 50,
    time: Date.parse("2026-11-21T15:51:42.042Z"),
    name: "postgresql",
    pid: 7578,
    severity: "ERROR",
    msg: 'relation "x" does not exist',
  });
});

test("a child's record keeps its words; a crash report becomes a record", () => {
  const line = JSON.stringify({ level: 50, msg: "request failed", err: { message: "no space" } });
  assert.deepEqual(childRecord(line, "stdout", "control"), { text: line, level: 50, message: "request failed: no space" });
  const crash = childRecord("TypeError: x is not a function", "stderr", "control");
  assert.equal(JSON.parse(crash.text).msg, "TypeError: x is not a function");
});

test("the terminal stays calm: no repetition within a minute, five lines in ten seconds", () => {
  let now = 0;
  const lines: string[] = [];
  const print = calm(
    (line) => lines.push(line),
    () => now,
  );
  for (let i = 0; i < 20; i++) print("the same");
  for (let i = 0; i < 20; i++) print(`another ${i}`);
  assert.equal(lines.length, 5);
  now = 61_000;
  print("the same");
  assert.equal(lines.length, 6);
});
