import assert from "node:assert/strict";
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { after, before, test } from "node:test";
import { type Caller, type Fixture, openFixture } from "./testing/cloud.ts";

let cloud: Fixture;
before(async () => {
  cloud = await openFixture();
});
after(() => cloud.close());

// ── A software authenticator (WebAuthn Level 3, 6.1 and 6.5.4; CTAP2 canonical CBOR) ──

const sha256 = (data: string | Buffer) => createHash("sha256").update(data).digest();

type Cbor = number | string | Buffer | Map<number | string, Cbor>;
function cbor(value: Cbor): Buffer {
  const head = (major: number, n: number) =>
    n < 24
      ? Buffer.of((major << 5) | n)
      : n < 256
        ? Buffer.of((major << 5) | 24, n)
        : Buffer.of((major << 5) | 25, n >> 8, n & 255);
  if (typeof value === "number") return value < 0 ? head(1, -1 - value) : head(0, value);
  if (typeof value === "string") return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value]);
  return Buffer.concat([head(5, value.size), ...[...value].flatMap(([key, member]) => [cbor(key), cbor(member)])]);
}

interface Options {
  origin?: string;
  rpId?: string;
  /** Without: the person was not verified by finger or PIN. */
  verified?: boolean;
  counter?: number;
  userHandle?: string;
}

class Authenticator {
  readonly credentialId = randomBytes(16);
  readonly keys: { publicKey: KeyObject; privateKey: KeyObject } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  counter = 0;
  userHandle = "";

  private authenticatorData(options: Options, attested: Buffer = Buffer.alloc(0)): Buffer {
    const flags = 0x01 | (options.verified === false ? 0 : 0x04) | (attested.length > 0 ? 0x40 : 0);
    const counter = Buffer.alloc(4);
    counter.writeUInt32BE(options.counter ?? ++this.counter);
    return Buffer.concat([sha256(options.rpId ?? "localhost"), Buffer.of(flags), counter, attested]);
  }

  private clientData(type: string, challenge: string, options: Options): Buffer {
    return Buffer.from(
      JSON.stringify({ type, challenge, origin: options.origin ?? "http://localhost:8080", crossOrigin: false }),
    );
  }

  create(publicKey: { challenge: string; user: { id: string } }, options: Options = {}) {
    this.userHandle = publicKey.user.id;
    const { x, y } = this.keys.publicKey.export({ format: "jwk" }) as { x: string; y: string };
    const cose = cbor(
      new Map<number, Cbor>([
        [1, 2],
        [3, -7],
        [-1, 1],
        [-2, Buffer.from(x, "base64url")],
        [-3, Buffer.from(y, "base64url")],
      ]),
    );
    const attested = Buffer.concat([Buffer.alloc(16), Buffer.of(0, this.credentialId.length), this.credentialId, cose]);
    const attestation = new Map<string, Cbor>([
      ["fmt", "none"],
      ["attStmt", new Map()],
      ["authData", this.authenticatorData(options, attested)],
    ]);
    return {
      ...this.envelope(),
      response: {
        clientDataJSON: this.clientData("webauthn.create", publicKey.challenge, options).toString("base64url"),
        attestationObject: cbor(attestation).toString("base64url"),
        transports: ["internal"],
      },
    };
  }

  get(publicKey: { challenge: string }, options: Options = {}) {
    const clientData = this.clientData("webauthn.get", publicKey.challenge, options);
    const data = this.authenticatorData(options);
    return {
      ...this.envelope(),
      response: {
        clientDataJSON: clientData.toString("base64url"),
        authenticatorData: data.toString("base64url"),
        signature: sign("sha256", Buffer.concat([data, sha256(clientData)]), this.keys.privateKey).toString("base64url"),
        userHandle: options.userHandle ?? this.userHandle,
      },
    };
  }

  private envelope() {
    const id = this.credentialId.toString("base64url");
    return { id, rawId: id, type: "public-key", clientExtensionResults: {}, authenticatorAttachment: "platform" };
  }
}

async function register(caller: Caller, device = new Authenticator(), options: Options = {}) {
  const begun = await cloud.call(caller, "POST /profile/passkeys/challenge", {});
  assert.equal(begun.status, 201, JSON.stringify(begun.body));
  const body = { challengeId: begun.body.challengeId, name: "Laptop", response: device.create(begun.body.options, options) };
  return { device, body, begun, answer: await cloud.call(caller, "POST /profile/passkeys", body) };
}

async function signIn(device: Authenticator, options: Options = {}, caller: Caller = {}) {
  const begun = await cloud.call(caller, "POST /passkey-challenges", {});
  const body = { passkey: { challengeId: begun.body.challengeId, response: device.get(begun.body.options, options) } };
  return { body, begun, answer: await cloud.call(caller, "POST /sessions", body) };
}

const newcomer = () => cloud.person("viewer", { organisation: cloud.home.organisation });

test("a passkey is added and signs in without a password; it counts as two factors", async () => {
  const ann = await newcomer();
  const { device, begun, answer } = await register(ann);
  assert.equal(begun.body.options.rp.id, "localhost");
  assert.equal(begun.body.options.authenticatorSelection.userVerification, "required");
  assert.equal(begun.body.options.authenticatorSelection.residentKey, "required");
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  assert.equal(answer.body.recoveryCodes.length, 10);
  const second = await register(ann);
  assert.equal(second.answer.body.recoveryCodes, undefined, "only with the first second factor");
  assert.equal(second.begun.body.options.excludeCredentials.length, 1);

  const done = await signIn(device);
  assert.deepEqual(done.begun.body.options.allowCredentials ?? [], [], "nobody learns who has which");
  assert.equal(done.answer.status, 201, JSON.stringify(done.answer.body));
  assert.equal(done.answer.body.user.id, ann.id);
  const cookie = cloud.cookieOf(done.answer) as string;
  assert.equal((await cloud.call({ cookie }, "GET /sessions")).body.items[0].method, "passkey");
  const list = (await cloud.call(ann, "GET /profile/passkeys")).body.items;
  assert.ok(list[0].lastUsedAt);
  assert.equal(list[1].lastUsedAt, undefined);

  // The password alone no longer does.
  const half = await cloud.signIn(ann.email, ann.password);
  assert.equal(half.answer.body.reason, "second_factor_required");
  assert.deepEqual(half.answer.body.factors, ["passkey", "recoveryCode"]);
  const recovered = await cloud.signIn(ann.email, ann.password, { recoveryCode: answer.body.recoveryCodes[0] });
  assert.equal(recovered.answer.status, 201);
});

test("a challenge is used once, for five minutes, and for what it was made", async () => {
  const ann = await newcomer();
  const { device, body } = await register(ann);
  assert.equal((await cloud.call(ann, "POST /profile/passkeys", body)).body.reason, "challenge_expired");
  const done = await signIn(device);
  assert.equal((await cloud.call({}, "POST /sessions", done.body)).body.reason, "wrong_passkey");

  const late = await cloud.call({}, "POST /passkey-challenges", {});
  cloud.clock.aheadMs += 5 * 60_000 + 1;
  const passkey = { challengeId: late.body.challengeId, response: device.get(late.body.options) };
  assert.equal((await cloud.call({}, "POST /sessions", { passkey })).body.reason, "wrong_passkey");

  const registration = await cloud.call(ann, "POST /profile/passkeys/challenge", {});
  const crossed = { challengeId: registration.body.challengeId, response: device.get(registration.body.options) };
  assert.equal((await cloud.call({}, "POST /sessions", { passkey: crossed })).body.reason, "wrong_passkey");

  // One that failed is gone, too.
  const begun = await cloud.call({}, "POST /passkey-challenges", {});
  const send = (options: Options) =>
    cloud.call({}, "POST /sessions", {
      passkey: { challengeId: begun.body.challengeId, response: device.get(begun.body.options, options) },
    });
  assert.equal((await send({ verified: false })).status, 401);
  assert.equal((await send({})).status, 401);
});

test("what was signed elsewhere, by another, or without the person is refused", async () => {
  const ann = await newcomer();
  const ben = await newcomer();
  const { device } = await register(ann);
  for (const [what, options] of Object.entries({
    "another origin": { origin: "https://localhost.evil.example" },
    "another port": { origin: "http://localhost:9999" },
    "another RP": { rpId: "evil.example" },
    "no user verification": { verified: false },
    "another user's handle": { userHandle: Buffer.from(ben.id).toString("base64url") },
    "no user handle": { userHandle: "" },
  } satisfies Record<string, Options>)) {
    const { answer } = await signIn(device, options);
    assert.equal(answer.status, 401, what);
    assert.equal(answer.body.reason, "wrong_passkey", what);
  }
  const stranger = new Authenticator();
  stranger.userHandle = device.userHandle;
  assert.equal((await signIn(stranger)).answer.status, 401);
  const forger = new Authenticator();
  Object.assign(forger, { credentialId: device.credentialId, userHandle: device.userHandle, counter: 100 });
  assert.equal((await signIn(forger)).answer.status, 401);
  const malformed = await cloud.call({}, "POST /passkey-challenges", {});
  const nonsense = await cloud.call({}, "POST /sessions", {
    passkey: { challengeId: malformed.body.challengeId, response: { id: 7 } },
  });
  assert.equal(nonsense.status, 401);
  assert.equal((await signIn(device)).answer.status, 201);
  assert.equal((await register(ann, new Authenticator(), { verified: false })).answer.status, 400);
  assert.equal((await register(ann, new Authenticator(), { origin: "https://evil.example" })).answer.status, 400);
});

test("a counter that does not grow tells of a copied passkey", async () => {
  const ann = await newcomer();
  const { device } = await register(ann);
  assert.equal((await signIn(device, { counter: 50 })).answer.status, 201);
  assert.equal((await signIn(device, { counter: 50 })).answer.status, 401);
  assert.equal((await signIn(device, { counter: 20 })).answer.status, 401);
  assert.equal((await signIn(device, { counter: 51 })).answer.status, 201);
});

test("passkeys are renamed and removed by their person alone, in a session", async () => {
  const [ann, ben] = [await newcomer(), await newcomer()];
  const { device, answer } = await register(ann);
  const { id } = answer.body;
  assert.equal((await cloud.call(ben, `PATCH /profile/passkeys/${id}`, { name: "Mine" })).status, 404);
  assert.equal((await cloud.call(ben, `DELETE /profile/passkeys/${id}`)).status, 404);
  assert.equal((await cloud.call(ann, `PATCH /profile/passkeys/${id}`, { name: "Phone" })).body.name, "Phone");
  const { token } = (await cloud.call(ann, "POST /api-tokens", { name: "program" })).body;
  assert.equal((await cloud.call({ token }, "POST /profile/passkeys/challenge", {})).body.reason, "session_needed");
  assert.equal((await cloud.call({ token }, `DELETE /profile/passkeys/${id}`)).body.reason, "session_needed");
  assert.equal((await cloud.call(ann, `DELETE /profile/passkeys/${id}`)).status, 204);
  assert.equal((await signIn(device)).answer.status, 401);
  const plain = await cloud.signIn(ann.email, ann.password);
  assert.equal(plain.answer.status, 201);
  assert.equal(plain.answer.body.recoveryCodesLeft, 0);
});

test("the name is that of the address; an address that is a number has none", async () => {
  const ann = await newcomer();
  const at = (host: string) => cloud.call(ann, "POST /profile/passkeys/challenge", {}, { host });
  assert.equal((await at("cloud.example.org")).body.options.rp.id, "cloud.example.org");
  const numeric = await at("127.0.0.1:8080");
  assert.equal(numeric.status, 409);
  assert.match(numeric.body.detail, /http:\/\/localhost:8080/);
  assert.equal((await at("[::1]:8080")).body.reason, "passkey_needs_name");
});
