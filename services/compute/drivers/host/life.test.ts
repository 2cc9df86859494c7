import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import type { RouterSpec } from "../../driver.ts";
import { type Machine, PacketLab, packetsMissing, run } from "../../testing/packets.ts";

/** Everything on this machine that the laboratory's cloud could have left. */
function remains(lab: PacketLab): string[] {
  // As our names have it: the random names of other laboratories have any four digits now and then.
  const ours = new RegExp(`\\bkh[-_rv]${lab.cloudMark}`);
  const marked = (text: string) => text.split("\n").filter((line) => ours.test(line));
  const folders = existsSync(join(lab.directory, "routers")) ? readdirSync(join(lab.directory, "routers")) : [];
  const running = run("ps", "-eo", "args")
    .split("\n")
    .filter((line) => line.includes(lab.directory));
  return [
    ...marked(run("ip", "-br", "link")),
    ...marked(run("ip", "netns")),
    ...marked(run("ip", "route", "show", "table", "all")),
    ...marked(run("nft", "list", "tables")),
    ...folders,
    ...running,
  ];
}

describe("the life of networks on this host", { skip: packetsMissing() ?? false }, () => {
  const lab = new PacketLab();
  before(async () => {
    lab.start();
    await lab.world.serve(80, "world");
  });
  afterEach(async () => {
    for (const router of await lab.network.list()) await lab.network.remove(router);
  });
  after(() => lab.stop());

  const pid = (router: RouterSpec, daemon: string) =>
    Number(readFileSync(join(lab.directory, "routers", router.id, `${daemon}.pid`), "utf8"));
  const time = async (work: () => Promise<unknown>) => {
    const start = performance.now();
    await work();
    return performance.now() - start;
  };
  /** A router with two guests, which see each other and the world. */
  async function living(cidr: string): Promise<{ router: RouterSpec; well(): Promise<void>; guests: Machine[] }> {
    const router = lab.router(cidr, { dnsDomain: "life.internal" });
    const [first, second] = ["5", "6"].map((last) => lab.addPort(router, cidr.replace("0/24", last), { hostName: `m${last}` }));
    router.portForwards = [
      {
        protocol: "tcp",
        listenAddress: "0.0.0.0",
        listenPort: 25_000 + Number(cidr.split(".")[1]),
        portId: first!.id,
        targetPort: 80,
      },
    ];
    await lab.network.apply(router);
    const guests = [lab.plug(router, first!), lab.plug(router, second!)];
    await guests[0]!.serve(80, "first");
    return {
      router,
      guests,
      async well() {
        assert.match((await guests[1]!.ask(first!.ipv4, 80)) ?? "nothing", /^first /, "to each other");
        assert.match((await guests[1]!.ask(lab.worldAddress, 80)) ?? "nothing", /^world /, "to the world");
        const { listenPort } = router.portForwards[0]!;
        assert.match((await lab.world.ask(lab.hostAddress, listenPort)) ?? "nothing", /^first /, "from the world");
        assert.equal(await guests[1]!.resolve("m5.life.internal", cidr.replace("0/24", "1")), first!.ipv4, "by name");
      },
    };
  }

  test("a second time changes nothing", async (t) => {
    const { router, well } = await living("10.90.0.0/24");
    const tables = run("nft", "list", "tables")
      .split("\n")
      .filter((line) => line.includes(lab.cloudMark));
    assert.ok(tables.length > 0);
    const rules = () =>
      tables
        .map((table) => run("nft", "-a", "list", ...table.split(" ")))
        .join("")
        .replace(/counter packets \d+ bytes \d+/g, "");
    const before = rules();
    const dns = pid(router, "dnsmasq");
    await lab.network.apply(router);
    const times: number[] = [];
    for (let round = 0; round < 20; round++) times.push(await time(() => lab.network.apply(router)));
    assert.equal(rules(), before);
    assert.equal(pid(router, "dnsmasq"), dns);
    times.sort((one, other) => one - other);
    t.diagnostic(`applied again in ${(times[10] as number).toFixed(1)} ms`);
    // Another process finds all as it is.
    lab.open();
    await lab.network.apply(router);
    assert.equal(pid(router, "dnsmasq"), dns);
    await well();
    await lab.network.remove(router.id);
  });

  test("what somebody breaks is put right by the next apply, and guests stay plugged in", async () => {
    const { router, well, guests } = await living("10.91.0.0/24");
    const names = lab.namesOf(router);
    const breaks: [string, () => void][] = [
      ["dnsmasq killed", () => process.kill(pid(router, "dnsmasq"), "SIGKILL")],
      ["its rules flushed", () => run("ip", "netns", "exec", names.namespace, "nft", "flush", "ruleset")],
      ["the host's rules gone", () => run("nft", "delete", "table", "ip", names.table)],
      [
        "the host's elements flushed",
        () => {
          run("nft", "flush", "map", "ip", names.table, "tcp_any");
          // Differences of the next change are none to what is there now.
          router.portForwards[0]!.listenPort += 500;
        },
      ],
      ["the bridge's rules gone", () => run("nft", "delete", "table", "bridge", names.table)],
      ["the way out gone", () => run("ip", "link", "del", names.uplink)],
      ["the router's card gone", () => run("ip", "link", "del", names.peers[0]!)],
      ["the bridge gone", () => run("ip", "link", "del", router.networks[0]!.bridge)],
      ["the namespace gone", () => run("ip", "netns", "del", names.namespace)],
      ["the state gone", () => run("rm", join(lab.directory, "routers", router.id, "state.json"))],
    ];
    for (const [what, breakIt] of breaks) {
      breakIt();
      // Rules are looked at again after a while; another process looks at once.
      lab.open();
      await lab.network.apply(router);
      await well().catch((error) => assert.fail(`${what}: ${error.message}`));
    }
    assert.equal(guests.length, 2);
    await lab.network.remove(router.id);
  });

  test("networks and ports come and go while others stay as they are", async () => {
    const { router, well, guests } = await living("10.92.0.0/24");
    const talk = await guests[1]!.talk("10.92.0.5", guests[0]!, 90, async () => {});
    assert.ok(await talk.echo("one"));
    const second = lab.newNetwork("10.92.1.0/24", { dnsDomain: "second.internal" });
    router.networks.push(second);
    const port = lab.addPort(router, "10.92.1.5", { networkId: second.id, hostName: "late" });
    await lab.network.apply(router);
    const late = lab.plug(router, port);
    assert.match((await late.ask("10.92.0.5", 80)) ?? "", /^first /);
    assert.equal(await guests[1]!.resolve("late.second.internal", "10.92.0.1"), "10.92.1.5");
    assert.ok(await talk.echo("two"));
    router.networks.pop();
    router.ports.pop();
    await lab.network.apply(router);
    assert.ok(!run("ip", "-br", "link").includes(second.bridge));
    assert.equal(await guests[1]!.resolve("late.second.internal", "10.92.0.1"), undefined);
    assert.ok(await talk.echo("three"));
    talk.end();
    await well();
    await lab.network.remove(router.id);
  });

  test("killed at any point, the next process brings it to its end", async () => {
    const { router, well } = await living("10.93.0.0/24");
    const program = `
      import { PacketLab } from ${JSON.stringify(new URL("../../testing/packets.ts", import.meta.url).href)};
      const { options, router } = JSON.parse(process.env.WORK);
      const network = PacketLab.network(options);
      for (;;) {
        router.portForwards[0].listenPort = router.portForwards[0].listenPort === 25093 ? 25193 : 25093;
        router.networks[0].internet = !router.networks[0].internet;
        const extra = { ...router, ports: [...router.ports, { ...router.ports[0], id: "prt_extra", ipv4: "10.93.0.77", macAddress: "02:00:00:00:00:77", hostDevice: "khix77" }] };
        await network.apply(router.networks[0].internet ? router : extra);
      }`;
    for (let round = 0; round < 12; round++) {
      const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", program], {
        env: { ...process.env, WORK: JSON.stringify({ options: lab.options, router }) },
        stdio: ["ignore", "ignore", "inherit"],
      });
      await new Promise((resolve) => setTimeout(resolve, 350 + round * 41 + Math.random() * 60));
      child.kill("SIGKILL");
      await new Promise((resolve) => child.once("exit", resolve));
      lab.open();
      router.networks[0]!.internet = true;
      await lab.network.apply(router);
      await well();
      const table = run("nft", "list", "map", "ip", lab.namesOf(router).table, "tcp_any");
      assert.deepEqual(table.match(/\d+ : 100/g), ["25093 : 100"], `round ${round}: no forward of another time`);
    }
    await lab.network.remove(router.id);
  });

  test("many at once, also of one router; and the numbers of those that went are used again", async () => {
    const routers = Array.from({ length: 6 }, (_, index) => {
      const router = lab.router("10.94.0.0/24");
      lab.addPort(router, `10.94.0.${index + 5}`);
      return router;
    });
    await Promise.all(routers.flatMap((router) => [lab.network.apply(router), lab.network.apply(router)]));
    const transit = lab.transitAddresses().map(({ address }) => address);
    assert.equal(new Set(transit).size, 6);
    assert.deepEqual(await lab.network.list(), routers.map(({ id }) => id).sort());
    await Promise.all(routers.map(({ id }) => lab.network.remove(id)));
    assert.deepEqual(await lab.network.list(), []);
    const again = lab.router("10.94.0.0/24");
    lab.addPort(again, "10.94.0.5");
    await lab.network.apply(again);
    assert.ok(transit.includes(lab.transitAddresses()[0]!.address));
    await lab.network.remove(again.id);
  });

  test("two clouds on one machine: each sees its own alone", async () => {
    const other = new PacketLab();
    const [mine, theirs] = [lab.router("10.95.0.0/24"), other.router("10.95.0.0/24")];
    theirs.id = mine.id;
    lab.addPort(mine, "10.95.0.5");
    other.addPort(theirs, "10.95.0.5");
    other.start();
    try {
      await Promise.all([lab.network.apply(mine), other.network.apply(theirs)]);
      assert.deepEqual([await lab.network.list(), await other.network.list()], [[mine.id], [mine.id]]);
      await other.network.removeAll();
      assert.deepEqual([await lab.network.list(), await other.network.list()], [[mine.id], []]);
      assert.notDeepEqual(remains(lab), []);
    } finally {
      await other.stop();
      await lab.network.remove(mine.id);
    }
  });

  test("a router that is gone leaves nothing", async (t) => {
    const times: number[] = [];
    for (let round = 0; round < 9; round++) {
      const router = lab.router("10.96.0.0/24");
      lab.addPort(router, "10.96.0.5");
      times.push(await time(() => lab.network.apply(router)));
      await lab.network.remove(router.id);
      await lab.network.remove(router.id);
    }
    times.sort((one, other) => one - other);
    t.diagnostic(`new in ${Math.round(times[4] as number)} ms`);
    const tables = [
      `table ip ${lab.namesOf({ id: "0" } as RouterSpec).table}`,
      `table bridge ${lab.namesOf({ id: "0" } as RouterSpec).table}`,
    ];
    assert.deepEqual(remains(lab).sort(), tables.sort());
    await lab.network.removeAll();
    assert.deepEqual(remains(lab), []);
  });

  test("a specification that cannot be is refused, and changes nothing", async () => {
    const router = lab.router("10.97.0.0/24");
    const port = lab.addPort(router, "10.97.0.5");
    const refused = (change: Partial<RouterSpec>, pattern: RegExp) =>
      assert.rejects(lab.network.apply({ ...router, ...change }), { code: "invalid_argument", message: pattern });
    await refused({ networks: [...router.networks, lab.newNetwork("10.97.0.128/25")] }, /overlap/);
    await refused({ ports: [port, { ...port, id: "prt_2" }] }, /given twice/);
    await refused({ ports: [{ ...port, ipv4: "10.98.0.5" }] }, /is not in 10\.97/);
    await refused({ ports: [{ ...port, ipv4: "10.97.0.1" }] }, /given twice/);
    await refused({ ports: [{ ...port, securityGroupIds: ["sgr_x"] }] }, /security group that is not there/);
    await refused({ floatingAddresses: [{ address: "203.0.113.1", portId: "prt_x" }] }, /port that is not there/);
    assert.deepEqual(await lab.network.list(), []);
  });
});
