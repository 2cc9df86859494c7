import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, utimesSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, before, describe, test } from "node:test";
import { pack } from "tar-stream";
import { createAuthority, issueCertificate } from "../../../gateway/certificates/authority.ts";
import { silentLog } from "../../../kernel/log.ts";
import { masterKeyBytes, openSecrets } from "../../../kernel/secrets.ts";
import { refuses } from "../drivers/conformance.suite.ts";
import type { NodeImageOffer } from "../nodesDriver.ts";
import { type NodeDoor, openNodeDoor } from "./nodeDoor.ts";
import { type NodeImages, openNodeImages } from "./nodeImages.ts";

const digestOf = (content: Buffer): string => `sha256:${createHash("sha256").update(content).digest("hex")}`;
/** Of nobody else on this machine: two runs of this file have two addresses. */
const host = `127.${[...randomBytes(3)].map((each) => 1 + (each % 254)).join(".")}`;

/** As `docker save` of Docker 20.10 writes it; each of the layers is only a few bytes that say which one it is. */
function saved(...layers: string[]): { id: string; save: () => Promise<Readable> } {
  const contents = layers.map((each) => Buffer.from(each));
  const config = Buffer.from(JSON.stringify({ os: "linux", rootfs: { type: "layers", diff_ids: contents.map(digestOf) } }));
  return {
    id: digestOf(config),
    save: async () => {
      const tar = pack();
      for (const [i, content] of contents.entries()) {
        tar.entry({ name: `${i}/`, type: "directory" });
        tar.entry({ name: `${i}/VERSION` }, "1.0");
        tar.entry({ name: `${i}/layer.tar` }, content);
      }
      tar.entry({ name: "again/layer.tar", type: "symlink", linkname: "../0/layer.tar" });
      tar.entry({ name: `${digestOf(config).slice(7)}.json` }, config);
      tar.entry({ name: "manifest.json" }, "[]");
      tar.finalize();
      return tar;
    },
  };
}

describe("the registry of nodes", () => {
  const folder = mkdtempSync(join(tmpdir(), "khmara-node-door-"));
  const kept = join(folder, "apps", "registry", "nodes");
  let images: NodeImages;
  let door: NodeDoor;
  let authority: Awaited<ReturnType<typeof createAuthority>>;

  const open = () =>
    openNodeDoor({
      images,
      secrets: openSecrets(Buffer.alloc(masterKeyBytes, 7)),
      log: silentLog,
      certificate: async (at) => ({
        authority: authority.certificate,
        ...(await issueCertificate(authority, [at])),
      }),
    });

  before(async () => {
    authority = await createAuthority({ name: "Test nodes" });
    images = openNodeImages(folder);
    door = open();
  });
  after(async () => {
    await door.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const ask = (path: string, offer: Partial<NodeImageOffer>, headers: Record<string, string> = {}, method = "GET") =>
    new Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; body: Buffer }>((resolve, reject) => {
      const auth = offer.user === undefined ? undefined : `${offer.user}:${offer.password}`;
      const asked = request(
        { host, port: 2378, path, method, auth, headers, ca: authority.certificate, agent: false },
        (answer) =>
          answer
            .toArray()
            .then(
              (pieces) => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(pieces) }),
              reject,
            ),
      );
      asked.on("error", reject);
      asked.end();
    });
  const pathOf = ({ repository = "" }: Partial<NodeImageOffer>) => `/v2${repository.slice(repository.indexOf("/"))}`;

  test("an image is pulled as the specification says, each layer as it is in the engine", async () => {
    const { id, save } = saved("base", "app", "base");
    const offer = await door.offer({ id, host, save });
    assert.equal(offer.registry, `${host}:2378`);
    assert.equal((await ask("/v2/", offer)).status, 200);
    const answer = await ask(`${pathOf(offer)}/manifests/${offer.digest}`, offer);
    assert.equal(answer.headers["content-type"], "application/vnd.oci.image.manifest.v1+json");
    assert.equal(digestOf(answer.body), offer.digest);
    const manifest = JSON.parse(answer.body.toString());
    assert.equal(manifest.config.digest, id);
    assert.equal(manifest.layers.length, 3);
    for (const { digest, size } of [manifest.config, ...manifest.layers]) {
      const blob = await ask(`${pathOf(offer)}/blobs/${digest}`, offer);
      assert.deepEqual([blob.status, blob.body.length, digestOf(blob.body)], [200, size, digest]);
    }
    const part = await ask(`${pathOf(offer)}/blobs/${id}`, offer, { range: "bytes=5-" });
    assert.deepEqual([part.status, part.body.toString()[0]], [206, ":"]);
    const head = await ask(`${pathOf(offer)}/manifests/${offer.digest}`, offer, {}, "HEAD");
    assert.deepEqual([head.status, head.body.length], [200, 0]);
  });

  test("where the engine keeps manifests, an image's id is that of one, and it is served as it is", async () => {
    const contents = new Map<string, Buffer>();
    const add = (content: object | string, mediaType: string) => {
      const bytes = Buffer.from(typeof content === "string" ? content : JSON.stringify(content));
      contents.set(digestOf(bytes), bytes);
      return { mediaType, digest: digestOf(bytes), size: bytes.length };
    };
    const oci = "application/vnd.oci.image";
    const manifestOf = (word: string) => {
      const config = add({ rootfs: { diff_ids: [digestOf(Buffer.from("unpacked"))] } }, `${oci}.config.v1+json`);
      const layers = [add(`packed ${word}`, `${oci}.layer.v1.tar+gzip`)];
      return add({ schemaVersion: 2, mediaType: `${oci}.manifest.v1+json`, config, layers }, `${oci}.manifest.v1+json`);
    };
    const mine = manifestOf("mine");
    // Of another kind of machine, which this engine has not pulled.
    const absent = { ...mine, digest: digestOf(Buffer.from("elsewhere")) };
    const index = add({ schemaVersion: 2, mediaType: `${oci}.index.v1+json`, manifests: [absent, mine] }, `${oci}.index.v1+json`);
    const save = (left?: string) => async () => {
      const tar = pack();
      for (const [digest, content] of contents)
        if (digest !== left) tar.entry({ name: `blobs/sha256/${digest.slice(7)}` }, content);
      tar.finalize();
      return tar;
    };
    const layer = digestOf(Buffer.from("packed mine"));
    await refuses(images.keep(index.digest, save(layer)), "unavailable", "node_image");
    for (const { digest: id, mediaType } of [index, mine]) {
      const offer = await door.offer({ id, host, save: save() });
      assert.equal(offer.digest, id);
      const answer = await ask(`${pathOf(offer)}/manifests/${id}`, offer);
      assert.deepEqual([answer.headers["content-type"], digestOf(answer.body)], [mediaType, id]);
      assert.equal((await ask(`${pathOf(offer)}/manifests/${mine.digest}`, offer)).status, 200);
      assert.equal((await ask(`${pathOf(offer)}/blobs/${layer}`, offer)).body.toString(), "packed mine");
      assert.equal((await ask(`${pathOf(offer)}/manifests/${absent.digest}`, offer)).status, 404);
    }
  });

  test("a password opens one image, for a while, and for reading alone", async () => {
    const one = saved("base", "one");
    const other = saved("base", "other");
    const mine = await door.offer({ id: one.id, host, save: one.save });
    const theirs = await door.offer({ id: other.id, host, save: other.save });
    const path = `${pathOf(theirs)}/blobs/${other.id}`;
    const until = String(Number(mine.password.split(".")[0]) + 1000);
    const longer = mine.password.replace(/^\d+/, until);
    const nobody = [{}, { ...theirs, password: "x" }, { ...mine, password: longer }, { ...mine, user: theirs.user }];
    for (const each of nobody) {
      const { status, headers } = await ask(path, each);
      assert.equal(status, 401);
      assert.match(String(headers["www-authenticate"]), /^Basic /);
    }
    assert.equal((await ask(path, mine)).status, 403, "another image");
    assert.equal((await ask(`${pathOf(mine)}/blobs/${other.id}`, mine)).status, 404, "not of this image");
    assert.equal((await ask(`${pathOf(mine)}/blobs/${one.id}`, mine, {}, "DELETE")).status, 405);
    assert.equal((await ask("/v2/_catalog", mine)).status, 404);
    assert.equal((await ask(`${pathOf(mine)}/manifests/../../../etc/passwd`, mine)).status, 404);
    const { status, headers } = await ask(`${pathOf(mine)}/blobs/${one.id}`, mine, { range: "bytes=99999-" });
    assert.deepEqual([status, /^bytes \*\/\d+$/.test(String(headers["content-range"]))], [416, true]);
    const late = Date.now;
    Date.now = () => late() + 3601_000;
    try {
      assert.equal((await ask(path, theirs)).status, 401, "an hour later");
    } finally {
      Date.now = late;
    }
  });

  test("what another process of the cloud offers is served too", async () => {
    const { id, save } = saved("base", "of the second");
    const second = open();
    const offer = await second.offer({ id, host, save });
    assert.equal((await ask(`${pathOf(offer)}/blobs/${id}`, offer)).status, 200);
    await second.close();
  });

  test("an image is read out of the engine once, and one that is cut off is refused", async () => {
    const { id, save } = saved("base", "once");
    let times = 0;
    const counted = () => {
      times++;
      return save();
    };
    await Promise.all([images.keep(id, counted), images.keep(id, counted)]);
    await images.keep(id, counted);
    assert.equal(times, 1);
    const whole = saved("base", "whole");
    const half = saved("base");
    await refuses(images.keep(whole.id, half.save), "unavailable", "node_image");
    const broken = async () => {
      const content = Buffer.concat(await Array.fromAsync<Buffer>(await whole.save()));
      return Readable.from(
        (function* () {
          yield content.subarray(0, 1500);
          throw new Error("the engine has ended");
        })(),
      );
    };
    await assert.rejects(images.keep(whole.id, broken), /the engine has ended/);
    assert.equal(await images.find(whole.id), undefined);
    await images.keep(whole.id, whole.save);
    assert.ok(!readdirSync(kept).some((name) => name.endsWith(".part")));
  });

  test("what no image has any more goes, and what another one shares stays", async () => {
    const [gone, there, unused] = [saved("base", "gone"), saved("base", "there"), saved("unused")];
    for (const { id, save } of [gone, there, unused]) await images.keep(id, save);
    const has = (text: string) => readdirSync(kept).includes(digestOf(Buffer.from(text)).slice(7));
    const isThere = async (id: string) => id !== gone.id;
    const dayAgo = new Date(Date.now() - 86_400_000);
    await images.sweep(dayAgo, isThere);
    assert.ok(has("gone"), "somebody may be writing it");
    const age = (text: string | undefined, hours: number) => {
      const at = new Date(Date.now() - hours * 3600_000);
      for (const name of readdirSync(kept))
        if (text === undefined || name === digestOf(Buffer.from(text)).slice(7) || `sha256:${name}` === text)
          utimesSync(join(kept, name), at, at);
    };
    age(undefined, 2);
    for (const each of ["unused", unused.id]) age(each, 25);
    await images.sweep(dayAgo, isThere);
    assert.deepEqual(["gone", "unused", "base", "there"].map(has), [false, false, true, true]);
    assert.equal(await images.find(gone.id), undefined);
    assert.ok(await images.find(there.id));
    await images.keep(gone.id, gone.save);
    assert.ok(await images.find(gone.id));
  });
});
