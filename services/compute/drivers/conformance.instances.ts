import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { InstanceChange, InstanceSpec } from "../driver.ts";
import { eventually, MiB, refuses, type Suite } from "./conformance.suite.ts";

export function instanceConformance(suite: Suite): void {
  describe("instances", { concurrency: false }, () => {
    let spec: InstanceSpec;
    const changes: [string, InstanceChange["kind"] | undefined][] = [];
    const watching = new AbortController();
    const stateOf = async (name: string) => (await suite.driver.instanceGet(name))?.state;
    before(async () => {
      suite.driver.watch((name, change) => void changes.push([name, change?.kind]), watching.signal);
      // Until it listens.
      await sleep(200);
    });
    after(async () => {
      watching.abort();
      await suite.driver.instanceDelete(spec.name);
    });
    const heard = (kind: InstanceChange["kind"]) =>
      eventually(
        () => changes,
        (all) => all.some(([name, what]) => name === spec.name && what === kind),
      );

    test("it is made once, stopped, as large as it was asked for", async () => {
      spec = suite.spec(suite.name("web"), {
        hostName: "web-1",
        size: { vcpus: 2, memoryBytes: 256 * MiB, diskBytes: 700 * MiB },
        cloudInit: {
          userData: "#cloud-config\nwrite_files:\n- path: /root/user\n  content: theirs\n",
          vendorData: "#cloud-config\nruncmd:\n- echo ours > /root/vendor\n",
          sshKeys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdG3Tqk7W5yZ0Ck0rC9Rp8H3m1o9mJ3Qq5T9bq5v3aB somebody@somewhere"],
        },
        labels: { instance: "ins_1", project: "prj_1", empty: "" },
      });
      const began = Date.now();
      assert.equal(await suite.driver.instanceGet(spec.name), undefined);
      await suite.driver.instanceCreate(spec);
      await suite.driver.instanceCreate(spec);
      const report = await suite.driver.instanceGet(spec.name);
      assert.ok(report);
      const { createdAt, member, ...rest } = report;
      assert.deepEqual(rest, {
        name: spec.name,
        kind: "container",
        state: "stopped",
        labels: { instance: "ins_1", project: "prj_1" },
        size: { vcpus: 2, memoryBytes: 256 * MiB, diskBytes: 700 * MiB },
      });
      assert.ok(createdAt.getTime() > began - 1000 && createdAt.getTime() < Date.now() + 1000);
      assert.equal(typeof member, "string");
      assert.deepEqual(
        (await suite.driver.instanceList()).map(({ name }) => name),
        [spec.name],
      );
    });

    test("what cannot be made is refused, and leaves nothing", async () => {
      const { driver } = suite;
      await refuses(driver.instanceCreate({ ...spec, labels: { instance: "ins_2" } }), "already_exists");
      const other = suite.spec(suite.name("other"));
      await refuses(driver.instanceCreate({ ...other, image: { name: "nothing" } }), "not_found", "image_missing");
      const { kinds } = await driver.info();
      if (!kinds.vm.available)
        await refuses(driver.instanceCreate({ ...other, kind: "vm" }), "failed_precondition", "kind_unavailable");
      assert.equal((await driver.instanceList()).length, 1);
      for (const call of [
        () => driver.instanceStart("kh-nothing"),
        () => driver.instanceStop("kh-nothing", { timeoutSeconds: 0 }),
        () => driver.instanceStop("kh-nothing", { timeoutSeconds: 1 }),
        () => driver.instanceFreeze("kh-nothing"),
        () => driver.instanceResize("kh-nothing", spec.size),
        () => driver.instanceConfigure("kh-nothing", { autoRestart: true }),
        () => driver.instanceRebuild("kh-nothing", suite.image),
        () => driver.instanceSnapshot("kh-nothing", "s"),
        () => driver.instanceRestore("kh-nothing", "s"),
        () => driver.instanceSnapshotList("kh-nothing"),
        () => driver.instanceExport("kh-nothing"),
        () => driver.instanceMove("kh-nothing", "nowhere"),
      ])
        await refuses(call(), "not_found");
      await driver.instanceDelete("kh-nothing");
    });

    test("started, again, and set up as cloud-init was told", async () => {
      await suite.driver.instanceStart(spec.name);
      await suite.driver.instanceStart(spec.name);
      const report = await suite.driver.instanceGet(spec.name);
      assert.equal(report?.state, "running");
      assert.ok(report?.startedAt && Math.abs(report.startedAt.getTime() - Date.now()) < 60_000);
      await heard("started");
      await eventually(
        () => suite.sh(spec.name, "cat /root/user /root/vendor 2>/dev/null || true"),
        (said) => said === "theirs\nours\n" || said === "theirsours\n",
        60_000,
      );
      assert.equal(await suite.sh(spec.name, "hostname; cat /etc/hostname"), "web-1\nweb-1\n");
      assert.match(
        await suite.sh(spec.name, "cat /home/*/.ssh/authorized_keys /root/.ssh/authorized_keys 2>/dev/null"),
        /somebody@somewhere/,
      );
    });

    test("its limits and its isolation, seen from inside", async () => {
      assert.equal(
        (await suite.sh(spec.name, "nproc")).trim(),
        String(Math.min(2, (await suite.driver.members())[0]?.cpus ?? 2)),
      );
      assert.equal((await suite.sh(spec.name, "awk '/MemTotal/ { print $2 }' /proc/meminfo")).trim(), String(256 * 1024));
      const [inside, outside] = (await suite.sh(spec.name, "cat /proc/self/uid_map")).trim().split(/\s+/);
      assert.equal(inside, "0");
      assert.notEqual(outside, "0", "root inside is not root outside");
      // A kernel that lost count of a pool in which others delete large disks counts anew first.
      await eventually(
        async () => {
          const fill = { command: ["sh", "-c", "dd if=/dev/zero of=/big bs=1M count=710 conv=fsync"], maxOutputBytes: 1000 };
          const { exitCode } = await suite.driver.instanceExec(spec.name, fill);
          await suite.sh(spec.name, "rm /big; sync");
          return exitCode;
        },
        (exitCode) => exitCode !== 0,
        90_000,
      );
    });

    test("what it uses, by the numbers", async () => {
      const { driver } = suite;
      await eventually(
        () => driver.instanceMetrics([spec.name]),
        (all) => all.get(spec.name)?.interfaces[0]?.addresses.some((address) => /^\d+\./.test(address)) ?? false,
      );
      const before = (await driver.instanceMetrics([spec.name, "kh-nothing"])).get(spec.name);
      assert.ok(before);
      assert.equal(before.state, "running");
      assert.ok(before.memoryBytes > MiB && before.memoryBytes <= 256 * MiB, `${before.memoryBytes} bytes`);
      assert.ok(before.memoryPeakBytes >= before.memoryBytes);
      assert.ok(before.diskBytes > 0 && before.diskBytes < 700 * MiB);
      assert.ok(before.processes > 3);
      assert.deepEqual(
        before.interfaces.map(({ device }) => device),
        ["eth0"],
      );
      assert.ok((before.interfaces[0]?.sentBytes ?? 0) > 0);
      await suite.sh(spec.name, "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done");
      const later = (await driver.instanceMetrics([spec.name])).get(spec.name);
      assert.ok(later && later.cpuSeconds > before.cpuSeconds + 0.1, `${before.cpuSeconds} then ${later?.cpuSeconds}`);
      assert.ok(later.cpuSeconds < before.cpuSeconds + 30);
      // All at once is asked for another way.
      const all = await driver.instanceMetrics([spec.name, ..."abcdef"]);
      assert.deepEqual([...all.keys()], [spec.name]);
      assert.ok((all.get(spec.name)?.cpuSeconds ?? 0) >= later.cpuSeconds);
      assert.deepEqual(all.get(spec.name)?.interfaces[0]?.addresses, before.interfaces[0]?.addresses);
    });

    test("resized while it runs; a disk only grows", async () => {
      const size = { vcpus: 1, memoryBytes: 384 * MiB, diskBytes: 900 * MiB };
      assert.deepEqual(await suite.driver.instanceResize(spec.name, size), { restartNeeded: false });
      await suite.driver.instanceResize(spec.name, size);
      assert.deepEqual((await suite.driver.instanceGet(spec.name))?.size, size);
      await eventually(
        () => suite.sh(spec.name, "nproc"),
        (said) => said === "1\n",
        // Shared out anew in the background.
        90_000,
      );
      assert.equal((await suite.sh(spec.name, "awk '/MemTotal/ { print $2 }' /proc/meminfo")).trim(), String(384 * 1024));
      await suite.sh(spec.name, "dd if=/dev/zero of=/big bs=1M count=400 2>&1 && rm /big");
      await refuses(
        suite.driver.instanceResize(spec.name, { ...size, diskBytes: 800 * MiB }),
        "failed_precondition",
        "disk_shrinks",
      );
      assert.deepEqual((await suite.driver.instanceGet(spec.name))?.size, size);
    });

    test("less memory than it uses is refused, and changes nothing", async () => {
      const size = { vcpus: 1, memoryBytes: 384 * MiB, diskBytes: 900 * MiB };
      // Memory that cannot be reclaimed: of tmpfs, with no swap that counts.
      await suite.sh(spec.name, "dd if=/dev/zero of=/dev/shm/held bs=1M count=150 2>&1");
      try {
        await suite.driver.instanceResize(spec.name, { ...size, memoryBytes: 100 * MiB });
        // An engine that can push it out may do so.
        await suite.driver.instanceResize(spec.name, size);
      } catch (error) {
        await refuses(Promise.reject(error), "failed_precondition", "memory_in_use");
      }
      assert.deepEqual((await suite.driver.instanceGet(spec.name))?.size, size);
      assert.equal(
        (await suite.sh(spec.name, "rm /dev/shm/held; awk '/MemTotal/ { print $2 }' /proc/meminfo")).trim(),
        String(384 * 1024),
      );
    });

    test("configured while it runs: labels, restart, cards, name", async () => {
      const { driver } = suite;
      const second = { ...suite.spec("unused").interfaces[0]!, device: "eth1" };
      await driver.instanceConfigure(spec.name, {
        labels: { instance: "ins_1", changed: "yes" },
        autoRestart: true,
        interfaces: [...spec.interfaces, second],
        hostName: "web-2",
      });
      assert.deepEqual((await driver.instanceGet(spec.name))?.labels, { instance: "ins_1", changed: "yes" });
      assert.match(await suite.sh(spec.name, "cat /sys/class/net/eth1/address"), new RegExp(second.macAddress));
      await driver.instanceConfigure(spec.name, { interfaces: spec.interfaces });
      await suite.sh(spec.name, "test ! -e /sys/class/net/eth1 && test -e /sys/class/net/eth0");
      await driver.instanceRestart(spec.name, { timeoutSeconds: 30 });
      await heard("stopped");
      await eventually(
        () => suite.sh(spec.name, "hostname"),
        (said) => said === "web-2\n",
      );
      // Its keys are those it had: nothing was set up anew.
      assert.match(await suite.sh(spec.name, "cat /root/user"), /theirs/);
    });

    test("frozen and thawed", async () => {
      await suite.driver.instanceFreeze(spec.name);
      await suite.driver.instanceFreeze(spec.name);
      assert.equal(await stateOf(spec.name), "frozen");
      await heard("frozen");
      await suite.driver.instanceUnfreeze(spec.name);
      await suite.driver.instanceUnfreeze(spec.name);
      assert.equal(await stateOf(spec.name), "running");
      await heard("unfrozen");
      await suite.driver.instanceFreeze(spec.name);
      await suite.driver.instanceStop(spec.name, { timeoutSeconds: 0 });
      assert.equal(await stateOf(spec.name), "stopped", "the power can be cut of a frozen one");
      await refuses(suite.driver.instanceFreeze(spec.name), "failed_precondition");
      await refuses(suite.driver.instanceUnfreeze(spec.name), "failed_precondition");
      await suite.driver.instanceStop(spec.name, { timeoutSeconds: 0 });
      await suite.driver.instanceStop(spec.name, { timeoutSeconds: 5 });
    });

    test("a shutdown from inside is told at once", async () => {
      await suite.driver.instanceStart(spec.name);
      changes.length = 0;
      await suite.sh(spec.name, "nohup sh -c 'sleep 0.3; systemctl poweroff --force --force' >/dev/null 2>&1 &");
      await heard("shutdown");
      await eventually(
        () => stateOf(spec.name),
        (state) => state === "stopped",
      );
    });

    test("one that does not shut down loses its power in time", async () => {
      await suite.driver.instanceRestart(spec.name, { timeoutSeconds: 5 });
      // PID 1 no longer takes the signal that asks for it.
      await eventually(
        () =>
          suite.sh(
            spec.name,
            "systemctl mask --runtime halt.target poweroff.target 2>&1; systemctl is-enabled halt.target || true",
          ),
        (said) => said.endsWith("masked-runtime\n"),
      );
      const began = Date.now();
      await suite.driver.instanceStop(spec.name, { timeoutSeconds: 2 });
      assert.equal(await stateOf(spec.name), "stopped");
      assert.ok(Date.now() - began < 20_000);
    });

    test("after a failed start it starts again", async () => {
      const missing = spec.interfaces.map((card) => ({ ...card, bridge: "khtnone" }));
      await suite.driver.instanceConfigure(spec.name, { interfaces: missing });
      await refuses(suite.driver.instanceStart(spec.name), "failed_precondition", "bridge_missing");
      assert.equal(await stateOf(spec.name), "stopped");
      await suite.driver.instanceConfigure(spec.name, { interfaces: spec.interfaces });
      await suite.driver.instanceStart(spec.name);
    });

    test("a disk that is full to the last byte: stopped, snapshotted, started, made larger", async () => {
      const fill =
        "dd if=/dev/zero of=/full bs=1M count=4000 2>/dev/null; dd if=/dev/zero of=/full2 bs=4k count=9999 2>/dev/null; sync; true";
      await suite.sh(spec.name, fill);
      await suite.driver.instanceStop(spec.name, { timeoutSeconds: 0 });
      await suite.driver.instanceSnapshot(spec.name, "full");
      await suite.driver.instanceSnapshotDelete(spec.name, "full");
      await suite.driver.instanceStart(spec.name);
      await suite.sh(spec.name, fill);
      await suite.driver.instanceResize(spec.name, { vcpus: 1, memoryBytes: 256 * MiB, diskBytes: 1200 * MiB });
      await suite.sh(spec.name, "rm /full*");
    });

    test("whatever it is doing, it can be deleted", async () => {
      await suite.driver.instanceSnapshot(spec.name, "one");
      const stopping = suite.driver.instanceStop(spec.name, { timeoutSeconds: 60 }).catch((error: unknown) => error);
      await sleep(50);
      await suite.driver.instanceDelete(spec.name);
      await stopping;
      assert.equal(await suite.driver.instanceGet(spec.name), undefined);
      await suite.driver.instanceDelete(spec.name);
      await heard("deleted");
    });
  });
}
