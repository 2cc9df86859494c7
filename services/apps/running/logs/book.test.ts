import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { AppLog, defaultLimits, logFiles, type StoredLine } from "./book.ts";
import { forwards, type LogFilter, type LogPlace, readLines } from "./reading.ts";

const base = mkdtempSync(join(tmpdir(), "khmara-logs-"));
after(() => rmSync(base, { recursive: true, force: true }));
let count = 0;
const newFolder = () => join(base, String(++count));

const line = (at: string, text: string, more: Partial<StoredLine> = {}): StoredLine => ({
  at,
  process: "web",
  container: "web-1",
  stream: "stdout",
  text,
  by: "one",
  ...more,
});
const time = (second: number, fraction = "") => `2026-03-01T10:00:${String(second).padStart(2, "0")}${fraction}Z`;
const noon = new Date("2026-03-01T12:00:00Z");

describe("what apps wrote", () => {
  test("a book that is opened again knows where each container was, to the record", async () => {
    const folder = newFolder();
    const book = new AppLog(folder, defaultLimits);
    assert.equal(await book.position("one"), undefined);
    await book.append([line(time(1), "a"), line(time(1), "b", { of: 3 }), line(time(2), "c", { by: "two" })], noon);
    const [first, second] = [await book.position("one"), await book.position("two")];
    assert.deepEqual(first, { at: time(1), records: 4 });
    assert.deepEqual(second, { at: time(2), records: 1 });
    // Killed here: no positions are written down.
    const again = new AppLog(folder, defaultLimits);
    assert.deepEqual([await again.position("one"), await again.position("two")], [first, second]);
    await again.close();
    await again.append([line(time(1), "d")], noon);
    const third = new AppLog(folder, defaultLimits);
    assert.deepEqual(await third.position("one"), { at: time(1), records: 5 }, "what came after the positions counts too");
    await third.append([line(time(3), "e")], noon);
    assert.deepEqual(await third.position("one"), { at: time(3), records: 1 });
  });

  test("half a line of one that was killed is cut, and nothing else", async () => {
    const folder = newFolder();
    const book = new AppLog(folder, defaultLimits);
    await book.append([line(time(1), "whole")], noon);
    const [file = ""] = await logFiles(folder);
    appendFileSync(join(folder, file), '{"at":"2026-03-01T10:00:02Z","te');
    const again = new AppLog(folder, defaultLimits);
    assert.deepEqual(await again.position("one"), { at: time(1), records: 1 });
    await again.append([line(time(2), "next")], noon);
    const { lines } = await readLines(folder, {}, { limit: 10 });
    assert.deepEqual(
      lines.map(({ text }) => text),
      ["next", "whole"],
    );
  });

  test("the oldest files go when there are too many bytes, or days", async () => {
    const folder = newFolder();
    const limits = { appBytes: 5000, fileBytes: 1000, days: 14 };
    const book = new AppLog(folder, limits);
    for (let i = 0; i < 100; i++) await book.append([line(time(1), `${i} ${"x".repeat(100)}`)], noon);
    const bytes = (await logFiles(folder)).length;
    assert.ok(bytes <= 6 && bytes >= 4, `${bytes} files`);
    const { lines } = await readLines(folder, {}, { limit: 1000 });
    assert.ok(lines[0]?.text.startsWith("99 "));
    assert.ok(lines.length < 40);
    await book.append([line(time(1), "much later")], new Date("2026-03-20T00:00:00Z"));
    assert.deepEqual(await logFiles(folder), ["2026-03-20-0001.ndjson"]);
    // A clock that was set back.
    await book.append([line(time(1), "earlier")], noon);
    assert.deepEqual(await logFiles(folder), ["2026-03-20-0001.ndjson"]);
  });

  test("read backwards in pages over files, filtered; and forwards, with what comes", async () => {
    const folder = newFolder();
    const book = new AppLog(folder, { appBytes: 10_000_000, fileBytes: 200_000, days: 14 });
    const texts = Array.from({ length: 3000 }, (_, i) => `${i} ${i % 7 === 0 ? "Seventh" : ""} ${"é".repeat(i % 300)}`);
    for (let i = 0; i < texts.length; i += 100)
      await book.append(
        texts.slice(i, i + 100).map((text, j) => line(time(Math.floor(i / 100)), text, { process: j % 2 ? "worker" : "web" })),
        noon,
      );
    assert.ok(readdirSync(folder).length > 3, "more than one file");
    const pages = async (filter: LogFilter, limit: number) => {
      const found: string[] = [];
      for (let before: LogPlace | undefined; ; ) {
        const { lines, next } = await readLines(folder, filter, { before, limit });
        found.push(...lines.map(({ text }) => text));
        if (!next) return found;
        before = next;
      }
    };
    assert.deepEqual(await pages({}, 17), texts.toReversed());
    assert.deepEqual(await pages({}, 10_000), texts.toReversed());
    assert.deepEqual(await pages({ search: "SEVENTH" }, 50), texts.filter((text) => text.includes("Seventh")).toReversed());
    assert.equal((await pages({ process: "worker" }, 999)).length, 1500);
    assert.deepEqual(await pages({ since: time(29), until: time(29) }, 30), texts.slice(2900).toReversed());
    // Fractions of a second sort as times, not as letters.
    await book.append([line(time(40, ".5"), "half"), line(time(40, ".123456789"), "less")], noon);
    assert.deepEqual(await pages({ since: time(40, ".2") }, 10), ["half"]);

    const ending = new AbortController();
    const seen: string[] = [];
    for await (const { lines } of forwards(folder, {}, { follow: true, signal: ending.signal })) {
      seen.push(...lines.map(({ text }) => text));
      if (lines.length === 0 && !seen.includes("new"))
        await book.append([line(time(50), "new")], new Date("2026-03-02T12:00:00Z"));
      if (seen.includes("new")) ending.abort();
    }
    assert.deepEqual(seen, [...texts, "half", "less", "new"]);
  });

  test("one line that is longer than a piece of the file is read whole, and what is no line is passed over", async () => {
    const folder = newFolder();
    const book = new AppLog(folder, defaultLimits);
    // Each letter takes six in the file.
    const long = "\u0001".repeat(64 * 1024);
    await book.append([line(time(1), "before"), line(time(2), long), line(time(3), "after")], noon);
    const [file = ""] = await logFiles(folder);
    appendFileSync(join(folder, file), "no JSON\n");
    const { lines } = await readLines(folder, {}, { limit: 10 });
    assert.deepEqual(
      lines.map(({ text }) => text),
      ["after", long, "before"],
    );
    const forward: string[] = [];
    for await (const piece of forwards(folder, {}, { signal: new AbortController().signal }))
      forward.push(...piece.lines.map(({ text }) => text));
    assert.deepEqual(forward, ["before", long, "after"]);
    assert.deepEqual((await readLines(newFolder(), {}, { limit: 10 })).lines, []);
  });
});
