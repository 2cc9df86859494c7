import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { globSync, renameSync } from "node:fs";
import { request } from "node:http";
import { after, before, describe, test } from "node:test";
import { askDocker } from "../../../../server/engines/ask.ts";
import { dockerMissing, testCloudId, testContext } from "../../../../testing/docker.ts";
import { type SwarmMachine, startDockerSwarm, type TestSwarm } from "../../../../testing/dockerSwarm.ts";
import type { ContainerSpec, ContainerSummary } from "../../driver.ts";
import type { NodeReport } from "../../nodesDriver.ts";
import { eventually, MiB, openSuite, refuses, type Suite } from "../conformance.suite.ts";

type SwarmEngine = ReturnType<TestSwarm["open"]>;

describe("several Dockers that are a swarm", { skip: dockerMissing() ?? false, concurrency: false, timeout: 420_000 }, () => {
  let swarm: TestSwarm;
  let engine: SwarmEngine;
  const suite = {} as Suite;

  before(
    async () => {
      swarm = await startDockerSwarm(["home", "worker-1", "worker-2"]);
      engine = swarm.open(testCloudId());
      Object.assign(suite, await openSuite(async () => ({ engine, other: swarm.open(testCloudId()), close: async () => {} })));
    },
    { timeout: 300_000 },
  );
  after(
    async () => {
      engine?.close();
      suite.other?.close();
      await swarm?.stop();
    },
    { timeout: 60_000 },
  );

  const machine = (name: string) => swarm.machines.find((each) => each.name === name) as SwarmMachine;
  const nodeNamed = async (name: string) => (await engine.nodes.list()).find((each) => each.name === name) as NodeReport;

  /** Answers with its own name, and lives as long as it is let. */
  const web = (name: string, change: Partial<ContainerSpec> = {}): ContainerSpec =>
    suite.spec(name, {
      labels: { app: "app_web", process: "web" },
      spread: ["app", "process"],
      command: [
        "/bin/sh",
        "-c",
        `mkdir -p /tmp/www; echo ${name} > /tmp/www/index.html; echo up; exec busybox httpd -f -p 8080 -h /tmp/www`,
      ],
      networks: [{ name: "shop", aliases: ["web", name] }],
      temporaryFolders: [{ path: "/tmp", sizeBytes: MiB }],
      restart: { policy: "always" },
      stop: { signal: "SIGKILL", timeoutSeconds: 1 },
      ...change,
    });

  const make = async (spec: ContainerSpec) => {
    await engine.containerCreate(spec);
    await engine.containerStart(spec.name);
  };

  const remove = async (names: readonly string[]) => {
    await Promise.all(names.map((name) => engine.containerRemove(name)));
  };

  const summary = async (name: string): Promise<ContainerSummary | undefined> =>
    (await engine.containerList()).find((each) => each.name === name);

  /** From this machine, as the gateway asks. */
  const answer = async (name: string, network = "shop"): Promise<string> => {
    const host = (await engine.containerGet(name))?.addresses[network];
    return host === undefined ? "no address" : ask(host);
  };

  const ask = (host: string): Promise<string> =>
    new Promise((resolve) => {
      const asked = request({ host, port: 8080, path: "/", timeout: 3000, agent: false }, (response) => {
        let text = "";
        response.on("data", (piece) => (text += piece));
        response.on("end", () => resolve(text.trim()));
        response.on("error", () => resolve("broken off"));
      });
      asked.on("timeout", () => asked.destroy());
      asked.on("error", () => resolve("refused"));
      asked.end();
    });

  /** From one of its own neighbours, or whoever tries. */
  const inside = async (from: string, host: string): Promise<string> => {
    const { stdout } = await engine.containerExec(from, {
      command: ["sh", "-c", `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | timeout 3 nc -w 2 ${host} 8080`],
      maxOutputBytes: 2000,
    });
    return Buffer.from(stdout).toString();
  };

  test("the machines are there, and what joins with an old invitation is refused", async () => {
    const nodes = await engine.nodes.list();
    assert.deepEqual(
      nodes
        .map(({ name, state, home }) => [name, state, home])
        .filter(([, , home]) => !home)
        .sort(),
      [
        ["worker-1", "ready", false],
        ["worker-2", "ready", false],
      ],
    );
    const home = nodes.find((each) => each.home);
    assert.equal(home?.address, machine("home").address);
    await refuses(engine.nodes.drain(home?.name as string), "failed_precondition", "node_home");
    await refuses(engine.nodes.remove(home?.name as string), "failed_precondition", "node_home");
    await refuses(engine.nodes.drain("nobody"), "not_found");
    const [first, second] = [await engine.nodes.invite(), await engine.nodes.invite()];
    assert.notEqual(first.token, second.token, "the newer one ends the older one");
  });

  test("like containers are spread, reached from here, and know each other by name", async () => {
    await engine.networkCreate({ name: "shop", labels: { project: "prj_1" }, internal: false });
    const names = [1, 2, 3].map((number) => suite.name(`web-${number}`));
    await Promise.all(names.map((name) => make(web(name))));
    const nodes = new Set(await Promise.all(names.map(async (name) => (await summary(name))?.node)));
    assert.equal(nodes.size, 3, "one on each");
    for (const name of names)
      assert.equal(
        await eventually(
          () => answer(name),
          (text) => text === name,
        ),
        name,
      );
    for (const from of names) {
      const { stdout } = await engine.containerExec(from, { command: ["getent", "ahosts", "web"], maxOutputBytes: 2000 });
      assert.ok(Buffer.from(stdout).toString().includes("."), "each knows the name");
      for (const to of names)
        await eventually(
          () => inside(from, to),
          (text) => text.trim().endsWith(to),
        );
    }
    const { members } = (await engine.networkGet("shop")) ?? { members: [] };
    assert.deepEqual(members.map(({ name }) => name).sort(), [...names].sort());
    assert.deepEqual(
      (await engine.networkList()).map(({ name }) => name),
      ["shop"],
    );
    await remove(names);
    assert.deepEqual(await engine.containerList(), []);

    const once = web(suite.name("once"));
    await Promise.all([1, 2, 3].map(() => engine.containerCreate(once)));
    const everywhere = await Promise.all(
      swarm.machines.map(({ socket }) => askDocker<{ Names: string[] }[]>({ endpoint: socket }, "/containers/json?all=true")),
    );
    assert.equal(everywhere.flat().filter(({ Names }) => Names.some((each) => each.endsWith(once.name))).length, 1);
    await remove([once.name]);
  });

  test("a node pulls from the cloud's registry what it has not got, and keeps no image that is gone", async () => {
    const most = 12 * MiB;
    const files = { Dockerfile: `FROM ${suite.reference}\nCOPY large /large\nCOPY small /small\n`, large: randomBytes(most) };
    const build = async (name: string, small: string) =>
      (await engine.imageBuild(suite.build(name), testContext({ ...files, small }), { onLine: () => {} })).image.id;
    const workers = ["worker-1", "worker-2"];
    const imagesOf = async (name: string) => {
      const listed = await askDocker<{ Id: string }[]>({ endpoint: machine(name).socket }, "/images/json");
      return listed.map(({ Id }) => Id);
    };
    /** One on each machine; the bytes that came to each node meanwhile. */
    const release = async (image: string) => {
      const before = workers.map((name) => swarm.received(name));
      const names = [1, 2, 3].map(() => suite.name("pulled"));
      await Promise.all(names.map((name) => make(web(name, { image, labels: { app: image } }))));
      for (const name of names)
        assert.equal(
          await eventually(
            () => answer(name),
            (text) => text === name,
          ),
          name,
        );
      for (const name of workers) assert.ok((await imagesOf(name)).includes(image), "under the same id");
      return { names, bytes: workers.map((name, i) => swarm.received(name) - (before[i] as number)) };
    };
    const one = await build("app:1", "one");
    const two = await build("app:2", "two");
    const first = await release(one);
    const second = await release(two);
    for (const bytes of first.bytes) assert.ok(bytes > most && bytes < 2 * most, `${bytes} bytes of the first`);
    for (const bytes of second.bytes) assert.ok(bytes < most / 6, `${bytes} bytes of the second: its layers are there`);

    // A node that does not know the cloud's authority gets nothing, and is told by its name.
    await remove([...first.names, ...second.names]);
    const [trusted] = globSync("/etc/docker/certs.d/198.19.253.*/ca.crt") as [string];
    renameSync(trusted, `${trusted}.away`);
    const three = await build("app:3", "three");
    await engine.nodes.drain("worker-2");
    const [filler, untrusted] = [suite.spec(suite.name("filler")), web(suite.name("untrusted"), { image: three })];
    await make(filler);
    const refusal = await refuses(engine.containerCreate(untrusted), "failed_precondition", "node_registry_trust");
    assert.match(refusal.message, /^The node worker-1 .*khmara node invite worker-1/);
    renameSync(`${trusted}.away`, trusted);
    await make(untrusted);
    assert.equal((await summary(untrusted.name))?.node, "worker-1");
    await engine.nodes.activate("worker-2");

    await remove([filler.name, untrusted.name]);
    for (const image of [one, two, three]) await engine.imageRemove(image);
    for (const name of workers)
      await eventually(
        () => imagesOf(name),
        (found) => ![one, two, three].some((image) => found.includes(image)),
      );
  });

  test("on another node it is what it is on this one: logs, commands, figures, ends, limits", async () => {
    const spec = web(suite.name("far"), { labels: { app: "app_far" }, spread: ["app"], hostName: "far" });
    await engine.nodes.drain("worker-1");
    // The one that has nothing is chosen before this machine, which has the gate.
    const busy = suite.spec(suite.name("busy"));
    await make(busy);
    await make(spec);
    await engine.nodes.activate("worker-1");
    const report = await eventually(
      () => engine.containerGet(spec.name),
      (each) => each?.state === "running",
    );
    assert.deepEqual([report?.node, report?.leaving, report?.labels], ["worker-2", false, spec.labels]);
    const status = await suite.sh(spec.name, "cat /proc/1/status; hostname");
    assert.match(status, /^CapBnd:\s0+$[\s\S]*^NoNewPrivs:\s1$[\s\S]*^Seccomp:\s2$[\s\S]*^far$/m);
    const lines: string[] = [];
    for await (const { text } of engine.containerLogs(spec.name, {})) lines.push(text);
    assert.deepEqual(lines, ["up"]);
    const metrics = await engine.containerMetrics(spec.name);
    assert.ok((metrics?.memoryBytes ?? 0) > 0 && metrics?.memoryLimitBytes === 64 * MiB);
    const session = await engine.containerOpen(spec.name, { command: ["cat"], terminal: undefined });
    session.stdin.end("over there");
    const output: Buffer[] = [];
    for await (const piece of session.stdout) output.push(piece as Buffer);
    assert.equal(`${Buffer.concat(output)} ${await session.exited}`, "over there 0");
    const changes: string[] = [];
    const ending = new AbortController();
    const connected = Promise.withResolvers<void>();
    engine.watch({ onChange: ({ name, kind }) => changes.push(`${name} ${kind}`), onConnect: connected.resolve }, ending.signal);
    await connected.promise;
    await eventually(
      async () => {
        if ((await engine.containerGet(spec.name))?.state === "running") await engine.containerStop(spec.name);
        else await engine.containerStart(spec.name);
        return changes;
      },
      (all) => all.includes(`${spec.name} exited`) && all.includes(`${spec.name} started`),
    );
    ending.abort();
    await engine.containerKill(spec.name);
    assert.equal((await engine.containerWait(spec.name)).exitCode, 137);
    await remove([spec.name, busy.name]);
    await refuses(engine.containerStart(spec.name), "not_found");
  });

  test("no packet goes from one network to another, to this machine, or to the cloud's from a node", async () => {
    await engine.networkCreate({ name: "other", labels: {}, internal: false });
    const shops = [1, 2, 3].map((number) => suite.name(`shop-${number}`));
    const others = [1, 2, 3].map((number) => suite.name(`other-${number}`));
    for (const name of shops) await make(web(name));
    const change = (name: string) => ({
      labels: { app: "app_other", process: "web" },
      networks: [{ name: "other", aliases: ["web", name] }],
    });
    for (const name of others) await make(web(name, change(name)));
    const addresses = async (name: string) => {
      const text = await suite.sh(name, "ip -4 addr | grep -o 'inet [0-9.]*' | cut -d' ' -f2 | grep -v 127");
      return text.split("\n");
    };
    for (const [network, names] of Object.entries({ shop: shops, other: others }))
      for (const name of names)
        assert.equal(
          await eventually(
            () => answer(name, network),
            (text) => text === name,
          ),
          name,
        );
    const targets = (await Promise.all(shops.map(addresses))).flat();
    const own = async (from: string) => {
      const { address } = machine((await summary(from))?.node === "worker-1" ? "worker-1" : "worker-2");
      return (await summary(from))?.node?.startsWith("worker") ? [address, machine("home").address] : [machine("home").address];
    };
    const look = async (from: string) => {
      const names = shops.map((to) => `(timeout 5 getent hosts ${to}) &`);
      assert.equal(await suite.sh(from, `${names.join(" ")} wait`), "", "it does not even know their names");
      // All at once: what is dropped is waited for.
      const words = targets.map(
        (address) => `(printf 'GET / HTTP/1.0\\r\\n\\r\\n' | timeout 3 nc -w 2 ${address} 8080 | tail -1) &`,
      );
      const heard = await suite.sh(from, `${words.join(" ")} wait`);
      // Two bridges on two nodes may have the same range, and then it is one of its own that answers.
      for (const to of shops) assert.ok(!heard.includes(to), `${from} hears ${heard}`);
      // Docker's own doors: the machine that it is on, and the cloud's.
      const doors = (await own(from)).flatMap((address) =>
        [2376, 2377, 2378].map((port) => `(timeout 3 nc -w 2 ${address} ${port} < /dev/null && echo ${address}:${port}) &`),
      );
      assert.equal(await suite.sh(from, `${doors.join(" ")} wait`), "");
      for (const to of others)
        await eventually(
          () => inside(from, to),
          (text) => text.trim().endsWith(to),
        );
    };
    for (const from of others) await look(from);
    await remove([...shops, ...others]);
    await engine.networkRemove("other");
    await engine.networkRemove("other");
    assert.equal(await engine.networkGet("other"), undefined);
  });

  test("a volume is on one node, and what has it is there too", async () => {
    const volume = { name: "data", labels: { kind: "disk" }, near: [] };
    await Promise.all([engine.volumeCreate(volume), engine.volumeCreate(volume)]);
    await engine.volumeCreate({ name: "more", labels: {}, near: ["data"] });
    const mounts = [{ volume: "data", path: "/data", readOnly: false }];
    const writer = web(suite.name("writer"), { mounts: [...mounts, { volume: "more", path: "/more", readOnly: false }] });
    await make(writer);
    await suite.sh(writer.name, "echo kept > /data/file");
    const session = await engine.containerRun(suite.spec(suite.name("look"), { mounts, command: ["cat", "/data/file"] }));
    const output: Buffer[] = [];
    session.stdin.end();
    session.stderr.resume();
    for await (const piece of session.stdout) output.push(piece as Buffer);
    assert.equal(Buffer.concat(output).toString(), "kept\n");
    assert.deepEqual((await engine.volumeList()).map(({ name }) => name).sort(), ["data", "more"]);
    assert.equal((await engine.volumeGet("data"))?.name, "data");
    await refuses(engine.volumeRemove("data"), "failed_precondition", "engine_in_use");
    await remove([writer.name]);
    await engine.volumeRemove("data");
    await engine.volumeRemove("more");
    assert.deepEqual(await engine.volumeList(), []);
    assert.equal(await engine.volumeGet("data"), undefined);
  });

  test("a node that is lost loses what may run elsewhere, and keeps its disks", async () => {
    await engine.nodes.drain("worker-1");
    const stateless = web(suite.name("stateless"));
    const busy = [suite.spec(suite.name("busy")), suite.spec(suite.name("busy"))];
    for (const each of busy) await make(each);
    await engine.volumeCreate({ name: "diary", labels: { kind: "disk" }, near: [] });
    const stateful = web(suite.name("stateful"), {
      labels: { app: "app_diary" },
      mounts: [{ volume: "diary", path: "/diary", readOnly: false }],
    });
    await make(stateless);
    await make(stateful);
    await engine.nodes.activate("worker-1");
    assert.deepEqual([(await summary(stateless.name))?.node, (await summary(stateful.name))?.node], ["worker-2", "worker-2"]);
    await suite.sh(stateful.name, "echo dear > /diary/file");
    assert.deepEqual((await nodeNamed("worker-2")).volumes, [{ name: "diary", labels: { kind: "disk" } }]);
    await refuses(engine.nodes.remove("worker-2"), "failed_precondition", "node_has_volumes");

    await machine("worker-2").kill();
    // Until the swarm is sure, nothing is called lost.
    await eventually(
      async () => (await engine.nodes.list()).find(({ name }) => name === "worker-2")?.state,
      (state) => state === "down",
      90_000,
    );
    assert.equal(await engine.containerGet(stateless.name), undefined);
    await make(stateless);
    assert.notEqual((await summary(stateless.name))?.node, "worker-2");
    assert.equal(
      await eventually(
        () => answer(stateless.name),
        (text) => text === stateless.name,
      ),
      stateless.name,
    );
    await refuses(engine.volumeCreate({ name: "diary", labels: { kind: "disk" }, near: [] }), "failed_precondition", "node_down");
    await refuses(engine.containerCreate(stateful), "failed_precondition", "node_down");
    await refuses(engine.volumeRemove("diary"), "failed_precondition", "node_down");

    await machine("worker-2").start();
    await eventually(
      async () => (await engine.nodes.list()).find(({ name }) => name === "worker-2")?.state,
      (state) => state === "ready",
      90_000,
    );
    const again = await eventually(
      () => summary(stateful.name),
      (each) => each?.state === "running",
      60_000,
    );
    assert.equal(again?.node, "worker-2");
    assert.equal(await suite.sh(stateful.name, "cat /diary/file"), "dear");
    assert.equal(
      await eventually(
        () => answer(stateful.name),
        (text) => text === stateful.name,
        60_000,
      ),
      stateful.name,
    );
    // The one that was left behind there goes, and the one that took its place stays.
    await eventually(
      async () => {
        const found = await summary(stateless.name);
        return [found?.node, found?.state, (await nodeNamed("worker-2")).containers].join(" ");
      },
      (text) => /^(worker-1|\S+) running 1$/.test(text) && !text.startsWith("worker-2"),
    );

    // Its machine is gone for good.
    await machine("worker-2").kill();
    await eventually(
      async () => (await engine.nodes.list()).find(({ name }) => name === "worker-2")?.state,
      (state) => state === "down",
      90_000,
    );
    await refuses(engine.nodes.remove("worker-2"), "failed_precondition", "node_has_volumes");
    await engine.nodes.remove("worker-2", { abandonVolumes: true });
    assert.equal(await nodeNamed("worker-2"), undefined);
    await engine.volumeCreate({ name: "diary", labels: { kind: "disk" }, near: [] });
    assert.equal((await engine.volumeGet("diary"))?.name, "diary", "made anew, elsewhere");
    await engine.volumeRemove("diary");
    await remove([stateless.name, ...busy.map(({ name }) => name)]);
  });

  test("a node that is drained gets nothing new, tells what should leave, and goes when it is empty", async () => {
    const names = [1, 2].map((number) => suite.name(`web-${number}`));
    for (const name of names) await make(web(name));
    await engine.nodes.drain("worker-1");
    await engine.nodes.drain("worker-1");
    assert.equal((await nodeNamed("worker-1")).draining, true);
    const there = (await engine.containerList()).filter(({ node }) => node === "worker-1");
    assert.deepEqual(
      there.map(({ leaving }) => leaving),
      [true],
    );
    const more = web(suite.name("web-3"));
    await make(more);
    assert.notEqual((await summary(more.name))?.node, "worker-1");
    await refuses(engine.nodes.remove("worker-1"), "failed_precondition", "node_in_use");
    await remove([...names, more.name]);
    await engine.nodes.remove("worker-1");
    assert.deepEqual(await engine.nodes.list(), [], "one machine again");
    await machine("worker-1").join(await swarm.invite("worker-1"));
    const node = await eventually(
      () => nodeNamed("worker-1"),
      (each) => each?.state === "ready",
    );
    assert.deepEqual([node.draining, node.containers], [false, 0], "a new node");
    await engine.nodes.drain("worker-1");
    await engine.nodes.remove("worker-1");
    await make(more);
    assert.equal(
      await eventually(
        () => answer(more.name),
        (text) => text === more.name,
      ),
      more.name,
    );
    await remove([more.name]);
    await engine.networkRemove("shop");
  });
});
