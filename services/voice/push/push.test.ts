import assert from "node:assert/strict";
import { createDecipheriv, createECDH, createPublicKey, hkdfSync, randomBytes, verify } from "node:crypto";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { silentLog } from "../../../kernel/log.ts";
import { startCloud } from "../../../testing/cloud.ts";
import { openTestCloud } from "../testing/cloud.ts";
import { createPushing } from "./sending.ts";
import { pushStore } from "./store.ts";

/** A push service of our own, and the keys of a browser: what it gets is opened as RFC 8291 says, by nothing of the library that sends. */
const api = openTestCloud(await startCloud());
const { call, cloud } = api;
const got: { headers: IncomingHttpHeaders; body: Buffer }[] = [];
let status = 201;
const service = createServer(async (request, response) => {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece);
  got.push({ headers: request.headers, body: Buffer.concat(pieces) });
  response.writeHead(status).end();
});
before(() => new Promise<void>((resolve) => service.listen(0, "127.0.0.1", resolve)));
after(() => void service.close());

const browser = createECDH("prime256v1");
browser.generateKeys();
const auth = randomBytes(16);
const { signal } = new AbortController();
const pushing = createPushing({
  database: cloud.database,
  secrets: cloud.secrets,
  publicUrl: "https://cloud.example.org",
  log: silentLog,
});
const origin = () => `http://127.0.0.1:${(service.address() as AddressInfo).port}`;

/** RFC 8291 section 3.4 and RFC 8188. */
function opened(body: Buffer): unknown {
  const salt = body.subarray(0, 16);
  const length = body[20] as number;
  const theirs = body.subarray(21, 21 + length);
  const secret = browser.computeSecret(theirs);
  const info = Buffer.concat([Buffer.from("WebPush: info\0"), browser.getPublicKey(), theirs]);
  const ikm = Buffer.from(hkdfSync("sha256", secret, auth, info, 32));
  const key = Buffer.from(hkdfSync("sha256", ikm, salt, "Content-Encoding: aes128gcm\0", 16));
  const nonce = Buffer.from(hkdfSync("sha256", ikm, salt, "Content-Encoding: nonce\0", 12));
  const record = body.subarray(21 + length);
  const decipher = createDecipheriv("aes-128-gcm", key, nonce).setAuthTag(record.subarray(-16));
  const text = Buffer.concat([decipher.update(record.subarray(0, -16)), decipher.final()]);
  return JSON.parse(text.subarray(0, text.lastIndexOf(2)).toString());
}

test("a browser subscribes; a call and a missed call are told, signed and sealed for it; one that is gone is told no more", async () => {
  const { system } = await api.newSystem("Office");
  const person = await call("identityGet");
  const user = person.body.principal.id;
  const made = await call("extensionCreate", { params: { phoneSystem: system }, body: { name: "Olena", user } });
  assert.equal(made.status, 201, made.text);
  const extension = made.body.id;
  const subscribe = () =>
    call("myPhonePushSubscriptionCreate", {
      params: { extension },
      body: {
        endpoint: `${origin()}/push/1`,
        keys: { p256dh: browser.getPublicKey("base64url"), auth: auth.toString("base64url") },
        language: "uk",
      },
    });
  const refused = await subscribe();
  assert.equal(refused.body.code, "failed_precondition", refused.text);
  await call("webhookSettingsUpdate", { body: { allowedNetworks: ["127.0.0.0/8"] } });
  assert.equal((await subscribe()).status, 201);
  const again = await subscribe();
  assert.equal(again.status, 201, again.text);
  const [stored] = await cloud.database.sql<{ subscription: Buffer }[]>`select subscription from voice.push_subscriptions`;
  assert.ok(!stored?.subscription.includes("push/1"), "its address is sealed");
  const tell = (kind: "ringing" | "missed", fromName?: string) =>
    cloud.database.transaction("system", (tx) =>
      pushStore.tell(tx, [extension], { kind, callId: "cal_1", from: "+380441234567", fromName }),
    );

  await tell("ringing", "Taras");
  await pushing.round(signal);
  assert.equal(got.length, 1, "the same browser twice is one");
  const first = got[0] as (typeof got)[number];
  assert.deepEqual(opened(first.body), { kind: "ringing", extension, call: "cal_1", title: "Taras", body: "дзвонить" });
  assert.equal(first.headers["ttl"], "30");
  const { publicKey } = (await call("myPhonePushKeyGet")).body;
  checkVapid(String(first.headers.authorization), publicKey);

  await tell("missed");
  await pushing.round(signal);
  assert.deepEqual(opened((got[1] as (typeof got)[number]).body), {
    kind: "missed",
    extension,
    call: "cal_1",
    title: "+380441234567",
    body: "Пропущений дзвінок",
  });
  assert.equal(got[1]?.headers["topic"], first.headers["topic"], "one takes the place of the other");

  // Somebody else has the extension now: the browser of the one before is told nothing.
  await call("extensionUpdate", { params: { extension }, body: { user: null } });
  await tell("missed");
  await pushing.round(signal);
  assert.equal(got.length, 2);
  await call("extensionUpdate", { params: { extension }, body: { user } });

  status = 410;
  await tell("missed");
  await pushing.round(signal);
  assert.equal(got.length, 3);
  assert.equal((await cloud.database.sql`select 1 from voice.push_subscriptions`).length, 0);
});

/** RFC 8292: a JWT of ES256 with the key that the browser was given. */
function checkVapid(header: string, publicKey: string): void {
  const { jwt = "", key } = /^vapid t=(?<jwt>[^,]+), ?k=(?<key>.+)$/.exec(header)?.groups ?? {};
  assert.equal(key, publicKey);
  const point = Buffer.from(publicKey, "base64url");
  const jwk = { kty: "EC", crv: "P-256", x: point.toString("base64url", 1, 33), y: point.toString("base64url", 33) };
  const [head, claims = "", signature = ""] = jwt.split(".");
  const isSigned = verify(
    "sha256",
    Buffer.from(`${head}.${claims}`),
    { key: createPublicKey({ key: jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" },
    Buffer.from(signature, "base64url"),
  );
  assert.ok(isSigned);
  assert.equal(JSON.parse(Buffer.from(claims, "base64url").toString()).aud, origin());
}
