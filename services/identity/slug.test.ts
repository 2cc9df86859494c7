import assert from "node:assert/strict";
import { test } from "node:test";
import { slug } from "../../kernel/contract.ts";
import { slugChoices, slugOf } from "./slug.ts";

test("a name for people becomes one for machines", () => {
  assert.equal(slugOf("Home", "org"), "home");
  assert.equal(slugOf("École d'Été", "org"), "ecole-dete");
  assert.equal(slugOf("Школа №5, Київ", "org"), "shkola-no5-kyiv");
  assert.equal(slugOf("2nd Project!", "project"), "nd-project");
});

test("whatever the name, the contract takes the slug", () => {
  for (const name of ["", "1", "日本語", "a", "---", "x".repeat(100), `${"a".repeat(31)} b`, "Ґанок і Ко", "ab"]) {
    for (const choice of slugChoices(slugOf(name, "org"))) assert.ok(slug.safeParse(choice).success, `${name} → ${choice}`);
  }
});
