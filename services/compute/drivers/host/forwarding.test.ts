import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, before, beforeEach, describe, test } from "node:test";
import { lxdMissing } from "../../../../testing/lxd.ts";
import { engineTools, installTestTools } from "../../../../tools/test-tools.ts";
import { allowForwarding } from "./forwarding.ts";

describe("forwarding past Docker and firewalls", { skip: lxdMissing() }, () => {
  const namespace = `kh-forward-${process.pid}`;
  const inside = (...words: string[]) => {
    const { status, stdout, stderr } = spawnSync("ip", ["netns", "exec", namespace, ...words], { encoding: "utf8" });
    assert.equal(status, 0, `${words.join(" ")}: ${stderr}`);
    return stdout.trim();
  };
  const rules = (chain: string, iptables = "iptables") =>
    inside(iptables, "-S", chain)
      .split("\n")
      .filter((line) => line.includes("khmara"));
  before(async () => {
    assert.deepEqual(await installTestTools(engineTools), []);
    assert.equal(spawnSync("ip", ["netns", "add", namespace]).status, 0);
  });
  after(() => void spawnSync("ip", ["netns", "delete", namespace]));
  beforeEach(() => {
    inside("iptables", "-P", "FORWARD", "ACCEPT");
    inside("iptables", "-F");
    inside("iptables", "-X");
    inside("sysctl", "-qw", "net.ipv4.ip_forward=0");
  });

  const wanted = (chain: string) => ["-o", "-i"].map((way) => `-A ${chain} ${way} kh+ -m comment --comment khmara -j ACCEPT`);

  test("nothing in the way: only the kernel's switch", async () => {
    await allowForwarding({ namespace });
    assert.equal(inside("sysctl", "-n", "net.ipv4.ip_forward"), "1");
    assert.deepEqual(rules("FORWARD"), []);
  });

  test("Docker: in the chain that it leaves to others, once, and again after dockerd wrote it anew", async () => {
    inside("iptables", "-P", "FORWARD", "DROP");
    inside("iptables", "-N", "DOCKER-USER");
    inside("iptables", "-A", "DOCKER-USER", "-j", "RETURN");
    for (let round = 0; round < 3; round++) await allowForwarding({ namespace });
    assert.deepEqual(rules("DOCKER-USER"), wanted("DOCKER-USER"));
    assert.equal(inside("iptables", "-S", "DOCKER-USER").split("\n").at(-1), "-A DOCKER-USER -j RETURN", "before what was there");
    assert.deepEqual(rules("FORWARD"), []);
    inside("iptables", "-F", "DOCKER-USER");
    await allowForwarding({ namespace });
    assert.deepEqual(rules("DOCKER-USER"), wanted("DOCKER-USER"));
  });

  test("a firewall that drops what is forwarded", async () => {
    inside("iptables", "-P", "FORWARD", "DROP");
    await Promise.all([allowForwarding({ namespace }), allowForwarding({ namespace })]);
    assert.deepEqual([...new Set(rules("FORWARD"))].sort(), wanted("FORWARD").sort());
    assert.deepEqual(rules("FORWARD", "ip6tables"), [], "IPv6 is as it was");
  });
});
