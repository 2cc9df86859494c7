import assert from "node:assert/strict";
import { before, test } from "node:test";
import { startCloud } from "../../../testing/cloud.ts";
import { loadPlan } from "../plan.ts";
import { openTestCloud } from "../testing/cloud.ts";
import { creditStore } from "./store.ts";

const api = openTestCloud(await startCloud());
const { call, cloud } = api;
let project = "";
let system = "";

before(async () => {
  ({ project } = await api.newProject("Lycée Saint-Louis"));
});

test("a phone system has what fits its country, and a domain", async () => {
  const made = await call("phoneSystemCreate", { body: { project, name: "School", country: "UA" } });
  assert.equal(made.status, 201, made.text);
  system = made.body.id;
  const { domain, language, timeZone, currency, emergency, limits, featureCodes, balance, planVersion } = made.body;
  assert.match(domain, /^lycee-saint-louis[a-z0-9-]*\.phone\.internal$/);
  assert.deepEqual(
    { language, timeZone, currency, balance },
    { language: "uk", timeZone: "Europe/Kyiv", currency: "UAH", balance: "0" },
  );
  assert.deepEqual(emergency.numbers, ["112", "101", "102", "103", "104"]);
  assert.deepEqual(limits.allowedCountries, []);
  assert.equal(featureCodes.voicemail, "*97");
  assert.ok(planVersion > 1);
});

test("a project has one, and a domain belongs to one", async () => {
  const again = await call("phoneSystemCreate", { body: { project, name: "Another", country: "FR" } });
  assert.equal(again.status, 409, again.text);
  assert.equal(again.body.details?.reason ?? again.body.reason, "one_per_project");
  const other = await api.newProject("Lycée Saint-Louis");
  const { domain } = (await call("phoneSystemGet", { params: { phoneSystem: system } })).body;
  const taken = await call("phoneSystemCreate", { body: { project: other.project, name: "B", country: "FR", domain } });
  assert.equal(taken.status, 409, taken.text);
  const free = await call("phoneSystemCreate", { body: { project: other.project, name: "B", country: "FR" } });
  assert.equal(free.status, 201, free.text);
  assert.notEqual(free.body.domain, domain);
});

test("settings are changed in parts; what is wrong is said by its field", async () => {
  const params = { phoneSystem: system };
  const before = (await call("phoneSystemGet", { params })).body;
  const changed = await call("phoneSystemUpdate", {
    params,
    body: { featureCodes: { park: null, voicemail: "*1000" }, limits: { maxCostPerDay: "12.5" }, recording: { mode: "all" } },
  });
  assert.equal(changed.status, 200, changed.text);
  assert.equal(changed.body.featureCodes.park, null);
  assert.equal(changed.body.featureCodes.voicemail, "*1000");
  assert.equal(changed.body.featureCodes.echoTest, "*60");
  assert.equal(changed.body.limits.maxCostPerDay, "12.5");
  assert.equal(changed.body.limits.maxExternalCalls, before.limits.maxExternalCalls);
  assert.ok(changed.body.planVersion > before.planVersion, "calls read it anew");
  for (const [body, path] of [
    [{ timeZone: "Europe/Nowhere" }, "body.timeZone"],
    [{ country: "ZZ" }, "body.country"],
    [{ featureCodes: { clock: "*60" } }, "body.featureCodes."],
    [{ defaultNumber: `phn_${"0".repeat(32)}` }, "body.defaultNumber"],
  ] as const) {
    const refused = await call("phoneSystemUpdate", { params, body });
    assert.equal(refused.status, 400, refused.text);
    assert.ok(refused.text.includes(path), `${path} in ${refused.text}`);
  }
  const late = await call("phoneSystemUpdate", { params, body: { name: "Late" }, ifMatch: before.revision });
  assert.equal(late.status, 412, late.text);
});

test("the balance is what was added and taken; a call is charged once", async () => {
  const params = { phoneSystem: system };
  const none = await call("phoneCreditCreate", { params, body: { amount: "-5" } });
  assert.equal(none.status, 400, none.text);
  const added = await call("phoneCreditCreate", { params, body: { amount: "10.50", note: "Cash" } });
  assert.equal(added.status, 201, added.text);
  assert.equal(added.body.balance, "10.5");
  const row = { id: system, organisationId: api.organisation, projectId: project } as never;
  const callId = `cal_${"1".repeat(32)}`;
  const charge = () =>
    cloud.database.transaction("system", (tx) => creditStore.add(tx, row, { kind: "call", amount: "-0.333333", callId }));
  await Promise.all([charge(), charge(), charge()]);
  const { body } = await call("phoneSystemGet", { params });
  assert.equal(body.balance, "10.166667");
  const { items } = (await call("phoneCreditList", { params, query: { limit: 1 } })).body;
  assert.deepEqual(
    { kind: items[0].kind, amount: items[0].amount, callId: items[0].callId },
    { kind: "call", amount: "-0.333333", callId },
  );
  const spending = await cloud.database.transaction("system", (tx) => creditStore.spending(tx, system, new Date(0)));
  assert.deepEqual(spending, { balance: "10.166667", spent: "0.333333" });
  const costly = await cloud.database.transaction("system", async (tx) => {
    await tx.sql`insert into voice.calls (id, organisation_id, project_id, system_id, direction, outcome, from_number, to_number, extension_ids,
      started_at, ended_at, wait_seconds, talk_seconds, cost, legs) values (${`cal_${"2".repeat(32)}`}, ${api.organisation}, ${project}, ${system},
      'outbound', 'answered', '101', '+49301234567', '{}', now(), now(), 0, 1, 2.5, '[]')`;
    return creditStore.spending(tx, system, new Date(0));
  });
  assert.deepEqual(costly, { balance: "10.166667", spent: "2.833333" }, "what has no price counts as what it cost");
});

test("a change is told on the channel of plans with the version that it makes", async () => {
  const heard: string[] = [];
  const listener = await cloud.database.listen("voice_plan", (payload) => heard.push(payload));
  const { body } = await call("phoneSystemUpdate", { params: { phoneSystem: system }, body: { name: "School 2" } });
  const wanted = `${system} ${body.planVersion}`;
  await api.until(() => heard.includes(wanted), "the notification of the new plan");
  await listener.close();
  const plan = await cloud.database.transaction("system", (tx) => loadPlan(tx, system));
  assert.equal(plan?.version, body.planVersion);
  assert.equal(plan?.system.name, "School 2");
});

test("a tenant's transaction sees nothing of another's, in no table", async () => {
  const tables = await cloud.database.sql<{ name: string; isSecured: boolean }[]>`
    select relname as name, relrowsecurity as "isSecured" from pg_class where relnamespace = 'voice'::regnamespace and relkind = 'r'`;
  assert.ok(tables.length > 10);
  assert.deepEqual(
    tables.filter(({ isSecured }) => !isSecured).map(({ name }) => name),
    [],
  );
  const seenBy = (organisationIds: string[]) =>
    cloud.database.transaction({ organisationIds }, (tx) => loadPlan(tx, system).then((plan) => plan?.system.id));
  assert.equal(await seenBy([api.organisation]), system);
  assert.equal(await seenBy([`org_${"0".repeat(32)}`]), undefined);
});

test("many changes of one transaction are one new version of the plan", async () => {
  const version = async () => (await call("phoneSystemGet", { params: { phoneSystem: system } })).body.planVersion;
  const before = await version();
  const csv = "name\nA\nB\nC";
  const made = await call("extensionImport", { params: { phoneSystem: system }, body: { csv } });
  assert.equal(made.status, 201, made.text);
  assert.equal(await version(), before + 1);
  for (const { id } of made.body.extensions)
    assert.equal((await call("extensionDelete", { params: { extension: id } })).status, 204);
  assert.equal(await version(), before + 4);
});

test("it is deleted with all that is in it, and gives back what it held", async () => {
  const params = { phoneSystem: system };
  const extension = await call("extensionCreate", { params, body: { name: "Olena" } });
  assert.equal(extension.status, 201, extension.text);
  const open = () =>
    cloud.database.sql`select id from kernel.usage_records where project_id = ${project} and is_span and to_at is null`;
  assert.equal((await open()).length, 1);
  assert.equal((await call("phoneSystemDelete", { params, query: { confirm: "School" } })).status, 400);
  assert.equal((await call("phoneSystemDelete", { params, query: { confirm: "School 2" } })).status, 204);
  assert.equal((await call("phoneSystemGet", { params })).status, 404);
  assert.equal((await open()).length, 0);
  const used = await cloud.database.sql`select name, used from kernel.quota_usage where scope_id = ${project} and used > 0`;
  assert.deepEqual([...used], []);
  assert.equal((await cloud.database.sql`select 1 from voice.extensions where system_id = ${system}`).length, 0);
});
