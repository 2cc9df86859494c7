import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { RouterSpec } from "../driver.ts";
import { type TestCompute, testCompute } from "../testing/fixture.ts";
import { type Machine, PacketLab, packetsMissing } from "../testing/packets.ts";

// biome-ignore lint/suspicious/noExplicitAny: answers of all routes.
type Json = any;

/** The whole way of a request, from the API to packets; a network namespace stands for each instance. */
describe("networks from the API to packets", { skip: packetsMissing() ?? false }, () => {
  const lab = new PacketLab();
  let cloud: TestCompute;
  before(async () => {
    lab.start();
    await lab.world.serve(80, "world");
    cloud = await testCompute({ drivers: { network: { driver: lab.network } } });
  });
  after(async () => {
    await cloud.stop();
    await lab.stop();
  });

  const ok = async (method: string, path: string, body?: unknown, status = method === "GET" ? 200 : 201): Promise<Json> => {
    const answer = await cloud.call("editor", method, path, body);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    return answer.body;
  };
  const done = async (method: string, path: string, body?: unknown): Promise<Json> =>
    cloud.done((await ok(method, path, body, 202)).id);
  /** The instance's card, as the engine would plug it. */
  async function plug(instance: Json): Promise<Machine> {
    const [view] = (
      await cloud.database.transaction("system", (tx) => cloud.compute.parts.networks.ports(tx, [instance.id]))
    ).get(instance.id) as Json[];
    const network = await ok("GET", `/networks/${view.networkId}`);
    const router = { networks: [{ ...network, bridge: view.interface.bridge }] } as unknown as RouterSpec;
    return lab.plug(router, { ...view, hostDevice: view.interface.hostDevice, hostName: instance.name });
  }

  test("a page is served through a floating address with a firewall rule, counted, and gone with the instance", async () => {
    const group = await ok("POST", "/security-groups", { project: cloud.project, name: "Web" });
    const instance = await cloud.instance({ name: "web", securityGroups: [group.id] });
    const guest = await plug(instance);
    await guest.serve(80, "page");
    await cloud.work("compute.networks");
    const address = await ok("POST", "/addresses", { project: cloud.project });
    await done("POST", `/addresses/${address.id}/attach`, { instance: instance.id });
    await lab.world.run(`ip route add ${address.address} via ${lab.hostAddress}`);
    assert.equal(await lab.world.ask(address.address, 80), undefined, "nothing lets it in yet");
    await done("PATCH", `/security-groups/${group.id}`, {
      rules: [
        { direction: "out", protocol: "any" },
        { direction: "in", protocol: "tcp", ports: { from: 80, to: 80 } },
      ],
    });
    assert.equal(await lab.world.ask(address.address, 80), `page ${lab.worldAddress}`);
    const forward = await done("POST", "/port-forwards", { instance: instance.id, targetPort: 80 });
    assert.equal(await lab.world.ask(lab.hostAddress, forward.result.listenPort), `page ${lab.worldAddress}`);
    const neighbour = await plug(await cloud.instance({ name: "neighbour" }));
    assert.equal(await neighbour.resolve("web.default.internal", "10.64.0.1"), instance.ports[0].ipv4);

    const socket = await cloud.compute.parts.networks.connect(instance.id, 80);
    let text = "";
    for await (const chunk of socket) text += chunk;
    assert.match(text, /^page /);

    await cloud.work("compute.networks.traffic");
    await cloud.done((await ok("DELETE", `/instances/${instance.id}`, undefined, 202)).id);
    await lab.eventually(async () => (await lab.world.ask(address.address, 80)) === undefined, 20);
    await lab.eventually(async () => (await lab.world.ask(lab.hostAddress, forward.result.listenPort)) === undefined, 20);
    const sums = Object.groupBy(await cloud.usage(instance.id), ({ meter }) => meter);
    const bytes = (meter: string) => (sums[meter] ?? []).reduce((sum, { quantity }) => sum + Number(quantity), 0);
    assert.ok(bytes("compute.traffic_in") > 100 && bytes("compute.traffic_in") < 10_000, `${bytes("compute.traffic_in")}`);
    assert.ok(bytes("compute.traffic_out") > 100 && bytes("compute.traffic_out") < 10_000, `${bytes("compute.traffic_out")}`);
  });

  test("a load balancer from the API, with the health of its members", async () => {
    const instances = [await cloud.instance({ name: "one" }), await cloud.instance({ name: "two" })];
    const guests = await Promise.all(instances.map(plug));
    await guests[0]?.serve(80, "one");
    const { result } = await done("POST", "/load-balancers", {
      project: cloud.project,
      name: "front",
      members: instances.map(({ id }) => ({ instance: id, targetPort: 80 })),
      check: { intervalSeconds: 1, failures: 1 },
    });
    const health = async () =>
      (await ok("GET", `/load-balancers/${result.loadBalancerId}`)).members.map(
        (member: Json) => `${member.instanceName} ${member.health}`,
      );
    await lab.eventually(async () => (await health()).join() === "one up,two down", 15);
    assert.match((await lab.world.ask(lab.hostAddress, result.listenPort)) ?? "", /^one /);
    await done("DELETE", `/load-balancers/${result.loadBalancerId}`);
    assert.equal(await lab.world.ask(lab.hostAddress, result.listenPort), undefined);
  });

  test("ranges of this host itself, and ports that it listens on, are refused by name", async () => {
    const around = `${lab.hostAddress.split(".").slice(0, 3).join(".")}.0/24`;
    const network = await cloud.call("editor", "POST", "/networks", { project: cloud.project, name: "lan", cidr: around });
    assert.equal(network.status, 409);
    assert.match(network.body.detail, /is the network of this host's interface khw/);
    const { port } = new URL(cloud.url);
    const [instance] = (await ok("GET", `/instances?project=${cloud.project}`)).items;
    const forward = await cloud.call("editor", "POST", "/port-forwards", {
      instance: instance.id,
      targetPort: 80,
      listenPort: Number(port),
    });
    assert.equal(forward.status, 409);
    assert.match(forward.body.detail, /program of the host itself/);
  });
});
