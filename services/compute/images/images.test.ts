import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { CloudError } from "../../../kernel/errors.ts";
import { newId } from "../../../kernel/ids.ts";
import type { ImageBuilder, ImageRecipe } from "../driver.ts";
import { type Caller, testCompute } from "../testing/fixture.ts";

const gib = 1024 ** 3;
const recipe = (name: string): ImageRecipe => ({
  name,
  title: name,
  distribution: name.split("-")[0] as string,
  release: name.split("-")[1] as string,
  kind: "container",
  defaultUser: "debian",
  minimumDiskBytes: gib,
  mirror: "http://mirror.test/debian",
});
/** Builds at once, unless it is told to wait or to fail. */
const builder = {
  builds: [] as string[],
  gate: undefined as Promise<void> | undefined,
  error: undefined as Error | undefined,
  recipes: () => [recipe("debian-12"), recipe("debian-13"), recipe("ubuntu-24.04")],
  check: async (name: string) =>
    name.startsWith("debian")
      ? { available: true as const }
      : { available: false as const, reason: "Its mirror does not answer." },
  async build(name: string, { directory, signal, progress }: Parameters<ImageBuilder["build"]>[1]) {
    builder.builds.push(directory);
    await writeFile(join(directory, "half"), "x");
    progress?.(0.5, "half of it");
    const stopped = new Promise<never>((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
    await Promise.race([builder.gate ?? Promise.resolve(), stopped]);
    if (builder.error) throw builder.error;
    await writeFile(join(directory, "image.tar"), `system ${name}`);
    return { file: join(directory, "image.tar") };
  },
} satisfies ImageBuilder & Record<string, unknown>;

const cloud = await testCompute({ drivers: { imageBuilder: { driver: builder } } });
const { project, otherProject, strangersProject, engine, database } = cloud;
const folder = mkdtempSync(join(tmpdir(), "khmara-images-"));
after(async () => {
  await cloud.stop();
  rmSync(folder, { recursive: true });
});

// biome-ignore lint/suspicious/noExplicitAny: answers of all kinds.
type Json = any;
type Body = NonNullable<RequestInit["body"]>;

let counter = 0;
const unique = (prefix: string) => `${prefix}-${++counter}`;
const call = cloud.call;
const list = async (caller: Caller, at: string, query = "") =>
  (await call(caller, "GET", `/images?project=${at}${query}`)).body.items.map((each: { name: string }) => each.name);
const get = async (id: string, caller: Caller = "editor") => (await call(caller, "GET", `/images/${id}`)).body;
const used = async () =>
  (await database.sql`select used from kernel.quota_usage where scope_id = ${project} and name = 'compute.images'`)[0]?.[
    "used"
  ] ?? 0;

function tarball(files: Record<string, string>): Buffer {
  const root = join(folder, unique("root"));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), content);
  }
  return execFileSync("tar", ["-C", root, "-czf", "-", ...Object.keys(files)]);
}
const imageFile = tarball({ "metadata.yaml": "architecture: x86_64\n", "rootfs/etc/hostname": "x" });
const upload = async (query: Record<string, string>, body: Body, caller: Caller = "editor") => {
  const response = await cloud.fetch(caller, `/images/upload?${new URLSearchParams({ project, ...query })}`, {
    method: "POST",
    body,
    headers: { "content-type": "application/octet-stream" },
    duplex: "half",
  });
  return { status: response.status, body: (await response.json().catch(() => undefined)) as Json };
};
const uploaded = async (query: Record<string, string> = {}, caller: Caller = "editor") => {
  const answer = await upload({ name: unique("up"), ...query }, imageFile, caller);
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return answer.body;
};
const build = (body: Record<string, unknown>, caller: Caller = "editor") =>
  call(caller, "POST", "/images/build", { recipe: "debian-12", ...body });

test("what can be built, with the reason where it cannot", async () => {
  const { status, body } = await call("stranger", "GET", "/image-recipes?limit=2");
  assert.equal(status, 200);
  assert.deepEqual(
    body.items.map((each: { name: string; available: boolean }) => [each.name, each.available]),
    [
      ["debian-12", true],
      ["debian-13", true],
    ],
  );
  const rest = (await call("stranger", "GET", `/image-recipes?cursor=${body.nextCursor}`)).body;
  assert.equal(rest.items[0].reason, "Its mirror does not answer.");
  assert.equal(rest.nextCursor, undefined);
});

test("an administrator of the cloud builds an image for everybody", async () => {
  const answer = await build({ scope: "cloud" }, "admin");
  assert.equal(answer.status, 202, JSON.stringify(answer.body));
  const { result } = await cloud.done(answer.body.id);
  const image = await get(result.imageId, "stranger");
  assert.deepEqual(
    [image.name, image.scope, image.state, image.visibility, image.defaultUser, image.minimumDiskBytes, image.architecture],
    ["debian-12", "cloud", "ready", "public", "debian", gib, "amd64"],
  );
  assert.deepEqual(image.source, { kind: "recipe", name: "debian-12" });
  assert.match(image.fingerprint, /^[0-9a-f]{64}$/);
  assert.deepEqual(image.allowedActions, ["use"]);
  assert.deepEqual((await get(image.id, "admin")).allowedActions, ["use", "update", "share", "download", "export", "delete"]);
  assert.equal(existsSync(builder.builds.at(-1) as string), false, "nothing of the build stays on the disk");
  assert.equal((await cloud.usage(image.id)).length, 0, "the cloud's own images cost nobody anything");
  const again = await build({ scope: "cloud" }, "admin");
  assert.equal(again.status, 409);
  assert.match(again.body.detail, /image debian-12 already/);
  // What everybody sees takes its name in every project.
  const own = await build({ project });
  assert.equal(own.status, 409);
  assert.equal(own.body.reason, "image_name_visible");
});

test("the first image of a cloud is built once, whatever becomes of it", async () => {
  const fresh = await testCompute({ drivers: { imageBuilder: { driver: builder } } });
  try {
    const { images } = fresh.compute.parts;
    assert.deepEqual(await images.first(), { recipe: "debian-12", title: "debian-12", available: true, reason: undefined });
    const { result } = await fresh.done((await images.buildFirst()) as string);
    const [built] = (await fresh.call("admin", "GET", "/images")).body.items;
    assert.deepEqual([built.id, built.name, built.visibility, built.state], [result.imageId, "debian-12", "public", "ready"]);
    assert.deepEqual([await images.first(), await images.buildFirst()], [undefined, undefined]);
    await fresh.done((await fresh.call("admin", "DELETE", `/images/${built.id}`)).body.id);
    assert.ok(await images.first());
    assert.equal(await images.buildFirst(), undefined, "a person has decided");
  } finally {
    await fresh.stop();
  }
});

test("who may make images, and where", async () => {
  for (const [caller, body, status] of [
    ["editor", { scope: "cloud" }, 403],
    ["viewer", { project }, 403],
    ["stranger", { project }, 404],
    ["neighbour", { project }, 404],
    ["editor", {}, 400],
    ["editor", { project, recipe: "debian-99" }, 400],
    ["editor", { project, name: "No Name" }, 400],
  ] as const)
    assert.equal((await build(body, caller)).status, status, `${caller} ${JSON.stringify(body)}`);
  assert.equal(
    (await call("editor", "POST", "/images/fetch", { project, alias: "debian/12", server: "https://x.test" })).status,
    403,
  );
  assert.equal((await call("admin", "GET", "/images")).status, 200);
  assert.equal((await call("owner", "GET", "/images")).status, 403);
});

test("a build that fails stays to be seen with its reason, and gives way to the next try", async () => {
  builder.error = new CloudError("failed_precondition", "The mirror has no such release.");
  const before = await used();
  const failed = await build({ project, name: "mine" });
  const operation = await cloud.ended(failed.body.id);
  assert.equal(operation.state, "failed");
  const [row] = (await call("editor", "GET", `/images?project=${project}&search=mine`)).body.items;
  assert.deepEqual(
    [row.state, row.stateReason, row.allowedActions],
    ["error", "The mirror has no such release.", ["update", "delete"]],
  );
  assert.equal(existsSync(builder.builds.at(-1) as string), false);
  assert.equal(await used(), before + 1);
  builder.error = undefined;
  const { result } = await cloud.done((await build({ project, name: "mine" })).body.id);
  assert.notEqual(result.imageId, row.id);
  assert.equal((await get(row.id)).status, 404);
  assert.equal(await used(), before + 1);
});

test("a cancelled build leaves nothing", async () => {
  const gate = Promise.withResolvers<void>();
  builder.gate = gate.promise;
  const before = await used();
  const { body } = await build({ project, name: "unwanted" });
  await until(
    async () => (await database.sql`select 1 from kernel.operations where id = ${body.id} and state = 'running'`).length > 0,
  );
  const [row] = (await call("editor", "GET", `/images?project=${project}&search=unwanted`)).body.items;
  assert.deepEqual([row.state, row.operationId], ["building", body.id]);
  assert.equal((await call("editor", "DELETE", `/images/${row.id}`)).status, 409);
  await database.sql`update kernel.operations set cancel_requested = true where id = ${body.id}`;
  await database.sql`select pg_notify('khmara_operations', ${body.id})`;
  assert.equal((await cloud.ended(body.id)).state, "cancelled");
  gate.resolve();
  builder.gate = undefined;
  assert.equal((await get(row.id)).status, 404);
  assert.equal(await used(), before);
  assert.equal(existsSync(builder.builds.at(-1) as string), false);
});

test("a build goes on after the process that did it has died", async () => {
  const gate = Promise.withResolvers<void>();
  builder.gate = gate.promise;
  const { body } = await build({ project, name: "survivor" });
  const count = builder.builds.length;
  await until(async () => builder.builds.length > count - 1 && existsSync(builder.builds.at(-1) as string));
  await cloud.stopRunner();
  gate.resolve();
  builder.gate = undefined;
  // What belongs to an operation that is not over is not cleared away.
  mkdirSync(join(cloud.directory, "compute/images/opn_left"), { recursive: true });
  await cloud.work("compute.images.upkeep");
  assert.equal(existsSync(join(cloud.directory, "compute/images/opn_left")), false);
  assert.equal(existsSync(join(cloud.directory, "compute/images", body.id)), true);
  await cloud.startRunner();
  const { result } = await cloud.done(body.id);
  assert.equal((await get(result.imageId)).state, "ready");
});

test("what is built is not built again when the process dies while the engine takes it in", async () => {
  engine.faults.slow("imageImport", 60_000, { times: 1 });
  const before = engine.faults.count("imageImport");
  const { body } = await build({ project, name: "built-once" });
  await until(async () => engine.faults.count("imageImport") > before);
  const builds = builder.builds.length;
  await cloud.stopRunner();
  await cloud.startRunner();
  const { result } = await cloud.done(body.id);
  assert.equal((await get(result.imageId)).state, "ready");
  assert.equal(builder.builds.length, builds);
  assert.equal(existsSync(builder.builds.at(-1) as string), false);
});

test("a file becomes an image, and is metered as long as it is there", async () => {
  const image = await uploaded({ defaultUser: "alpine", minimumDiskBytes: String(2 * gib), description: "From home" });
  assert.deepEqual(
    [image.state, image.defaultUser, image.minimumDiskBytes, image.visibility, image.source.kind],
    ["ready", "alpine", 2 * gib, "private", "upload"],
  );
  const stored = [...engine.images.values()].find(({ labels }) => labels["image"] === image.id);
  assert.ok(stored && Buffer.from(stored.disk).length > 0);
  const [span] = await cloud.usage(image.id);
  assert.deepEqual(
    [span?.meter, span?.unit, Number(span?.quantity), span?.to],
    ["compute.images", "byte", image.sizeBytes, null],
  );
  assert.equal((await upload({ name: image.name }, imageFile)).status, 409);
  const deletion = await call("editor", "DELETE", `/images/${image.id}`);
  assert.equal(deletion.status, 202);
  await cloud.done(deletion.body.id);
  assert.equal((await get(image.id)).status, 404);
  assert.equal(engine.images.has(stored.name), false);
  const [closed] = await cloud.usage(image.id);
  assert.ok(closed?.to && closed.to >= closed.from);
});

test("a bare root file system and a virtual machine's disk are handed on as what they are", async () => {
  const root = await upload({ name: unique("bare") }, tarball({ "etc/hostname": "x", "usr/bin/true": "x" }));
  assert.equal(root.status, 201);
  const disk = await upload({ name: unique("disk") }, Buffer.concat([Buffer.from("QFI\xfb", "latin1"), Buffer.alloc(5000)]));
  assert.equal(disk.status, 201);
  const bares = engine.faults.calls
    .filter(([name]) => name === "imageImport")
    .slice(-2)
    .map(([, , , options]) => (options as { bare: unknown }).bare);
  assert.deepEqual(bares, [
    { kind: "container", architecture: "amd64", description: root.body.name },
    { kind: "vm", architecture: "amd64", description: disk.body.name },
  ]);
});

test("what is no image changes nothing", async () => {
  const [count, before, inEngine] = [(await list("editor", project)).length, await used(), engine.images.size];
  const refused = await upload({ name: "letter" }, "Dear Sir or Madam");
  assert.equal(refused.status, 400);
  assert.match(refused.body.detail, /no image/);
  engine.faults.fail("imageImport", { error: new CloudError("invalid_argument", "The tarball has no metadata.") });
  const broken = await upload({ name: "broken" }, imageFile);
  assert.deepEqual([broken.status, broken.body.detail], [400, "The tarball has no metadata."]);
  engine.faults.fail("imageImport", { error: new CloudError("storage_full", "The pool is full.") });
  assert.equal((await upload({ name: "broken" }, imageFile)).status, 507);
  assert.equal((await upload({ name: "foreign" }, imageFile, "stranger")).status, 404);
  assert.equal((await upload({ name: "lowly" }, imageFile, "viewer")).status, 403);
  assert.deepEqual([(await list("editor", project)).length, await used(), engine.images.size], [count, before, inEngine]);
});

test("an upload that breaks off leaves nothing", async () => {
  const before = await used();
  const controller = new AbortController();
  const body = new ReadableStream({
    start: (stream) => stream.enqueue(imageFile),
    async pull(stream) {
      await sleep(5);
      // fetch does not end the stream of a request that it aborts.
      if (controller.signal.aborted) stream.close();
      else stream.enqueue(Buffer.alloc(100_000));
    },
  });
  const sent = cloud
    .fetch("editor", `/images/upload?project=${project}&name=halfway`, {
      method: "POST",
      body,
      duplex: "half",
      signal: controller.signal,
      headers: { "content-type": "application/octet-stream" },
    })
    .catch(() => {});
  await until(async () => (await list("editor", project, "&search=halfway")).length === 1);
  const [row] = (await call("editor", "GET", `/images?project=${project}&search=halfway`)).body.items;
  assert.equal(row.state, "importing");
  controller.abort();
  await sent;
  await until(async () => (await list("editor", project, "&search=halfway")).length === 0);
  assert.equal(await used(), before);
});

test("an upload whose process was killed is cleared away", async () => {
  const image = await uploaded({ name: "killed" });
  // As kill -9 in the middle leaves it: the record is importing, and nobody tells that it goes on.
  await database.sql`update compute.images set state = 'importing', upload_seen_at = now() - interval '30 seconds' where id = ${image.id}`;
  await cloud.work("compute.images.upkeep");
  assert.equal((await get(image.id)).state, "importing", "half a minute of silence is no death");
  await database.sql`update compute.images set upload_seen_at = now() - interval '2 minutes' where id = ${image.id}`;
  const before = await used();
  await cloud.work("compute.images.upkeep");
  assert.equal((await get(image.id)).status, 404);
  assert.equal(await used(), before - 1);
  assert.ok(![...engine.images.values()].some(({ labels }) => labels["image"] === image.id));
});

test("out of a bucket, and into one", async () => {
  const bucket = (await call("editor", "POST", "/buckets", { project, name: unique("images") })).body;
  const put = (key: string, body: Body) =>
    cloud.fetch("editor", `/buckets/${bucket.id}/object/content?key=${key}`, { method: "PUT", body });
  await put("system.tar.gz", imageFile);
  const answer = await call("editor", "POST", "/images/import", {
    project,
    bucket: bucket.name,
    key: "system.tar.gz",
    name: "bucketed",
  });
  assert.equal(answer.status, 202, JSON.stringify(answer.body));
  const { result } = await cloud.done(answer.body.id);
  const image = await get(result.imageId);
  assert.deepEqual([image.state, image.source.name], ["ready", `${bucket.name}/system.tar.gz`]);
  const stored = [...engine.images.values()].find(({ labels }) => labels["image"] === image.id);
  assert.ok(stored);

  const out = await call("editor", "POST", `/images/${image.id}/export`, { project, bucket: bucket.id, key: "copy.image" });
  assert.equal(out.status, 202, JSON.stringify(out.body));
  assert.deepEqual((await cloud.done(out.body.id)).result, {
    bucket: bucket.name,
    key: "copy.image",
    sizeBytes: Buffer.byteLength(stored.disk),
  });
  const copy = await cloud.fetch("editor", `/buckets/${bucket.id}/object/content?key=copy.image`);
  assert.equal(await copy.text(), stored.disk);
  const download = await cloud.fetch("editor", `/images/${image.id}/content`);
  assert.equal(download.status, 200);
  assert.match(String(download.headers.get("content-disposition")), /filename="bucketed\.image"/);
  assert.equal(await download.text(), stored.disk);
  assert.equal((await cloud.fetch("viewer", `/images/${image.id}/content`)).status, 403);

  const missing = await call("editor", "POST", "/images/import", { project, bucket: bucket.name, key: "nothing", name: "none" });
  assert.equal(missing.status, 404);
  await put("letter.txt", "Dear Sir or Madam");
  const letter = await call("editor", "POST", "/images/import", {
    project,
    bucket: bucket.name,
    key: "letter.txt",
    name: "letter",
  });
  const ended = await cloud.ended(letter.body.id);
  assert.deepEqual([ended.state, ended.error.code], ["failed", "invalid_argument"]);
  assert.match((await call("editor", "GET", `/images?project=${project}&search=letter`)).body.items[0].stateReason, /no image/);
});

test("sharing: with projects, with the organisation, with everybody", async () => {
  const image = await uploaded({ name: "shared-one" });
  const share = (body: Record<string, unknown>, caller: Caller = "owner") =>
    call(caller, "POST", `/images/${image.id}/share`, body);
  assert.deepEqual(await list("neighbour", otherProject, "&search=shared-one"), []);
  assert.equal((await get(image.id, "neighbour")).status, 404);
  assert.equal((await share({ visibility: "organisation" }, "editor")).status, 403);

  const shared = await share({ visibility: "shared", projects: [otherProject] });
  assert.equal(shared.status, 200, JSON.stringify(shared.body));
  assert.deepEqual(shared.body.sharedProjects, [{ id: otherProject, name: "library" }]);
  assert.deepEqual(await list("neighbour", otherProject, "&search=shared-one"), ["shared-one"]);
  const seen = await get(image.id, "neighbour");
  assert.deepEqual([seen.allowedActions, seen.sharedProjects], [["use"], undefined]);
  assert.equal((await call("neighbour", "DELETE", `/images/${image.id}`)).status, 403);
  assert.equal((await upload({ name: "shared-one", project: otherProject }, imageFile, "neighbour")).status, 409);
  assert.equal((await get(image.id, "stranger")).status, 404);

  // Another organisation: its administrators have to agree, which here are the cloud's.
  assert.equal((await share({ visibility: "shared", projects: [strangersProject] })).status, 404);
  assert.equal((await share({ visibility: "shared", projects: [strangersProject] }, "admin")).status, 200);
  assert.deepEqual(await list("stranger", strangersProject, "&search=shared-one"), ["shared-one"]);
  assert.deepEqual(await list("neighbour", otherProject, "&search=shared-one"), []);
  assert.equal((await get(image.id, "stranger")).state, "ready");

  assert.equal((await share({ visibility: "organisation" })).status, 200);
  assert.deepEqual(await list("neighbour", otherProject, "&search=shared-one"), ["shared-one"]);
  assert.deepEqual(await list("stranger", strangersProject, "&search=shared-one"), []);
  assert.equal((await share({ visibility: "public" })).status, 403);
  assert.equal((await share({ visibility: "private", projects: [otherProject] })).status, 400);
  assert.equal((await share({ visibility: "public" }, "admin")).status, 200);
  assert.deepEqual(await list("stranger", strangersProject, "&search=shared-one"), ["shared-one"]);
  assert.equal((await share({ visibility: "private" })).status, 200);
  assert.deepEqual(await list("stranger", strangersProject, "&search=shared-one"), []);
});

test("an image is found by name or id by those who may use it", async () => {
  const { images } = cloud.compute.parts;
  const place = { organisationId: cloud.organisation, projectId: project };
  const elsewhere = { organisationId: cloud.otherOrganisation, projectId: strangersProject };
  const image = await uploaded({ name: "findable" });
  const resolve = (at: typeof place, wanted: string) => database.transaction("system", (tx) => images.resolve(tx, at, wanted));
  assert.equal((await resolve(place, "findable")).id, image.id);
  assert.equal((await resolve(place, image.id)).defaultUser, "root");
  for (const wanted of ["findable", image.id, newId("image")])
    await assert.rejects(resolve(elsewhere, wanted), (error) => CloudError.is(error, "not_found"));
  // A project's own goes before one that came from elsewhere later.
  await cloud.image({ name: "findable" });
  assert.equal((await resolve(place, "findable")).id, image.id);
  assert.notEqual((await resolve(elsewhere, "findable")).id, image.id);
  await database.sql`update compute.images set state = 'error', state_reason = 'The disk was full.' where id = ${image.id}`;
  await assert.rejects(resolve(place, "findable"), /could not be made: The disk was full\. Delete it/);
});

test("changes: the revision is checked, the name stays unique", async () => {
  const [one, two] = [await uploaded({ name: "one" }), await uploaded({ name: "two" })];
  const change = (body: unknown, headers = {}) => call("editor", "PATCH", `/images/${one.id}`, body, headers);
  assert.equal((await change({ name: "two" })).status, 409);
  const changed = await change(
    { name: "uno", description: "The first", minimumDiskBytes: gib },
    { "if-match": `"r${one.revision}"` },
  );
  assert.deepEqual([changed.status, changed.body.name, changed.body.description], [200, "uno", "The first"]);
  assert.equal((await change({ description: "x" }, { "if-match": `"r${one.revision}"` })).status, 412);
  assert.equal((await call("viewer", "PATCH", `/images/${two.id}`, { description: "x" })).status, 403);
  assert.equal((await call("stranger", "PATCH", `/images/${two.id}`, { description: "x" })).status, 404);
  const entries =
    await database.sql`select action, before, after from kernel.audit_entries where resource_id = ${one.id} order by sequence`;
  assert.deepEqual(
    entries.map(({ action }) => action),
    ["compute.image.upload", "compute.image.update"],
  );
  assert.equal(entries[1]?.["before"].name, "one");
});

test("a deletion that fails says so, and can be repeated", async () => {
  const image = await uploaded();
  engine.faults.fail("imageDelete", { times: 3, error: new CloudError("failed_precondition", "The engine says no.") });
  const failed = await cloud.ended((await call("editor", "DELETE", `/images/${image.id}`)).body.id);
  engine.faults.clear("imageDelete");
  assert.equal(failed.state, "failed");
  const there = await get(image.id);
  assert.equal(there.state, "error");
  assert.match(there.stateReason, /The engine says no\./);
  assert.equal((await cloud.usage(image.id))[0]?.to, null, "it is still there, and so is its price");
  assert.equal((await upload({ name: image.name }, imageFile)).status, 409, "its bytes may be there: the name is not given away");
  await cloud.done((await call("editor", "DELETE", `/images/${image.id}`)).body.id);
  assert.equal((await get(image.id)).status, 404);
});

test("the quota", async () => {
  await database.sql`insert into kernel.quota_limits (scope_id, organisation_id, name, limit_value)
    values (${project}, ${cloud.organisation}, 'compute.images', ${await used()})`;
  const refused = await build({ project, name: "too-much" });
  assert.deepEqual([refused.status, refused.body.quota], [403, "compute.images"]);
  assert.equal((await upload({ name: "too-much" }, imageFile)).status, 403);
  await database.sql`delete from kernel.quota_limits where scope_id = ${project}`;
});

test("from the public image server, and without a way to it", async () => {
  const answer = await call("editor", "POST", "/images/fetch", { project, alias: "debian/12/cloud", kind: "vm" });
  assert.equal(answer.status, 202, JSON.stringify(answer.body));
  const image = await get((await cloud.done(answer.body.id)).result.imageId);
  assert.deepEqual([image.name, image.kind, image.source.name], ["debian-12-cloud", "vm", "debian/12/cloud"]);
  engine.faults.fail("imageFetch", { times: 9, error: new CloudError("unavailable", "The image server cannot be reached.") });
  const failed = await call("editor", "POST", "/images/fetch", { project, alias: "alpine/3.20" });
  assert.equal((await cloud.ended(failed.body.id)).error.message, "The image server cannot be reached.");
  engine.faults.clear("imageFetch");
});

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 10_000; !(await holds()); await sleep(10))
    if (Date.now() > end) throw new Error(`It does not come: ${holds}`);
}
