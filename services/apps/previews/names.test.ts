import assert from "node:assert/strict";
import { test } from "node:test";
import { matches, previewName } from "./names.ts";

test("names are labels of DNS, always the same, and others for other branches", () => {
  assert.equal(previewName("web", "login"), "login--web");
  assert.equal(previewName("web", "feature/login-2"), "feature-login-2--web");
  const branches = [
    "feature/x",
    "feature-x",
    "Feature/x",
    "feature_x",
    "ui",
    "42",
    "-",
    "ÄÖ",
    "x".repeat(200),
    `${"x".repeat(199)}y`,
    "a/".repeat(60),
  ];
  for (const app of ["web", "a".repeat(40)]) {
    const names = branches.map((branch) => previewName(app, branch));
    for (const [i, name] of names.entries()) {
      assert.match(name, /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/, name);
      assert.ok(name.endsWith(`--${app}`));
      assert.notEqual(name.slice(2, 4), "--", name);
      assert.equal(name, previewName(app, branches[i] as string));
      assert.notEqual(name, previewName(app, branches[i] as string, { apart: true }).slice(0, -1));
    }
    // Two that differ by the slash alone have one plain name; the second takes the other.
    assert.equal(new Set(names.slice(1)).size, names.length - 1, names.join(" "));
  }
  assert.notEqual(previewName("web", "feature-x", { apart: true }), previewName("web", "feature/x"));
});

test("patterns: * stands for anything", () => {
  for (const [pattern, branch, expected] of [
    ["*", "feature/x", true],
    ["feature/*", "feature/x/y", true],
    ["feature/*", "feature", false],
    ["*-preview", "x-preview", true],
    ["a*b*c", "a-b-b-c", true],
    ["a*b*c", "a-c", false],
    ["ab*ba", "aba", false],
    ["login", "login", true],
    ["login", "login2", false],
    ["a.c", "abc", false],
  ] as const)
    assert.equal(matches([pattern], branch), expected, `${pattern} ${branch}`);
  assert.equal(matches(["x", "f*"], "fix"), true);
  assert.equal(matches(["*a".repeat(90)], `${"a".repeat(5000)}b`), false);
});
