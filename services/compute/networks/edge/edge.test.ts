import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Caller, type TestCompute, testCompute } from "../../testing/fixture.ts";

// biome-ignore lint/suspicious/noExplicitAny: answers of all routes.
type Json = any;

const localPool = "apl_00000000000070008000000000000001";

describe("floating addresses, port forwards, load balancers, traffic", () => {
  let cloud: TestCompute;
  let instance: Json;
  let other: Json;
  before(async () => {
    cloud = await testCompute();
    cloud.network.hostInfo.listening.push({ protocol: "tcp", address: "0.0.0.0", port: 5432 });
    instance = await cloud.instance({ name: "web" });
    other = await cloud.instance({ name: "spare" });
  });
  after(() => cloud.stop());

  const as = async (
    caller: Caller,
    method: string,
    path: string,
    body?: unknown,
    status = method === "GET" ? 200 : 201,
  ): Promise<Json> => {
    const answer = await cloud.call(caller, method, path, body);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    return answer.body;
  };
  const ok = (method: string, path: string, body?: unknown, status?: number): Promise<Json> =>
    as("editor", method, path, body, status);
  const done = async (method: string, path: string, body?: unknown): Promise<Json> =>
    cloud.done((await ok(method, path, body, 202)).id);
  const refused = async (
    caller: Caller,
    method: string,
    path: string,
    body: unknown,
    status: number,
    pattern: RegExp,
  ): Promise<void> => {
    const answer = await cloud.call(caller, method, path, body);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    assert.match(answer.body.detail, pattern);
  };
  /** The end of an instance does not wait for the host's network. */
  const eventually = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
    const deadline = Date.now() + 60_000;
    while (!(await holds()) && Date.now() < deadline) await sleep(20);
    assert.ok(await holds());
  };
  const router = () => [...cloud.network.routers.values()].find(({ ports }) => ports.some(({ hostName }) => hostName === "web"));
  const routerId = () => router()?.id as string;

  test("the pool that every cloud has; pools are the administrators'", async () => {
    const { items } = await ok("GET", "/address-pools");
    assert.deepEqual(
      items.map(({ id, name, range, reach, total, used }: Json) => [id, name, range, reach, total, used]),
      [[localPool, "local", "100.127.255.0/24", "local", 254, 0]],
    );
    await refused("owner", "POST", "/address-pools", { name: "World", range: "203.0.113.0/28" }, 403, /role admin/);
    const pool = await as("admin", "POST", "/address-pools", { name: "World", range: "203.0.113.0/29", interface: "eth0" });
    assert.deepEqual([pool.total, pool.used, pool.reach, pool.interface], [6, 0, "external", "eth0"]);
    for (const [body, status, pattern] of [
      [{ name: "World", range: "198.51.100.0/28" }, 409, /already/],
      [{ name: "Twice", range: "203.0.113.4-203.0.113.9" }, 409, /overlaps 203\.0\.113\.0\/29 of the pool World/],
      [{ name: "Own", range: "192.0.2.0/24" }, 409, /192\.0\.2\.1 is this host's own address/],
      [{ name: "Where", range: "198.51.100.0/28", interface: "eth9" }, 409, /no interface eth9/],
      [{ name: "Net", range: "10.64.0.0/28" }, 409, /overlaps the range of a project's network/],
      [{ name: "Bits", range: "198.51.100.1/28" }, 400, /write 198\.51\.100\.0\/28/],
      [{ name: "Huge", range: "8.0.0.0/8" }, 400, /at most 65,536/],
    ] as const)
      await refused("admin", "POST", "/address-pools", body, status, pattern);
    await cloud.work("compute.networks");
    assert.deepEqual(
      cloud.network.published.map(({ range, interface: on, local }) => [range, on, local]),
      [
        ["203.0.113.0/29", "eth0", false],
        ["100.127.255.0/24", undefined, true],
      ],
    );
    await as("admin", "DELETE", `/address-pools/${pool.id}`, undefined, 204);
  });

  test("an address is allocated, paid for while it is held, attached, moved, detached and released", async () => {
    const address = await ok("POST", "/addresses", { project: cloud.project, description: "Shop window" });
    assert.deepEqual([address.address, address.poolId, address.reach], ["100.127.255.1", localPool, "local"]);
    const attached = await done("POST", `/addresses/${address.id}/attach`, { instance: instance.id });
    assert.equal(attached.result.addressId, address.id);
    assert.deepEqual(router()?.floatingAddresses, [{ address: "100.127.255.1", portId: instance.ports[0].id }]);
    assert.equal((await ok("GET", `/instances/${instance.id}`)).ports[0].floatingAddress, "100.127.255.1");
    assert.equal((await ok("GET", `/addresses/${address.id}`)).instanceName, "web");

    await done("POST", `/addresses/${address.id}/attach`, { port: other.ports[0].id });
    assert.deepEqual(router()?.floatingAddresses, [{ address: "100.127.255.1", portId: other.ports[0].id }]);
    await done("POST", `/addresses/${address.id}/detach`);
    assert.deepEqual(router()?.floatingAddresses, []);
    await refused("editor", "POST", `/addresses/${address.id}/detach`, undefined, 409, /leads to no instance/);
    await refused("editor", "POST", `/addresses/${address.id}/attach`, {}, 400, /either an instance or one of its ports/);

    const [open] = await cloud.usage(address.id);
    assert.deepEqual([open?.meter, open?.unit, Number(open?.quantity), open?.to], ["compute.addresses", "address", 1, null]);
    await done("DELETE", `/addresses/${address.id}`);
    const [closed] = await cloud.usage(address.id);
    assert.ok(closed?.to);
    await refused("editor", "GET", `/addresses/${address.id}`, undefined, 404, /does not exist/);
    // What was given back last is given out last.
    const next = await ok("POST", "/addresses", { project: cloud.project });
    assert.equal(next.address, "100.127.255.2");
    await done("DELETE", `/addresses/${next.id}`);
  });

  test("a pool that is used up, an address that is taken, and somebody else's", async () => {
    const pool = await as("admin", "POST", "/address-pools", { name: "Two", range: "198.51.100.10-198.51.100.11" });
    const one = await ok("POST", "/addresses", { project: cloud.project, pool: pool.id, address: "198.51.100.11" });
    const theirs = await as("neighbour", "POST", "/addresses", { project: cloud.otherProject, pool: pool.id });
    assert.deepEqual([one.address, theirs.address, theirs.reach], ["198.51.100.11", "198.51.100.10", "external"]);
    const create = (more: object) => ({ project: cloud.project, ...more });
    await refused("editor", "POST", "/addresses", create({ pool: pool.id }), 409, /All 2 addresses of the pool Two are in use/);
    await refused("editor", "POST", "/addresses", create({ address: "198.51.100.10" }), 409, /is taken/);
    await refused("editor", "POST", "/addresses", create({ address: "198.51.100.99" }), 400, /in no pool/);
    await refused("editor", "POST", `/addresses/${theirs.id}/attach`, { instance: instance.id }, 404, /does not exist/);
    await refused(
      "neighbour",
      "POST",
      `/addresses/${theirs.id}/attach`,
      { instance: instance.id },
      400,
      /no such instance in this project/,
    );
    await refused("admin", "DELETE", `/address-pools/${pool.id}`, undefined, 409, /2 addresses of this pool are in use/);
    await refused(
      "admin",
      "PATCH",
      `/address-pools/${pool.id}`,
      { range: "198.51.100.11-198.51.100.20" },
      409,
      /198\.51\.100\.10 of this pool/,
    );
    const wider = await as("admin", "PATCH", `/address-pools/${pool.id}`, { range: "198.51.100.8-198.51.100.20" }, 200);
    assert.deepEqual([wider.total, wider.used], [13, 2]);
    // Without a pool: an external address before one that only this machine reaches.
    const external = await ok("POST", "/addresses", { project: cloud.project });
    assert.equal(external.reach, "external");
  });

  test("an instance that goes leaves its address free and its forwards behind", async () => {
    const short = await cloud.instance({ name: "short" });
    const address = await ok("POST", "/addresses", { project: cloud.project });
    await done("POST", `/addresses/${address.id}/attach`, { instance: short.id });
    const forward = await done("POST", "/port-forwards", { instance: short.id, targetPort: 80 });
    assert.equal(router()?.portForwards.length, 1);
    await cloud.done((await ok("DELETE", `/instances/${short.id}`, undefined, 202)).id);
    await eventually(() => router()?.portForwards.length === 0);
    assert.equal((await ok("GET", `/addresses/${address.id}`)).portId, undefined);
    await refused("editor", "GET", `/port-forwards/${forward.result.portForwardId}`, undefined, 404, /does not exist/);
    const [left] = await cloud.database.sql`select count(*)::int as n from compute.host_ports`;
    assert.equal(left?.["n"], 0);
  });

  test("port forwards: picked, asked for, and refused where something listens", async () => {
    const forward = await done("POST", "/port-forwards", { instance: instance.id, targetPort: 80 });
    const { listenPort, portForwardId } = forward.result;
    assert.ok(listenPort >= 20_000 && listenPort <= 29_999);
    const given = await done("POST", "/port-forwards", {
      instance: instance.id,
      targetPort: 53,
      protocol: "udp",
      listenPort: 5353,
      listenAddress: "192.0.2.1",
      description: "Names",
    });
    assert.deepEqual(
      router()?.portForwards.map(({ protocol, listenAddress, targetPort }) => [protocol, listenAddress, targetPort]),
      [
        ["tcp", "0.0.0.0", 80],
        ["udp", "192.0.2.1", 53],
      ],
    );
    const create = (more: object) => ({ instance: other.id, targetPort: 80, ...more });
    await refused(
      "editor",
      "POST",
      "/port-forwards",
      create({ listenPort: 5432 }),
      409,
      /program of the host itself listens on tcp port 5432/,
    );
    await refused("editor", "POST", "/port-forwards", create({ listenPort: 80 }), 400, /host's own/);
    await refused("editor", "POST", "/port-forwards", create({ listenPort }), 409, /taken by another forward/);
    await refused(
      "editor",
      "POST",
      "/port-forwards",
      create({ listenPort, listenAddress: "192.0.2.1" }),
      409,
      /taken by another forward/,
    );
    await refused(
      "editor",
      "POST",
      "/port-forwards",
      create({ listenPort: 5353, protocol: "udp" }),
      409,
      /taken by another forward/,
    );
    await refused(
      "editor",
      "POST",
      "/port-forwards",
      create({ listenAddress: "192.0.2.77" }),
      400,
      /no address of this host. It has: 192\.0\.2\.1/,
    );
    const { items } = await ok("GET", `/port-forwards?project=${cloud.project}&instance=${instance.id}`);
    assert.deepEqual(
      items.map(({ instanceName, targetAddress, targetPort }: Json) => [instanceName, targetAddress, targetPort]),
      [
        ["web", instance.ports[0].ipv4, 80],
        ["web", instance.ports[0].ipv4, 53],
      ],
    );
    await done("DELETE", `/port-forwards/${portForwardId}`);
    await done("POST", "/port-forwards", create({ listenPort }));
    await done("DELETE", `/port-forwards/${given.result.portForwardId}`);
  });

  test("load balancers: where they listen, members with their health, and what stands in the way", async () => {
    const address = await ok("POST", "/addresses", { project: cloud.project, pool: localPool });
    const created = await done("POST", "/load-balancers", {
      project: cloud.project,
      name: "front",
      address: address.id,
      listenPort: 80,
      members: [
        { instance: instance.id, targetPort: 8080 },
        { port: other.ports[0].id, targetPort: 8080, weight: 5 },
      ],
    });
    const id = created.result.loadBalancerId;
    assert.deepEqual(
      router()?.loadBalancers.map(({ listenAddress, listenPort, members }) => [listenAddress, listenPort, members.length]),
      [[address.address, 80, 2]],
    );
    cloud.network.setBalancerState(routerId(), [
      {
        loadBalancerId: id,
        portId: instance.ports[0].id,
        targetPort: 8080,
        health: "up",
        connections: 3,
        totalConnections: 9,
        bytesIn: 10,
        bytesOut: 20,
      },
      {
        loadBalancerId: id,
        portId: other.ports[0].id,
        targetPort: 8080,
        health: "down",
        connections: 0,
        totalConnections: 0,
        bytesIn: 0,
        bytesOut: 0,
      },
    ]);
    const shown = await ok("GET", `/load-balancers/${id}`);
    assert.deepEqual(
      shown.members.map(({ instanceName, health, weight, connections }: Json) => [instanceName, health, weight, connections]),
      [
        ["spare", "down", 5, 0],
        ["web", "up", 1, 3],
      ],
    );
    assert.deepEqual((await ok("GET", `/addresses/${address.id}`)).loadBalancerIds, [id]);
    await refused(
      "editor",
      "POST",
      `/addresses/${address.id}/attach`,
      { instance: instance.id },
      409,
      /load balancer listens on/,
    );
    await refused("editor", "DELETE", `/addresses/${address.id}`, undefined, 409, /load balancer listens on/);
    const create = (more: object) => ({ project: cloud.project, name: "back", ...more });
    await refused("editor", "POST", "/load-balancers", create({ address: address.id, listenPort: 80 }), 409, /front listens on/);
    await refused("editor", "POST", "/load-balancers", create({ address: address.id }), 400, /Give the port/);
    await refused("editor", "POST", "/load-balancers", create({ name: "front" }), 409, /load balancer front already/);
    const twice = [
      { instance: instance.id, targetPort: 1 },
      { port: instance.ports[0].id, targetPort: 1 },
    ];
    await refused("editor", "POST", "/load-balancers", create({ members: twice }), 400, /given twice/);

    const inside = await done("POST", "/load-balancers", create({ network: instance.ports[0].networkId, listenPort: 5432 }));
    assert.match(inside.result.listenAddress, /^10\.64\.0\.\d+$/);
    await refused("editor", "DELETE", `/networks/${instance.ports[0].networkId}`, undefined, 409, /instances are in the network/);
    const onHost = await done("POST", "/load-balancers", create({ name: "host" }));
    assert.ok(onHost.result.listenPort >= 20_000);
    await done("PATCH", `/load-balancers/${id}`, { members: [{ instance: instance.id, targetPort: 80 }], algorithm: "source" });
    assert.deepEqual(
      router()
        ?.loadBalancers.find((each) => each.id === id)
        ?.members.map(({ targetPort }) => targetPort),
      [80],
    );
    for (const each of [id, inside.result.loadBalancerId, onHost.result.loadBalancerId])
      await done("DELETE", `/load-balancers/${each}`);
    assert.deepEqual(router()?.loadBalancers, []);
  });

  test("traffic comes into the journal exactly once, also that of an instance that goes", async () => {
    const talker = await cloud.instance({ name: "talker" });
    const [{ id }] = talker.ports;
    const counted = async () =>
      (await cloud.usage(talker.id))
        .filter(({ meter }) => meter.startsWith("compute.traffic"))
        .map(({ meter, quantity, unit }) => [meter, Number(quantity), unit]);
    cloud.network.addTraffic(routerId(), id, 1000, 50);
    await cloud.work("compute.networks.traffic");
    await cloud.work("compute.networks.traffic");
    assert.deepEqual(await counted(), [
      ["compute.traffic_in", 1000, "bytes"],
      ["compute.traffic_out", 50, "bytes"],
    ]);
    cloud.network.addTraffic(routerId(), id, 24, 6);
    await Promise.all([cloud.work("compute.networks.traffic"), cloud.work("compute.networks.traffic")]);
    assert.deepEqual(
      (await counted()).map(([, quantity]) => quantity),
      [1024, 56],
    );
    // Not counted by the worker before the instance is gone.
    cloud.network.addTraffic(routerId(), id, 1, 1);
    await cloud.done((await ok("DELETE", `/instances/${talker.id}`, undefined, 202)).id);
    // It counts for the last time and then forgets.
    const left = async () =>
      (await cloud.database.sql`select count(*)::int as n from compute.traffic_counters where id = ${id}`)[0]?.["n"];
    await eventually(async () => (await left()) === 0);
    assert.deepEqual(
      (await counted()).map(([, quantity]) => quantity),
      [1025, 57],
    );
  });

  test("a router made anew counts from zero", async () => {
    const [{ id }] = instance.ports;
    const before = (await cloud.usage(instance.id)).filter(({ meter }) => meter === "compute.traffic_in");
    assert.deepEqual(before, []);
    cloud.network.addTraffic(routerId(), id, 500, 0);
    await cloud.work("compute.networks.traffic");
    const spec = router();
    await cloud.network.remove(routerId());
    await cloud.network.apply(spec as NonNullable<typeof spec>);
    cloud.network.addTraffic(routerId(), id, 20, 0);
    await cloud.work("compute.networks.traffic");
    const [after] = (await cloud.usage(instance.id)).filter(({ meter }) => meter === "compute.traffic_in");
    assert.equal(Number(after?.quantity), 520);
  });
});
