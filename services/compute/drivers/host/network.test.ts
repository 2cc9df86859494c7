import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, before, describe, test } from "node:test";
import type { RouterNetwork, SecurityRule } from "../../driver.ts";
import { gatewayOf, PacketLab, packetsMissing, run } from "../../testing/packets.ts";

const missing = packetsMissing();
const everything: SecurityRule[] = [{ direction: "out", protocol: "any" }];
const tcp = (port: number): SecurityRule => ({ direction: "in", protocol: "tcp", ports: { from: port, to: port } });

describe("the network of this host, with packets", { skip: missing ?? false }, () => {
  const lab = new PacketLab();
  before(() => lab.start());
  after(() => lab.stop());

  test("two instances of one network reach each other, the world and the gateway", async () => {
    const router = lab.router();
    const [a, b] = [lab.addPort(router, "10.64.0.5"), lab.addPort(router, "10.64.0.6")];
    await lab.network.apply(router);
    const [one, other] = [lab.plug(router, a), lab.plug(router, b)];
    await Promise.all([other.serve(80, "other"), lab.world.serve(80, "world")]);
    assert.equal(await one.ask("10.64.0.6", 80), "other 10.64.0.5");
    // The world sees the host.
    assert.equal(await one.ask(lab.worldAddress, 80), `world ${lab.hostAddress}`);
    assert.ok(await one.ping("10.64.0.1"));
    assert.ok(await one.ping("10.64.0.6"));
    await lab.network.remove(router.id);
  });
});
