import assert from "node:assert/strict";
import { test } from "node:test";
import { type Browse, browseSql } from "./browse.ts";
import { toCsv } from "./csv.ts";

const browse = (more: Partial<Browse> = {}): string =>
  browseSql({ schema: "public", table: "marks", keys: ["id"], offset: 0, limit: 100, ...more });

test("rows of a table: sorted with its key last, so that pages do not overlap; names and values cannot end what they stand in", () => {
  assert.equal(browse(), 'select * from "marks"\norder by "id"\nlimit 100');
  assert.equal(
    browse({ schema: "reports", keys: ["pupil", "at"], sort: { column: "at", descending: true }, offset: 200 }),
    'select * from "reports"."marks"\norder by "at" desc, "pupil"\nlimit 100 offset 200',
  );
  assert.equal(browse({ table: 'a"b', keys: [] }), 'select * from "a""b"\nlimit 100');
  const where = (operator: NonNullable<Browse["filter"]>["operator"], value: string) =>
    browse({ filter: { column: "name", operator, value } }).split("\n")[1];
  assert.equal(where("equals", "it's"), `where "name" = 'it''s'`);
  assert.equal(where("contains", "\\'; drop"), `where strpos(lower("name"::text), lower(E'\\\\''; drop')) > 0`);
  assert.equal(where("differs", ""), `where "name" is distinct from ''`);
  assert.equal(where("null", "whatever"), 'where "name" is null');
});

test("CSV tells NULL from an empty text, and keeps what is quoted", () => {
  assert.equal(
    toCsv(
      ["a", "b,c"],
      [
        ["1", null],
        ["", 'say "hi"'],
        ["two\nlines", " "],
      ],
    ),
    'a,"b,c"\r\n1,\r\n"","say ""hi"""\r\n"two\nlines", \r\n',
  );
});
