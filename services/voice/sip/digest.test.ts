import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { openDigestServer } from "./digest.ts";
import type { DigestAlgorithm, DigestVerdict } from "./ports.ts";
import { testStack } from "./testing/stacks.ts";

const realm = "phones.example.org";
const key = Buffer.alloc(32, 1);
const names = { MD5: "md5", "SHA-256": "sha256" } as const;

const lookup = (username: string, algorithm: DigestAlgorithm) =>
  username === "101" ? createHash(names[algorithm]).update(`101:${realm}:secret`).digest("hex") : undefined;

test("a phone is asked, answers by the best hash, and is let in; wrong words and strangers are not", async (context) => {
  const digest = openDigestServer({ key });
  const verdicts: DigestVerdict[] = [];
  const server = await testStack(context, {
    onRequest: async (request) => {
      const verdict = await digest.verify(request, { realm, lookup });
      verdicts.push(verdict);
      if (verdict.result === "ok") request.respond(200);
      else
        request.respond(401, {
          headers: { "WWW-Authenticate": digest.challenges(realm, { stale: verdict.result === "stale" }) },
        });
    },
  });
  const client = await testStack(context);
  const register = (username: string, password: string) =>
    client.stack.request({
      method: "REGISTER",
      target: `sip:127.0.0.1:${server.port()}`,
      from: `sip:${username}@${realm}`,
      credentials: { username, password },
      contact: { user: username, params: { expires: "300", "+sip.instance": "<urn:uuid:1>" } },
    });
  assert.equal((await register("101", "secret")).status, 200);
  assert.equal((await register("101", "guess")).status, 401);
  assert.equal((await register("102", "secret")).status, 401);
  assert.deepEqual(
    verdicts.map(({ result }) => result),
    ["missing", "ok", "missing", "wrong", "missing", "unknown_user"],
  );
  assert.deepEqual(verdicts[1], { result: "ok", username: "101", algorithm: "SHA-256" });
  assert.equal(digest.challenges(realm)[0]!.includes("algorithm=MD5"), true, "old phones take the first");
});

test("nonces get old, live through a restart with the same key, and count", async (context) => {
  let now = 1_000_000;
  const first = openDigestServer({ key, nowMs: () => now, nonceLifetimeMs: 1000 });
  const restarted = openDigestServer({ key, nowMs: () => now, nonceLifetimeMs: 1000 });
  const stranger = openDigestServer({ key: Buffer.alloc(32, 2), nowMs: () => now });
  const [challenge] = first.challenges(realm, { algorithms: ["MD5"] });
  const nonce = /nonce="([^"]+)"/.exec(challenge!)![1]!;
  const hash = (words: string) => createHash("md5").update(words).digest("hex");
  const results: string[] = [];
  let judge = restarted;
  let copies = 1;
  const server = await testStack(context, {
    onRequest: async (request) => {
      for (let times = 0; times < copies; times++) results.push((await judge.verify(request, { realm, lookup })).result);
      request.respond(200);
    },
  });
  const client = await testStack(context);
  const ask = async (nc: string) => {
    const uri = `sip:127.0.0.1:${server.port()}`;
    const response = hash(`${hash(`101:${realm}:secret`)}:${nonce}:${nc}:c:auth:${hash(`OPTIONS:${uri}`)}`);
    const words = `username="101", realm="${realm}", nonce="${nonce}", uri="${uri}", response="${response}", qop=auth, nc=${nc}, cnonce="c"`;
    await client.stack.request({
      method: "OPTIONS",
      target: uri,
      from: "sip:101@x.org",
      headers: { Authorization: `Digest ${words}` },
    });
  };
  await ask("00000001");
  await ask("00000001");
  // Word for word, its Call-ID and CSeq too: whoever sends it is not the phone.
  copies = 2;
  await ask("00000002");
  copies = 1;
  judge = stranger;
  await ask("00000003");
  judge = restarted;
  now += 2000;
  await ask("00000004");
  assert.deepEqual(results, ["ok", "replayed", "ok", "replayed", "stale", "stale"]);
});
