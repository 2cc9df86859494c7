import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { after, before, describe, test } from "node:test";
import type { InstanceSpec } from "../driver.ts";
import { eventually, MiB, refuses, type Suite } from "./conformance.suite.ts";

export function copyConformance(suite: Suite): void {
  describe("snapshots, copies and rebuilds", { concurrency: false }, () => {
    let name: string;
    const volume = () => suite.name("kept");
    const restarted = async (change: () => Promise<void>) => {
      await suite.driver.instanceStop(name, { timeoutSeconds: 0 });
      await change();
      await suite.driver.instanceStart(name);
    };
    const names = async () => (await suite.driver.instanceList()).map((each) => each.name).sort();
    before(async () => {
      name = await suite.guest();
      await suite.driver.volumeCreate({ name: volume(), sizeBytes: 64 * MiB, labels: {} });
      await suite.sh(name, "echo one > /root/file; chown 1000:1000 /root/file");
    });
    after(async () => {
      await suite.driver.instanceDelete(name);
      await suite.driver.volumeDelete(volume());
    });
    const withoutImage = (spec: InstanceSpec): Omit<InstanceSpec, "image"> => {
      const { image: _, ...rest } = spec;
      return rest;
    };

    test("snapshots of an instance that runs", async () => {
      const { driver } = suite;
      await driver.instanceSnapshot(name, "s1");
      await driver.instanceSnapshot(name, "s1");
      const [snapshot, ...others] = await driver.instanceSnapshotList(name);
      assert.ok(snapshot);
      assert.equal(others.length, 0);
      assert.equal(snapshot.name, "s1");
      assert.ok(Math.abs(snapshot.createdAt.getTime() - Date.now()) < 60_000);
    });

    test("restored, the disk is that of then; size, labels, cards and volumes are those of now", async () => {
      const { driver } = suite;
      const before = await driver.instanceGet(name);
      await suite.sh(name, "echo two > /root/file");
      await driver.instanceConfigure(name, { labels: { instance: "ins_1", now: "yes" }, hostName: "renamed" });
      await driver.instanceResize(name, { vcpus: 1, memoryBytes: 300 * MiB, diskBytes: 900 * MiB });
      await driver.volumeAttach(volume(), name, "/mnt/kept");
      await suite.sh(name, "echo kept > /mnt/kept/file");
      const now = await driver.instanceGet(name);
      await refuses(driver.instanceRestore(name, "s1"), "failed_precondition", "engine_power_state");
      await refuses(driver.instanceRestore(name, "nothing"), "not_found");
      await restarted(() => driver.instanceRestore(name, "s1"));
      assert.equal(await suite.sh(name, "cat /root/file /mnt/kept/file; stat -c %u:%g /root/file"), "one\nkept\n1000:1000\n");
      assert.deepEqual({ ...(await driver.instanceGet(name)), startedAt: 0 }, { ...now, startedAt: 0 });
      assert.notDeepEqual(now?.size, before?.size);
      await suite.sh(name, "dd if=/dev/zero of=/big bs=1M count=400 2>/dev/null && rm /big && test -e /sys/class/net/eth0");
    });

    test("clones: of a running one, and of a snapshot, with a configuration of their own", async () => {
      const { driver } = suite;
      await suite.sh(name, "echo three > /root/file");
      const [now, then] = [suite.spec(suite.name("now")), suite.spec(suite.name("then"))].map((spec) => ({
        ...spec,
        size: { ...spec.size, diskBytes: 900 * MiB },
      })) as [InstanceSpec, InstanceSpec];
      await driver.instanceClone(withoutImage(now), { instance: name });
      await driver.instanceClone(withoutImage(now), { instance: name });
      await driver.instanceClone(withoutImage(then), { instance: name, snapshot: "s1" });
      const { createdAt: _, member: __, startedAt: ___, ...report } = (await driver.instanceGet(now.name)) ?? assert.fail();
      assert.deepEqual(report, { name: now.name, kind: "container", state: "stopped", labels: now.labels, size: now.size });
      await driver.instanceStart(now.name);
      assert.equal(
        await suite.sh(
          now.name,
          "cat /root/file; stat -c %u:%g /root/file; cat /sys/class/net/eth0/address; ls /mnt; ls /sys/class/net",
        ),
        `three\n1000:1000\n${now.interfaces[0]?.macAddress}\nkept\neth0\nlo\n`,
      );
      await suite.sh(now.name, "! mountpoint -q /mnt/kept");
      assert.deepEqual(await driver.instanceSnapshotList(now.name), []);
      const file = await driver.fileRead(then.name, "/root/file");
      assert.ok(file.kind === "file");
      assert.equal(await suite.read(file.content), "one\n");
      const missing = withoutImage(suite.spec(suite.name("missing")));
      await refuses(driver.instanceClone(missing, { instance: "kh-nothing" }), "not_found");
      await refuses(driver.instanceClone({ ...missing, size: now.size }, { instance: name, snapshot: "nothing" }), "not_found");
      await refuses(driver.instanceClone(missing, { instance: name }), "failed_precondition", "disk_shrinks");
      assert.deepEqual(await names(), [name, now.name, then.name].sort());
      await driver.instanceDelete(now.name);
      await driver.instanceDelete(then.name);
    });

    test("exported while it runs, and imported as another one", async () => {
      const { driver } = suite;
      const spec = suite.spec(suite.name("imported"), { size: { vcpus: 1, memoryBytes: 256 * MiB, diskBytes: 900 * MiB } });
      const { content } = await driver.instanceExport(name);
      assert.deepEqual(await names(), [name]);
      await driver.instanceImport(withoutImage(spec), content);
      const unread = Readable.from([Buffer.from("nothing that anybody reads")]);
      await driver.instanceImport(withoutImage(spec), unread);
      assert.equal(unread.destroyed, true);
      const { createdAt: _, member: __, startedAt: ___, ...report } = (await driver.instanceGet(spec.name)) ?? assert.fail();
      assert.deepEqual(report, { name: spec.name, kind: "container", state: "stopped", labels: spec.labels, size: spec.size });
      await driver.instanceStart(spec.name);
      assert.equal(
        await suite.sh(spec.name, "cat /root/file; stat -c %u:%g /root/file; cat /sys/class/net/eth0/address"),
        `three\n1000:1000\n${spec.interfaces[0]?.macAddress}\n`,
      );
      await driver.instanceDelete(spec.name);
    });

    test("an export that nobody reads to its end, one that is under way, and one that is none", async () => {
      const { driver } = suite;
      const { content } = await driver.volumeExport(volume());
      content.destroy();
      await eventually(
        () =>
          driver.volumeExport(volume()).then(
            ({ content: again }) => void again.destroy(),
            () => "not yet",
          ),
        (said) => said === undefined,
      );
      const codes = async (count: number) => {
        const exports = Array.from({ length: count }, () => driver.instanceExport(name, { signal: AbortSignal.timeout(100) }));
        return (await Promise.allSettled(exports)).map((each) => (each.status === "rejected" ? each.reason.code : "made")).sort();
      };
      // That of the test before may be tidying up still.
      await eventually(
        () => codes(1),
        ([code]) => code === "cancelled",
      );
      assert.deepEqual(await codes(2), ["cancelled", "conflict"]);
      const spec = withoutImage(suite.spec(suite.name("bad")));
      const words = Readable.from([Buffer.from("these are words and not an export")]);
      await refuses(driver.instanceImport(spec, words), "invalid_argument", "not_an_export");
      assert.deepEqual(await names(), [name]);
    });

    test("an image from it: stopped, or from a snapshot", async () => {
      const { driver } = suite;
      const image = suite.name("made");
      await refuses(driver.imageFromInstance(image, { instance: name }), "failed_precondition", "engine_power_state");
      await refuses(driver.imageFromInstance(image, { instance: "kh-nothing" }), "not_found");
      await refuses(driver.imageFromInstance(image, { instance: name, snapshot: "nothing" }), "not_found");
      const made = await driver.imageFromInstance(image, { instance: name, snapshot: "s1" }, { labels: { image: "img_9" } });
      assert.deepEqual(made.labels, { image: "img_9" });
      assert.deepEqual(await driver.imageFromInstance(image, { instance: name, snapshot: "s1" }), made);
      const spec = suite.spec(suite.name("from"), { image: { name: image } });
      await driver.instanceCreate(spec);
      const file = await driver.fileRead(spec.name, "/root/file");
      assert.ok(file.kind === "file" && file.uid === 1000);
      assert.equal(await suite.read(file.content), "one\n");
      await driver.instanceDelete(spec.name);
      await driver.imageDelete(image);
    });

    test("rebuilt with snapshots: a fresh disk, and all else as it was", async () => {
      const { driver } = suite;
      const { createdAt: _, startedAt: __, ...before } = (await driver.instanceGet(name)) ?? assert.fail();
      await refuses(driver.instanceRebuild(name, suite.image), "failed_precondition", "engine_power_state");
      await restarted(async () => {
        await refuses(driver.instanceRebuild(name, { name: "nothing" }), "not_found", "image_missing");
        await driver.instanceRebuild(name, suite.image);
      });
      const { createdAt: ___, startedAt: ____, ...after } = (await driver.instanceGet(name)) ?? assert.fail();
      assert.deepEqual(after, before);
      assert.equal(await suite.sh(name, "ls /root; cat /mnt/kept/file; stat -c %u /usr/bin/env /etc"), "kept\n0\n0\n");
      assert.deepEqual(
        (await driver.instanceSnapshotList(name)).map((each) => each.name),
        ["s1"],
      );
      await restarted(() => driver.instanceRestore(name, "s1"));
      assert.equal(await suite.sh(name, "cat /root/file; stat -c %u:%g /root/file /etc"), "one\n1000:1000\n0:0\n");
      await driver.instanceSnapshotDelete(name, "s1");
      await driver.instanceSnapshotDelete(name, "s1");
    });

    test("rebuilt without snapshots: the same", async () => {
      const { driver } = suite;
      const { createdAt: _, startedAt: __, ...before } = (await driver.instanceGet(name)) ?? assert.fail();
      await restarted(() => driver.instanceRebuild(name, suite.image));
      const { createdAt: ___, startedAt: ____, ...after } = (await driver.instanceGet(name)) ?? assert.fail();
      assert.deepEqual(after, before);
      assert.equal(await suite.sh(name, "ls /root; cat /mnt/kept/file; ls /sys/class/net"), "kept\neth0\nlo\n");
      assert.deepEqual(await names(), [name]);
    });
  });
}
