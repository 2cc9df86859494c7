import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { newId } from "../kernel/ids.ts";
import { fakeCloud, problem, runCli, temporaryHome } from "./fake-cloud.ts";
import { imageNameOf } from "./image-files.ts";

const project = { id: newId("project"), name: "Shop", slug: "shop" };
const organisation = { id: newId("organisation"), name: "Home", slug: "home", projects: [project] };
const id = newId("image");

async function start() {
  const content = randomBytes(300_000);
  const state = { breakOff: false };
  const cloud = await fakeCloud({
    "GET /identity": () => ({ body: { principal: {}, bindings: [], organisations: [organisation], recoveryCodesLeft: 0 } }),
    "POST /images/upload": ({ query, bytes }) =>
      bytes.length < 100
        ? problem(400, "invalid_argument", "This file is no image.")
        : { status: 201, body: { id, name: query["name"], sizeBytes: bytes.length } },
    "GET /images/{image}/content": () => ({
      raw: state.breakOff ? content.subarray(0, 1000) : content,
      headers: { "content-length": String(content.length), "content-disposition": 'attachment; filename="web.image"' },
      breakOff: state.breakOff,
    }),
    "GET /images": () => ({ body: { items: [] } }),
    "POST /images/build": () => problem(409, "failed_precondition", "There is no engine."),
  });
  const home = temporaryHome();
  const env = { ...home.env, KHMARA_ENDPOINT: cloud.endpoint, KHMARA_TOKEN: "t" };
  const cli = (words: string[], input?: Buffer) => runCli(["image", ...words], { env, ...(input ? { input } : {}) });
  return { cloud, home, cli, content, state };
}

test("a file becomes an image, named after the file, in the only project", async (t) => {
  const { cloud, home, cli, content } = await start();
  t.after(async () => {
    await cloud.close();
    home.remove();
  });
  const file = join(home.folder, "Debian 12 (own).tar.gz");
  writeFileSync(file, content);
  const sent = await cli(["upload", file, "--default-user", "debian"]);
  assert.equal(sent.code, 0, sent.notes);
  assert.match(sent.out, new RegExp(`debian-12-own is ready \\(${id}, `));
  const seen = cloud.seen.at(-1);
  assert.deepEqual({ ...seen?.query }, { project: project.id, name: "debian-12-own", defaultUser: "debian" });
  assert.ok(seen?.bytes.equals(content));
  assert.equal(seen?.headers["content-length"], String(content.length));

  const pipe = await cli(["upload", "-", "--name", "piped", "--scope", "cloud", "-q"], content);
  assert.deepEqual([pipe.code, pipe.out], [0, `${id}\n`], pipe.notes);
  assert.deepEqual({ ...cloud.seen.at(-1)?.query }, { name: "piped", scope: "cloud" });
  assert.ok(cloud.seen.at(-1)?.bytes.equals(content));

  writeFileSync(file, "Dear Sir");
  const refused = await cli(["upload", file]);
  assert.equal(refused.code, 1);
  assert.match(refused.notes, /no image/);
  for (const [words, message] of [
    [["upload"], /Which file/],
    [["upload", "-"], /--name NAME/],
    [["upload", join(home.folder, "nothing")], /There is no file/],
    [["upload", home.folder], /not a file/],
  ] as const)
    assert.match((await cli([...words])).notes, message);
});

test("an image becomes a file, whole or not at all", async (t) => {
  const { cloud, home, cli, content, state } = await start();
  t.after(async () => {
    await cloud.close();
    home.remove();
  });
  const path = join(home.folder, "web.image");
  const got = await cli(["download", id, "--output", home.folder]);
  assert.equal(got.code, 0, got.notes);
  assert.ok(readFileSync(path).equals(content));
  assert.match((await cli(["download", id, "--output", path])).notes, /exists already/);
  state.breakOff = true;
  const other = join(home.folder, "other.image");
  const broken = await cli(["download", id, "--output", other]);
  assert.equal(broken.code, 1);
  assert.equal(existsSync(other), false);
});

test("what is built and listed is the project's, unless the cloud is meant", async (t) => {
  const { cloud, home, cli } = await start();
  t.after(async () => {
    await cloud.close();
    home.remove();
  });
  await cli(["list"]);
  assert.equal(cloud.seen.at(-1)?.query["project"], project.id);
  await cli(["list", "--cloud"]);
  assert.equal(cloud.seen.at(-1)?.query["project"], undefined);
  await cli(["build", "debian-12"]);
  assert.deepEqual(cloud.seen.at(-1)?.body, { recipe: "debian-12", project: project.id });
  await cli(["build", "debian-12", "--scope", "cloud"]);
  assert.deepEqual(cloud.seen.at(-1)?.body, { recipe: "debian-12", scope: "cloud" });
});

test("names of files as names of images", () => {
  for (const [file, name] of [
    ["/tmp/Debian_12.tar.xz", "debian-12"],
    ["disk.qcow2", "disk"],
    ["alpine-3.22.image", "alpine-3.22"],
    ["....", ""],
  ])
    assert.equal(imageNameOf(file as string), name);
});
