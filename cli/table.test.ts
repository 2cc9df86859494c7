import assert from "node:assert/strict";
import { test } from "node:test";
import { block, plain, table, width } from "./table.ts";
import { formatSeconds, formatSize, parseSize, parseTime } from "./units.ts";
import { nearest } from "./usage-error.ts";

test("columns are aligned, whatever the script", () => {
  const drawn = table(
    [{ title: "NAME" }, { title: "SIZE", right: true }],
    [
      ["хмара", "5"],
      ["雲", "100"],
      ["e\u0301", "7"],
    ],
    80,
  );
  assert.equal(drawn, ["NAME   SIZE", "хмара     5", "雲      100", "e\u0301         7", ""].join("\n"));
  assert.equal(width("雲"), 2);
});

test("what is too wide is shortened, but not what is to be copied", () => {
  const drawn = table(
    [{ title: "ID", whole: true }, { title: "TEXT" }],
    [["prj_0192f0c1d2e37a4b", "a long description of something"]],
    40,
  );
  assert.ok(
    drawn.split("\n").every((line) => width(line) <= 40),
    drawn,
  );
  assert.ok(drawn.includes("prj_0192f0c1d2e37a4b"));
  assert.ok(drawn.includes("…"));
});

test("what others wrote cannot move the cursor", () => {
  assert.equal(plain("a\u001b[2Jb\nc\u202ed"), "a�[2Jb�c�d");
  assert.equal(
    block([
      ["name", "x"],
      ["codes", "1\n2"],
    ]),
    "name   x\ncodes  1\n       2\n",
  );
});

test("sizes, times and spans are read and written", () => {
  assert.equal(formatSize(0), "0 B");
  assert.equal(formatSize(1536), "1.5 KiB");
  assert.equal(formatSize(5 * 2 ** 40), "5 TiB");
  assert.equal(parseSize("1.5GiB"), 1.5 * 2 ** 30);
  assert.equal(parseSize("10 MB"), 10e6);
  assert.equal(parseSize("ten"), undefined);
  assert.equal(parseSize("1 parsec"), undefined);
  assert.equal(parseTime("7d", Date.UTC(2026, 0, 8)), "2026-01-01T00:00:00.000Z");
  assert.equal(parseTime("2026-01-02T03:04:05Z"), "2026-01-02T03:04:05.000Z");
  assert.equal(parseTime("2026-13-45"), undefined);
  assert.equal(parseTime("soon"), undefined);
  assert.equal(formatSeconds(3725), "1:02:05");
});

test("the word that was probably meant", () => {
  assert.equal(nearest("buckte", ["bucket", "object"]), "bucket");
  assert.equal(nearest("org", ["organisation", "object"]), "organisation");
  assert.equal(nearest("xyz", ["bucket", "object"]), undefined);
});
