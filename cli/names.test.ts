import assert from "node:assert/strict";
import { test } from "node:test";
import { newId } from "../kernel/ids.ts";
import { type Answering, fakeCloud, runCli, temporaryHome } from "./fake-cloud.ts";

const shop = { id: newId("project"), name: "Shop", slug: "shop" };
const lab = { id: newId("project"), name: "Lab", slug: "lab" };
const organisation = { id: newId("organisation"), name: "Home", slug: "home", projects: [shop, lab] };
const instance = (name: string, projectId = shop.id) => ({ id: newId("instance"), name, projectId });
const [web, webOld, other] = [instance("web"), instance("web-old"), instance("Other")];
const [inside, outside] = [
  { id: newId("network"), name: "inside" },
  { id: newId("network"), name: "outside" },
];
const key = { id: newId("sshKey"), name: "olena's laptop" };

async function cli(
  words: string[],
  routes: Record<string, Answering>,
): Promise<Awaited<ReturnType<typeof runCli>> & { seen: string[]; bodies: unknown[] }> {
  const cloud = await fakeCloud({
    "GET /identity": () => ({ body: { principal: {}, bindings: [], organisations: [organisation], recoveryCodesLeft: 0 } }),
    "GET /instances": ({ query }) => ({
      body: {
        items: [web, webOld, other].filter(({ name }) => name.toLowerCase().includes((query["search"] ?? "").toLowerCase())),
      },
    }),
    "GET /networks": ({ query }) => ({
      body: { items: [inside, outside].filter(({ name }) => name.includes(query["search"] ?? "")) },
    }),
    "GET /ssh-keys": () => ({ body: { items: [key] } }),
    "GET /instances/{instance}": (_seen, [id]) => ({ body: { ...web, id } }),
    ...routes,
  });
  const home = temporaryHome();
  try {
    const run = await runCli(words, { env: { ...home.env, KHMARA_ENDPOINT: cloud.endpoint, KHMARA_TOKEN: "t" } });
    return {
      ...run,
      seen: cloud.seen.map((one) => `${one.method} ${one.path} ${new URLSearchParams(one.query)}`.trim()),
      bodies: cloud.seen.map((one) => one.body).filter(Boolean),
    };
  } finally {
    await cloud.close();
    home.remove();
  }
}

test("a name stands wherever an id does", async () => {
  const { code, seen, notes } = await cli(["instance", "get", "web", "--project", "shop"], {});
  assert.equal(code, 0, notes);
  assert.deepEqual(seen.slice(1), [
    `GET /api/v1/instances limit=200&project=${shop.id}&search=web`,
    `GET /api/v1/instances/${web.id}`,
  ]);
  const byId = await cli(["instance", "get", web.id], {});
  assert.deepEqual(byId.seen, [`GET /api/v1/instances/${web.id}`]);
  const anyCase = await cli(["instance", "get", "other", "--project", "shop"], {});
  assert.ok(anyCase.seen.includes(`GET /api/v1/instances/${other.id}`));
});

test("names in flags and in lists, of things whose list has no search too", async () => {
  const create = ["instance", "create", "new", "--size", "small", "--image", "debian-12", "--project", "shop", "--no-wait"];
  const { bodies, code, notes } = await cli(
    [...create, "--network", "inside", "--network", outside.id, "--network", "outside", "--ssh-key", key.name],
    {
      "POST /instances": () => ({
        status: 202,
        body: { id: newId("operation"), state: "running", steps: [], kind: "x", progress: 0 },
      }),
    },
  );
  assert.equal(code, 0, notes);
  const [body] = bodies as Record<string, unknown>[];
  assert.deepEqual([body?.["networks"], body?.["sshKeys"]], [[inside.id, outside.id, outside.id], [key.id]]);
  // What the route itself takes by name is left to it.
  assert.deepEqual([body?.["size"], body?.["image"]], ["small", "debian-12"]);
});

test("none, several, and no project to look in: said clearly", async () => {
  const none = await cli(["instance", "get", "wep", "--project", "shop"], {});
  assert.equal(none.code, 1);
  assert.match(none.notes, /There is no instance "wep" in this project, or you have no access to it\. Did you mean "web"\?/);
  const twins = { "GET /volumes": () => ({ body: { items: ["a", "b"].map((end) => ({ id: `vol_${end}`, name: "data" })) } }) };
  const several = await cli(["volume", "get", "data", "--project", "shop"], twins);
  assert.equal(several.code, 2);
  assert.match(several.notes, /There are 2 volumes called "data" in this project: vol_a, vol_b\.\nGive the id\./);
  const where = await cli(["instance", "get", "web"], {});
  assert.equal(where.code, 2);
  assert.match(where.notes, /Which project\?/);
});

test("the project's own goes before one that is shared with it", async () => {
  const own = { id: newId("image"), name: "app", projectId: shop.id };
  const images = { "GET /images": () => ({ body: { items: [{ id: newId("image"), name: "app", projectId: lab.id }, own] } }) };
  const { seen } = await cli(["image", "get", "app", "--project", "shop"], images);
  assert.equal(seen.at(-1), `GET /api/v1/images/${own.id}`);
});

test("what is deleted by name is confirmed by name, and nothing is deleted without", async () => {
  const unasked = await cli(["instance", "delete", "web", "--project", "shop"], {});
  assert.equal(unasked.code, 2);
  assert.match(unasked.notes, /This would delete instance web,/);
  assert.ok(!unasked.seen.some((one) => one.startsWith("DELETE")));
});
