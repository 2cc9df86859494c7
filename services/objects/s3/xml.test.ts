import assert from "node:assert/strict";
import { test } from "node:test";
import { S3Error } from "./errors.ts";
import { childrenOf, element, group, parseXml, textOf } from "./xml.ts";

test("what is written is read again, whatever characters it has", () => {
  for (const text of ["a&b<c>\"d'", " edge ", "line\nfeed\r\ttab", "ключ 😀", "&amp;", "]]>", "\u0001"]) {
    const [child] = childrenOf({ Key: textOf(parseXml(group("Root", element("Key", text)), "Root"), "Key")! }, "Key");
    assert.equal(child, text);
  }
  assert.equal(element("Empty", ""), "<Empty></Empty>");
  assert.equal(element("None", undefined), "");
});

test("one child and several are the same to the reader", () => {
  assert.equal(childrenOf(parseXml("<R><A>1</A></R>", "R"), "A").length, 1);
  assert.equal(childrenOf(parseXml('<r:R xmlns:r="x"><A>1</A><B/><A>2</A></r:R>', "R"), "A").length, 2);
  assert.equal(textOf(parseXml("<R><A>00012</A></R>", "R"), "A"), "00012");
  assert.deepEqual(childrenOf(parseXml("<R></R>", "R"), "toString"), []);
});

test("what is not plain XML of ours is refused", () => {
  const deep = 5000;
  for (const text of [
    "",
    "text",
    "<R>",
    "<R></S>",
    "<Other/>",
    '<!DOCTYPE R [<!ENTITY a "b">]><R>&a;</R>',
    '<!DOCTYPE R SYSTEM "file:///etc/passwd"><R/>',
    `${"<R>".repeat(deep)}${"</R>".repeat(deep)}`,
  ])
    assert.throws(() => parseXml(text, "R"), S3Error, text.slice(0, 40));
  assert.throws(() => textOf(parseXml("<R><A>&unknown;</A></R>", "R"), "A"), S3Error);
  assert.throws(() => textOf(parseXml("<R><A>&#x110000;</A></R>", "R"), "A"), S3Error);
  assert.throws(() => textOf(parseXml("<R><A><B/></A></R>", "R"), "A"), S3Error);
});
