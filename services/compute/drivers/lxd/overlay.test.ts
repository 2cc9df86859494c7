import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { silentLog } from "../../../../kernel/log.ts";
import { lxdMissing, testLxd } from "../../../../testing/lxd.ts";
import { type LxdCluster, startLxdCluster } from "../../../../testing/lxdCluster.ts";
import type { ComputeDriver } from "../../driver.ts";
import { type TestCompute, testCompute } from "../../testing/fixture.ts";
import { PacketLab, packetsMissing, run } from "../../testing/packets.ts";
import { openLxdClient } from "./client.ts";
import { openLxdDriver } from "./index.ts";

/** Networks of a cluster, from the API to packets: real instances on three members, of which the first is on the machine of the routers. */
const skip = lxdMissing() ?? packetsMissing() ?? false;
const lab = new PacketLab();
let cluster: LxdCluster;
let engine: ComputeDriver;
let cloud: TestCompute;
let size: string;

// biome-ignore lint/suspicious/noExplicitAny: views of the API.
type Json = any;
/** The person's: on three members, and one more beside the first. */
const own: Record<"two" | "one" | "three" | "twin", Json> = {} as never;
/** Another project's, with the same range, on the member of the first. */
let stranger: Json;

before(
  async () => {
    if (skip) return;
    const { imageFile } = await testLxd();
    lab.start();
    await Promise.all([lab.world.serve(80, "world"), lab.world.answerNames("example.test", "192.0.2.99")]);
    cluster = await startLxdCluster(["one", "two", "three"], { firstIsHere: true });
    engine = await openLxdDriver({
      endpoint: cluster.members[0]?.socket as string,
      pool: cluster.poolName,
      engineProject: `khmara-${lab.cloudId}`,
      log: silentLog,
    });
    cloud = await testCompute({ drivers: { engine: { driver: engine }, network: { driver: lab.network } } });
    const view = await cloud.image({ name: "debian-12" });
    await engine.imageImport(view.engineName, createReadStream(imageFile), { labels: { image: view.id } });
    size = await cloud.size({ memoryBytes: 192 * 1024 ** 2, diskBytes: 2 * 1024 ** 3 });
  },
  { timeout: 300_000 },
);
after(async () => {
  await cloud?.stop();
  await cluster?.stop();
  await lab.stop();
});

const call: TestCompute["call"] = (...request) => cloud.call(...request);
const done = async (answer: { status: number; body: Json }): Promise<Json> => {
  assert.equal(answer.status, 202, JSON.stringify(answer.body));
  const isOver = async () =>
    (await cloud.database.sql`select 1 from kernel.operations where id = ${answer.body.id} and finished_at is not null`).length >
    0;
  await until(isOver, 150_000);
  return cloud.done(answer.body.id);
};
const instanceNow = async (id: string): Promise<Json> => (await call("owner", "GET", `/instances/${id}`)).body;
async function create(name: string, member: string, project = cloud.project): Promise<Json> {
  const answer = await call("admin", "POST", "/instances", { project, name, size, image: "debian-12", member });
  await done(answer);
  return instanceNow(answer.body.resource.id);
}

/** Inside an instance; what it printed, or undefined when it failed. */
async function inside({ id }: Json, script: string): Promise<string | undefined> {
  const { exitCode, stdout } = await engine.instanceExec(`kh-${id.slice(-12)}`, {
    command: ["bash", "-c", script],
    maxOutputBytes: 65_536,
  });
  return exitCode === 0 ? Buffer.from(stdout).toString().trim() : undefined;
}
const address = ({ ports }: Json): string => ports[0].ipv4;
/** By DHCP: nothing else tells a guest. */
const hasAddress = (instance: Json) =>
  until(async () => (await inside(instance, "ip -4 -br addr show eth0"))?.includes(`${address(instance)}/24`) === true, 60_000);
const pings = async (from: Json, to: string): Promise<boolean> => (await inside(from, `ping -c 1 -W 2 ${to}`)) !== undefined;
const asks = (from: Json, to: string, port: number) => inside(from, `timeout 3 bash -c 'cat < /dev/tcp/${to}/${port}'`);
/** A server that was just started, on a machine with much other work, may need a moment until it hears. */
async function answers(ask: () => Promise<string | undefined>, expected: string): Promise<void> {
  const end = Date.now() + 20_000;
  let said = await ask();
  while (said !== expected && Date.now() < end) {
    await new Promise((tick) => setTimeout(tick, 200));
    said = await ask();
  }
  assert.equal(said, expected);
}
const server = `import socketserver, sys
class Answer(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(("%s %s\\n" % (sys.argv[2], self.client_address[0])).encode())
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(("", int(sys.argv[1])), Answer).serve_forever()
`;
async function serve(instance: Json, port: number, word: string): Promise<void> {
  await engine.fileWrite(`kh-${instance.id.slice(-12)}`, "/root/serve.py", Buffer.from(server));
  assert.notEqual(await inside(instance, `systemd-run --quiet python3 /root/serve.py ${port} ${word}`), undefined);
}

test("instances on other members get their address, their gateway and names from the router here", {
  skip,
  timeout: 300_000,
}, async () => {
  const places = { two: "two", one: "one", three: "three", twin: "two" } as const;
  await Promise.all([
    ...Object.entries(places).map(async ([name, member]) => {
      own[name as keyof typeof own] = await create(name, member);
    }),
    create("stranger", "two", cloud.otherProject).then((made) => (stranger = made)),
  ]);
  for (const [name, member] of Object.entries(places)) assert.equal(own[name as keyof typeof own].member, member);
  await Promise.all([...Object.values(own), stranger].map(hasAddress));
  for (const instance of [own.two, own.three]) {
    assert.ok(await pings(instance, "10.64.0.1"), "its gateway");
    assert.equal(await inside(instance, "getent ahostsv4 one.default.internal | awk '{print $1; exit}'"), address(own.one));
    assert.equal(await asks(instance, lab.worldAddress, 80), `world ${lab.hostAddress}`);
    assert.equal(await inside(instance, "cat /sys/class/net/eth0/mtu"), "1400");
  }
});

const memberOf = (name: string) => cluster.members.find((member) => member.name === name) as LxdCluster["members"][number];
/** In the network of another member. */
const at = (member: string, ...words: string[]) => run("ip", "netns", "exec", memberOf(member).namespace as string, ...words);
const macOf = async (instance: Json) => (await inside(instance, "cat /sys/class/net/eth0/address")) as string;
const rules = (...more: Json[]) => [{ direction: "out", protocol: "any" }, ...more];
const tcp80 = { direction: "in", protocol: "tcp", ports: { from: 80, to: 80 } };
async function setRules(changed: Json[]): Promise<void> {
  const [group] = (await call("owner", "GET", `/security-groups?project=${cloud.project}`)).body.items;
  await done(await call("owner", "PATCH", `/security-groups/${group.id}`, { rules: changed }));
}

test("neighbours on this, on a third and on the same member are reached as the security group allows; other projects never", {
  skip,
  timeout: 180_000,
}, async () => {
  const neighbours = [own.one, own.three, own.twin];
  await Promise.all([...neighbours, own.two].flatMap((each) => [80, 81].map((port) => serve(each, port, each.name))));
  for (const to of neighbours) {
    assert.ok(await pings(own.two, address(to)), `${to.name}: the group lets its members in`);
    await answers(() => asks(own.two, address(to), 81), `${to.name} ${address(own.two)}`);
  }
  await setRules(rules(tcp80));
  for (const to of neighbours) {
    await answers(() => asks(own.two, address(to), 80), `${to.name} ${address(own.two)}`);
    assert.equal(await asks(own.two, address(to), 81), undefined, `${to.name}: no rule lets it in`);
    assert.ok(!(await pings(own.two, address(to))), to.name);
    if (address(to) === address(stranger)) continue;
    assert.equal(await asks(stranger, address(to), 80), undefined, "from another project with the same range");
  }
  assert.ok(await pings(stranger, "10.64.0.1"), "which has a router of its own");
});

test("on other members nobody gets past the router, or speaks under another one's address", {
  skip,
  timeout: 120_000,
}, async () => {
  const echoes = async (instance: Json) =>
    Number(await inside(instance, "grep ^Icmp: /proc/net/snmp | tail -n 1 | cut -d' ' -f10"));
  for (const to of [own.twin, own.three, own.one]) {
    const before = await echoes(to);
    await inside(own.two, `ip neigh replace ${address(to)} lladdr ${await macOf(to)} dev eth0 nud permanent`);
    await pings(own.two, address(to));
    await inside(own.two, `ip neigh del ${address(to)} dev eth0`);
    assert.equal(await echoes(to), before, `straight to the card of ${to.name}`);
  }
  assert.equal(await asks(own.twin, address(own.one), 80), `one ${address(own.twin)}`);
  await inside(own.twin, `ip address add ${address(own.two)}/32 dev eth0`);
  const under = `python3 -c 'import socket; print(socket.create_connection(("${address(own.one)}", 80), 2, ("${address(own.two)}", 0)).recv(99))'`;
  assert.equal(await inside(own.twin, under), undefined, "under the IP address of another one");
  await inside(own.twin, `ip address del ${address(own.two)}/32 dev eth0`);
  const mac = await macOf(own.twin);
  await inside(own.twin, `ip link set eth0 address ${await macOf(own.two)}`);
  assert.ok(!(await pings(own.twin, "10.64.0.1")), "under the MAC address of another one");
  await inside(own.twin, `ip link set eth0 address ${mac}`);
  await until(() => pings(own.twin, "10.64.0.1"));
  assert.ok(await pings(own.two, "10.64.0.1"), "whose packets still come to it");
});

test("instances do not reach the members themselves, nor into tunnels", { skip, timeout: 60_000 }, async () => {
  const counted = (member: string) =>
    Number(/packets (\d+)/.exec(at(member, "nft", "list", "counter", "inet", "seen", "seen"))?.[1]);
  const bridge = /^(khb[0-9a-f]+)-h/m.exec(at("two", "ip", "-br", "link"))?.[1] as string;
  for (const member of ["two", "three"])
    at(
      member,
      "nft",
      "table inet seen { counter seen { }; chain in { type filter hook input priority 10; udp length 13 udp dport 14789 counter name seen; }; }",
    );
  const send = (to: string) =>
    inside(own.two, `python3 -c 'import socket; socket.socket(2, 2).sendto(b"abcde", ("${to}", 14789))'`);
  const underlay = (member: string) => (/inet (10\.77\.[\d.]+)/.exec(at(member, "ip", "-4", "addr", "show", "eth0")) as Json)[1];
  for (const member of ["two", "three"]) await send(underlay(member));
  // Not by the router: to the MAC address of the bridge of its own member.
  const mac = /link\/ether (\S+)/.exec(at("two", "ip", "link", "show", bridge))?.[1];
  await inside(own.two, `ip neigh replace 10.64.0.250 lladdr ${mac} dev eth0 nud permanent`);
  for (const member of ["two", "three"]) {
    await inside(own.two, `ip route replace ${underlay(member)}/32 via 10.64.0.250 dev eth0`);
    await send(underlay(member));
    await inside(own.two, `ip route del ${underlay(member)}/32`);
  }
  await sleep(500);
  assert.deepEqual([counted("two"), counted("three")], [0, 0]);
  for (const member of ["two", "three"]) at(member, "nft", "delete", "table", "inet", "seen");
});

test("an instance on another member is reached by a floating address and a port of the host", {
  skip,
  timeout: 60_000,
}, async () => {
  await cloud.work("compute.networks");
  const { body: floating } = await call("owner", "POST", "/addresses", { project: cloud.project });
  await done(await call("owner", "POST", `/addresses/${floating.id}/attach`, { instance: own.three.id }));
  await lab.world.run(`ip route replace ${floating.address} via ${lab.hostAddress}`);
  await answers(() => lab.world.ask(floating.address, 80), `three ${lab.worldAddress}`);
  const forward = await done(await call("owner", "POST", "/port-forwards", { instance: own.two.id, targetPort: 80 }));
  await answers(() => lab.world.ask(lab.hostAddress, forward.result.listenPort), `two ${lab.worldAddress}`);
});

test("tunnels that the engine makes anew, as when it starts, are put right in the next round", {
  skip,
  timeout: 60_000,
}, async () => {
  const client = openLxdClient({ endpoint: memberOf("one").socket });
  for (const { name, managed } of await client.list<Json>("/1.0/networks"))
    if (managed) await client.patch(`/1.0/networks/${name}`, { config: { "tunnel.h.ttl": "63" } });
  client.close();
  assert.equal((await lab.network.disturbed()).length, 2, "of both projects");
  await cloud.work("compute.networks");
  assert.deepEqual(await lab.network.disturbed(), []);
  await until(() => pings(own.two, "10.64.0.1"));
  assert.ok(await pings(stranger, "10.64.0.1"));
});

test("moved, evacuated and back, an instance keeps its address and is reached", { skip, timeout: 300_000 }, async () => {
  const well = async (instance: Json, member: string) => {
    await until(async () => (await instanceNow(instance.id)).state === "running");
    const now = await instanceNow(instance.id);
    assert.deepEqual([now.member, address(now)], [member, address(instance)]);
    await hasAddress(instance);
    await until(() => pings(instance, "10.64.0.1"));
    await serve(instance, 80, "again");
    await until(async () => (await asks(own.twin, address(instance), 80)) === `again ${address(own.twin)}`);
  };
  await done(await call("admin", "POST", `/instances/${own.three.id}/move`, { member: "one" }));
  await until(async () => (await instanceNow(own.three.id)).member === "one");
  await well(own.three, "one");
  await done(await call("admin", "POST", `/instances/${own.three.id}/move`, { member: "three" }));
  await until(async () => (await instanceNow(own.three.id)).member === "three");
  await well(own.three, "three");
  await done(await call("admin", "POST", "/engine-members/three/evacuate", {}));
  const { member: refuge } = await instanceNow(own.three.id);
  assert.notEqual(refuge, "three");
  await well(own.three, refuge);
  await done(await call("admin", "POST", "/engine-members/three/restore", {}));
  await well(own.three, "three");
});

test("while a member is away, new networks are here alone; they are joined when it is back", {
  skip,
  timeout: 400_000,
}, async () => {
  const three = memberOf("three");
  await three.kill();
  await until(async () => (await engine.members()).some(({ state }) => state === "offline"), 60_000);
  const project = cloud.strangersProject;
  const answer = await call("admin", "POST", "/instances", { project, name: "late", size, image: "debian-12", member: "two" });
  await assert.rejects(done(answer), /not on all members of the cluster yet/);
  const made = await call("admin", "POST", "/instances", { project, name: "late", size, image: "debian-12" });
  await done(made);
  const late = (await call("admin", "GET", `/instances/${made.body.resource.id}`)).body;
  assert.equal(late.member, "one");
  await hasAddress(late);
  await three.start();
  await until(async () => (await engine.members()).every(({ state }) => state === "online"), 60_000);
  await cloud.compute.parts.networks.apply(project);
  await until(() => pings(late, "10.64.0.1"));
  await done(await call("admin", "POST", `/instances/${late.id}/move`, { member: "two" }));
  await hasAddress(late);
  await until(() => pings(late, "10.64.0.1"));
  await done(await call("admin", "DELETE", `/instances/${late.id}`));
});

test("nothing of a network is left on any member", { skip, timeout: 120_000 }, async () => {
  for (const { id } of [...Object.values(own), stranger]) await done(await call("admin", "DELETE", `/instances/${id}`));
  const client = openLxdClient({ endpoint: memberOf("one").socket });
  const managed = async () => (await client.list<Json>("/1.0/networks")).filter((network) => network.managed);
  // The host and the engine follow the records.
  await until(async () => (await lab.network.list()).length + (await managed()).length === 0);
  await until(async () => (await client.list<Json>("/1.0/network-acls")).length === 0);
  client.close();
  for (const member of ["two", "three"]) assert.doesNotMatch(at(member, "ip", "-br", "link"), /khb/);
});

async function until(holds: () => Promise<boolean>, withinMs = 60_000): Promise<void> {
  for (const end = Date.now() + withinMs; !(await holds()); await sleep(200))
    if (Date.now() > end) throw new Error(`It does not come: ${holds}`);
}
