import assert from "node:assert/strict";
import { test } from "node:test";
import { CloudError } from "../../kernel/errors.ts";
import { createPasswords, owaspParameters } from "./passwords.ts";

test("a password is kept as argon2id with OWASP's parameters, salted", async () => {
  const passwords = createPasswords();
  const [one, two] = await Promise.all([passwords.hash("a few unrelated words"), passwords.hash("a few unrelated words")]);
  assert.match(one, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  assert.notEqual(one, two);
  assert.deepEqual(await passwords.verify(one, "a few unrelated words"), { right: true, outdated: false });
  assert.deepEqual(await passwords.verify(one, "a few unrelated Words"), { right: false, outdated: false });
});

test("the same password in another Unicode form is the same", async () => {
  const passwords = createPasswords({ memoryKib: 64, passes: 1, parallelism: 1 });
  assert.equal((await passwords.verify(await passwords.hash("Київ їжак é"), "Київ їжак é")).right, true);
});

test("a right password whose hash was made with other parameters is outdated", async () => {
  const old = await createPasswords({ memoryKib: 64, passes: 1, parallelism: 1 }).hash("a few unrelated words");
  assert.deepEqual(await createPasswords(owaspParameters).verify(old, "a few unrelated words"), { right: true, outdated: true });
});

test("an account that does not exist takes as long as a wrong password", async () => {
  const passwords = createPasswords();
  const hash = await passwords.hash("a few unrelated words");
  const times = { known: [] as number[], unknown: [] as number[] };
  for (let round = 0; round < 7; round++) {
    for (const [name, stored] of [
      ["known", hash],
      ["unknown", undefined],
    ] as const) {
      const begun = performance.now();
      assert.equal((await passwords.verify(stored, "wrong")).right, false);
      times[name].push(performance.now() - begun);
    }
  }
  const least = (all: number[]) => Math.min(...all);
  assert.ok(least(times.unknown) > least(times.known) / 2, JSON.stringify(times));
});

test("a flood is turned away instead of piling up", async () => {
  const passwords = createPasswords({ memoryKib: 1024, passes: 1, parallelism: 1 });
  const results = await Promise.allSettled(Array.from({ length: 600 }, () => passwords.verify(undefined, "x")));
  const refused = results.filter((result) => result.status === "rejected");
  assert.ok(refused.length > 300, String(refused.length));
  assert.ok(refused.every((result) => CloudError.is(result.reason, "unavailable")));
  assert.equal((await passwords.verify(undefined, "x")).right, false);
});
