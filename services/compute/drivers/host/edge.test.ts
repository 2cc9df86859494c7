import assert from "node:assert/strict";
import { connect, createServer } from "node:net";
import { after, before, describe, test } from "node:test";
import type { LoadBalancerSpec, SecurityRule } from "../../driver.ts";
import { type Machine, PacketLab, packetsMissing, run } from "../../testing/packets.ts";

const out: SecurityRule = { direction: "out", protocol: "any" };
// A machine with much other work may miss a check now and then.
const check = { intervalSeconds: 1, failures: 3 };

/** What a TCP port answers to the host itself. */
const askFromHost = (address: string, port: number): Promise<string | undefined> =>
  new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: 2000 });
    let text = "";
    socket.on("data", (chunk) => (text += chunk));
    socket.on("end", () => resolve(text.trim()));
    socket.on("error", () => resolve(undefined));
    socket.on("timeout", () => {
      socket.destroy();
      resolve(undefined);
    });
  });

describe("where networks of this host meet the world, with packets", { skip: packetsMissing() ?? false }, () => {
  const lab = new PacketLab();
  before(async () => {
    lab.start();
    await lab.world.serve(80, "world");
    await lab.network.publishPools([{ range: lab.poolRange, local: false }]);
  });
  after(() => lab.stop());

  test("a floating address leads both ways, moves, and goes", async () => {
    const router = lab.router("10.80.0.0/24");
    const [a, b] = [lab.addPort(router, "10.80.0.5"), lab.addPort(router, "10.80.0.6")];
    const floating = lab.floating(1);
    router.floatingAddresses = [{ address: floating, portId: a.id }];
    await lab.network.apply(router);
    const [first, second] = [lab.plug(router, a), lab.plug(router, b)];
    await Promise.all([first.serve(80, "first"), second.serve(80, "second")]);
    assert.equal(await lab.world.ask(floating, 80), `first ${lab.worldAddress}`, "from the world, which is seen as it is");
    assert.ok(await lab.world.ping(floating));
    assert.equal(await first.ask(lab.worldAddress, 80), `world ${floating}`, "to the world, under that address");
    assert.equal(await second.ask(lab.worldAddress, 80), `world ${lab.hostAddress}`);
    assert.equal(await second.ask(floating, 80), "first 10.80.0.6", "from beside it");
    assert.equal(await first.ask(floating, 80), "first 10.80.0.1", "from itself");
    assert.match((await askFromHost(floating, 80)) ?? "", /^first /, "from the host");

    router.floatingAddresses = [{ address: floating, portId: b.id }];
    await lab.network.apply(router);
    assert.equal(await lab.world.ask(floating, 80), `second ${lab.worldAddress}`);
    assert.equal(await first.ask(lab.worldAddress, 80), `world ${lab.hostAddress}`);

    // To a router of another project, by way of the host.
    const other = lab.router("10.80.0.0/24");
    const c = lab.addPort(other, "10.80.0.5");
    router.floatingAddresses = [];
    other.floatingAddresses = [{ address: floating, portId: c.id }];
    await lab.network.apply(other);
    await lab.network.apply(router);
    const third = lab.plug(other, c);
    await third.serve(80, "third");
    assert.equal(await lab.world.ask(floating, 80), `third ${lab.worldAddress}`, "the old router's going does not take it away");
    assert.match((await first.ask(floating, 80)) ?? "", /^third /, "public addresses are reached from all projects");
    await lab.network.remove(other.id);
    assert.equal(await lab.world.ask(floating, 80), undefined);
    // It ends at the host instead of wandering between it and its neighbour.
    assert.match((await lab.world.try(`busybox traceroute -n -m 4 -q 1 -w 1 ${floating} 2>&1`)) ?? "", /!H|!N|\*/);
    await lab.network.remove(router.id);
  });

  test("the security groups of an instance hold for what comes from outside as well", async () => {
    const router = lab.router("10.81.0.0/24");
    const a = lab.addPort(router, "10.81.0.5", { securityGroupIds: ["web"] });
    const floating = lab.floating(2);
    router.floatingAddresses = [{ address: floating, portId: a.id }];
    router.securityGroups = [{ id: "web", rules: [out, { direction: "in", protocol: "tcp", ports: { from: 80, to: 81 } }] }];
    await lab.network.apply(router);
    const guest = lab.plug(router, a);
    await Promise.all([80, 81, 82].map((port) => guest.serve(port, "web")));
    assert.equal(await lab.world.ask(floating, 81), `web ${lab.worldAddress}`);
    assert.equal(await lab.world.ask(floating, 82), undefined);
    assert.ok(!(await lab.world.ping(floating)));
    router.securityGroups = [
      { id: "web", rules: [{ direction: "in", protocol: "tcp", remote: { cidr: `${lab.worldAddress}/32` } }] },
    ];
    await lab.network.apply(router);
    assert.equal(await lab.world.ask(floating, 82), `web ${lab.worldAddress}`, "the world's own address is what rules see");
    await lab.network.remove(router.id);
  });

  test("a pool on an interface of the host is answered for there, and only for what leads somewhere", async () => {
    const base = lab.hostAddress.split(".").slice(0, 3).join(".");
    const last = Number(lab.hostAddress.split(".")[3]);
    const [one, two] = [`${base}.${last + 3}`, `${base}.${last + 4}`];
    await lab.network.publishPools([
      { range: lab.poolRange, local: false },
      { range: `${one}-${two}`, interface: lab.outer, local: false },
    ]);
    const router = lab.router("10.82.0.0/24");
    const a = lab.addPort(router, "10.82.0.5");
    router.floatingAddresses = [{ address: one, portId: a.id }];
    await lab.network.apply(router);
    const guest = lab.plug(router, a);
    await guest.serve(80, "near");
    // The kernel answers for others after a pause by chance (proxy_delay, arp(7)).
    let answer: string | undefined;
    for (let tries = 0; tries < 5 && answer === undefined; tries++) answer = await lab.world.ask(one, 80);
    assert.equal(answer, `near ${lab.worldAddress}`);
    assert.equal(await lab.world.ask(two, 80), undefined);
    await lab.network.remove(router.id);
    await lab.network.publishPools([{ range: lab.poolRange, local: false }]);
    assert.equal(run("ip", "neigh", "show", "proxy", "dev", lab.outer), "");
  });

  test("pools that would cut the host off are refused", async () => {
    const publish = (range: string, more: object = {}) =>
      lab.network.publishPools([
        { range: lab.poolRange, local: false },
        { range, local: false, ...more },
      ]);
    await assert.rejects(publish(`${lab.hostAddress}-${lab.worldAddress}`), /this host's own address/);
    await assert.rejects(publish(lab.transitCidr), /between this host and the routers/);
    await assert.rejects(publish("203.0.113.0/24"), /overlaps/);
    await assert.rejects(publish("192.0.2.200-192.0.2.201", { interface: "nothere" }), /no interface nothere/);
    await assert.rejects(publish("x"), /no range/);
  });

  test("an address of a local pool: the host and other instances reach it, and it reaches the world", async () => {
    const local = lab.floating(5);
    await lab.network.publishPools([{ range: lab.poolRange, local: true }]);
    const router = lab.router("10.83.0.0/24");
    const a = lab.addPort(router, "10.83.0.5");
    router.floatingAddresses = [{ address: local, portId: a.id }];
    await lab.network.apply(router);
    const guest = lab.plug(router, a);
    await guest.serve(80, "local");
    assert.match((await askFromHost(local, 80)) ?? "", /^local /);
    assert.equal(await guest.ask(lab.worldAddress, 80), `world ${lab.hostAddress}`, "masqueraded: nobody could answer to it");
    await lab.network.remove(router.id);
    await lab.network.publishPools([{ range: lab.poolRange, local: false }]);
  });

  test("port forwards: from the world, the host, other projects and the instance's own", async () => {
    const router = lab.router("10.84.0.0/24");
    const [a, b] = [lab.addPort(router, "10.84.0.5"), lab.addPort(router, "10.84.0.6")];
    const forward = (listenPort: number, targetPort: number, more: object = {}) => ({
      protocol: "tcp" as const,
      listenAddress: "0.0.0.0",
      listenPort,
      portId: a.id,
      targetPort,
      ...more,
    });
    router.portForwards = [
      forward(24_080, 80),
      forward(24_081, 80, { listenAddress: lab.hostAddress, portId: b.id }),
      forward(24_053, 53, { protocol: "udp" }),
    ];
    await lab.network.apply(router);
    const [first, second] = [lab.plug(router, a), lab.plug(router, b)];
    await Promise.all([first.serve(80, "first"), second.serve(80, "second"), first.answerNames("forwarded.test", "192.0.2.7")]);
    assert.equal(await lab.world.ask(lab.hostAddress, 24_080), `first ${lab.worldAddress}`);
    assert.equal(await lab.world.ask(lab.hostAddress, 24_081), `second ${lab.worldAddress}`);
    assert.match((await askFromHost("127.0.0.1", 24_080)) ?? "", /^first /, "by the host's loopback");
    assert.match((await askFromHost(lab.hostAddress, 24_080)) ?? "", /^first /);
    assert.equal(await askFromHost("127.0.0.1", 24_081), undefined, "only on one address");
    assert.match((await second.ask(lab.hostAddress, 24_080)) ?? "", /^first /, "from the same project");
    assert.match((await first.ask(lab.hostAddress, 24_080)) ?? "", /^first /, "from itself");
    const udp = await lab.world.run(`busybox nslookup -type=a x.forwarded.test ${lab.hostAddress}:24053`);
    assert.match(udp, /192\.0\.2\.7/);

    const other = lab.router("10.84.0.0/24");
    const c = lab.addPort(other, "10.84.0.5");
    await lab.network.apply(other);
    const stranger = lab.plug(other, c);
    assert.match((await stranger.ask(lab.hostAddress, 24_080)) ?? "", /^first /, "from another project, as from anywhere");

    // The same port of two addresses of the host.
    router.portForwards = [
      forward(24_080, 80, { listenAddress: "127.0.0.1" }),
      forward(24_080, 80, { listenAddress: lab.hostAddress, portId: b.id }),
    ];
    await lab.network.apply(router);
    assert.match((await askFromHost("127.0.0.1", 24_080)) ?? "", /^first /);
    assert.match((await lab.world.ask(lab.hostAddress, 24_080)) ?? "", /^second /);
    router.portForwards = [];
    await lab.network.apply(router);
    assert.equal(await lab.world.ask(lab.hostAddress, 24_080), undefined);
    await Promise.all([lab.network.remove(router.id), lab.network.remove(other.id)]);
  });

  test("instances reach nothing of the host itself: not its ports, not its loopback, not its bridges", async () => {
    const server = createServer((socket) => socket.end("the control plane\n"));
    await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
    const { port } = server.address() as { port: number };
    const bridge = `khx${lab.outer.slice(3)}`;
    run("ip", "link", "add", bridge, "type", "bridge");
    run("ip", "addr", "add", "172.31.255.1/30", "dev", bridge);
    run("ip", "link", "set", bridge, "up");
    const router = lab.router("10.85.0.0/24");
    const a = lab.addPort(router, "10.85.0.5");
    await lab.network.apply(router);
    const guest = lab.plug(router, a);
    try {
      assert.match((await lab.world.ask(lab.hostAddress, port)) ?? "", /control plane/, "the world reaches it");
      const [transit] = lab.transitAddresses();
      for (const address of [lab.hostAddress, "172.31.255.1", lab.transitHost, transit?.address, transit?.control] as string[])
        assert.equal(await guest.ask(address, port), undefined, address);
      // Straight to the host, past the router: to the bridge's own MAC address, under an address of the host.
      const network = router.networks[0]!;
      const mac = run("cat", `/sys/class/net/${network.bridge}/address`).trim();
      await guest.run(`ip neigh replace 10.85.0.1 lladdr ${mac} dev eth0 nud permanent`);
      assert.equal(await guest.ask(lab.hostAddress, port), undefined, "past the router");
      await guest.run("ip neigh del 10.85.0.1 dev eth0");
      await guest.run("ip route add 127.0.0.2/32 via 10.85.0.1 || true");
      assert.equal(await guest.ask("169.254.169.254", 80), undefined, "nor metadata of a cloud around");
      assert.ok(await guest.ping("10.85.0.1"));
    } finally {
      server.close();
      run("ip", "link", "del", bridge);
      await lab.network.remove(router.id);
    }
  });

  test("a port of the host that is open to instances is reached as the world does", async () => {
    const server = createServer((socket) => socket.end("the object store\n"));
    await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
    const { port } = server.address() as { port: number };
    lab.open({ openPorts: [port] });
    const router = lab.router("10.86.0.0/24");
    const a = lab.addPort(router, "10.86.0.5");
    await lab.network.apply(router);
    const guest = lab.plug(router, a);
    assert.match((await guest.ask(lab.hostAddress, port)) ?? "", /object store/);
    server.close();
    lab.open();
    await lab.network.apply(router);
    await lab.network.remove(router.id);
  });

  test("the control plane connects to an instance whatever its security groups say", async () => {
    const router = lab.router("10.87.0.0/24");
    const a = lab.addPort(router, "10.87.0.5", { securityGroupIds: ["none"] });
    router.securityGroups = [{ id: "none", rules: [] }];
    await lab.network.apply(router);
    const guest = lab.plug(router, a);
    await guest.serve(22, "ssh");
    const socket = await lab.network.connect(router.id, "10.87.0.5", 22);
    let text = "";
    for await (const chunk of socket) text += chunk;
    assert.equal(text.trim(), `ssh ${lab.transitHost}`);
    await assert.rejects(lab.network.connect(router.id, "10.87.0.5", 23), { code: "unavailable" });
    await assert.rejects(lab.network.connect("00000000", "10.87.0.5", 22), { code: "unavailable" });
    await assert.rejects(lab.network.connect(router.id, "10.87.0.99", 22, { signal: AbortSignal.timeout(300) }), /timeout/i);
    await lab.network.remove(router.id);
  });

  test("traffic that crosses the edge is counted by port, and nothing else is", async () => {
    const router = lab.router("10.88.0.0/24");
    const [a, b] = [lab.addPort(router, "10.88.0.5"), lab.addPort(router, "10.88.0.6")];
    await lab.network.apply(router);
    const [one, other] = [lab.plug(router, a), lab.plug(router, b)];
    await other.serve(80, "other");
    await one.ask("10.88.0.6", 80);
    await one.ping("10.88.0.1");
    const bytesOf = async (id: string) => {
      const traffic = await lab.network.traffic(router.id);
      const found = traffic?.counters.find((counter) => counter.id === id);
      return { epoch: traffic?.epoch, in: found?.receivedBytes ?? -1, out: found?.sentBytes ?? -1 };
    };
    const { epoch, ...before } = await bytesOf(a.id);
    assert.deepEqual(before, { in: 0, out: 0 }, "what stays inside is not counted");
    await one.run(`busybox ping -c 3 -i 0.2 -s 1000 -W 1 ${lab.worldAddress}`);
    // 1000 bytes, 8 of ICMP and 20 of IP.
    assert.deepEqual(await bytesOf(a.id), { epoch, in: 3 * 1028, out: 3 * 1028 });
    assert.deepEqual(await bytesOf(b.id), { epoch, in: 0, out: 0 });
    // A change of rules, of names, of other ports: the counters go on.
    router.securityGroups = [{ id: "out", rules: [out] }];
    a.securityGroupIds = ["out"];
    lab.addPort(router, "10.88.0.7");
    router.ports = router.ports.filter(({ id }) => id !== b.id);
    await lab.network.apply(router);
    await one.run(`busybox ping -c 1 -s 1000 -W 1 ${lab.worldAddress}`);
    assert.deepEqual(await bytesOf(a.id), { epoch, in: 4 * 1028, out: 4 * 1028 });
    // What is not allowed was not delivered, and costs nothing.
    a.securityGroupIds = [];
    router.floatingAddresses = [{ address: lab.floating(3), portId: a.id }];
    router.securityGroups = [{ id: "none", rules: [] }];
    a.securityGroupIds = ["none"];
    await lab.network.apply(router);
    assert.ok(!(await lab.world.ping(lab.floating(3))));
    assert.deepEqual(await bytesOf(a.id), { epoch, in: 4 * 1028, out: 4 * 1028 });
    await lab.network.remove(router.id);
    assert.equal(await lab.network.traffic(router.id), undefined);
  });

  test("a load balancer shares out, notices a member that fails, and keeps connections when it changes", async () => {
    const router = lab.router("10.89.0.0/24");
    const [a, b, c] = [lab.addPort(router, "10.89.0.5"), lab.addPort(router, "10.89.0.6"), lab.addPort(router, "10.89.0.7")];
    // Members need no rule that lets the balancer in.
    for (const port of [a, b]) port.securityGroupIds = ["closed"];
    router.securityGroups = [{ id: "closed", rules: [out] }];
    const balancer = (id: string, listenAddress: string, listenPort: number): LoadBalancerSpec => ({
      id,
      listenAddress,
      listenPort,
      algorithm: "round_robin",
      members: [a, b].map(({ id: portId }) => ({ portId, targetPort: 80, weight: 1 })),
      check,
    });
    router.loadBalancers = [
      balancer("lbr_1", lab.floating(4), 80),
      balancer("lbr_2", "0.0.0.0", 24_090),
      balancer("lbr_3", "10.89.0.100", 80),
    ];
    await lab.network.apply(router);
    const [first, second, client] = [lab.plug(router, a), lab.plug(router, b), lab.plug(router, c)] as [
      Machine,
      Machine,
      Machine,
    ];
    await Promise.all([first.serve(80, "first"), second.serve(80, "second")]);
    const shares = async (machine: Machine, address: string, port: number, times = 6) => {
      const heard = new Set<string>();
      for (let i = 0; i < times; i++) heard.add((await machine.ask(address, port))?.split(" ")[0] ?? "nothing");
      return [...heard].sort().join(" ");
    };
    // A check that comes late on a busy machine takes a member out for a moment.
    const bothAnswer = (machine: Machine, address: string, port: number) =>
      lab.eventually(async () => (await shares(machine, address, port)) === "first second", 10);
    const healthOf = async () =>
      (await lab.network.loadBalancerState(router.id))
        .filter(({ loadBalancerId }) => loadBalancerId === "lbr_1")
        .map(({ portId, health }) => `${portId === a.id ? "first" : "second"} ${health}`)
        .sort()
        .join(", ");
    // Each balancer checks its members by itself.
    await lab.eventually(async () => (await lab.network.loadBalancerState(router.id)).every(({ health }) => health === "up"), 10);
    await lab.eventually(async () => (await healthOf()) === "first up, second up", 10);
    await bothAnswer(lab.world, lab.floating(4), 80);
    await bothAnswer(lab.world, lab.hostAddress, 24_090);
    await bothAnswer(client, "10.89.0.100", 80);
    await bothAnswer(client, lab.floating(4), 80);
    const { counters } = (await lab.network.traffic(router.id)) ?? { counters: [] };
    const outside = counters.find(({ id }) => id === "lbr_1");
    assert.ok(outside && outside.receivedBytes > 0 && outside.sentBytes > 0, "what its clients send it from outside is counted");
    assert.equal(
      counters.find(({ id }) => id === "lbr_3"),
      undefined,
    );

    // A member that fails is left out, and comes back.
    second.block(80);
    await lab.eventually(async () => (await healthOf()) === "first up, second down", 10);
    assert.equal(await shares(lab.world, lab.floating(4), 80), "first");
    second.unblock();
    await lab.eventually(async () => (await healthOf()) === "first up, second up", 10);

    // Another balancer, other members: a connection that is open stays.
    const talker = await first.talkThrough(lab.world, lab.floating(4), 81, async () => {
      router.loadBalancers.push({
        ...balancer("lbr_4", lab.floating(4), 81),
        members: [{ portId: a.id, targetPort: 81, weight: 1 }],
      });
      await lab.network.apply(router);
      await lab.eventually(
        async () => (await lab.network.loadBalancerState(router.id)).some(({ loadBalancerId }) => loadBalancerId === "lbr_4"),
        10,
      );
    });
    assert.ok(await talker.echo("before"));
    router.loadBalancers = router.loadBalancers.filter(({ id }) => id !== "lbr_2");
    await lab.network.apply(router);
    await lab.eventually(async () => (await lab.world.ask(lab.hostAddress, 24_090)) === undefined, 10);
    assert.ok(await talker.echo("after the reload"));
    talker.end();
    router.loadBalancers = [];
    await lab.network.apply(router);
    assert.deepEqual(await lab.network.loadBalancerState(router.id), []);
    await lab.network.remove(router.id);
  });
});
