import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { dockerMissing, removeCloud, testCloudId, testDocker } from "../../../../testing/docker.ts";
import { eventually, openSuite, type Suite } from "../conformance.suite.ts";
import { doorAddress, doorTable } from "./door.ts";
import { openFirewall } from "./firewall.ts";
import { openDockerEngine } from "./index.ts";

/** A namespace is needed that rules may be put into, and a way out of it. */
const skip =
  dockerMissing() ?? (process.env["KHMARA_TEST_DOCKER_SOCKET"] ? "an engine that was given is not ours to guard" : false);

describe("what containers reach, with packets", { skip, concurrency: false, timeout: 300_000 }, () => {
  const suite = {} as Suite;
  const word = randomBytes(3).toString("hex");
  const [bridge, card, machine] = [`kht-${word}`, `khu-${word}`, `khtest-${word}`];
  const range = `10.${randomInt(200, 250)}.${randomInt(0, 250)}`;
  const hostPort = randomInt(20_000, 30_000);
  const doorPort = randomInt(30_000, 32_000);
  const children: ReturnType<typeof spawn>[] = [];
  let network = "";
  let cloud = "";
  let guarded: ReturnType<typeof openDockerEngine>;
  const world = createServer((_, response) => response.end("world\n"));

  const run = (...words: string[]) => {
    const { status, stderr } = spawnSync(words[0] as string, words.slice(1), { encoding: "utf8" });
    assert.equal(status, 0, `${words.join(" ")}: ${stderr}`);
  };
  const inside = (...words: string[]) => run("nsenter", `--net=${network}`, ...words);
  const serve = (where: string, port: number) =>
    children.push(
      spawn("nsenter", [`--net=${where}`, "busybox", "httpd", "-f", "-p", String(port), "-h", "/etc/alternatives"], {
        stdio: "ignore",
      }),
    );
  const serveOn = (address: string, port: number) =>
    children.push(
      spawn("nsenter", [`--net=${network}`, "busybox", "httpd", "-f", "-p", `${address}:${port}`, "-h", "/etc/alternatives"], {
        stdio: "ignore",
      }),
    );
  /** Whether anybody answers there, in HTTP. */
  const reaches = async (name: string, address: string, port: number): Promise<boolean> => {
    const { stdout } = await suite.engine.containerExec(name, {
      command: ["sh", "-c", `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 ${address} ${port}`],
      maxOutputBytes: 1000,
    });
    return Buffer.from(stdout).toString().startsWith("HTTP/1");
  };
  const outsiderReaches = (where: string, address: string): boolean =>
    spawnSync(
      "nsenter",
      [`--net=${where}`, "sh", "-c", `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | busybox nc -w 3 ${address} 8080`],
      { encoding: "utf8", timeout: 20_000 },
    ).stdout.includes("found");

  before(
    async () => {
      const docker = await testDocker();
      network = docker.network as string;
      const [one, two] = [testCloudId(), testCloudId()];
      cloud = one;
      const engineOf = (cloudId: string) => openDockerEngine({ address: { endpoint: docker.socket }, cloudId });
      const close = async () => {
        for (const cloudId of [one, two]) await removeCloud(docker.socket, cloudId);
      };
      Object.assign(suite, await openSuite(async () => ({ engine: engineOf(one), other: engineOf(two), close })));
      guarded = openDockerEngine({ address: { endpoint: docker.socket }, cloudId: one, firewall: openFirewall({ network }) });
      // A bridge with a machine behind it, as virtual servers have.
      run("ip", "netns", "add", machine);
      inside("ip", "link", "add", bridge, "type", "bridge");
      inside("ip", "addr", "add", `${range}.1/24`, "dev", bridge);
      inside("ip", "link", "set", bridge, "up");
      inside(
        "ip",
        "link",
        "add",
        card,
        "master",
        bridge,
        "type",
        "veth",
        "peer",
        "name",
        "eth0",
        "netns",
        `/run/netns/${machine}`,
      );
      inside("ip", "link", "set", card, "up");
      for (const words of [
        ["addr", "add", `${range}.2/24`, "dev", "eth0"],
        ["link", "set", "eth0", "up"],
        ["route", "add", "default", "via", `${range}.1`],
      ])
        run("ip", "-n", machine, ...words);
      // A host whose own rules let it pass.
      inside("iptables", "-w", "10", "-I", "DOCKER-USER", "-i", bridge, "-j", "ACCEPT");
      // Where clouds tell machines who they are.
      inside("ip", "addr", "replace", "169.254.169.254/32", "dev", "lo");
      serve(network, hostPort);
      serve(`/run/netns/${machine}`, 80);
      await new Promise<void>((resolve) => world.listen(0, "0.0.0.0", resolve));
    },
    { timeout: 200_000 },
  );
  after(async () => {
    world.close();
    for (const child of children) child.kill("SIGKILL");
    spawnSync("nsenter", [`--net=${network}`, "iptables", "-w", "10", "-D", "DOCKER-USER", "-i", bridge, "-j", "ACCEPT"]);
    spawnSync("nsenter", [`--net=${network}`, "nft", "delete", "table", "ip", doorTable(cloud)]);
    spawnSync("nsenter", [`--net=${network}`, "ip", "link", "del", bridge]);
    spawnSync("nsenter", [`--net=${network}`, "ip", "addr", "del", "169.254.169.254/32", "dev", "lo"]);
    spawnSync("ip", ["netns", "del", machine]);
    guarded?.close();
    await suite.close?.();
  });

  test("its own network and the world, and nothing of the host, of other networks and of other bridges", async () => {
    spawnSync("nsenter", [`--net=${network}`, "nft", "delete", "table", "inet", "khmara_apps"]);
    const { engine } = suite;
    for (const name of ["mine", "theirs"]) await engine.networkCreate({ name, labels: {}, internal: false });
    const command = [
      "/bin/sh",
      "-c",
      "mkdir /tmp/www; echo found > /tmp/www/index.html; exec busybox httpd -f -p 8080 -h /tmp/www",
    ];
    const on = (name: string, alias: string) => ({
      command,
      networks: [{ name, aliases: [alias] }],
      temporaryFolders: [{ path: "/tmp", sizeBytes: 1024 ** 2 }],
    });
    const [hostile, friend, stranger] = ["hostile", "friend", "stranger"].map(suite.name) as [string, string, string];
    await Promise.all([
      suite.start(suite.spec(hostile, on("mine", "hostile"))),
      suite.start(suite.spec(friend, on("mine", "friend"))),
      suite.start(suite.spec(stranger, on("theirs", "stranger"))),
    ]);
    const addressOf = async (name: string) => Object.values((await engine.containerGet(name))?.addresses ?? {})[0] as string;
    const [friendAddress, strangerAddress] = [await addressOf(friend), await addressOf(stranger)];
    const gateway = (await engine.networkGet("mine"))?.gateway as string;
    const worldPort = (world.address() as AddressInfo).port;
    const forbidden: [string, string, number][] = [
      ["the host at its own bridge", gateway, hostPort],
      ["the host at another card", "198.19.255.2", hostPort],
      ["who tells machines who they are", "169.254.169.254", hostPort],
      ["the host at the bridge of others", `${range}.1`, hostPort],
      ["a machine behind another bridge", `${range}.2`, 80],
    ];
    for (const [what, address, port] of forbidden)
      await eventually(
        () => reaches(hostile, address, port),
        (reached) => reached,
      ).catch((error) => assert.fail(`without rules it reaches ${what}: ${error.message}`));
    assert.ok(outsiderReaches(`/run/netns/${machine}`, friendAddress), "and is reached from there");

    // The network is there already: its guard is what this brings.
    await guarded.networkCreate({ name: "mine", labels: {}, internal: false });
    for (const [what, address, port] of forbidden) assert.equal(await reaches(hostile, address, port), false, what);
    assert.equal(await reaches(hostile, strangerAddress, 8080), false, "another network");
    assert.equal(outsiderReaches(`/run/netns/${machine}`, friendAddress), false, "from behind another bridge");
    assert.ok(await reaches(hostile, friendAddress, 8080), "its own network");
    assert.ok(await reaches(hostile, "friend", 8080), "by name");
    assert.ok(await reaches(hostile, "198.19.255.1", worldPort), "the world");
    assert.ok(outsiderReaches(network, friendAddress), "the host reaches it, as the gateway does");

    // The cloud's own S3 door, which listens on loopback alone, or everywhere.
    serveOn("127.0.0.1", doorPort);
    for (const listens of [
      { address: "127.0.0.1", port: doorPort },
      { address: "0.0.0.0", port: hostPort },
    ]) {
      assert.equal(await reaches(hostile, doorAddress, listens.port), false, "closed");
      const opened = await guarded.hostDoor?.({ ...listens, networks: ["mine"] });
      assert.deepEqual(opened, { address: doorAddress, port: listens.port });
      await eventually(
        () => reaches(hostile, doorAddress, listens.port),
        (reached) => reached,
      );
      assert.equal(await reaches(stranger, doorAddress, listens.port), false, "another network");
      for (const port of [hostPort, doorPort])
        if (port !== listens.port) assert.equal(await reaches(hostile, doorAddress, port), false, "another port");
      const [[what = "", address = "", port = 0] = []] = forbidden;
      assert.equal(await reaches(hostile, address, port), false, `${what}, with a door open`);
      assert.equal(await reaches(hostile, gateway, listens.port), false, "not but by its address");
      await guarded.hostDoor?.({ ...listens, networks: [] });
      assert.equal(await reaches(hostile, doorAddress, listens.port), false, "closed again");
    }
    // Somebody throws all rules away.
    inside("nft", "delete", "table", "inet", "khmara_apps");
    await eventually(
      async () => {
        await guarded.networkCreate({ name: "mine", labels: {}, internal: false });
        return reaches(hostile, gateway, hostPort);
      },
      (reached) => !reached,
    );
  });
});
