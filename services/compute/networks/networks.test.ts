import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type TestCompute, testCompute } from "../testing/fixture.ts";

// biome-ignore lint/suspicious/noExplicitAny: answers of all routes.
type Json = any;

describe("networks, ports and security groups", () => {
  let cloud: TestCompute;
  before(async () => {
    cloud = await testCompute();
  });
  after(() => cloud.stop());

  const ok = async (method: string, path: string, body?: unknown, status = method === "GET" ? 200 : 201): Promise<Json> => {
    const answer = await cloud.call("editor", method, path, body);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    return answer.body;
  };
  const done = async (method: string, path: string, body?: unknown): Promise<Json> =>
    cloud.done((await ok(method, path, body, 202)).id);
  const refused = async (method: string, path: string, body: unknown, status: number, pattern: RegExp): Promise<Json> => {
    const answer = await cloud.call("editor", method, path, body);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    assert.match(answer.body.detail, pattern);
    return answer.body;
  };
  const router = () => [...cloud.network.routers.values()].find((each) => each.ports.length > 0);

  test("an instance that asks for nothing gets a default network and group; the host gets its router", async () => {
    const instance = await cloud.instance({ name: "web" });
    const [port] = instance.ports;
    assert.equal(port.networkName, "default");
    assert.equal(port.ipv4, "10.64.0.2");
    const { items } = await ok("GET", `/networks?project=${cloud.project}`);
    assert.deepEqual(
      items.map(({ name, cidr, gateway, state, ports, default: first, dnsDomain }: Json) => [
        name,
        cidr,
        gateway,
        state,
        ports,
        first,
        dnsDomain,
      ]),
      [["default", "10.64.0.0/24", "10.64.0.1", "ready", 1, true, "default.internal"]],
    );
    const spec = router();
    assert.equal(spec?.networks.length, 1);
    assert.equal(spec?.ports[0]?.hostName, "web");
    assert.deepEqual(spec?.ports[0]?.securityGroupIds, port.securityGroupIds);
    assert.deepEqual(
      spec?.securityGroups[0]?.rules.map(({ direction, protocol, ports }) => [direction, protocol, ports?.from]),
      [
        ["out", "any", undefined],
        ["in", "any", undefined],
        ["in", "tcp", 22],
        ["in", "icmp", undefined],
      ],
    );
    const view = (await ok("GET", `/ports/${port.id}`)) as Json;
    assert.equal(view.dnsName, "web.default.internal");
    assert.equal(view.instanceName, "web");
    // Its card in the engine is the one that the router knows.
    assert.equal(spec?.ports[0]?.macAddress, port.macAddress);
    assert.match(spec?.ports[0]?.hostDevice ?? "", /^khi[0-9a-f]{12}$/);
    assert.match(spec?.networks[0]?.bridge ?? "", /^khb[0-9a-f]{10}$/);
  });

  test("ranges: picked free, checked, never overlapping in a project, and free for other projects", async () => {
    const first = await ok("POST", "/networks", { project: cloud.project, name: "front" });
    assert.equal(first.cidr, "10.64.1.0/24");
    assert.equal(first.dnsDomain, "front.internal");
    const given = await ok("POST", "/networks", {
      project: cloud.project,
      name: "back",
      cidr: "192.168.0.0/16",
      internet: false,
      routed: false,
      dnsServers: ["9.9.9.9"],
      dnsDomain: "back.example.org",
    });
    assert.deepEqual([given.capacity, given.internet, given.routed, given.dnsServers], [65_533, false, false, ["9.9.9.9"]]);
    const create = (cidr: string, name = "other") => ({ project: cloud.project, name, cidr });
    await refused("POST", "/networks", create("192.168.7.0/24"), 409, /overlaps 192\.168\.0\.0\/16 of the network back/);
    await refused("POST", "/networks", create("10.64.1.7/24"), 400, /write 10\.64\.1\.0\/24/);
    await refused("POST", "/networks", create("10.0.0.0/30"), 400, /from \/16 .* to \/29/);
    await refused("POST", "/networks", create("10.0.0.0/15"), 400, /from \/16 .* to \/29/);
    await refused("POST", "/networks", create("100.127.0.0/16"), 409, /floating addresses/);
    await refused("POST", "/networks", create("172.20.0.0/24", "back"), 409, /This project has a network back already/);
    const other = await cloud.call("neighbour", "POST", "/networks", {
      project: cloud.otherProject,
      name: "same",
      cidr: "192.168.0.0/16",
    });
    assert.equal(other.status, 201);
    await refused("GET", `/networks/${other.body.id}`, undefined, 404, /does not exist/);
  });

  test("a network is changed, keeps its revision, and goes only when it is empty", async () => {
    const network = await ok("POST", "/networks", { project: cloud.project, name: "shop" });
    const instance = await cloud.instance({ name: "till", networks: [network.id] });
    await refused("DELETE", `/networks/${network.id}`, undefined, 409, /1 instance is in the network shop/);
    await done("PATCH", `/networks/${network.id}`, { dnsDomain: "shop.example.org", internet: false });
    const spec = [...cloud.network.routers.values()].flatMap(({ networks }) => networks).find(({ id }) => id === network.id);
    assert.deepEqual([spec?.dnsDomain, spec?.internet], ["shop.example.org", false]);
    const stale = await cloud.call("editor", "PATCH", `/networks/${network.id}`, { internet: true }, { "if-match": '"r1"' });
    assert.equal(stale.status, 412);
    await cloud.done((await ok("DELETE", `/instances/${instance.id}?force=true`, undefined, 202)).id);
    await ok("DELETE", `/networks/${network.id}`, undefined, 204);
    await refused("GET", `/networks/${network.id}`, undefined, 404, /does not exist/);
    assert.ok(![...cloud.network.routers.values()].some(({ networks }) => networks.some(({ id }) => id === network.id)));
  });

  test("addresses are given from below, a full network says so, and what is deleted is free again", async () => {
    const network = await ok("POST", "/networks", { project: cloud.project, name: "small", cidr: "10.9.0.0/29" });
    assert.equal(network.capacity, 5);
    const instances = [];
    for (let i = 0; i < 5; i++) instances.push(await cloud.instance({ networks: [network.id] }));
    assert.deepEqual(
      instances.map(({ ports }) => ports[0].ipv4),
      ["10.9.0.2", "10.9.0.3", "10.9.0.4", "10.9.0.5", "10.9.0.6"],
    );
    await assert.rejects(
      cloud.instance({ networks: [network.id] }),
      /All addresses of the network small \(10\.9\.0\.0\/29\) are taken/,
    );
    await cloud.done((await ok("DELETE", `/instances/${instances[1].id}`, undefined, 202)).id);
    const next = await cloud.instance({ networks: [network.id] });
    assert.equal(next.ports[0].ipv4, "10.9.0.3");
  });

  test("many instances at once: each its own address", async () => {
    const network = await ok("POST", "/networks", { project: cloud.otherProject, name: "many" }).catch(() => undefined);
    assert.equal(network, undefined, "an editor of one project makes nothing in another");
    const size = await cloud.size();
    const image = (await cloud.image()).id;
    const made = await ok("POST", "/networks", { project: cloud.project, name: "many", cidr: "10.8.0.0/24" });
    const instances = await Promise.all(
      Array.from({ length: 20 }, () => cloud.instance({ networks: [made.id], size, image, start: false })),
    );
    assert.equal(new Set(instances.map(({ ports }) => ports[0].ipv4)).size, 20);
    const spec = router();
    assert.equal(spec?.ports.filter(({ networkId }) => networkId === made.id).length, 20);
  });

  test("security groups: rules are checked, replaced as a whole, and named groups stay", async () => {
    const project = cloud.project;
    const group = await ok("POST", "/security-groups", {
      project,
      name: "Web servers",
      rules: [
        { direction: "out", protocol: "any" },
        { direction: "in", protocol: "tcp", ports: { from: 80, to: 80 }, description: "Everybody" },
        { direction: "in", protocol: "any", remote: { securityGroupId: "self" } },
      ],
    });
    assert.deepEqual(group.rules[2].remote, { securityGroupId: group.id });
    const rule = (more: object) => ({ project, name: "Wrong", rules: [{ direction: "in", protocol: "tcp", ...more }] });
    await refused(
      "POST",
      "/security-groups",
      rule({ protocol: "icmp", ports: { from: 1, to: 2 } }),
      400,
      /only tcp and udp have/,
    );
    await refused("POST", "/security-groups", rule({ remote: { cidr: "10.0.0.1/8" } }), 400, /write 10\.0\.0\.0\/8/);
    await refused("POST", "/security-groups", rule({ ports: { from: 90, to: 80 } }), 400, /above the last/);
    await refused(
      "POST",
      "/security-groups",
      rule({ remote: { securityGroupId: `sgr_${"0".repeat(32)}` } }),
      400,
      /not in this project/,
    );
    const instance = await cloud.instance({ name: "served", securityGroups: [group.id] });
    assert.deepEqual(instance.ports[0].securityGroupIds, [group.id]);
    await refused("DELETE", `/security-groups/${group.id}`, undefined, 409, /1 instance has the security group Web servers/);
    await done("PATCH", `/security-groups/${group.id}`, {
      rules: [{ direction: "in", protocol: "udp", ports: { from: 53, to: 53 } }],
    });
    const spec = [...cloud.network.routers.values()]
      .flatMap(({ securityGroups }) => securityGroups)
      .find(({ id }) => id === group.id);
    assert.deepEqual(
      spec?.rules.map(({ protocol, ports }) => [protocol, ports?.from]),
      [["udp", 53]],
    );
    const naming = await ok("POST", "/security-groups", {
      project,
      name: "Naming",
      rules: [{ direction: "in", protocol: "any", remote: { securityGroupId: group.id } }],
    });
    await done("PATCH", `/ports/${instance.ports[0].id}`, { securityGroups: [naming.id] });
    assert.deepEqual((await ok("GET", `/ports/${instance.ports[0].id}`)).securityGroupIds, [naming.id]);
    await refused("DELETE", `/security-groups/${group.id}`, undefined, 409, /rule of the security group Naming names/);
    await done("PATCH", `/security-groups/${naming.id}`, { rules: [] });
    await ok("DELETE", `/security-groups/${group.id}`, undefined, 204);
    await refused("PATCH", `/ports/${instance.ports[0].id}`, { securityGroups: [group.id] }, 400, /no security group/);
  });

  test("a second card: plugged into the running instance, and taken out again", async () => {
    const instance = await cloud.instance({ name: "twohanded" });
    const network = await ok("POST", "/networks", { project: cloud.project, name: "second", cidr: "10.7.0.0/24" });
    const finished = await done("POST", "/ports", { instance: instance.id, network: network.id, ipv4: "10.7.0.77" });
    const cards = () => [...cloud.engine.instances.values()].find(({ spec }) => spec.hostName === "twohanded")?.spec.interfaces;
    assert.equal(finished.result.portId.slice(0, 4), "prt_");
    const after = await ok("GET", `/instances/${instance.id}`);
    assert.deepEqual(
      after.ports.map(({ networkName, ipv4 }: Json) => [networkName, ipv4]),
      [
        ["default", instance.ports[0].ipv4],
        ["second", "10.7.0.77"],
      ],
    );
    assert.equal(cards()?.length, 2);
    await refused("POST", "/ports", { instance: instance.id, network: network.id }, 409, /is in the network second already/);
    const other = await cloud.instance();
    await refused("POST", "/ports", { instance: other.id, network: network.id, ipv4: "10.7.0.77" }, 409, /is taken/);
    await refused(
      "POST",
      "/ports",
      { instance: other.id, network: network.id, ipv4: "10.7.0.1" },
      400,
      /no address for an instance/,
    );
    await refused("DELETE", `/ports/${other.ports[0].id}`, undefined, 409, /keeps at least one card/);
    await done("DELETE", `/ports/${after.ports[1].id}`);
    assert.equal(cards()?.length, 1);
    assert.equal((await ok("GET", `/instances/${instance.id}`)).ports.length, 1);
  });

  test("quotas: a network too many is refused by name", async () => {
    await cloud.database.sql`insert into kernel.quota_limits (scope_id, organisation_id, name, limit_value)
      values (${cloud.otherOrganisation}, ${cloud.otherOrganisation}, 'compute.networks', 1)`;
    const create = (name: string) => cloud.call("stranger", "POST", "/networks", { project: cloud.strangersProject, name });
    const first = await create("one");
    assert.equal(first.status, 201);
    const second = await create("two");
    assert.equal(second.status, 403);
    assert.match(second.body.detail, /networks/);
    assert.equal((await cloud.call("stranger", "DELETE", `/networks/${first.body.id}`)).status, 204);
    assert.equal((await create("two")).status, 201);
  });

  test("a project's defaults go with it, what was made in it does not", async () => {
    const image = (await cloud.image()).id;
    const created = await cloud.call("stranger", "POST", "/instances", {
      project: cloud.strangersProject,
      name: "short",
      size: await cloud.size(),
      image,
    });
    const { resource } = await cloud.done(created.body.id);
    const remove = () => cloud.database.sql`delete from identity.projects where id = ${cloud.strangersProject}`;
    await assert.rejects(remove(), /foreign key/);
    await cloud.done((await cloud.call("stranger", "DELETE", `/instances/${resource}`)).body.id);
    await assert.rejects(remove(), /networks/, "a network that somebody made");
    const { body } = await cloud.call("stranger", "GET", `/networks?project=${cloud.strangersProject}`);
    for (const { id, default: own } of body.items)
      if (!own) assert.equal((await cloud.call("stranger", "DELETE", `/networks/${id}`)).status, 204);
    await remove();
    const [left] = await cloud.database
      .sql`select count(*)::int as n from compute.networks where project_id = ${cloud.strangersProject}`;
    assert.equal(left?.["n"], 0);
  });

  test("what fails on the host is shown at the network and tried again by itself", async () => {
    const instance = await cloud.instance({ name: "patient" });
    const [port] = instance.ports;
    cloud.network.faults.fail("apply", { error: new Error("no netlink") });
    const group = await ok("POST", "/security-groups", { project: cloud.project, name: "Retry" });
    const answer = await ok("PATCH", `/ports/${port.id}`, { securityGroups: [group.id] }, 202);
    const ended = await cloud.ended(answer.id);
    assert.equal(ended.state, "failed");
    const network = await ok("GET", `/networks/${port.networkId}`);
    assert.equal(network.state, "error");
    const stray = { ...(router() as NonNullable<ReturnType<typeof router>>), id: "deadbeef" };
    await cloud.network.apply(stray);
    await cloud.work("compute.networks");
    assert.ok(!cloud.network.routers.has("deadbeef"), "a router of no project is removed");
    assert.equal((await ok("GET", `/networks/${port.networkId}`)).state, "ready");
    assert.deepEqual(
      [...cloud.network.routers.values()].flatMap(({ ports }) => ports).find(({ id }) => id === port.id)?.securityGroupIds,
      [group.id],
    );
  });
});
