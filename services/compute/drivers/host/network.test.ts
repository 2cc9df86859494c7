import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { SecurityRule } from "../../driver.ts";
import { PacketLab, packetsMissing } from "../../testing/packets.ts";

const out: SecurityRule = { direction: "out", protocol: "any" };
const tcp = (port: number, more: Partial<SecurityRule> = {}): SecurityRule => ({
  direction: "in",
  protocol: "tcp",
  ports: { from: port, to: port },
  ...more,
});

describe("inside the networks of this host, with packets", { skip: packetsMissing() ?? false }, () => {
  const lab = new PacketLab();
  before(async () => {
    lab.start();
    await Promise.all([lab.world.serve(80, "world"), lab.world.answerNames("example.test", "192.0.2.99")]);
  });
  after(() => lab.stop());

  test("instances of one network reach each other through the router, and the world under the host's address", async () => {
    const router = lab.router();
    const [a, b] = [lab.addPort(router, "10.64.0.5"), lab.addPort(router, "10.64.0.6")];
    await lab.network.apply(router);
    const [one, other] = [lab.plug(router, a), lab.plug(router, b)];
    await other.serve(80, "other");
    assert.equal(await one.ask("10.64.0.6", 80), "other 10.64.0.5");
    assert.equal(await one.ask(lab.worldAddress, 80), `world ${lab.hostAddress}`);
    assert.ok(await one.ping("10.64.0.1"));
    assert.ok(await one.ping("10.64.0.6"));
    assert.ok(!(await one.ping("10.64.0.7")), "nobody has that address");
    // Asking whether somebody has its own address, an instance gets no answer (RFC 5227), though the router answers for all others.
    assert.match((await one.try("busybox arping -D -c 2 -w 2 -I eth0 10.64.0.5")) ?? "", /Received 0 response/);
    await lab.network.remove(router.id);
  });

  test("two projects with the same range never meet", async () => {
    const [first, second] = [lab.router("10.70.0.0/24"), lab.router("10.70.0.0/24")];
    const ports = [lab.addPort(first, "10.70.0.5"), lab.addPort(second, "10.70.0.5"), lab.addPort(second, "10.70.0.6")] as const;
    await Promise.all([lab.network.apply(first), lab.network.apply(second)]);
    const [mine, same, theirs] = [lab.plug(first, ports[0]), lab.plug(second, ports[1]), lab.plug(second, ports[2])];
    await Promise.all([same.serve(80, "same"), theirs.serve(80, "theirs"), mine.serve(80, "mine")]);
    assert.equal(await theirs.ask("10.70.0.5", 80), "same 10.70.0.6");
    assert.equal(await mine.ask("10.70.0.6", 80), undefined);
    assert.equal(await mine.ask(lab.worldAddress, 80), `world ${lab.hostAddress}`);
    assert.equal(await same.ask(lab.worldAddress, 80), `world ${lab.hostAddress}`);
    // Nor by the routers' own addresses, from either side.
    const transit = lab.transitAddresses();
    assert.equal(transit.length, 2);
    for (const address of transit.flatMap((each) => [each.address, each.control])) {
      assert.equal(await mine.ask(address, 80), undefined, address);
      await lab.world.run(`ip route replace ${address} via ${lab.hostAddress}`);
      assert.ok(!(await lab.world.ping(address)), address);
    }
    await Promise.all([lab.network.remove(first.id), lab.network.remove(second.id)]);
  });

  test("nobody speaks under another one's address, be it MAC, IP or ARP", async () => {
    const router = lab.router("10.71.0.0/24");
    const [a, b, c] = [lab.addPort(router, "10.71.0.5"), lab.addPort(router, "10.71.0.6"), lab.addPort(router, "10.71.0.7")];
    await lab.network.apply(router);
    const [thief, victim, peer] = [lab.plug(router, a), lab.plug(router, b), lab.plug(router, c)];
    await Promise.all([victim.serve(80, "victim"), thief.serve(80, "thief")]);
    const heard = await peer.counts("ip saddr 10.71.0.6");
    await thief.run("ip addr add 10.71.0.6/32 dev eth0");
    await thief.try("busybox ping -c 2 -i 0.2 -W 1 -I 10.71.0.6 10.71.0.7");
    assert.equal(await heard(), 0, "under another one's IP address");
    assert.equal(await thief.try("busybox nc -w 1 -s 10.71.0.6 10.71.0.7 80 </dev/null"), undefined);

    // Telling everybody that the victim's address is at the thief's card, and taking the victim's MAC address.
    await thief.try("busybox arping -U -c 2 -w 2 -I eth0 -s 10.71.0.6 10.71.0.6");
    await thief.run(`ip link set eth0 address ${b.macAddress}`);
    await thief.try("busybox ping -c 1 -W 1 10.71.0.1");
    assert.equal(await peer.ask("10.71.0.6", 80), "victim 10.71.0.7");
    assert.ok(!(await thief.ping("10.71.0.1")), "with another one's MAC address nothing gets through");
    await thief.run(`ip link set eth0 address ${a.macAddress}`);
    assert.ok(await thief.ping("10.71.0.1"));

    // No IPv6 between cards, whatever they call themselves.
    await peer.run("ip -6 addr add fd99::7/64 dev eth0 nodad");
    await thief.run("ip -6 addr add fd99::5/64 dev eth0 nodad");
    assert.equal(await thief.try("busybox ping6 -c 1 -W 1 fd99::7"), undefined);
    await lab.network.remove(router.id);
  });

  test("without isolation by the engine, cards still do not see each other", async () => {
    const router = lab.router("10.72.0.0/24");
    const [a, b] = [lab.addPort(router, "10.72.0.5"), lab.addPort(router, "10.72.0.6")];
    await lab.network.apply(router);
    const [one, other] = [lab.plug(router, a, { isolated: false }), lab.plug(router, b, { isolated: false })];
    const heard = await other.counts(`ether saddr ${a.macAddress}`, "bridge-free");
    await one.try("busybox arping -c 2 -w 2 -I eth0 10.72.0.6");
    assert.equal(await heard(), 0);
    await lab.network.remove(router.id);
  });

  test("security groups: in, out, stateful, ranges, groups, and changes that cut", async () => {
    const router = lab.router("10.73.0.0/24");
    const [web, db, pc] = ["web", "db", "pc"].map((name, index) =>
      lab.addPort(router, `10.73.0.${5 + index}`, { securityGroupIds: [name], hostName: name }),
    ) as [ReturnType<PacketLab["addPort"]>, ReturnType<PacketLab["addPort"]>, ReturnType<PacketLab["addPort"]>];
    router.securityGroups = [
      { id: "web", rules: [out, tcp(80), { direction: "in", protocol: "icmp" }] },
      { id: "db", rules: [tcp(5432, { remote: { securityGroupId: "web" } }), tcp(22, { remote: { cidr: "10.73.0.7/32" } })] },
      { id: "pc", rules: [out] },
    ];
    await lab.network.apply(router);
    const [webGuest, dbGuest, pcGuest] = [lab.plug(router, web), lab.plug(router, db), lab.plug(router, pc)];
    await Promise.all([
      webGuest.serve(80, "web"),
      webGuest.serve(81, "web"),
      dbGuest.serve(5432, "db"),
      dbGuest.serve(22, "db"),
      pcGuest.serve(80, "pc"),
    ]);
    assert.equal(await pcGuest.ask("10.73.0.5", 80), "web 10.73.0.7", "a port that is open to all");
    assert.equal(await pcGuest.ask("10.73.0.5", 81), undefined, "a port that is not");
    assert.ok(await pcGuest.ping("10.73.0.5"));
    assert.ok(!(await webGuest.ping("10.73.0.7")), "nothing lets ICMP in");
    assert.equal(await webGuest.ask("10.73.0.6", 5432), "db 10.73.0.5", "a member of the group");
    assert.equal(await pcGuest.ask("10.73.0.6", 5432), undefined, "no member of it");
    assert.equal(await pcGuest.ask("10.73.0.6", 22), "db 10.73.0.7", "by its range");
    assert.equal(await webGuest.ask("10.73.0.6", 22), undefined, "outside of the range");
    // Without a rule for `out` an instance only answers.
    assert.equal(await dbGuest.ask("10.73.0.5", 80), undefined);
    assert.equal(await dbGuest.ask(lab.worldAddress, 80), undefined);
    assert.equal(await pcGuest.ask(lab.worldAddress, 80), `world ${lab.hostAddress}`);

    // A connection lives through changes that do not concern it, and ends with the rule that let it in.
    const talk = await pcGuest.talk("10.73.0.5", webGuest, 82, async () => {
      router.securityGroups[0] = { id: "web", rules: [out, tcp(80), tcp(82)] };
      await lab.network.apply(router);
    });
    assert.ok(await talk.echo("one"));
    router.securityGroups[0] = { id: "web", rules: [out, tcp(80), tcp(82), tcp(83)] };
    await lab.network.apply(router);
    assert.ok(await talk.serverSpeaksFirst("two"), "an answer after the change goes through without a question before it");
    assert.ok(await talk.echo("three"));
    router.securityGroups[0] = { id: "web", rules: [out, tcp(80)] };
    await lab.network.apply(router);
    assert.ok(!(await talk.echo("four")), "the rule is gone");
    assert.ok(!(await talk.serverSpeaksFirst("five")), "also for answers");
    talk.end();
    await lab.network.remove(router.id);
  });

  test("networks of a project: routed or not, with or without the world", async () => {
    const router = lab.router("10.74.0.0/24");
    router.networks.push(
      lab.newNetwork("10.74.1.0/24"),
      lab.newNetwork("10.74.2.0/24", { routed: false }),
      lab.newNetwork("10.74.3.0/24", { internet: false }),
    );
    const ports = router.networks.map(({ id }, index) => lab.addPort(router, `10.74.${index}.5`, { networkId: id }));
    const twin = lab.addPort(router, "10.74.2.6", { networkId: router.networks[2]?.id as string });
    await lab.network.apply(router);
    const [front, back, lonely, closed] = ports.map((port) => lab.plug(router, port)) as [Machine, Machine, Machine, Machine];
    const lonelyTwin = lab.plug(router, twin);
    await Promise.all([front, back, lonely, closed].map((guest) => guest.serve(80, "here")));
    assert.equal(await front.ask("10.74.1.5", 80), "here 10.74.0.5");
    assert.equal(await back.ask("10.74.3.5", 80), "here 10.74.1.5");
    assert.equal(await front.ask("10.74.2.5", 80), undefined, "it is not routed");
    assert.equal(await lonely.ask("10.74.0.5", 80), undefined);
    assert.equal(await lonelyTwin.ask("10.74.2.5", 80), "here 10.74.2.6", "inside it all is as ever");
    assert.equal(await lonely.ask(lab.worldAddress, 80), `world ${lab.hostAddress}`);
    assert.equal(await closed.ask(lab.worldAddress, 80), undefined, "it has no way to the world");
    const [closedNetwork] = router.networks.slice(3);
    if (closedNetwork) closedNetwork.internet = true;
    await lab.network.apply(router);
    assert.equal(await closed.ask(lab.worldAddress, 80), `world ${lab.hostAddress}`);
    await lab.network.remove(router.id);
  });

  test("DHCP gives each its address, DNS knows their names and asks the host's resolvers for others", async () => {
    const router = lab.router("10.75.0.0/24", { dnsDomain: "shop.internal" });
    router.networks.push(lab.newNetwork("10.75.1.0/24", { dnsDomain: "back.internal", dnsServers: ["9.9.9.9"] }));
    const [a, b] = [
      lab.addPort(router, "10.75.0.9", { hostName: "till", securityGroupIds: ["none"] }),
      lab.addPort(router, "10.75.1.5", { hostName: "store", networkId: router.networks[1]?.id as string }),
    ];
    // Not even a group without any rule stands in the way of DHCP and DNS.
    router.securityGroups = [{ id: "none", rules: [] }];
    await lab.network.apply(router);
    const [till, store] = [lab.plug(router, a, { address: false }), lab.plug(router, b, { address: false })];
    const [lease, other] = await Promise.all([till.dhcp(), store.dhcp()]);
    assert.deepEqual(
      [lease["ip"], lease["router"], lease["dns"], lease["subnet"], lease["search"], lease["hostname"]],
      ["10.75.0.9", "10.75.0.1", "10.75.0.1", "255.255.255.0", "shop.internal", "till"],
    );
    assert.deepEqual([other["ip"], other["router"], other["dns"]], ["10.75.1.5", "10.75.1.1", "9.9.9.9"]);
    await till.run("ip addr add 10.75.0.9/24 dev eth0 && ip route add default via 10.75.0.1");
    assert.equal(await till.resolve("store.back.internal", "10.75.0.1"), "10.75.1.5");
    assert.equal(await till.resolve("till.shop.internal", "10.75.0.1"), "10.75.0.9");
    assert.equal(await till.resolve("nobody.shop.internal", "10.75.0.1"), undefined);
    assert.equal(await till.resolve("www.example.test", "10.75.0.1"), "192.0.2.99");
    // A new name is known at once, without DHCP being asked again.
    a.hostName = "counter";
    await lab.network.apply(router);
    await lab.eventually(async () => (await till.resolve("counter.shop.internal", "10.75.0.1")) === "10.75.0.9");
    // The address of one that is gone is given to the next one at once.
    router.ports = router.ports.filter(({ id }) => id !== a.id);
    const c = lab.addPort(router, "10.75.0.9", { hostName: "next" });
    await lab.network.apply(router);
    lab.unplug(a);
    const next = lab.plug(router, c, { address: false });
    assert.equal((await next.dhcp())["ip"], "10.75.0.9");
    // A card that nobody knows gets no address.
    const stranger = lab.plug(
      router,
      { ...a, id: "prt_x", macAddress: "02:00:00:00:00:99", hostDevice: "khix0" },
      { address: false },
    );
    await assert.rejects(stranger.dhcp());
    await lab.network.remove(router.id);
  });
});

type Machine = ReturnType<PacketLab["plug"]>;
