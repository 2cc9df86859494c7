/** The registry by the rules of the OCI Distribution Specification, and with a client that we did not write. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { installTestTools, registryTools } from "../../../tools/test-tools.ts";
import { type TestDeploying, tarball, testDeploying } from "../deploying/testing/fixture.ts";
import { sweepRegistry } from "./area.ts";
import { openBlobs } from "./blobs.ts";
import { inOwnRegistry } from "./names.ts";
import {
  descriptor,
  digestOf,
  imageOf,
  ociIndex,
  ociManifest,
  pushImage,
  type TestRegistry,
  testRegistry,
} from "./testing/fixture.ts";

const run = promisify(execFile);
let cloud: TestDeploying;
let registry: TestRegistry;
let folder: string;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "khmara-registry-"));
  cloud = await testDeploying();
  registry = await testRegistry(cloud);
});
after(async () => {
  registry?.stop();
  await cloud?.stop();
  rmSync(folder, { recursive: true, force: true });
});

// biome-ignore lint/suspicious/noExplicitAny: answers of all sorts.
type Json = any;
const contentFile = (digest: string) => {
  const hex = digest.slice(7);
  return join(cloud.directory, "apps", "registry", "blobs", "sha256", hex.slice(0, 2), hex);
};
const uploadsFolder = () => join(cloud.directory, "apps", "registry", "uploads");

/** The code of an error, as clients read it. */
async function refused(answer: Response, status: number, code: string): Promise<Json> {
  const body = (await answer.json()) as Json;
  assert.deepEqual([answer.status, body.errors[0].code], [status, code], JSON.stringify(body));
  assert.ok(body.errors[0].message.length > 10);
  return body;
}

async function begin(repository: string): Promise<string> {
  const answer = await registry.ask(`/v2/${repository}/blobs/uploads/`, { method: "POST" });
  assert.equal(answer.status, 202);
  return answer.headers.get("location") as string;
}

async function repository(): Promise<string> {
  return `lessons/${(await cloud.app()).name}`;
}

test("who comes without a token is asked for one; who has one is told what is spoken here", async () => {
  const nobody = await registry.ask("/v2/", { as: null });
  assert.match(nobody.headers.get("www-authenticate") ?? "", /^Basic realm=/);
  await refused(nobody, 401, "UNAUTHORIZED");
  const answer = await registry.ask("/v2/");
  assert.deepEqual([answer.status, answer.headers.get("docker-distribution-api-version")], [200, "registry/2.0"]);
  assert.equal((await registry.ask("/v2")).status, 200);
  await refused(await registry.ask("/v2/", { method: "POST" }), 405, "UNSUPPORTED");
});

test("strangers know of no repository; who may only see one pulls and does not push", async () => {
  const name = await repository();
  const digest = await registry.push(name, Buffer.from("seen"));
  for (const path of ["tags/list", `blobs/${digest}`, "manifests/latest", `referrers/${digest}`])
    await refused(await registry.ask(`/v2/${name}/${path}`, { as: "stranger" }), 404, "NAME_UNKNOWN");
  const stranger = await registry.ask(`/v2/${name}/blobs/uploads/`, { method: "POST", as: "stranger" });
  await refused(stranger, 404, "NAME_UNKNOWN");
  assert.equal((await registry.ask(`/v2/${name}/blobs/${digest}`, { as: "viewer" })).status, 200);
  const location = await begin(name);
  for (const [method, path] of [
    ["POST", `/v2/${name}/blobs/uploads/`],
    ["PATCH", location],
    ["GET", location],
    ["PUT", `/v2/${name}/manifests/x`],
    ["DELETE", `/v2/${name}/manifests/x`],
    ["DELETE", `/v2/${name}/blobs/${digest}`],
  ] as const)
    await refused(await registry.ask(path, { method, as: "viewer" }), 403, "DENIED");
  await refused(await registry.ask("/v2/lessons/nobody/tags/list"), 404, "NAME_UNKNOWN");
  await refused(await registry.ask("/v2/other/website/tags/list"), 404, "NAME_UNKNOWN");
  await refused(await registry.ask("/v2/a/b/c/tags/list"), 404, "NAME_UNKNOWN");
  await refused(await registry.ask("/v2/Lessons/x/tags/list"), 400, "NAME_INVALID");
  await refused(await registry.ask("/v2/..%2f..%2fetc/blobs/uploads/", { method: "POST" }), 400, "NAME_INVALID");
});

test("a blob in one request, by a digest and no other", async () => {
  const name = await repository();
  const bytes = randomBytes(100_000);
  const digest = digestOf(bytes);
  const post = (query: string, body: Uint8Array) => registry.ask(`/v2/${name}/blobs/uploads/?${query}`, { method: "POST", body });
  const files = readdirSync(uploadsFolder()).length;
  await refused(await post(`digest=${digest}`, bytes.subarray(1)), 400, "DIGEST_INVALID");
  await refused(await post("digest=sha256:12", bytes), 400, "DIGEST_INVALID");
  await refused(await post(`digest=sha512:${"0".repeat(128)}`, bytes), 400, "DIGEST_INVALID");
  await refused(await post("digest-algorithm=md5", Buffer.alloc(0)), 400, "DIGEST_INVALID");
  assert.equal(readdirSync(uploadsFolder()).length, files);
  assert.ok(!existsSync(contentFile(digest)));
  const head = () => registry.ask(`/v2/${name}/blobs/${digest}`, { method: "HEAD" });
  assert.equal((await head()).status, 404);

  const answer = await post(`digest=${digest}`, bytes);
  assert.equal(answer.status, 201);
  assert.equal(answer.headers.get("docker-content-digest"), digest);
  const got = await registry.ask(answer.headers.get("location") as string);
  assert.deepEqual(Buffer.from(await got.arrayBuffer()), bytes);
  assert.equal(got.headers.get("docker-content-digest"), digest);
  const there = await head();
  assert.deepEqual([there.status, there.headers.get("content-length")], [200, "100000"]);
  assert.deepEqual(readFileSync(contentFile(digest)), bytes);
  const empty = await registry.push(name, Buffer.alloc(0));
  assert.equal((await (await registry.ask(`/v2/${name}/blobs/${empty}`)).arrayBuffer()).byteLength, 0);
});

test("parts of a blob", async () => {
  const name = await repository();
  const digest = await registry.push(name, Buffer.from("0123456789"));
  const part = async (range: string) => {
    const answer = await registry.ask(`/v2/${name}/blobs/${digest}`, { headers: { range } });
    return [answer.status, answer.headers.get("content-range"), answer.status === 416 ? "" : await answer.text()];
  };
  assert.deepEqual(await part("bytes=2-4"), [206, "bytes 2-4/10", "234"]);
  assert.deepEqual(await part("bytes=8-"), [206, "bytes 8-9/10", "89"]);
  assert.deepEqual(await part("bytes=-3"), [206, "bytes 7-9/10", "789"]);
  assert.deepEqual(await part("bytes=5-99"), [206, "bytes 5-9/10", "56789"]);
  assert.deepEqual(await part("bytes=10-"), [416, "bytes */10", ""]);
  assert.deepEqual(await part("bytes=0-1,3-4"), [200, null, "0123456789"]);
});

test("chunks come in order, over a new process too; where it has got to is told", async () => {
  const name = await repository();
  const location = await begin(name);
  const patch = (body: string, range?: string) =>
    registry.ask(location, { method: "PATCH", body, headers: range === undefined ? {} : { "content-range": range } });
  const first = await patch("hello", "0-4");
  assert.deepEqual([first.status, first.headers.get("range")], [202, "0-4"]);
  for (const range of ["0-4", "6-10", "4-8", "nonsense"]) {
    const answer = await patch("world", range);
    assert.equal(answer.headers.get("range"), "0-4");
    await refused(answer, 416, "BLOB_UPLOAD_INVALID");
  }
  await refused(await patch("wor", "5-9"), 400, "SIZE_INVALID");
  registry.restart();
  const status = await registry.ask(location);
  assert.deepEqual([status.status, status.headers.get("range"), status.headers.get("location")], [204, "0-4", location]);
  // Without a range it goes on where it is; so does docker.
  assert.equal((await patch(", wor")).headers.get("range"), "0-9");
  const digest = digestOf("hello, world");
  const put = (body: string, range: string) =>
    registry.ask(`${location}?digest=${digest}`, { method: "PUT", body, headers: { "content-range": range } });
  await refused(await put("ld", "9-10"), 416, "BLOB_UPLOAD_INVALID");
  assert.equal((await put("ld", "10-11")).status, 201);
  assert.equal(await (await registry.ask(`/v2/${name}/blobs/${digest}`)).text(), "hello, world");
  await refused(await registry.ask(location), 404, "BLOB_UPLOAD_UNKNOWN");
});

test("an upload is of one repository; it can be given up; a wrong digest ends it", async () => {
  const [name, other] = [await repository(), await repository()];
  const location = await begin(name);
  await refused(await registry.ask(location.replace(name, other)), 404, "BLOB_UPLOAD_UNKNOWN");
  assert.equal((await registry.ask(location, { method: "DELETE" })).status, 204);
  await refused(await registry.ask(location, { method: "PATCH", body: "x" }), 404, "BLOB_UPLOAD_UNKNOWN");
  await refused(await registry.ask(`/v2/${name}/blobs/uploads/..%2f..%2fx`), 404, "BLOB_UPLOAD_UNKNOWN");
  const second = await begin(name);
  await refused(await registry.ask(second, { method: "PUT", body: "x" }), 400, "DIGEST_INVALID");
  assert.equal((await registry.ask(second)).status, 204);
  const wrong = await registry.ask(`${second}?digest=${digestOf("y")}`, { method: "PUT", body: "x" });
  await refused(wrong, 400, "DIGEST_INVALID");
  await refused(await registry.ask(second), 404, "BLOB_UPLOAD_UNKNOWN");
});

test("what had come before the connection broke off is kept, and goes on", async () => {
  const name = await repository();
  const location = await begin(name);
  const bytes = randomBytes(300_000);
  await new Promise<void>((resolve) => {
    const sending = httpRequest({
      port: registry.port,
      host: "127.0.0.1",
      path: location,
      method: "PATCH",
      headers: { authorization: `Basic ${Buffer.from("a:editor").toString("base64")}`, "content-length": bytes.length },
    });
    sending.on("error", () => resolve());
    sending.write(bytes.subarray(0, 200_000));
    const id = location.split("/").at(-1) as string;
    const look = setInterval(() => {
      if (readFileSync(join(uploadsFolder(), id)).length < 200_000) return;
      clearInterval(look);
      sending.destroy();
    }, 20);
  });
  // The door sees it when it does.
  for (const until = Date.now() + 120_000; Date.now() < until; await new Promise((resolve) => setTimeout(resolve, 20))) {
    const probe = await registry.ask(location, {
      method: "PATCH",
      body: bytes.subarray(200_000),
      headers: { "content-range": "200000-299999" },
    });
    if (probe.status === 202) break;
    assert.equal(probe.status, 409);
  }
  const digest = digestOf(bytes);
  assert.equal((await registry.ask(`${location}?digest=${digest}`, { method: "PUT" })).status, 201);
  assert.deepEqual(readFileSync(contentFile(digest)), bytes);
});

test("a blob is there for the repositories that have it; mounting asks for the right to read where it comes from", async () => {
  const [name, other] = [await repository(), await repository()];
  const bytes = randomBytes(1000);
  const digest = await registry.push(name, bytes);
  await refused(await registry.ask(`/v2/${other}/blobs/${digest}`), 404, "BLOB_UNKNOWN");
  const mount = (to: string, from: string, as = "editor") =>
    registry.ask(`/v2/${to}/blobs/uploads/?mount=${digest}&from=${from}`, { method: "POST", as });
  for (const from of ["lessons/nobody", "Not a name", other]) assert.equal((await mount(other, from)).status, 202, from);
  const answer = await mount(other, name);
  assert.deepEqual([answer.status, answer.headers.get("location")], [201, `/v2/${other}/blobs/${digest}`]);
  assert.deepEqual(Buffer.from(await (await registry.ask(`/v2/${other}/blobs/${digest}`)).arrayBuffer()), bytes);
  assert.equal((await registry.ask(`/v2/${name}/blobs/${digest}`, { method: "DELETE" })).status, 202);
  await refused(await registry.ask(`/v2/${name}/blobs/${digest}`, { method: "DELETE" }), 404, "BLOB_UNKNOWN");
  assert.equal((await registry.ask(`/v2/${other}/blobs/${digest}`)).status, 200);
});

test("manifests: byte for byte, by tag and digest, with everything that they name", async () => {
  const name = await repository();
  const image = imageOf(await tarball({ a: "1" }));
  const put = (reference: string, manifest: object, type = ociManifest) =>
    registry.putManifest(name, reference, manifest, { headers: { "content-type": type } });
  const unknown = await refused(await put("1", image.manifest), 404, "MANIFEST_BLOB_UNKNOWN");
  assert.match(unknown.errors[0].detail.digest, /^sha256:/);
  await registry.push(name, image.config);
  await registry.push(name, image.layer);
  await refused(await put("-1", image.manifest), 400, "MANIFEST_INVALID");
  await refused(await put("1", image.manifest, "application/json"), 400, "MANIFEST_INVALID");
  await refused(await put("1", { ...image.manifest, schemaVersion: 1 }), 400, "MANIFEST_INVALID");
  await refused(await put("1", { ...image.manifest, layers: [{ digest: "x" }] }), 400, "MANIFEST_INVALID");
  await refused(await put("1", { ...image.manifest, annotations: { a: "\0" } }), 400, "MANIFEST_INVALID");
  const larger = { ...image.manifest, config: { ...descriptor(image.config, "application/x"), size: 1 } };
  await refused(await put("1", larger), 400, "MANIFEST_INVALID");
  await refused(await put(digestOf("x"), image.manifest), 400, "DIGEST_INVALID");
  const huge = { ...image.manifest, annotations: { a: "x".repeat(4 * 1024 ** 2) } };
  assert.equal((await put("1", huge).catch(() => ({ status: 413 }))).status, 413);

  const text = `${JSON.stringify(image.manifest, undefined, 3)}\n`;
  const answer = await registry.ask(`/v2/${name}/manifests/1`, {
    method: "PUT",
    body: text,
    headers: { "content-type": ociManifest },
  });
  const digest = digestOf(text);
  assert.deepEqual([answer.status, answer.headers.get("docker-content-digest")], [201, digest]);
  assert.equal(answer.headers.get("location"), `/v2/${name}/manifests/${digest}`);
  for (const reference of ["1", digest]) {
    const got = await registry.ask(`/v2/${name}/manifests/${reference}`, { as: "viewer" });
    assert.equal(await got.text(), text);
    assert.deepEqual([got.headers.get("content-type"), got.headers.get("docker-content-digest")], [ociManifest, digest]);
    const head = await registry.ask(`/v2/${name}/manifests/${reference}`, { method: "HEAD" });
    assert.equal(head.headers.get("content-length"), String(text.length));
  }
  await refused(await registry.ask(`/v2/${name}/manifests/2`), 404, "MANIFEST_UNKNOWN");

  const index = { schemaVersion: 2, mediaType: ociIndex, manifests: [descriptor(text, ociManifest)] };
  assert.equal((await registry.putManifest(name, "all", index)).status, 201);
  const missing = { ...index, manifests: [descriptor("none", ociManifest)] };
  await refused(await registry.putManifest(name, "all", missing), 404, "MANIFEST_BLOB_UNKNOWN");

  await refused(await registry.ask(`/v2/${name}/blobs/${digestOf(image.layer)}`, { method: "DELETE" }), 405, "UNSUPPORTED");
  const tagged = await registry.putManifest(name, `${digestOf(JSON.stringify(image.manifest))}?tag=x&tag=y`, image.manifest);
  assert.equal(tagged.headers.get("oci-tag"), "x, y");
  assert.equal((await registry.ask(`/v2/${name}/manifests/1`, { method: "DELETE" })).status, 202);
  await refused(await registry.ask(`/v2/${name}/manifests/1`), 404, "MANIFEST_UNKNOWN");
  assert.equal((await registry.ask(`/v2/${name}/manifests/${digest}`, { method: "DELETE" })).status, 202);
  await refused(await registry.ask(`/v2/${name}/manifests/${digest}`), 404, "MANIFEST_UNKNOWN");
  const rows = await cloud.database.sql<{ action: string }[]>`
    select action from kernel.audit_entries where resource_name = ${name.slice(8)} and action like 'apps.image.%' order by sequence`;
  assert.deepEqual(
    rows.map(({ action }) => action.slice("apps.image.".length)),
    ["push", "push", "push", "delete", "delete"],
  );
});

test("tags and repositories are listed in pages, and only one's own", async () => {
  const name = await repository();
  const image = imageOf(await tarball({ a: "2" }));
  for (const tag of ["b", "B", "a", "1.0", "z"]) await pushImage(registry, name, tag, image);
  const list = async (query = "") => {
    const answer = await registry.ask(`/v2/${name}/tags/list${query}`);
    return { ...((await answer.json()) as Json), link: answer.headers.get("link") };
  };
  assert.deepEqual(await list(), { name, tags: ["1.0", "B", "a", "b", "z"], link: null });
  const first = await list("?n=2");
  assert.deepEqual(first.tags, ["1.0", "B"]);
  const next = /^<(.+)>; rel="next"$/.exec(first.link)?.[1] as string;
  assert.deepEqual(((await (await registry.ask(next)).json()) as Json).tags, ["a", "b"]);
  assert.deepEqual(await list("?n=0"), { name, tags: [], link: null });
  assert.deepEqual((await list("?last=b")).tags, ["z"]);
  await refused(await registry.ask(`/v2/${name}/tags/list?n=x`), 400, "UNSUPPORTED");
  const unused = await repository();
  assert.deepEqual(await (await registry.ask(`/v2/${unused}/tags/list`)).json(), { name: unused, tags: [] });
  const catalog = async (as: string, query = "") =>
    ((await (await registry.ask(`/v2/_catalog${query}`, { as })).json()) as Json).repositories as string[];
  assert.ok((await catalog("viewer")).includes(name));
  assert.deepEqual(await catalog("stranger"), []);
  assert.equal((await catalog("editor", "?n=1")).length, 1);
});

test("what refers to a manifest is listed, before it is there too", async () => {
  const name = await repository();
  const image = imageOf(await tarball({ a: "3" }));
  const subject = descriptor(JSON.stringify(image.manifest), ociManifest);
  const empty = descriptor("{}", "application/vnd.oci.empty.v1+json");
  await registry.push(name, Buffer.from("{}"));
  const artifact = { schemaVersion: 2, mediaType: ociManifest, config: empty, layers: [empty], subject };
  const one = { ...artifact, artifactType: "application/x.sbom", annotations: { by: "me" } };
  const answer = await registry.putManifest(name, digestOf(JSON.stringify(one)), one);
  assert.deepEqual([answer.status, answer.headers.get("oci-subject")], [201, subject.digest]);
  await registry.putManifest(name, digestOf(JSON.stringify(artifact)), artifact);
  await pushImage(registry, name, "3", image);
  const list = async (query = "") => registry.ask(`/v2/${name}/referrers/${subject.digest}${query}`);
  const all = await list();
  assert.equal(all.headers.get("content-type"), ociIndex);
  const found = (await all.json()) as Json;
  assert.equal(found.manifests.length, 2);
  const filtered = await list("?artifactType=application/x.sbom");
  assert.equal(filtered.headers.get("oci-filters-applied"), "artifactType");
  assert.deepEqual(((await filtered.json()) as Json).manifests, [
    { ...descriptor(JSON.stringify(one), ociManifest), artifactType: "application/x.sbom", annotations: { by: "me" } },
  ]);
  assert.ok(found.manifests.some((each: Json) => each.artifactType === "application/vnd.oci.empty.v1+json"));
  const first = await list("?n=1");
  const next = /^<(.+)>; rel="next"$/.exec(first.headers.get("link") as string)?.[1] as string;
  const both = [...((await first.json()) as Json).manifests, ...((await (await registry.ask(next)).json()) as Json).manifests];
  assert.deepEqual(both, found.manifests);
  const none = await registry.ask(`/v2/${name}/referrers/${digestOf("nobody")}`);
  assert.deepEqual(((await none.json()) as Json).manifests, []);
  await refused(await registry.ask(`/v2/${name}/referrers/sha256:1`), 400, "DIGEST_INVALID");
});

test("bytes count, once for each repository, and come back", async () => {
  const name = await repository();
  const before = await cloud.quota("apps.images");
  const bytes = randomBytes(50_000);
  const digest = await registry.push(name, bytes);
  await registry.push(name, bytes);
  assert.equal((await cloud.quota("apps.images")) - before, 50_000);
  const spans = () => cloud.database.sql<{ open: number }[]>`
    select count(*) filter (where to_at is null)::int as open from kernel.usage_records where id like ${`apps.images:blob:%${digest}%`}`;
  assert.equal((await spans())[0]?.open, 1);
  await cloud.database.sql`insert into kernel.quota_limits (scope_id, organisation_id, name, limit_value)
    select id, organisation_id, 'apps.images', ${before + 60_000} from identity.projects where id = ${cloud.project}`;
  try {
    const more = randomBytes(20_000);
    const post = await registry.ask(`/v2/${name}/blobs/uploads/?digest=${digestOf(more)}`, { method: "POST", body: more });
    assert.match((await refused(post, 403, "DENIED")).errors[0].message, /quota/);
    const location = await begin(name);
    // Without a length, bit by bit: it ends where there is no room any more.
    const endless = new ReadableStream({
      pull: (controller) => controller.enqueue(randomBytes(1000)),
    });
    const outcome = await registry.ask(location, { method: "PATCH", body: endless }).then(
      ({ status }) => status,
      () => "cut",
    );
    assert.ok(outcome === 403 || outcome === "cut", String(outcome));
    const [, id = ""] = /uploads\/(.+)$/.exec(location) ?? [];
    assert.ok(readFileSync(join(uploadsFolder(), id)).length <= 10_000);
  } finally {
    await cloud.database.sql`delete from kernel.quota_limits`;
  }
  assert.equal((await registry.ask(`/v2/${name}/blobs/${digest}`, { method: "DELETE" })).status, 202);
  assert.equal(await cloud.quota("apps.images"), before);
  assert.equal((await spans())[0]?.open, 0);
});

test("what nobody has goes after a day: uploads, blobs without a manifest, files without a repository", async () => {
  const app = await cloud.app();
  const name = `lessons/${app.name}`;
  const image = imageOf(await tarball({ a: randomBytes(8).toString("hex") }));
  await pushImage(registry, name, "kept", image);
  const lone = await registry.push(name, randomBytes(500));
  const fresh = await registry.push(name, randomBytes(500));
  const location = await begin(name);
  const [, upload = ""] = /uploads\/(.+)$/.exec(location) ?? [];
  const stray = join(uploadsFolder(), "11111111-2222-4333-8444-555555555555");
  writeFileSync(stray, "x");
  const old = new Date(Date.now() - 25 * 3600_000);
  utimesSync(stray, old, old);
  await cloud.database.sql`update apps.registry_blobs set seen_at = ${old} where digest <> ${fresh}`;
  await cloud.database.sql`update apps.registry_uploads set updated_at = ${old} where id = ${upload}`;
  const blobs = openBlobs(cloud.directory);
  const sweep = (before: Date) => sweepRegistry(cloud.parts, blobs, before, new AbortController().signal);
  await sweep(new Date(Date.now() - 24 * 3600_000));
  assert.ok(!existsSync(stray));
  assert.ok(!existsSync(join(uploadsFolder(), upload)));
  await refused(await registry.ask(location), 404, "BLOB_UPLOAD_UNKNOWN");
  await refused(await registry.ask(`/v2/${name}/blobs/${lone}`), 404, "BLOB_UNKNOWN");
  // Its file is young still.
  assert.ok(existsSync(contentFile(lone)));
  await sweep(new Date(Date.now() + 1000));
  assert.ok(!existsSync(contentFile(lone)));
  for (const digest of [digestOf(image.layer), digestOf(image.config)])
    assert.equal((await registry.ask(`/v2/${name}/blobs/${digest}`)).status, 200);

  const used = await cloud.quota("apps.images");
  const [{ bytes } = { bytes: 0 }] = await cloud.database.sql<{ bytes: number }[]>`
    select (select coalesce(sum(size_bytes), 0) from apps.registry_blobs where app_id = ${app.id})::bigint
      + (select coalesce(sum(size_bytes), 0) from apps.registry_manifests where app_id = ${app.id})::bigint as bytes`;
  const answer = await cloud.call("editor", "DELETE", `/apps/${app.id}?confirm=${app.name}`);
  await cloud.done(answer.body.id);
  assert.ok(bytes > 0);
  assert.equal(await cloud.quota("apps.images"), used - bytes);
  await refused(await registry.ask(`/v2/${name}/tags/list`), 404, "NAME_UNKNOWN");
  await sweep(new Date(Date.now() + 1000));
  assert.ok(!existsSync(contentFile(digestOf(image.layer))));
});

test("skopeo pushes and pulls what it has pushed, in both forms of manifests", async () => {
  assert.deepEqual(await installTestTools(registryTools), []);
  const app = await cloud.app();
  const image = imageOf(await tarball({ "bin/app": "#!/bin/sh\n" }), { Cmd: ["/bin/app"] });
  const layout = join(folder, "layout");
  mkdirSync(join(layout, "blobs", "sha256"), { recursive: true });
  const manifest = Buffer.from(JSON.stringify(image.manifest));
  for (const bytes of [image.config, image.layer, manifest])
    writeFileSync(join(layout, "blobs", "sha256", digestOf(bytes).slice(7)), bytes);
  writeFileSync(join(layout, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  writeFileSync(join(layout, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [descriptor(manifest, ociManifest)] }));
  const skopeo = (...words: string[]) =>
    run("skopeo", ["--insecure-policy", ...words], {
      timeout: 60_000,
      env: { ...process.env, HOME: folder, XDG_RUNTIME_DIR: folder },
    });
  const at = (name: string) => `docker://127.0.0.1:${registry.port}/${name}`;
  const push = ["--dest-tls-verify=false", "--dest-creds=me:editor"];
  await skopeo("copy", ...push, `oci:${layout}`, at(`lessons/${app.name}:oci`));
  await skopeo("copy", ...push, "--format=v2s2", `oci:${layout}`, at(`${app.id}:docker`));
  for (const tag of ["oci", "docker"]) {
    const back = join(folder, tag);
    await skopeo("copy", "--src-tls-verify=false", "--src-creds=me:viewer", at(`lessons/${app.name}:${tag}`), `dir:${back}`);
    assert.deepEqual(readFileSync(join(back, digestOf(image.config).slice(7))), image.config);
  }
  const { stdout } = await skopeo("list-tags", "--tls-verify=false", "--creds=me:viewer", at(`lessons/${app.name}`));
  assert.deepEqual(JSON.parse(stdout).Tags, ["docker", "oci"]);
  await assert.rejects(
    skopeo("copy", "--dest-tls-verify=false", "--dest-creds=me:viewer", `oci:${layout}`, at(`lessons/${app.name}:no`)),
    /may not do this|denied/i,
  );
  await skopeo("delete", "--tls-verify=false", "--creds=me:editor", at(`lessons/${app.name}:oci`));
  await assert.rejects(skopeo("inspect", "--tls-verify=false", "--creds=me:viewer", at(`lessons/${app.name}:oci`)), /manifest/i);
});

test("the API lists the tags of an app with what they stand for; the last tag takes its image with it", async () => {
  const app = await cloud.app("tagged");
  const name = "lessons/tagged";
  const image = imageOf(await tarball({ one: "1" }));
  const digest = await pushImage(registry, name, "1.0", image);
  await pushImage(registry, name, "latest", image);
  const other = imageOf(await tarball({ two: "2" }), {}, "arm64");
  const index = {
    schemaVersion: 2,
    mediaType: ociIndex,
    manifests: [descriptor(JSON.stringify(image.manifest), ociManifest), descriptor(JSON.stringify(other.manifest), ociManifest)],
  };
  await pushImage(registry, name, "arm", other);
  assert.equal((await registry.putManifest(name, "all", index)).status, 201);
  const list = async (query = "") => (await cloud.call("viewer", "GET", `/apps/${app.id}/image-tags${query}`)).body;
  const { items } = await list();
  const sizeOf = (...images: { config: Buffer; layer: Buffer }[]) =>
    images.reduce((sum, each) => sum + each.config.length + each.layer.length, 0);
  assert.deepEqual(
    items.map((each: Json) => [each.name, each.isIndex, each.sizeBytes, each.reference]),
    [
      ["1.0", false, sizeOf(image), "cloud.test/lessons/tagged:1.0"],
      ["all", true, sizeOf(image, other), "cloud.test/lessons/tagged:all"],
      ["arm", false, sizeOf(other), "cloud.test/lessons/tagged:arm"],
      ["latest", false, sizeOf(image), "cloud.test/lessons/tagged:latest"],
    ],
  );
  assert.equal(items[0].digest, digest);
  const first = await list("?limit=3");
  assert.deepEqual([first.items.length, (await list(`?limit=3&cursor=${first.nextCursor}`)).items.length], [3, 1]);

  const remove = (tag: string, as: "editor" | "viewer" = "editor") =>
    cloud.call(as, "DELETE", `/apps/${app.id}/image-tags/${tag}`);
  assert.equal((await remove("1.0", "viewer")).status, 403);
  assert.equal((await remove("nothing")).status, 404);
  const isThere = async (wanted: string) => (await registry.ask(`/v2/${name}/manifests/${wanted}`)).status === 200;
  const armDigest = digestOf(JSON.stringify(other.manifest));
  assert.equal((await remove("1.0")).status, 204);
  assert.equal((await remove("latest")).status, 204);
  assert.ok(await isThere(digest), "the index names it");
  assert.equal((await remove("all")).status, 204);
  assert.deepEqual([await isThere(digest), await isThere(armDigest)], [false, true]);
  assert.deepEqual(
    (await list()).items.map((each: Json) => each.name),
    ["arm"],
  );
});

test("a name with the cloud's own address is one of its registry", () => {
  for (const [host, image, expected] of [
    ["cloud.example.org", "cloud.example.org/shop/web:1", "shop/web:1"],
    ["cloud.example.org", "Cloud.example.org:443/web", "web"],
    ["127.0.0.1:8080", "localhost:8080/shop/web", "shop/web"],
    ["cloud.example.org", "docker.io/library/nginx", undefined],
    ["cloud.example.org:8443", "cloud.example.org/web", undefined],
    ["cloud.example.org", "web:1", undefined],
    [undefined, "cloud.example.org/web", undefined],
  ] as const)
    assert.equal(inOwnRegistry(host, image), expected, image);
});
