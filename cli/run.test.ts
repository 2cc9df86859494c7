import assert from "node:assert/strict";
import { test } from "node:test";
import { newId } from "../kernel/ids.ts";
import { type Answering, fakeCloud, problem, runCli, temporaryHome } from "./fake-cloud.ts";
import { saveProfile } from "./profiles.ts";

const organisation = {
  id: newId("organisation"),
  name: "Home",
  slug: "home",
  state: "active",
  createdAt: "2026-01-01T00:00:00Z",
  revision: 1,
};
const project = (slug: string) => ({
  id: newId("project"),
  organisationId: organisation.id,
  name: slug.toUpperCase(),
  slug,
  createdAt: "2026-01-01T00:00:00Z",
  revision: 1,
});
const shop = project("shop");
const lab = project("lab");
const bucket = (name: string) => ({
  id: newId("bucket"),
  projectId: shop.id,
  organisationId: organisation.id,
  name,
  objects: 3,
  sizeBytes: 5 * 2 ** 20,
  uploadBytes: 0,
  trashObjects: 0,
  trashBytes: 0,
  publicReach: "objects",
  createdAt: "2026-01-02T03:04:05Z",
  revision: 2,
});
const operation = (state: string, more: Record<string, unknown> = {}) => ({
  id: newId("operation"),
  kind: "objects.bucket.empty",
  state,
  progress: state === "succeeded" ? 1 : 0.5,
  steps: [{ name: "delete objects", state: "running", attempts: 1 }],
  resource: { kind: "bucket", id: "bkt_1", name: "photos" },
  cancelRequested: false,
  createdBy: { kind: "user", name: "Olena" },
  createdAt: "2026-01-02T03:04:05Z",
  updatedAt: "2026-01-02T03:04:05Z",
  ...more,
});
const identity =
  (projects = [shop]): Answering =>
  () => ({
    body: {
      principal: { kind: "user", id: "usr_1", name: "Olena" },
      bindings: [],
      organisations: [{ ...organisation, projects }],
      recoveryCodesLeft: 0,
    },
  });

/** A signed-in CLI on a fake cloud with these routes. */
async function signedIn(
  routes: Record<string, Answering>,
  work: (
    cli: (words: string, options?: object) => ReturnType<typeof runCli>,
    cloud: Awaited<ReturnType<typeof fakeCloud>>,
  ) => Promise<void>,
): Promise<void> {
  const cloud = await fakeCloud({ "GET /identity": identity(), ...routes });
  const home = temporaryHome();
  const env = { ...home.env, KHMARA_ENDPOINT: cloud.endpoint, KHMARA_TOKEN: "secret-token" };
  try {
    await work((words, options = {}) => runCli(words.split(" "), { env, ...options }), cloud);
  } finally {
    await cloud.close();
    home.remove();
  }
}

test("a list is a table for people and the API's answer with --json", async () => {
  const page = { items: [bucket("photos"), bucket("backups")], nextCursor: "more" };
  await signedIn({ "GET /buckets": () => ({ body: page }) }, async (cli, cloud) => {
    const people = await cli("bucket list --project shop");
    assert.equal(people.code, 0, people.notes);
    assert.match(
      people.out,
      /^NAME +OBJECTS +SIZE +UPLOAD +TRASH +CREATED\nphotos +3 +5 MiB +0 B +0 B +2026-01-0\d \d\d:\d\d\nbackups/,
    );
    assert.match(people.notes, /There are more/);
    assert.equal(cloud.seen.at(-1)?.query["project"], shop.id);
    assert.equal(cloud.seen.at(-1)?.headers.authorization, "Bearer secret-token");
    assert.deepEqual(JSON.parse((await cli("bucket list --project shop --json")).out), page);
    assert.equal((await cli("bucket list --quiet")).out, `${page.items.map((one) => one.id).join("\n")}\n`);
  });
});

test("--all follows the pages, and an empty list says what comes next", async () => {
  const pages: Record<string, object> = { "": { items: [bucket("a")], nextCursor: "2" }, "2": { items: [bucket("b")] } };
  await signedIn(
    { "GET /buckets": ({ query }) => ({ body: query["search"] ? { items: [] } : pages[query["cursor"] ?? ""] }) },
    async (cli) => {
      const all = JSON.parse((await cli("bucket list --all --json")).out) as { items: { name: string }[] };
      assert.deepEqual(
        all.items.map((one) => one.name),
        ["a", "b"],
      );
      const none = await cli("bucket list --search zzz");
      assert.equal(none.out, "");
      assert.equal(none.notes, "No buckets here yet. Make one: khmara bucket create NAME\n");
    },
  );
});

test("organisation and project by slug, name, id, the environment, or the only one there is", async () => {
  const routes = { "GET /buckets": () => ({ body: { items: [] } }), "GET /identity": identity([shop, lab]) };
  await signedIn(routes, async (cli, cloud) => {
    for (const given of ["lab", "LAB", lab.id]) {
      assert.equal((await cli(`bucket list --project ${given}`)).code, 0);
      assert.equal(cloud.seen.at(-1)?.query["project"], lab.id);
    }
    const several = await cli("bucket list");
    assert.equal(several.code, 2);
    assert.match(several.notes, /Which project\? There are several: shop, lab/);
    const wrong = await cli("bucket list --project lap");
    assert.equal(wrong.code, 1);
    assert.match(wrong.notes, /no project "lap".*Did you mean "lab"\?/);
  });
});

test("access-key create prints both halves of the key", async () => {
  const made = {
    id: newId("accessKey"),
    name: "S3 key",
    accessKeyId: "KHABC",
    secretAccessKey: "s3cr3t",
    projectId: shop.id,
    endpoint: "http://127.0.0.1:9000",
    region: "khmara",
  };
  await signedIn({ "POST /access-keys": () => ({ status: 201, body: made }) }, async (cli, cloud) => {
    const json = JSON.parse((await cli("access-key create --project shop --json")).out) as typeof made;
    assert.equal(json.accessKeyId, "KHABC");
    assert.equal(json.secretAccessKey, "s3cr3t");
    assert.deepEqual(cloud.seen.at(-1)?.body, { project: shop.id });
    const people = await cli("access-key create");
    assert.match(people.out, /secret access key +s3cr3t/);
    assert.match(people.notes, /not shown again/);
  });
});

test("what deletes asks first; without anybody to ask it needs --yes", async () => {
  await signedIn({ "DELETE /buckets/{bucket}": () => ({}) }, async (cli, cloud) => {
    const refused = await cli("bucket delete photos");
    assert.equal(refused.code, 2);
    assert.match(refused.notes, /--yes/);
    const no = await cli("bucket delete photos", { interactive: true, input: "n\n" });
    assert.equal(no.code, 1);
    assert.match(no.notes, /Delete bucket photos\? \[y\/N\]/);
    assert.equal(cloud.seen.length, 0);
    assert.equal((await cli("bucket delete photos", { interactive: true, input: "y\n" })).code, 0);
    const yes = await cli("bucket delete photos --yes");
    assert.equal(yes.code, 0);
    assert.equal(yes.notes, "Deleted bucket photos.\n");
    assert.equal(cloud.seen.filter((one) => one.method === "DELETE").length, 2);
    // A project of the profile is never deleted by leaving its name out.
    assert.equal((await cli("project delete --yes")).code, 2);
  });
});

test("an operation is waited for; its failure is the exit code", async () => {
  const begun = operation("running");
  let end = operation("succeeded");
  const routes: Record<string, Answering> = {
    "GET /buckets/{bucket}": () => ({ body: bucket("photos") }),
    "POST /buckets/{bucket}/empty": () => ({ status: 202, body: begun }),
    "GET /operations/{operation}/wait": () => ({ body: end }),
  };
  await signedIn(routes, async (cli, cloud) => {
    const done = await cli("bucket empty photos --yes");
    assert.equal(done.code, 0, done.notes);
    assert.match(done.out, /photos: done/);
    assert.deepEqual(cloud.seen.find((one) => one.method === "POST")?.body, { confirm: "photos" });
    const watched = await cli("bucket empty photos", { interactive: true, input: "photos\n" });
    assert.match(watched.notes, /step 1 of 1: delete objects/);
    const left = await cli("bucket empty photos --yes --no-wait");
    assert.equal(left.code, 0);
    assert.ok(left.out.includes(`khmara operation wait ${begun.id}`));
    end = operation("failed", { error: { code: "storage_full", message: "The disk is full.", step: "delete objects" } });
    const failed = await cli("bucket empty photos --yes --json");
    assert.equal(failed.code, 1);
    assert.equal(JSON.parse(failed.out).state, "failed");
    assert.match((await cli("bucket empty photos --yes")).notes, /The disk is full\. \(step delete objects\)/);
  });
});

test("errors: one line, the fields, the request id, and the exit code that fits", async () => {
  const routes: Record<string, Answering> = {
    "POST /buckets": () =>
      problem(400, "invalid_argument", "The request is not valid.", {
        fields: [{ path: "body.name", message: "Use small letters." }],
      }),
    "GET /buckets": () => problem(401, "unauthenticated", "The token is not valid."),
  };
  await signedIn(routes, async (cli) => {
    const invalid = await cli("bucket create PHOTOS");
    assert.equal(invalid.code, 1);
    assert.equal(invalid.notes, "khmara: The request is not valid.\n  name: Use small letters.\nRequest req-1\n");
    const json = await cli("bucket create PHOTOS --json");
    assert.equal(json.out, "");
    assert.equal(JSON.parse(json.notes).code, "invalid_argument");
    const signedOut = await cli("bucket list --project shop");
    assert.equal(signedOut.code, 3);
    assert.match(signedOut.notes, /khmara login/);
  });
});

test("without a token nothing is sent but what is public", async () => {
  const home = temporaryHome();
  const cloud = await fakeCloud({
    "GET /cloud": () => ({
      body: {
        name: "Khmara",
        version: "1",
        setupNeeded: false,
        signUpOpen: false,
        currency: "EUR",
        s3: { endpoint: "e", region: "r" },
      },
    }),
  });
  try {
    const env = { ...home.env, KHMARA_ENDPOINT: cloud.endpoint };
    assert.equal((await runCli(["bucket", "list"], { env })).code, 3);
    assert.equal(cloud.seen.length, 0);
    assert.match((await runCli(["cloud", "get"], { env })).out, /^name +Khmara\n/);
    // A token is for the cloud that gave it.
    saveProfile(env, "default", { endpoint: "https://elsewhere.example", token: "t" }, true);
    assert.equal((await runCli(["identity", "get"], { env })).code, 3);
  } finally {
    await cloud.close();
    home.remove();
  }
});

test("a wrong word says which was probably meant", async () => {
  const { env, remove } = temporaryHome();
  const wrong = await runCli(["buckte", "list"], { env });
  assert.equal(wrong.code, 2);
  assert.match(wrong.notes, /Did you mean "bucket"\?/);
  assert.match((await runCli(["bucket", "lsit"], { env })).notes, /Did you mean "list"\?/);
  assert.equal((await runCli(["bucket", "get", "a", "b"], { env })).code, 2);
  assert.equal((await runCli([], { env })).code, 0);
  assert.equal((await runCli(["help", "bucket", "create"], { env })).code, 0);
  remove();
});

test("audit verify says so when the chain is broken, and events are lines", async () => {
  const changed = {
    valid: false,
    entries: 9,
    chains: 1,
    firstInvalid: { chain: "cloud", sequence: 4, problem: "the hash does not fit" },
    heads: [],
  };
  const told = {
    id: "evt_1",
    type: "objects.bucket.changed",
    payload: { id: "bkt_1", name: "photos" },
    at: "2026-01-02T03:04:05Z",
  };
  const routes: Record<string, Answering> = {
    "POST /audit-entries/verify": () => ({ body: changed }),
    "GET /events": ({ headers }) =>
      headers["last-event-id"] === "evt_1"
        ? problem(404, "not_found", "That is all.")
        : {
            headers: { "content-type": "text/event-stream" },
            raw: `: hello\n\nretry: 10\nid: evt_1\nevent: ${told.type}\ndata: ${JSON.stringify(told)}\n\n`,
          },
  };
  await signedIn(routes, async (cli) => {
    const verified = await cli("audit verify");
    assert.equal(verified.code, 1);
    assert.match(verified.out, /has been changed: the hash does not fit \(chain cloud, entry 4\)/);
    const watched = await cli("event watch");
    assert.match(watched.out, /^2026-01-0\d \d\d:\d\d {2}objects\.bucket\.changed {2}id=bkt_1 name=photos\n$/);
    assert.deepEqual(JSON.parse((await cli("event watch --json")).out), told);
  });
});
