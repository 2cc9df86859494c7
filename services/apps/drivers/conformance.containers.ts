import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ContainerSpec } from "../driver.ts";
import { eventually, MiB, refuses, type Suite } from "./conformance.suite.ts";

export function containerConformance(suite: Suite): void {
  describe("networks and volumes", () => {
    test("a network: made once, listed with its members, left and removed", async () => {
      const { engine } = suite;
      const spec = { name: "front", labels: { project: "prj_1" }, internal: false, subnet: "10.231.7.0/24" };
      await Promise.all([engine.networkCreate(spec), engine.networkCreate(spec), engine.networkCreate(spec)]);
      await engine.networkCreate(spec);
      await refuses(engine.networkCreate({ ...spec, internal: true }), "already_exists", "engine_different");
      await refuses(engine.networkCreate({ ...spec, name: "overlapping" }), "failed_precondition", "engine_addresses_taken");
      const name = suite.name("member");
      await suite.start(suite.spec(name));
      await engine.networkConnect("front", name, { aliases: ["web"], ipv4: "10.231.7.49" });
      assert.deepEqual((await engine.containerGet(name))?.addresses, { front: "10.231.7.49" });
      await engine.containerRemove(name);
      await suite.start(suite.spec(name, { networks: [{ name: "front", aliases: ["web"], ipv4: "10.231.7.50" }] }));
      const report = await engine.networkGet("front");
      assert.equal(report?.subnet, "10.231.7.0/24");
      assert.equal(report?.gateway, "10.231.7.1");
      assert.deepEqual(report?.labels, { project: "prj_1" });
      assert.deepEqual(report?.members, [{ name, ipv4: "10.231.7.50" }]);
      assert.equal((await engine.networkList()).filter((each) => each.name === "front").length, 1);
      await refuses(engine.networkRemove("front"), "failed_precondition", "engine_in_use");
      await engine.networkDisconnect("front", name);
      await engine.networkDisconnect("front", name);
      assert.deepEqual((await engine.networkGet("front"))?.members, []);
      await engine.networkConnect("front", name, { ipv4: "10.231.7.51" });
      await engine.networkConnect("front", name);
      assert.deepEqual((await engine.containerGet(name))?.addresses, { front: "10.231.7.51" });
      await engine.containerRemove(name);
      await engine.networkRemove("front");
      await engine.networkRemove("front");
      assert.equal(await engine.networkGet("front"), undefined);
      await refuses(engine.networkConnect("front", name), "not_found");
    });

    test("containers of one network know each other by name, and those of another do not reach them", async () => {
      const { engine } = suite;
      for (const each of ["east", "west"]) await engine.networkCreate({ name: each, labels: {}, internal: true });
      const [server, near, far, both] = ["server", "near", "far", "both"].map(suite.name) as [string, string, string, string];
      const on = (...networks: string[]) => ({ networks: networks.map((name) => ({ name, aliases: [] as string[] })) });
      const serve = [
        "/bin/sh",
        "-c",
        "mkdir /tmp/www; echo found > /tmp/www/index.html; exec busybox httpd -f -p 8080 -h /tmp/www",
      ];
      await suite.start(
        suite.spec(server, {
          networks: [{ name: "east", aliases: ["in-east"] }],
          command: serve,
          temporaryFolders: [{ path: "/tmp", sizeBytes: MiB }],
        }),
      );
      await Promise.all([
        suite.start(suite.spec(near, on("east"))),
        suite.start(suite.spec(far, on("west"))),
        suite.start(suite.spec(both, on("west", "east"))),
      ]);
      const address = (await engine.containerGet(server))?.addresses["east"] as string;
      const fetch = (from: string, host: string) =>
        engine.containerExec(from, {
          command: ["sh", "-c", `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 ${host} 8080`],
          maxOutputBytes: 1000,
        });
      const knows = async (from: string) =>
        Buffer.from(
          (await engine.containerExec(from, { command: ["getent", "hosts", "in-east"], maxOutputBytes: 1000 })).stdout,
        ).toString();
      await eventually(
        () => fetch(near, address),
        ({ stdout }) => Buffer.from(stdout).toString().endsWith("found\n"),
      );
      assert.equal((await knows(near)).split(/\s+/)[0], address);
      assert.equal((await fetch(both, address)).exitCode, 0);
      assert.notEqual((await fetch(far, address)).exitCode, 0, "another network");
      assert.equal(await knows(far), "", "nor its names");
      assert.deepEqual(Object.keys((await engine.containerGet(both))?.addresses ?? {}).sort(), ["east", "west"]);
      for (const each of [server, near, far, both]) await engine.containerRemove(each);
      for (const each of ["east", "west"]) await engine.networkRemove(each);
    });

    test("a volume keeps what was written, and is not lost with its container", async () => {
      const { engine } = suite;
      const spec = { name: "data", labels: { disk: "dsk_1" } };
      await Promise.all([engine.volumeCreate(spec), engine.volumeCreate(spec)]);
      await refuses(engine.volumeCreate({ ...spec, labels: {} }), "already_exists", "engine_different");
      const mounts = (readOnly: boolean) => ({ mounts: [{ volume: "data", path: "/var/data", readOnly }] });
      const [writer, reader] = [suite.name("writer"), suite.name("reader")];
      await suite.start(suite.spec(writer, mounts(false)));
      await suite.sh(writer, "echo kept > /var/data/file");
      await refuses(engine.volumeRemove("data"), "failed_precondition", "engine_in_use");
      await engine.containerRemove(writer);
      await suite.start(suite.spec(reader, mounts(true)));
      assert.equal(await suite.sh(reader, "cat /var/data/file; touch /var/data/x 2>/dev/null || echo no"), "kept\nno");
      await engine.containerRemove(reader);
      const report = await engine.volumeGet("data");
      assert.deepEqual([report?.name, report?.labels], ["data", spec.labels]);
      assert.deepEqual(
        (await engine.volumeList()).map(({ name }) => name),
        ["data"],
      );
      await engine.volumeRemove("data");
      await engine.volumeRemove("data");
      assert.equal(await engine.volumeGet("data"), undefined);
      await refuses(engine.containerCreate(suite.spec(suite.name("lost"), mounts(false))), "not_found");
      assert.deepEqual(await engine.volumeList(), [], "none is made on the way");
    });

    test("what is in a volume is read as an archive, and put into another as it was", async () => {
      const { engine, base } = suite;
      for (const name of ["from", "to"]) await engine.volumeCreate({ name, labels: {} });
      const on = (volume: string) => ({ mounts: [{ volume, path: "/disk", readOnly: false }], readOnlyRoot: true });
      const [writer, reader] = [suite.name("writer"), suite.name("reader")];
      await suite.start(suite.spec(writer, { ...on("from"), capabilities: ["CHOWN", "FOWNER"] }));
      await suite.sh(
        writer,
        "mkdir /disk/deep; echo kept > /disk/deep/file; chmod 640 /disk/deep/file; ln -s deep/file /disk/link; chown 10001:10001 /disk /disk/deep/file",
      );
      await engine.containerRemove(writer);
      // Read twice: the first reader goes away in the middle.
      (await engine.volumeRead("from", base)).destroy();
      await engine.volumeWrite("to", base, await engine.volumeRead("from", base));
      await suite.start(suite.spec(reader, { ...on("to"), user: "10001:10001" }));
      const said = await suite.sh(reader, "cat /disk/link; stat -c '%u:%g %a %n' /disk /disk/deep/file");
      assert.equal(said, "kept\n10001:10001 755 /disk\n10001:10001 640 /disk/deep/file");
      await engine.containerRemove(reader);
      await refuses(engine.volumeRead("nowhere", base), "not_found");
      for (const name of ["from", "to"]) await engine.volumeRemove(name);
      assert.deepEqual(await engine.containerList(), [], "nothing is left of the looking");
    });
  });

  describe("containers", () => {
    test("made, started, stopped and removed, each as often as one likes", async () => {
      const { engine } = suite;
      const spec = suite.spec(suite.name("web"), { labels: { app: "app_1", release: "12" }, hostName: "web" });
      const made = await engine.containerCreate(spec);
      assert.equal(made.state, "created");
      assert.deepEqual((await engine.containerCreate(spec)).id, made.id);
      await refuses(engine.containerCreate({ ...spec, hostName: "other" }), "already_exists", "engine_different");
      await Promise.all([engine.containerStart(spec.name), engine.containerStart(spec.name)]);
      const running = await engine.containerGet(spec.name);
      assert.equal(running?.state, "running");
      assert.equal(running?.image, suite.base);
      assert.deepEqual(running?.labels, spec.labels);
      assert.equal(await suite.sh(spec.name, "hostname"), "web");
      const listed = (await engine.containerList()).find(({ name }) => name === spec.name);
      assert.deepEqual([listed?.state, listed?.labels, listed?.image], ["running", spec.labels, suite.base]);
      await engine.containerStop(spec.name);
      await engine.containerStop(spec.name);
      const stopped = await engine.containerGet(spec.name);
      assert.deepEqual([stopped?.state, stopped?.exitCode], ["exited", 0], "it heeds SIGTERM");
      await engine.containerStart(spec.name);
      await engine.containerKill(spec.name);
      await engine.containerKill(spec.name);
      assert.deepEqual(await engine.containerWait(spec.name), { exitCode: 137, outOfMemory: false });
      await engine.containerRemove(spec.name);
      await engine.containerRemove(spec.name);
      assert.equal(await engine.containerGet(spec.name), undefined);
      await refuses(engine.containerStart(spec.name), "not_found");
    });

    test("a port of the host leads to one of the container, and has one owner", async () => {
      const { engine } = suite;
      await engine.networkCreate({ name: "published", labels: {}, internal: false });
      const port = 42_000 + (process.pid % 2000);
      const spec = suite.spec(suite.name("published"), {
        networks: [{ name: "published", aliases: [] }],
        ports: [{ address: "127.0.0.1", port, containerPort: 8080 }],
        temporaryFolders: [{ path: "/tmp", sizeBytes: MiB }],
        command: ["/bin/sh", "-c", "mkdir /tmp/www; echo found > /tmp/www/index.html; exec busybox httpd -f -p 8080 -h /tmp/www"],
      });
      await refuses(engine.containerCreate({ ...spec, networks: [] }), "invalid_argument");
      await refuses(
        engine.containerCreate({ ...spec, ports: [{ address: "host", port, containerPort: 8080 }] }),
        "invalid_argument",
      );
      await suite.start(spec);
      await suite.reachesHost?.(port, "found");
      const rival = { ...spec, name: suite.name("rival") };
      await engine.containerCreate(rival);
      await refuses(engine.containerStart(rival.name), "failed_precondition", "engine_port_taken");
      await engine.containerRemove(spec.name);
      await engine.containerStart(rival.name);
      await suite.reachesHost?.(port, "found");
      await engine.containerRemove(rival.name);
      await engine.networkRemove("published");
    });

    test("made at once by several, it is one", async () => {
      const { engine } = suite;
      const spec = suite.spec(suite.name("once"));
      const made = await Promise.all(Array.from({ length: 5 }, () => engine.containerCreate(spec)));
      assert.equal(new Set(made.map(({ id }) => id)).size, 1);
      await engine.containerRemove(spec.name);
    });

    test("one that does not heed its signal is killed after its patience; its own signal is used", async () => {
      const { engine } = suite;
      const deaf = suite.spec(suite.name("deaf"), {
        command: ["/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done"],
        stop: { signal: "SIGTERM", timeoutSeconds: 1 },
      });
      const particular = suite.spec(suite.name("particular"), {
        command: ["/bin/sh", "-c", "trap 'exit 7' USR1; while :; do sleep 1 & wait $!; done"],
        stop: { signal: "SIGUSR1", timeoutSeconds: 20 },
      });
      await Promise.all([suite.start(deaf), suite.start(particular)]);
      // Whether the trap is there already is seen from inside only.
      for (const { name } of [deaf, particular])
        await eventually(
          () => suite.sh(name, "pidof sleep || :"),
          (pids) => pids !== "",
        );
      await Promise.all([engine.containerStop(deaf.name), engine.containerStop(particular.name)]);
      assert.equal((await engine.containerGet(deaf.name))?.exitCode, 137);
      assert.equal((await engine.containerGet(particular.name))?.exitCode, 7);
      for (const { name } of [deaf, particular]) await engine.containerRemove(name);
    });

    test("nothing more than it needs: no capabilities, no new ones, no writing, limits that hold", async () => {
      const { engine } = suite;
      const name = suite.name("narrow");
      await suite.start(
        suite.spec(name, {
          temporaryFolders: [{ path: "/tmp", sizeBytes: MiB }],
          limits: { memoryBytes: 48 * MiB, cpus: 0.5, processes: 20, openFiles: 100 },
          environment: { GREETING: "hello = $HOME" },
          workingDirectory: "/data",
        }),
      );
      const status = await suite.sh(name, "cat /proc/1/status");
      assert.match(status, /^CapBnd:\s0+$/m);
      assert.match(status, /^CapEff:\s0+$/m);
      assert.match(status, /^NoNewPrivs:\s1$/m);
      assert.match(status, /^Seccomp:\s2$/m);
      assert.equal(await suite.sh(name, "echo x > /etc/x || echo no"), "no");
      assert.equal(
        await suite.sh(
          name,
          "cp /bin/busybox /tmp/b 2>/dev/null; echo 'echo ran' > /tmp/s; chmod 755 /tmp/s; /tmp/s 2>/dev/null || echo no",
        ),
        "no",
      );
      assert.equal(await suite.sh(name, 'ulimit -n; ulimit -c; echo "$GREETING"; pwd'), "100\n0\nhello = $HOME\n/data");
      assert.equal(await suite.sh(name, "ls /sys/class/net"), "lo", "no network was asked for");
      assert.equal(await suite.sh(name, "mount -t tmpfs x /data 2>/dev/null || echo no"), "no");
      const forks = await suite.sh(
        name,
        "i=0; while [ $i -lt 40 ]; do sleep 5 >/dev/null 2>&1 & i=$((i+1)); done 2>&1 | grep -c fork || :; true",
      );
      assert.ok(Number(forks) > 0, "processes are limited");
      await engine.containerRemove(name);
      const bound = suite.name("bound");
      await suite.start(suite.spec(bound, { capabilities: ["NET_BIND_SERVICE"], user: "nobody", readOnlyRoot: false }));
      assert.match(await suite.sh(bound, "cat /proc/1/status; id -un"), /^CapBnd:\s0+400$[\s\S]*nobody$/m);
      await engine.containerRemove(bound);
    });

    test("one that takes too much memory ends, and it is said why", async () => {
      const { engine } = suite;
      const spec = suite.spec(suite.name("hog"), {
        command: ["/bin/sh", "-c", "x=$(yes | head -c 200000000); echo $?"],
        limits: { memoryBytes: 16 * MiB, cpus: 1, processes: 20 },
      });
      await suite.start(spec);
      const { exitCode, outOfMemory } = await engine.containerWait(spec.name);
      assert.ok(outOfMemory, `out of memory, exit code ${exitCode}`);
      await engine.containerRemove(spec.name);
    });

    test("the engine starts it again, as its policy says", async () => {
      const { engine } = suite;
      const always = suite.spec(suite.name("always"), {
        restart: { policy: "always" },
        command: ["/bin/sh", "-c", "sleep 1; exit 3"],
      });
      const twice = suite.spec(suite.name("twice"), { restart: { policy: "on_failure", attempts: 2 }, command: ["/bin/false"] });
      await Promise.all([suite.start(always), suite.start(twice)]);
      assert.equal((await engine.containerWait(twice.name)).exitCode, 1);
      await eventually(
        () => engine.containerGet(twice.name),
        (report) => report?.restarts === 2,
      );
      await eventually(
        () => engine.containerGet(always.name),
        (report) => (report?.restarts ?? 0) > 0,
      );
      await engine.containerStop(always.name, { timeoutSeconds: 0 });
      assert.equal((await engine.containerWait(always.name)).exitCode >= 0, true);
      for (const { name } of [always, twice]) await engine.containerRemove(name);
    });

    test("waiting: before its start, while it runs, after its end, and given up", async () => {
      const { engine } = suite;
      const spec = suite.spec(suite.name("waited"), { command: ["/bin/sh", "-c", "sleep 1; exit 5"], init: true });
      await engine.containerCreate(spec);
      const before = engine.containerWait(spec.name);
      await engine.containerStart(spec.name);
      const during = engine.containerWait(spec.name);
      assert.deepEqual(
        (await Promise.all([before, during])).map(({ exitCode }) => exitCode),
        [5, 5],
      );
      assert.equal((await engine.containerWait(spec.name)).exitCode, 5);
      const idle = suite.spec(suite.name("idle"));
      await suite.start(idle);
      const giveUp = new AbortController();
      const waiting = engine.containerWait(idle.name, { signal: giveUp.signal });
      setTimeout(() => giveUp.abort(), 50);
      await refuses(waiting, "cancelled");
      for (const { name } of [spec, idle]) await engine.containerRemove(name);
      await refuses(engine.containerWait(spec.name), "not_found");
    });

    test("what cannot be is refused", async () => {
      const { engine } = suite;
      const bad = (change: Partial<ContainerSpec>) => engine.containerCreate(suite.spec(suite.name("bad"), change));
      await refuses(bad({ name: "../x" }), "invalid_argument");
      await refuses(bad({ image: "base:1" }), "invalid_argument");
      await refuses(bad({ image: `sha256:${"0".repeat(64)}` }), "not_found");
      await refuses(bad({ networks: [{ name: "none-there", aliases: [] }] }), "not_found");
      await refuses(bad({ limits: { memoryBytes: MiB, cpus: 1, processes: 5 } }), "invalid_argument");
      await refuses(bad({ mounts: [{ volume: "data", path: "/", readOnly: false }] }), "invalid_argument");
      await refuses(bad({ environment: { "A=B": "" } }), "invalid_argument");
      await refuses(bad({ capabilities: ["NO_SUCH_THING"] }), "invalid_argument");
      const missing = suite.spec(suite.name("missing"), { command: ["/no/such/program"] });
      await engine.containerCreate(missing);
      await refuses(engine.containerStart(missing.name), "failed_precondition", "command_not_startable");
      assert.match((await engine.containerGet(missing.name))?.problem ?? "", /no such file|not found/);
      await engine.containerRemove(missing.name);
    });
  });
}
