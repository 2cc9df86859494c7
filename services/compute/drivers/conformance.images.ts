import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { describe, test } from "node:test";
import { pack } from "tar-stream";
import { refuses, type Suite } from "./conformance.suite.ts";

const hashOf = async (content: AsyncIterable<Uint8Array>): Promise<string> => {
  const hash = createHash("sha256");
  for await (const chunk of content) hash.update(chunk);
  return hash.digest("hex");
};

export function imageConformance(suite: Suite): void {
  describe("images", { concurrency: false }, () => {
    test("what the engine is and has", async () => {
      const info = await suite.driver.info();
      assert.match(info.version, /^\d+\.\d+/);
      assert.match(info.architecture, /^(amd64|arm64)$/);
      assert.equal(info.kinds.container.available, true);
      if (!info.kinds.vm.available) assert.match(info.kinds.vm.reason, /^[A-Z].{20,}\.?$/);
      assert.ok(info.pool.totalBytes > info.pool.usedBytes);
      assert.ok(info.pool.usedBytes > 0);
      const members = await suite.driver.members();
      assert.ok(members.length >= 1);
      for (const member of members) {
        assert.equal(member.state, "online");
        assert.ok(member.cpus >= 1);
        assert.ok(member.memoryBytes > member.memoryUsedBytes);
        assert.equal(member.architecture, info.architecture);
      }
    });

    test("an image that was imported is there, with its labels; importing it again changes nothing", async () => {
      const { architecture } = await suite.driver.info();
      const [image] = (await suite.driver.imageList()).filter(({ name }) => name === suite.image.name);
      assert.ok(image);
      assert.equal(image.kind, "container");
      assert.equal(image.architecture, architecture);
      assert.deepEqual(image.labels, { image: "img_1" });
      assert.ok(image.sizeBytes > 10_000_000);
      const unread = Readable.from([Buffer.from("nothing that anybody reads")]);
      assert.deepEqual(await suite.driver.imageImport(suite.image.name, unread), image);
      assert.equal(unread.destroyed, true);
    });

    test("the same bytes under another name are an image of their own; an export is what was imported", async () => {
      const name = suite.name("twin");
      const twin = await suite.driver.imageImport(name, createReadStream(suite.world.imageFile), { labels: { image: "img_2" } });
      assert.deepEqual(twin.labels, { image: "img_2" });
      const { content, sizeBytes } = await suite.driver.imageExport(name);
      assert.equal(await hashOf(content), await hashOf(createReadStream(suite.world.imageFile)));
      if (sizeBytes !== undefined) assert.equal(sizeBytes, twin.sizeBytes);
      await suite.driver.imageDelete(name);
      await suite.driver.imageDelete(name);
      assert.deepEqual(
        (await suite.driver.imageList()).map((image) => [image.name, image.labels]),
        [[suite.image.name, { image: "img_1" }]],
      );
      await refuses(suite.driver.imageExport(name), "not_found");
    });

    test("what is no image is refused, and leaves nothing", async () => {
      const { driver } = suite;
      const name = suite.name("bad");
      const bare = { architecture: "amd64", description: "Bad" };
      const words = () => Readable.from([Buffer.from("these are words and not an image")]);
      await refuses(driver.imageImport(name, words()), "invalid_argument", "not_an_image");
      await refuses(driver.imageImport(name, Readable.from([])), "invalid_argument", "not_an_image");
      await refuses(
        driver.imageImport(name, words(), { bare: { kind: "container", ...bare } }),
        "invalid_argument",
        "not_an_image",
      );
      await refuses(driver.imageImport(name, words(), { bare: { kind: "vm", ...bare } }), "invalid_argument", "not_an_image");
      const breaks = new Readable({
        read() {
          this.push(Buffer.alloc(100_000, 1));
          setImmediate(() => this.destroy(new Error("the disk it came from broke")));
        },
      });
      await assert.rejects(driver.imageImport(name, breaks));
      assert.equal((await driver.imageList()).length, 1);
    });

    test("bare root disks: a tarball of a root file system, and a qcow2", async () => {
      const { driver } = suite;
      const { architecture } = await driver.info();
      const tarball = pack();
      tarball.entry({ name: "etc/os-release" }, "ID=tiny\n");
      tarball.entry({ name: "filling" }, Buffer.alloc(200_000, "khmara "));
      tarball.finalize();
      const name = suite.name("bare");
      const bare = { kind: "container", architecture, description: "Tiny" } as const;
      const bytes = await buffer(tarball);
      const made = await driver.imageImport(name, Readable.from([bytes]), { labels: { image: "img_3" }, bare });
      assert.equal(made.kind, "container");
      assert.equal(made.architecture, architecture);
      assert.deepEqual(made.labels, { image: "img_3" });
      // Its export is in two parts; importing that makes the same image again.
      const { content } = await driver.imageExport(name);
      const copy = await driver.imageImport(suite.name("bare2"), content);
      assert.equal(copy.fingerprint, made.fingerprint);
      const again = await driver.imageImport(suite.name("bare3"), Readable.from([bytes]), { bare });
      assert.equal(again.fingerprint, made.fingerprint);
      await driver.imageDelete(name);
      await driver.imageDelete(suite.name("bare2"));
      await driver.imageDelete(suite.name("bare3"));

      const qcow2 = Buffer.concat([Buffer.from("514649fb00000003", "hex"), Buffer.alloc(65_536)]);
      const vm = await driver.imageImport(suite.name("vm"), Readable.from([qcow2]), { bare: { ...bare, kind: "vm" } });
      assert.equal(vm.kind, "vm");
      await driver.imageDelete(suite.name("vm"));
      assert.equal((await driver.imageList()).length, 1);
    });

    test("an image server that is not there", { timeout: 30_000 }, async () => {
      const source = { server: "https://images.khmara.invalid", alias: "debian/12", kind: "container" } as const;
      await refuses(suite.driver.imageFetch(suite.name("fetched"), source), "unavailable", "image_server_unreachable");
    });
  });
}
