import assert from "node:assert/strict";
import { test } from "node:test";
import { decoded, readCsv } from "./csv.ts";

test("a table is read as people have it: its delimiter, quotes, lines within cells, empty lines", () => {
  assert.deepEqual(readCsv('\uFEFFName;Note\r\nOlena;"says ""yes""; twice"\r\n\r\nTaras;"two\nlines"\nIryna;'), {
    columns: ["name", "note"],
    rows: [
      { line: 2, cells: ["Olena", 'says "yes"; twice'] },
      { line: 5, cells: ["Taras", "two\nlines"] },
      { line: 6, cells: ["Iryna", ""] },
    ],
  });
  assert.deepEqual(readCsv(""), { columns: [], rows: [] });
  assert.deepEqual(readCsv("name,mobile\nA,1").rows, [{ line: 2, cells: ["A", "1"] }]);
});

test("a file of Excel is read in its code page", () => {
  assert.equal(decoded(new TextEncoder().encode("Олена").buffer, "uk"), "Олена");
  assert.equal(decoded(new Uint8Array([206, 235, 229, 237, 224]).buffer, "uk"), "Олена");
  assert.equal(decoded(new Uint8Array([66, 233, 97]).buffer, "fr"), "Béa");
});
