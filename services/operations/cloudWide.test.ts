import assert from "node:assert/strict";
import { test } from "node:test";
import { systemActor } from "../../kernel/auth/principal.ts";
import { emit } from "../../kernel/events.ts";
import { defineOperation } from "../../kernel/operations/definition.ts";
import { beginOperation } from "../../kernel/operations/store.ts";
import { startCloud, testOwner } from "../../testing/cloud.ts";

/** What belongs to no organisation: the engine, images of the whole cloud. */
test("operations and events of the cloud itself are for those who administer it", async () => {
  const { cloud, http, url } = await startCloud();
  const session = async (email: string, password: string) => {
    const answer = await http.inject({ method: "POST", url: "/api/v1/sessions", payload: { email, password } });
    return { cookie: String(answer.headers["set-cookie"]).split(";")[0] as string, "x-khmara-csrf": "1" };
  };
  const owner = await session(testOwner.email, testOwner.password);
  const post = async (path: string, payload: object, headers: Record<string, string> = owner) =>
    (await http.inject({ method: "POST", url: `/api/v1${path}`, headers, payload })).json();
  const organisation = (await post("/organisations", { name: "Walked" })).id;
  const { link } = await post("/invitations", { organisation, email: "ada@example.org", role: "owner" });
  const password = "a long enough password";
  await post("/invitations/accept", { token: link.split("#")[1], name: "Ada", password }, {});
  const ada = await session("ada@example.org", password);

  const definition = defineOperation({
    kind: "compute.engine_member.evacuate",
    steps: [{ name: "x", deadlineSeconds: 1, run: async () => {} }],
  });
  const record = await cloud.database.transaction("system", (tx) =>
    beginOperation(tx, definition, { input: {}, actor: systemActor, resource: { kind: "engine_member", id: "one" } }),
  );
  const list = (headers: Record<string, string>, query = "") =>
    http.inject({ method: "GET", url: `/api/v1/operations?${query}`, headers });
  assert.deepEqual(
    (await list(owner)).json().items.map(({ id }: { id: string }) => id),
    [record.id],
  );
  assert.equal((await list(ada)).statusCode, 403);
  assert.deepEqual((await list(ada, `organisation=${organisation}`)).json().items, []);
  assert.equal((await http.inject({ method: "GET", url: `/api/v1/operations/${record.id}`, headers: ada })).statusCode, 404);

  const heard: Record<string, string> = {};
  const controller = new AbortController();
  const listening = Object.entries({ owner, ada }).map(async ([name, headers]) => {
    const answer = await fetch(`${url}/api/v1/events?organisation=${organisation}`, { headers, signal: controller.signal });
    assert.equal(answer.status, 200);
    heard[name] = "";
    for await (const piece of answer.body ?? []) heard[name] += Buffer.from(piece).toString();
  });
  const until = async (holds: () => boolean) => {
    for (const end = Date.now() + 5000; !holds(); await new Promise((resolve) => setTimeout(resolve, 20)))
      assert.ok(Date.now() < end, JSON.stringify(heard));
  };
  await until(() => Object.values(heard).filter((text) => text.includes("connected")).length === 2);
  await cloud.database.transaction("system", async (tx) => {
    await emit(tx, { type: "compute.engine_member.changed", payload: { name: "one", state: "offline" } });
    await emit(tx, { type: "identity.organisation.changed", organisationId: organisation, payload: { id: organisation } });
  });
  await until(() => Object.values(heard).every((text) => text.includes("identity.organisation.changed")));
  assert.match(heard["owner"] as string, /compute\.engine_member\.changed/);
  assert.doesNotMatch(heard["ada"] as string, /engine_member/);
  controller.abort();
  await Promise.allSettled(listening);
});
