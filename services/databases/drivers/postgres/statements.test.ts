import assert from "node:assert/strict";
import { test } from "node:test";
import { splitStatements } from "./statements.ts";

const split = (text: string) => splitStatements(text).map(({ start, end }) => text.slice(start, end));

test("statements end at semicolons that are no part of anything else", () => {
  assert.deepEqual(split("select 1; select 2"), ["select 1", "select 2"]);
  assert.deepEqual(split("select ';', \"a;b\"; select 'it''s;'"), ["select ';', \"a;b\"", "select 'it''s;'"]);
  assert.deepEqual(split("select E'\\';'; select 1"), ["select E'\\';'", "select 1"]);
  assert.deepEqual(split("do $$ begin perform 1; end $$; select $a$;$$;$a$;"), [
    "do $$ begin perform 1; end $$",
    "select $a$;$$;$a$",
  ]);
  assert.deepEqual(split("-- one; two\nselect 1 -- three;\n; /* a; /* b; */ c; */ select 2"), ["select 1", "select 2"]);
  assert.deepEqual(split("create rule r as on insert to t do (delete from a; delete from b); select 1"), [
    "create rule r as on insert to t do (delete from a; delete from b)",
    "select 1",
  ]);
});

test("a function's body in plain SQL is one with it", () => {
  const made = "create or replace function f(a int) returns int begin atomic select case when a > 1 then 2 end; select 3; end";
  assert.deepEqual(split(`${made}; begin; select 1; end`), [made, "begin", "select 1", "end"]);
});

test("nothing is said by spaces, comments and semicolons; what does not end goes to the end", () => {
  assert.deepEqual(split(" ;; -- nothing\n/* ; */ ;"), []);
  assert.deepEqual(split("select 'open; "), ["select 'open; "]);
  assert.deepEqual(split("select $1; select a$b; select 1$$"), ["select $1", "select a$b", "select 1$$"]);
  assert.deepEqual(split("select /* open ; "), ["select"]);
});
