import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { before, test } from "node:test";
import { startCloud } from "../../../testing/cloud.ts";
import { loadPlan } from "../plan.ts";
import { openTestCloud } from "../testing/cloud.ts";
import { ha1Of } from "./credentials.ts";
import { verifyPin } from "./pins.ts";
import { credentialStore } from "./store.ts";

const api = openTestCloud(await startCloud());
const { call, cloud } = api;
let system = "";
let domain = "";
const inSystem = () => ({ params: { phoneSystem: system } });
const planNow = () => cloud.database.transaction("system", (tx) => loadPlan(tx, system));
const credential = (userName: string) => cloud.database.transaction("system", (tx) => credentialStore.find(tx, system, userName));

before(async () => {
  ({ system, domain } = await api.newSystem("Office"));
});

async function newExtension(body: object = {}) {
  const made = await call("extensionCreate", { ...inSystem(), body: { name: "Somebody", ...body } });
  assert.equal(made.status, 201, made.text);
  return made.body;
}

test("an extension gets the next number that nobody has, never one that calls for help", async () => {
  assert.equal((await newExtension()).number, "200");
  assert.equal((await newExtension()).number, "201");
  assert.equal((await newExtension({ number: "203" })).number, "203");
  assert.equal((await newExtension()).number, "202");
  assert.equal((await newExtension()).number, "204");
  for (const [number, status] of [
    ["200", 409],
    ["101", 400],
    ["700", 400],
    ["2000", 400],
  ] as const) {
    const refused = await call("extensionCreate", { ...inSystem(), body: { name: "X", number } });
    assert.equal(refused.status, status, refused.text);
    assert.match(refused.text, /body\.number/);
  }
  const codes = await call("phoneSystemUpdate", { ...inSystem(), body: { featureCodes: { park: "200" } } });
  assert.equal(codes.status, 409, codes.text);
});

test("what is left out of a change stays; an older view changes nothing", async () => {
  const { id, revision } = await newExtension({ forwarding: { busy: { kind: "number", number: "+380441234567" } } });
  const params = { extension: id };
  const body = {
    permissions: { international: true },
    forwarding: { unreachable: { kind: "voicemail", id } },
    doNotDisturb: true,
  };
  const changed = await call("extensionUpdate", { params, body, ifMatch: revision });
  assert.equal(changed.status, 200, changed.text);
  assert.deepEqual(changed.body.forwarding, {
    always: null,
    busy: { kind: "number", number: "+380441234567" },
    noAnswer: null,
    unreachable: { kind: "voicemail", id },
  });
  assert.deepEqual(changed.body.permissions, {
    internal: true,
    national: true,
    mobile: true,
    international: true,
    premium: false,
  });
  assert.equal((await call("extensionUpdate", { params, body, ifMatch: revision })).status, 412);
  const lost = await call("extensionUpdate", {
    params,
    body: { forwarding: { busy: { kind: "extension", id: `ext_${"0".repeat(32)}` } } },
  });
  assert.equal(lost.status, 400, lost.text);
});

test("lists go by number in pages, and are searched in number and name", async () => {
  await newExtension({ name: "Олена 100%", number: "301" });
  await newExtension({ name: "Marc", number: "302" });
  const first = (await call("extensionList", { ...inSystem(), query: { limit: 2 } })).body;
  assert.deepEqual(
    first.items.map(({ number }: { number: string }) => number),
    ["200", "201"],
  );
  const second = (await call("extensionList", { ...inSystem(), query: { limit: 2, cursor: first.nextCursor } })).body;
  assert.equal(second.items[0].number, "202");
  const found = async (search: string) =>
    (await call("extensionList", { ...inSystem(), query: { search } })).body.items.map(
      ({ number }: { number: string }) => number,
    );
  assert.deepEqual(await found("олена"), ["301"]);
  assert.deepEqual(await found("%"), ["301"], "a sign of patterns is a letter like others");
  assert.deepEqual(await found("302"), ["302"]);
});

test("PINs are hashed, and what everybody tries first is refused", async () => {
  for (const voicemailPin of ["0000", "1234", "9876"]) {
    const refused = await call("extensionCreate", { ...inSystem(), body: { name: "X", voicemailPin } });
    assert.equal(refused.status, 400, voicemailPin);
  }
  const { id, hasVoicemailPin, hasHotDeskPin } = await newExtension({ voicemailPin: "4711" });
  assert.deepEqual({ hasVoicemailPin, hasHotDeskPin }, { hasVoicemailPin: true, hasHotDeskPin: false });
  const kept = (await planNow())?.extensions.find((extension) => extension.id === id);
  assert.ok(!JSON.stringify(kept).includes("4711"));
  assert.equal(await verifyPin(kept?.voicemailPin, "4711"), true);
  assert.equal(await verifyPin(kept?.voicemailPin, "4712"), false);
  assert.equal(await verifyPin(kept?.hotDeskPin, "4711"), false);
  const gone = await call("extensionUpdate", { params: { extension: id }, body: { voicemailPin: null } });
  assert.equal(gone.body.hasVoicemailPin, false);
});

test("a device's password is shown once; the voice process has the digest of it", async () => {
  const { id } = await newExtension();
  const made = await call("phoneDeviceCreate", {
    params: { extension: id },
    body: { kind: "desk", label: "Reception", maker: "snom", macAddress: "00-04-13-AA-bb-CC" },
  });
  assert.equal(made.status, 201, made.text);
  const { account, macAddress, userName, id: device } = made.body;
  assert.equal(macAddress, "000413aabbcc");
  assert.deepEqual(
    { domain: account.domain, server: account.server, udpPort: account.udpPort, webSocketUrl: account.webSocketUrl },
    { domain, server: "192.0.2.1", udpPort: 5060, webSocketUrl: "ws://127.0.0.1/sip" },
  );
  const { items } = (await call("phoneDeviceList", { params: { extension: id } })).body;
  assert.ok(!JSON.stringify(items).includes(account.password));
  const stored = await cloud.database.sql`select password from voice.devices where id = ${device}`;
  assert.ok(!Buffer.from(stored[0]?.["password"]).includes(account.password));
  const found = await credential(userName);
  assert.ok(found);
  const digest = (algorithm: string, password: string) =>
    createHash(algorithm).update(`${userName}:${domain}:${password}`).digest("hex");
  assert.equal(ha1Of(cloud.secrets, found, domain, "MD5"), digest("md5", account.password));
  assert.equal(ha1Of(cloud.secrets, found, domain, "SHA-256"), digest("sha256", account.password));

  const rotated = (await call("phoneDeviceRotate", { params: { phoneDevice: device } })).body.account;
  assert.notEqual(rotated.password, account.password);
  const after = await credential(userName);
  assert.equal(after && ha1Of(cloud.secrets, after, domain, "MD5"), digest("md5", rotated.password));

  const same = await call("phoneDeviceCreate", {
    params: { extension: id },
    body: { kind: "desk", label: "B", macAddress: "000413AABBCC" },
  });
  assert.equal(same.status, 409, same.text);
  await call("phoneDeviceUpdate", { params: { phoneDevice: device }, body: { enabled: false } });
  assert.equal((await credential(userName))?.enabled, false);
  const plan = await planNow();
  assert.deepEqual(
    plan?.extensions.find((extension) => extension.id === id)?.devices.map(({ enabled }) => enabled),
    [false],
  );
});

test("what calls are led to is not deleted, and the answer names where it is used", async () => {
  const { id } = await newExtension({ number: "401" });
  const destination = { kind: "extension", id };
  const number = await call("phoneNumberCreate", { ...inSystem(), body: { number: "044 200 10 01", destination } });
  assert.equal(number.status, 201, number.text);
  const refused = await call("extensionDelete", { params: { extension: id } });
  assert.equal(refused.status, 409, refused.text);
  assert.match(refused.text, /\+380442001001/);
  await call("phoneNumberUpdate", { params: { phoneNumber: number.body.id }, body: { destination: { kind: "hang_up" } } });
  assert.equal((await call("extensionDelete", { params: { extension: id } })).status, 204);
  const span = await cloud.database.sql`select to_at from kernel.usage_records where resource_id = ${id} and is_span`;
  assert.equal(span.length, 1);
  assert.ok(span[0]?.["to_at"]);
});

test("people change their own extension, and nobody else's", async () => {
  const olena = await api.invite("olena@example.org", "viewer");
  const marc = await api.invite("marc@example.org", "viewer");
  const stranger = await call("extensionCreate", { ...inSystem(), body: { name: "X", user: `usr_${"0".repeat(32)}` } });
  assert.equal(stranger.status, 400, stranger.text);
  const { id } = await newExtension({ name: "Olena", user: olena });
  assert.equal((await newExtension({ name: "Marc", user: marc })).userId, marc);
  const mine = (await call("myExtensionList", {}, "olena@example.org")).body.items;
  assert.deepEqual(
    mine.map((extension: { id: string }) => extension.id),
    [id],
  );
  const params = { extension: id };
  const body = { doNotDisturb: true, voicemailPin: "8261" };
  const changed = await call("myExtensionUpdate", { params, body }, "olena@example.org");
  assert.equal(changed.status, 200, changed.text);
  assert.equal(changed.body.doNotDisturb, true);
  assert.equal((await call("myExtensionUpdate", { params, body }, "marc@example.org")).status, 404);
  const more = await call("myExtensionUpdate", { params, body: { permissions: { premium: true } } }, "olena@example.org");
  assert.equal(more.status, 400, "what it may call is not for oneself to say");
  assert.equal((await call("extensionUpdate", { params, body: { doNotDisturb: false } }, "olena@example.org")).status, 403);

  const device = await call(
    "myPhoneDeviceCreate",
    { params, body: { kind: "app", label: "Mobile", maker: "linphone" } },
    "olena@example.org",
  );
  assert.equal(device.status, 201, device.text);
  const phoneDevice = { phoneDevice: device.body.id };
  assert.equal((await call("myPhoneDeviceDelete", { params: phoneDevice }, "marc@example.org")).status, 404);
  assert.equal((await call("myPhoneDeviceList", { params }, "marc@example.org")).status, 404);
  assert.equal((await call("myPhoneDeviceDelete", { params: phoneDevice }, "olena@example.org")).status, 204);
});

test("a browser registers with something of its own for some hours", async () => {
  const user = await api.invite("taras@example.org", "viewer");
  const { id } = await newExtension({ name: "Taras", user });
  const take = async () => {
    const made = await call("mySoftphoneCreate", { params: { extension: id } }, "taras@example.org");
    assert.equal(made.status, 201, made.text);
    return made.body;
  };
  const [first, second] = [await take(), await take()];
  assert.notEqual(first.userName, second.userName);
  assert.equal(first.deviceId, second.deviceId);
  assert.equal(first.displayName, "Taras");
  assert.ok(Date.parse(first.expiresAt) > Date.now());
  const found = await credential(first.userName);
  assert.deepEqual({ extensionId: found?.extensionId, kind: found?.kind }, { extensionId: id, kind: "browser" });
  assert.ok(found?.expiresAt);
  await cloud.database.sql`update voice.softphone_credentials set expires_at = now() where user_name = ${first.userName}`;
  assert.equal(await credential(first.userName), undefined, "it is over");
  assert.ok(await credential(second.userName));
  await Promise.all(Array.from({ length: 12 }, take));
  const [{ count }] = (await cloud.database
    .sql`select count(*)::int as count from voice.softphone_credentials where device_id = ${first.deviceId}`) as unknown as [
    { count: number },
  ];
  assert.equal(count, 10, "a person has a few browsers");
});

test("a table makes many extensions with devices, or none", async () => {
  await call("phoneNumberCreate", { ...inSystem(), body: { number: "+380442009999", destination: { kind: "hang_up" } } });
  const csv =
    "\uFEFFNumber;Name;Email;Language;Caller_Number;Device;Maker;Mac_Address\n501;Ірина;iryna@example.org;uk;044 200 99 99;desk;yealink;00:15:65:00:00:01\n;Paul;;fr;;;;\n";
  const made = await call("extensionImport", { ...inSystem(), body: { csv } });
  assert.equal(made.status, 201, made.text);
  const [iryna, paul] = made.body.extensions;
  assert.deepEqual(
    [iryna.number, iryna.name, iryna.voicemail.email, iryna.language],
    ["501", "Ірина", "iryna@example.org", "uk"],
  );
  assert.ok(iryna.callerNumber?.startsWith("phn_"));
  assert.equal(paul.language, "fr");
  assert.equal(made.body.devices.length, 1);
  assert.equal(made.body.devices[0].account.userName, made.body.devices[0].userName);
  const before = (await planNow())?.extensions.length;
  for (const [bad, message] of [
    ["number,name\n502,A\n501,B", /Line 3/],
    ["number,nom\n502,A", /no column nom/],
    ["number,name\n50x,A", /Line 2, number/],
    ["name,email\nA,nobody", /Line 2, email/],
    ['name\n"A', /no CSV table/],
    ["name", /no line below/],
  ] as const) {
    const refused = await call("extensionImport", { ...inSystem(), body: { csv: bad } });
    assert.ok(refused.status >= 400, bad);
    assert.match(refused.text, message);
  }
  assert.equal((await planNow())?.extensions.length, before);
});

test("what a person does to an extension is in the audit, without secrets", async () => {
  const { id } = await newExtension({ voicemailPin: "7391" });
  const rows = await cloud.database.sql`select action, after from kernel.audit_entries where resource_id = ${id}`;
  assert.deepEqual(
    rows.map(({ action }) => action),
    ["voice.extension.create"],
  );
  assert.equal(rows[0]?.["after"].voicemailPin, "set");
  assert.ok(!JSON.stringify(rows).includes("7391"));
});

test("nobody has an extension in an organisation that is suspended", async () => {
  const params = { organisation: api.organisation };
  const mine = async () => (await call("myExtensionList", {}, "taras@example.org")).body.items;
  const [{ id }] = await mine();
  assert.equal((await call("organisationSuspend", { params, body: { reason: "Not paid." } })).status, 200);
  assert.deepEqual(await mine(), []);
  assert.equal((await call("mySoftphoneCreate", { params: { extension: id } }, "taras@example.org")).status, 404);
  assert.equal((await call("organisationResume", { params, body: {} })).status, 200);
  assert.equal((await call("mySoftphoneCreate", { params: { extension: id } }, "taras@example.org")).status, 201);
});
