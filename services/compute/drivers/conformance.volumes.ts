import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eventually, MiB, refuses, type Suite } from "./conformance.suite.ts";

const size = 64 * MiB;

export function volumeConformance(suite: Suite): void {
  describe("volumes", { concurrency: false }, () => {
    let name: string;
    let volume: string;
    const volumes: string[] = [];
    const named = (word: string): string => {
      const made = suite.name(word);
      volumes.push(made);
      return made;
    };
    before(async () => {
      name = await suite.guest();
      volume = named("data");
    });
    after(async () => {
      for (const each of volumes) {
        await suite.driver.volumeDetach(each, name);
        await suite.driver.volumeDelete(each);
      }
    });
    const report = async (of: string) => (await suite.driver.volumeList()).find((each) => each.name === of);

    test("it is made once, with its size and labels", async () => {
      const spec = { name: volume, sizeBytes: size, labels: { volume: "vol_1" } };
      await suite.driver.volumeCreate(spec);
      await suite.driver.volumeCreate(spec);
      const { usedBytes, ...rest } = (await report(volume)) ?? assert.fail();
      assert.deepEqual(rest, { name: volume, sizeBytes: size, labels: { volume: "vol_1" }, attachedTo: [], snapshots: [] });
      if (usedBytes !== undefined) assert.ok(usedBytes >= 0 && usedBytes < 10 * MiB);
      await refuses(suite.driver.volumeCreate({ ...spec, labels: { volume: "vol_2" } }), "already_exists");
    });

    test("what is not there", async () => {
      const { driver } = suite;
      for (const call of [
        () => driver.volumeResize("kh-nothing", size),
        () => driver.volumeAttach("kh-nothing", name, "/mnt/x"),
        () => driver.volumeAttach(volume, "kh-nothing", "/mnt/x"),
        () => driver.volumeClone(suite.name("x"), { volume: "kh-nothing" }, {}),
        () => driver.volumeClone(suite.name("x"), { volume, snapshot: "nothing" }, {}),
        () => driver.volumeSnapshot("kh-nothing", "s"),
        () => driver.volumeRestore("kh-nothing", "s"),
        () => driver.volumeRestore(volume, "nothing"),
        () => driver.volumeSnapshotList("kh-nothing"),
        () => driver.volumeExport("kh-nothing"),
      ])
        await refuses(call(), "not_found");
      await driver.volumeDelete("kh-nothing");
      await driver.volumeDetach("kh-nothing", name);
      await driver.volumeDetach(volume, "kh-nothing");
      await driver.volumeSnapshotDelete(volume, "nothing");
      assert.equal((await driver.volumeList()).length, 1);
    });

    test("attached while it runs, it is there at once; its size is its limit", async () => {
      await suite.driver.volumeAttach(volume, name, "/mnt/data");
      await suite.driver.volumeAttach(volume, name, "/mnt/data");
      await suite.sh(name, "mountpoint -q /mnt/data && echo one > /mnt/data/file && chown 1000:1000 /mnt/data/file");
      assert.deepEqual((await report(volume))?.attachedTo, [name]);
      await suite.sh(name, "! dd if=/dev/zero of=/mnt/data/big bs=1M count=70 2>/dev/null; rm /mnt/data/big");
      await refuses(suite.driver.volumeDelete(volume), "failed_precondition", "volume_in_use");
      await refuses(suite.driver.volumeResize(volume, size / 2), "failed_precondition", "volume_shrinks");
      await suite.driver.volumeResize(volume, 2 * size);
      assert.equal((await report(volume))?.sizeBytes, 2 * size);
      await suite.sh(name, "dd if=/dev/zero of=/mnt/data/big bs=1M count=70 2>/dev/null && rm /mnt/data/big");
      const second = named("second");
      await suite.driver.volumeCreate({ name: second, sizeBytes: size, labels: {} });
      await refuses(suite.driver.volumeAttach(second, name, "/mnt/data"), "failed_precondition", "path_taken");
      await suite.driver.volumeAttach(second, name, "/mnt/second");
      await suite.driver.volumeDetach(second, name);
      await suite.sh(name, "! mountpoint -q /mnt/second");
    });

    test("snapshots and restore; a running instance keeps what it has", async () => {
      const { driver } = suite;
      await driver.volumeSnapshot(volume, "s1");
      await driver.volumeSnapshot(volume, "s1");
      await suite.sh(name, "echo two > /mnt/data/file");
      await driver.volumeSnapshot(volume, "s2");
      assert.deepEqual((await report(volume))?.snapshots.sort(), ["s1", "s2"]);
      assert.deepEqual((await driver.volumeSnapshotList(volume)).map((each) => each.name).sort(), ["s1", "s2"]);
      await refuses(driver.volumeRestore(volume, "s1"), "failed_precondition", "volume_in_use");
      await driver.volumeDetach(volume, name);
      await driver.volumeDetach(volume, name);
      await driver.volumeResize(volume, 3 * size);
      await driver.volumeRestore(volume, "s1");
      assert.equal((await report(volume))?.sizeBytes, 3 * size, "its size stays");
      await driver.volumeAttach(volume, name, "/mnt/data");
      assert.equal(await suite.sh(name, "cat /mnt/data/file; stat -c %u:%g /mnt/data/file"), "one\n1000:1000\n");
      await suite.sh(name, "dd if=/dev/zero of=/mnt/data/big bs=1M count=140 2>/dev/null && rm /mnt/data/big");
      await driver.volumeSnapshotDelete(volume, "s2");
      await driver.volumeSnapshotDelete(volume, "s2");
      assert.deepEqual((await report(volume))?.snapshots, ["s1"]);
    });

    test("clones, of now and of a snapshot, have the files with their owners", async () => {
      const { driver } = suite;
      await suite.sh(name, "echo three > /mnt/data/file");
      const [now, then] = [named("now"), named("then")];
      await driver.volumeClone(now, { volume }, { volume: "vol_now" });
      await driver.volumeClone(now, { volume }, { volume: "vol_now" });
      await driver.volumeClone(then, { volume, snapshot: "s1" }, { volume: "vol_then" });
      const { usedBytes, ...clone } = (await report(now)) ?? assert.fail();
      assert.ok(usedBytes === undefined || usedBytes > 0);
      assert.deepEqual(clone, { name: now, sizeBytes: 3 * size, labels: { volume: "vol_now" }, attachedTo: [], snapshots: [] });
      await driver.volumeAttach(now, name, "/mnt/now");
      await driver.volumeAttach(then, name, "/mnt/then");
      assert.equal(
        await suite.sh(name, "cat /mnt/now/file /mnt/then/file; stat -c %u /mnt/now/file /mnt/then/file"),
        "three\none\n1000\n1000\n",
      );
      await driver.volumeDetach(now, name);
      await driver.volumeDetach(then, name);
    });

    test("exported and imported, as another one", async () => {
      const { driver } = suite;
      const name2 = named("imported");
      const spec = { name: name2, sizeBytes: 4 * size, labels: { volume: "vol_imported" } };
      const { content } = await driver.volumeExport(volume);
      await driver.volumeImport(spec, content);
      const again = await driver.volumeExport(volume);
      await driver.volumeImport(spec, again.content);
      assert.equal(again.content.destroyed, true);
      const { usedBytes: _, ...made } = (await report(name2)) ?? assert.fail();
      assert.deepEqual(made, { ...spec, attachedTo: [], snapshots: [] });
      await driver.volumeAttach(name2, name, "/mnt/imported");
      assert.equal(await suite.sh(name, "cat /mnt/imported/file; stat -c %u /mnt/imported/file"), "three\n1000\n");
      await driver.volumeDetach(name2, name);
      const { content: bad } = await driver.imageExport(suite.image.name);
      await refuses(driver.volumeImport({ ...spec, name: named("bad") }, bad), "invalid_argument", "not_an_export");
      await refuses(
        (async () =>
          driver.volumeImport({ ...spec, name: named("small"), sizeBytes: size }, (await driver.volumeExport(volume)).content))(),
        "failed_precondition",
        "volume_shrinks",
      );
      const left = (await driver.volumeList()).map((each) => each.name);
      assert.ok(!left.includes(suite.name("bad")) && !left.includes(suite.name("small")));
    });

    test("one instance gives it to another, files and owners as they are; and a restore from before fits there too", async () => {
      const { driver } = suite;
      const other = suite.spec(suite.name("other"));
      await driver.instanceCreate(other);
      await driver.volumeDetach(volume, name);
      await driver.volumeAttach(volume, other.name, "/mnt/theirs");
      await driver.instanceStart(other.name);
      const look = "cat /mnt/theirs/file; stat -c %u:%g /mnt/theirs/file; echo four > /mnt/theirs/four";
      assert.equal(await suite.sh(other.name, look), "three\n1000:1000\n");
      await driver.instanceStop(other.name, { timeoutSeconds: 0 });
      await driver.volumeRestore(volume, "s1");
      await driver.instanceStart(other.name);
      assert.equal(await suite.sh(other.name, look), "one\n1000:1000\n");
      // What it still has when it is deleted stays.
      await driver.instanceDelete(other.name);
      assert.deepEqual((await report(volume))?.attachedTo, []);
      await driver.volumeAttach(volume, name, "/mnt/data");
      assert.equal(
        await suite.sh(name, "cat /mnt/data/file /mnt/data/four; stat -c %u:%g /mnt/data/file"),
        "one\nfour\n1000:1000\n",
      );
    });

    test("a volume in use inside is not pulled away unseen", async () => {
      const { driver } = suite;
      await suite.sh(name, "cd /mnt/data; nohup sleep 600 >/dev/null 2>&1 & echo $! > /root/user-of-disk");
      await driver
        .volumeDetach(volume, name)
        .catch((error) => refuses(Promise.reject(error), "failed_precondition", "volume_busy"));
      await suite.sh(name, "kill $(cat /root/user-of-disk)");
      await eventually(
        () =>
          driver.volumeDetach(volume, name).then(
            () => true,
            () => false,
          ),
        (done) => done,
      );
      assert.deepEqual((await report(volume))?.attachedTo, []);
    });
  });
}
