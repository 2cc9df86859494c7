import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { describe, test } from "node:test";
import { extract, pack } from "tar-stream";
import { testContext, testRootfs } from "../../../testing/docker.ts";
import { refuses, type Suite } from "./conformance.suite.ts";

export function imageConformance(suite: Suite): void {
  describe("images", () => {
    test("what it is", async () => {
      const info = await suite.engine.info();
      assert.equal(info.kind, "docker");
      assert.match(info.version, /^\d+\.\d+/);
      assert.match(info.apiVersion, /^1\.\d+$/);
      assert.ok(info.cpus >= 1 && info.memoryBytes > 0);
      assert.match(info.dataFolder, /^\//);
      assert.equal(info.seccomp, true);
    });

    test("an import is there by id and by name, with what it says of itself, and once more comes out the same", async () => {
      const { engine } = suite;
      const spec = {
        name: "tools/one:2",
        labels: { kind: "test", odd: 'a "b" $HOME \\ ü' },
        defaults: {
          entrypoint: ["/bin/echo"],
          command: ["hello", 'two "words"'],
          environment: { PATH: "/bin", ODD: 'x=$PATH "y" \\' },
          workingDirectory: "/data",
          user: "nobody",
        },
      };
      const made = await engine.imageImport(spec, Readable.from([await testRootfs()]));
      assert.match(made.id, /^sha256:[0-9a-f]{64}$/);
      assert.deepEqual(made.names, ["tools/one:2"]);
      assert.deepEqual(made.labels, spec.labels);
      assert.deepEqual(made.defaults, spec.defaults);
      assert.ok(made.sizeBytes > 1_000_000);
      assert.deepEqual(await engine.imageGet(made.id), made);
      assert.deepEqual(await engine.imageGet("tools/one:2"), made);
      const again = await engine.imageImport(spec, Readable.from([await testRootfs()]));
      assert.equal(again.id, made.id);
      await refuses(
        engine.imageImport({ ...spec, labels: { kind: "other" } }, Readable.from([await testRootfs()])),
        "already_exists",
        "engine_different",
      );
      assert.ok((await engine.imageList()).some(({ id }) => id === made.id));
      await engine.imageRemove(made.id);
      assert.equal(await engine.imageGet(made.id), undefined);
      await engine.imageRemove(made.id);
    });

    test("what is no tarball, no name, no image", async () => {
      const { engine } = suite;
      await refuses(
        engine.imageImport({ name: "bad", labels: {} }, Readable.from([Buffer.alloc(4096, "x")])),
        "invalid_argument",
      );
      await refuses(engine.imageImport({ name: "Bad Name", labels: {} }, Readable.from([""])), "invalid_argument");
      await refuses(engine.imageImport({ name: "bad", labels: { cloud: "other" } }, Readable.from([""])), "invalid_argument");
      await refuses(engine.imageTag("nothing:1", "x:1"), "not_found");
      await refuses(engine.imageSave("nothing:1"), "not_found");
      assert.equal(await engine.imageGet("nothing:1"), undefined);
      assert.equal(await engine.imageGet(`sha256:${"0".repeat(64)}`), undefined);
      await engine.imageRemove("nothing:1");
    });

    test("names move, and an image goes with its last one", async () => {
      const { engine } = suite;
      const one = await engine.imageImport({ name: "move:1", labels: {} }, Readable.from([await testRootfs({ "etc/one": "1" })]));
      const two = await engine.imageImport({ name: "move:2", labels: {} }, Readable.from([await testRootfs({ "etc/two": "2" })]));
      await engine.imageTag(one.id, "move:now");
      assert.equal((await engine.imageGet("move:now"))?.id, one.id);
      await engine.imageTag("move:2", "move:now");
      assert.equal((await engine.imageGet("move:now"))?.id, two.id);
      assert.deepEqual((await engine.imageGet(two.id))?.names, ["move:2", "move:now"]);
      await engine.imageRemove("move:2");
      assert.deepEqual((await engine.imageGet(two.id))?.names, ["move:now"]);
      await engine.imageRemove("move:now");
      assert.equal(await engine.imageGet(two.id), undefined);
      await engine.imageRemove(one.id);
    });

    test("saved and loaded again: under the name and the labels that were asked for, whatever the tarball says", async () => {
      const { engine } = suite;
      const made = await engine.imageImport(
        { name: "round:1", labels: { from: "here" }, defaults: { command: ["/bin/cat", "/etc/mark"], environment: { A: "b" } } },
        Readable.from([await testRootfs({ "etc/mark": "kept" })]),
      );
      const tarball = await buffer(await engine.imageSave(made.id));
      // As a hostile one would: it takes the name of the base.
      const hostile = await renamed(tarball, [suite.reference]);
      const loaded = await engine.imageLoad({ name: "round:2", labels: { from: "outside" } }, Readable.from([hostile]));
      assert.deepEqual(loaded.names, ["round:2"]);
      assert.deepEqual(loaded.labels, { from: "outside" });
      assert.deepEqual(loaded.defaults, made.defaults);
      assert.equal((await engine.imageGet("base:1"))?.id, suite.base, "the base keeps its name");
      const again = await engine.imageLoad({ name: "round:2", labels: { from: "outside" } }, Readable.from([tarball]));
      assert.equal(again.id, loaded.id);
      const session = await engine.containerRun({ ...suite.spec(suite.name("loaded")), image: loaded.id, command: undefined });
      const [output, code] = await Promise.all([session.stdout.toArray(), session.exited]);
      assert.deepEqual([Buffer.concat(output).toString(), code], ["kept", 0]);
      await engine.imageRemove(made.id);
      await engine.imageRemove(loaded.id);
    });

    test("a tarball that is no image, or several, is refused", async () => {
      const { engine } = suite;
      const load = (content: Buffer) => engine.imageLoad({ name: suite.name("load"), labels: {} }, Readable.from([content]));
      await refuses(load(Buffer.alloc(2048, "x")), "invalid_argument", "image_invalid");
      await refuses(load(await buffer(testContext({ "manifest.json": "{" }))), "invalid_argument", "image_invalid");
      await refuses(load(await buffer(testContext({ "a/file": "x" }))), "invalid_argument", "image_invalid");
      await refuses(load(await buffer(testContext({ "manifest.json": "[{},{}]" }))), "invalid_argument", "image_invalid");
      await refuses(
        load(await buffer(testContext({ "manifest.json": '[{"Config":"none.json","Layers":[]}]' }))),
        "invalid_argument",
        "image_invalid",
      );
    });

    test("one that a container has stays", async () => {
      const { engine } = suite;
      const { id } = await engine.imageImport(
        { name: "held:1", labels: {} },
        Readable.from([await testRootfs({ "etc/held": "" })]),
      );
      const name = suite.name("holder");
      await engine.containerCreate({ ...suite.spec(name), image: id });
      await refuses(engine.imageRemove(id), "failed_precondition", "engine_in_use");
      await engine.containerRemove(name);
      await engine.imageRemove(id);
      assert.equal(await engine.imageGet(id), undefined);
    });
  });
}

async function renamed(tarball: Buffer, names: string[]): Promise<Buffer> {
  const reader = extract();
  const writer = pack();
  void (async () => {
    for await (const entry of reader) {
      const content = await buffer(entry);
      if (entry.header.name !== "manifest.json") {
        writer.entry(
          { name: entry.header.name, type: entry.header.type, linkname: entry.header.linkname ?? null } as never,
          content,
        );
        continue;
      }
      const manifest = JSON.parse(content.toString()) as object[];
      writer.entry({ name: "manifest.json" }, JSON.stringify(manifest.map((each) => ({ ...each, RepoTags: names }))));
    }
    writer.finalize();
  })();
  reader.end(tarball);
  return buffer(writer);
}
