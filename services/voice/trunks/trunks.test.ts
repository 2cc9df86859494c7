import assert from "node:assert/strict";
import { before, test } from "node:test";
import { startCloud } from "../../../testing/cloud.ts";
import { loadPlan } from "../plan.ts";
import { openTestCloud } from "../testing/cloud.ts";
import { openTrunkPassword } from "./passwords.ts";
import { openRates } from "./rating.ts";
import { trunkStore } from "./store.ts";

const api = openTestCloud(await startCloud());
const { call, cloud } = api;
let system = "";
let other = "";
const inSystem = () => ({ params: { phoneSystem: system } });
const planNow = async () => {
  const plan = await cloud.database.transaction("system", (tx) => loadPlan(tx, system));
  assert.ok(plan);
  return plan;
};
const hangUp = { kind: "hang_up" };

before(async () => {
  ({ system } = await api.newSystem("Office"));
  ({ system: other } = await api.newSystem("Other"));
});

async function newTrunk(name: string, body: object = {}, at = system): Promise<string> {
  const made = await call("trunkCreate", {
    params: { phoneSystem: at },
    body: { name, kind: "ip", host: "sip.example.org", ...body },
  });
  assert.equal(made.status, 201, made.text);
  return made.body.id;
}

test("numbers are kept as E.164, however people write them", async () => {
  const made = await call("phoneNumberCreate", { ...inSystem(), body: { number: "(044) 234-56-78", destination: hangUp } });
  assert.equal(made.status, 201, made.text);
  assert.equal(made.body.number, "+380442345678");
  const again = await call("phoneNumberCreate", { ...inSystem(), body: { number: "+380 44 234 56 78", destination: hangUp } });
  assert.equal(again.status, 409, again.text);
  const none = await call("phoneNumberCreate", { ...inSystem(), body: { number: "12345678901234567890", destination: hangUp } });
  assert.equal(none.status, 400, none.text);
  const elsewhere = await call("phoneNumberCreate", {
    params: { phoneSystem: other },
    body: { number: "+380442345678", destination: hangUp },
  });
  assert.equal(elsewhere.status, 201, "nobody keeps a number from others by writing it down");
});

test("a block of numbers is added at once; the last digits of a number may be an extension", async () => {
  const extension = await call("extensionCreate", { ...inSystem(), body: { number: "317", name: "Direct" } });
  assert.equal(extension.status, 201, extension.text);
  await call("phoneNumberCreate", { ...inSystem(), body: { number: "0442350320", destination: hangUp } });
  const block = { first: "044 235 03 00", count: 100, destination: hangUp, extensionDigits: 3 };
  const made = await call("phoneNumberBlockCreate", { ...inSystem(), body: block });
  assert.equal(made.status, 201, made.text);
  assert.deepEqual(made.body, { first: "+380442350300", last: "+380442350399", created: 99, toExtensions: 1 });
  const numbers = (await planNow()).numbers.filter(({ number }) => number.startsWith("+3804423503"));
  assert.equal(numbers.length, 100);
  assert.deepEqual(numbers.find(({ number }) => number === "+380442350317")?.destination, {
    kind: "extension",
    id: extension.body.id,
  });
  const long = await call("phoneNumberBlockCreate", { ...inSystem(), body: { ...block, first: "+380999999990" } });
  assert.equal(long.status, 400, long.text);
});

test("a destination and a trunk are of the same phone system", async () => {
  const foreign = await call("extensionCreate", { params: { phoneSystem: other }, body: { name: "Foreign" } });
  const trunk = await newTrunk("Foreign", {}, other);
  for (const [body, path] of [
    [{ number: "0442345679", destination: { kind: "extension", id: foreign.body.id } }, "body.destination"],
    [{ number: "0442345679", destination: hangUp, trunkId: trunk }, "body.trunkId"],
  ] as const) {
    const refused = await call("phoneNumberCreate", { ...inSystem(), body });
    assert.equal(refused.status, 400, refused.text);
    assert.ok(refused.text.includes(path), refused.text);
  }
  const route = await call("outboundRouteCreate", { ...inSystem(), body: { name: "Out", trunks: [trunk] } });
  assert.equal(route.status, 400, route.text);
});

test("a trunk's password is never shown, and opened by the voice process alone", async () => {
  const nobody = await call("trunkCreate", { ...inSystem(), body: { name: "A", kind: "registration", host: "sip.example.org" } });
  assert.equal(nobody.status, 400, nobody.text);
  const made = await call("trunkCreate", {
    ...inSystem(),
    body: { name: "Provider", kind: "registration", host: "SIP.Example.org", userName: "u1", password: "from the provider" },
  });
  assert.equal(made.status, 201, made.text);
  const { id, host, hasPassword, state, codecs } = made.body;
  assert.deepEqual({ host, hasPassword, state }, { host: "sip.example.org", hasPassword: true, state: "unknown" });
  assert.equal(codecs[0], "opus");
  assert.ok(!made.text.includes("from the provider"));
  const opened = async () => {
    const password = (await planNow()).trunks.find((trunk) => trunk.id === id)?.password;
    return password && openTrunkPassword(cloud.secrets, { id, password });
  };
  assert.equal(await opened(), "from the provider");
  await call("trunkUpdate", { params: { trunk: id }, body: { maxCalls: 4 } });
  assert.equal(await opened(), "from the provider", "what is left out stays");
  await call("trunkUpdate", { params: { trunk: id }, body: { password: null } });
  assert.equal(await opened(), undefined);
  const audited = await cloud.database.sql`select after from kernel.audit_entries where resource_id = ${id} order by sequence`;
  assert.deepEqual(
    audited.map(({ after }) => after.password),
    ["set", undefined, "removed"],
  );
  const again = await call("trunkCreate", { ...inSystem(), body: { name: "Provider", kind: "ip", host: "10.0.0.1" } });
  assert.equal(again.status, 409, again.text);
});

test("the voice process says how a trunk is, and everybody hears of it when that differs", async () => {
  const trunk = await newTrunk("Watched");
  const note = (state: "ready" | "failed", reason?: string) =>
    cloud.database.transaction("system", (tx) => trunkStore.noteState(tx, trunk, state, reason));
  const told = async () =>
    (await cloud.database.sql`select 1 from kernel.events where type = 'voice.trunk.changed' and payload->>'trunkId' = ${trunk}`)
      .length;
  const before = await told();
  const version = (await planNow()).version;
  await note("failed", "403 Forbidden");
  await note("failed", "403 Forbidden");
  assert.equal(await told(), before + 1);
  const seen = (await call("trunkGet", { params: { trunk } })).body;
  assert.deepEqual({ state: seen.state, stateReason: seen.stateReason }, { state: "failed", stateReason: "403 Forbidden" });
  await note("ready");
  assert.equal(await told(), before + 2);
  assert.equal((await planNow()).version, version, "no call depends on it");
  const off = await call("trunkUpdate", { params: { trunk }, body: { enabled: false } });
  assert.equal(off.body.state, "disabled");
});

test("a trunk that is used is not deleted; without one it goes with its rates", async () => {
  const trunk = await newTrunk("Used");
  const route = await call("outboundRouteCreate", { ...inSystem(), body: { name: "Abroad", prefixes: ["+"], trunks: [trunk] } });
  assert.equal(route.status, 201, route.text);
  await call("phoneRateSet", { ...inSystem(), body: { trunk, prefix: "+49", perMinute: "0.02" } });
  const refused = await call("trunkDelete", { params: { trunk } });
  assert.equal(refused.status, 409, refused.text);
  assert.match(refused.text, /Abroad/);
  assert.equal((await call("outboundRouteDelete", { params: { outboundRoute: route.body.id } })).status, 204);
  assert.equal((await call("trunkDelete", { params: { trunk } })).status, 204);
  assert.equal((await cloud.database.sql`select 1 from voice.rates where trunk_id = ${trunk}`).length, 0);
});

test("outbound routes are in the plan as they were set", async () => {
  const [a, b] = [await newTrunk("A"), await newTrunk("B")];
  const made = await call("outboundRouteCreate", {
    ...inSystem(),
    body: { name: "Ukraine", prefixes: ["+380"], trunks: [a, b], strategy: "least_cost" },
  });
  assert.equal(made.status, 201, made.text);
  const changed = await call("outboundRouteUpdate", {
    params: { outboundRoute: made.body.id },
    body: { trunks: [b, a] },
    ifMatch: made.body.revision,
  });
  assert.equal(changed.status, 200, changed.text);
  const route = (await planNow()).routes.find(({ name }) => name === "Ukraine");
  assert.deepEqual([route?.trunks, route?.strategy, route?.prefixes], [[b, a], "least_cost", ["+380"]]);
  const taken = await call("outboundRouteCreate", { ...inSystem(), body: { name: "Ukraine", trunks: [a] } });
  assert.equal(taken.status, 409, taken.text);
});

test("rates come from tables, and the plan looks them up", async () => {
  const trunk = await newTrunk("Rated");
  const csv = "prefix;per_minute;label\n00380;0,05;Ukraine\n380 67;0,07;Mobile\n+49;0,02;Germany\n";
  const imported = await call("phoneRateImport", { ...inSystem(), body: { trunk, csv } });
  assert.equal(imported.status, 200, imported.text);
  assert.deepEqual(imported.body, { set: 3, removed: 0 });
  await call("phoneRateSet", { ...inSystem(), body: { prefix: "+380", perMinute: "0.10" } });
  const rates = openRates((await planNow()).rates);
  assert.equal(rates.costOf(trunk, "+380671234567")?.perMinute, "0.07");
  assert.equal(rates.costOf(trunk, "+380441234567")?.perMinute, "0.05");
  assert.equal(rates.priceOf("+380441234567")?.perMinute, "0.1");
  const dialled = await call("phoneRateImport", {
    ...inSystem(),
    body: { trunk, bareDigits: "national", csv: "prefix,per_minute\n044,0.01\n67,0.02\n1580,0.03\n" },
  });
  assert.equal(dialled.status, 200, dialled.text);
  const national = openRates((await planNow()).rates);
  for (const [number, perMinute] of [
    ["+380441234567", "0.01"],
    ["+380671234567", "0.02"],
    ["1580", "0.03"],
  ] as const)
    assert.equal(national.costOf(trunk, number)?.perMinute, perMinute, number);
  const replaced = await call("phoneRateImport", {
    ...inSystem(),
    body: { trunk, mode: "replace", csv: "prefix,per_minute,first_seconds,step_seconds\n+380,0.04,1,1\n" },
  });
  assert.deepEqual(replaced.body, { set: 1, removed: 4 });
  const { items } = (await call("phoneRateList", { ...inSystem(), query: { trunk } })).body;
  assert.deepEqual(
    items.map(({ prefix, perMinute, stepSeconds }: Record<string, unknown>) => [prefix, perMinute, stepSeconds]),
    [["+380", "0.04", 1]],
  );
  for (const [bad, message] of [
    ["prefix,per_minute\n+380,0.1\n380,0.2", /Line 3.*twice/],
    ["prefix,per_minute\n+380,0.1\nKyiv,0.2", /Line 3, prefix: No number begins with Kyiv/],
    ["prefix,per_minute\n+380,cheap", /Line 2, per_minute/],
    ["prefix\n+380", /Line 2, per_minute: This column is needed/],
  ] as const) {
    const refused = await call("phoneRateImport", { ...inSystem(), body: { trunk, csv: bad } });
    assert.equal(refused.status, 400, refused.text);
    assert.match(refused.text, message);
  }
  assert.equal((await call("phoneRateList", { ...inSystem(), query: { trunk } })).body.items.length, 1, "all or none");
  assert.equal((await call("phoneRateDelete", { params: { phoneRate: items[0].id } })).status, 204);
});
