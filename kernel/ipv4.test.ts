import assert from "node:assert/strict";
import { test } from "node:test";
import {
  contains,
  formatIpv4,
  formatNetwork,
  networkOf,
  networksOf,
  overlaps,
  parseIpv4,
  parseNetwork,
  parseRange,
} from "./ipv4.ts";

test("addresses", () => {
  for (const text of ["0.0.0.0", "10.64.0.1", "192.0.2.255", "255.255.255.255"]) {
    assert.equal(formatIpv4(parseIpv4(text) as number), text);
  }
  for (const text of ["", "10.0.0", "10.0.0.256", "10.0.0.1.2", "a.b.c.d", "1e1.0.0.0"])
    assert.equal(parseIpv4(text), undefined, text);
});

test("networks", () => {
  const network = parseNetwork("10.64.1.0/24");
  assert.deepEqual(network, { first: 0x0a400100, last: 0x0a4001ff, prefix: 24 });
  for (const text of ["10.64.1.1/24", "10.64.1.0", "10.64.1.0/33", "10.64.1.0/", "/24"])
    assert.equal(parseNetwork(text), undefined, text);
  assert.equal(formatNetwork(networkOf("10.64.1.77/24")!), "10.64.1.0/24");
  assert.equal(formatNetwork(parseNetwork("0.0.0.0/0")!), "0.0.0.0/0");
});

test("ranges", () => {
  assert.deepEqual(parseRange("192.0.2.10-192.0.2.12"), { first: 0xc000020a, last: 0xc000020c });
  assert.deepEqual(parseRange("192.0.2.10"), { first: 0xc000020a, last: 0xc000020a });
  for (const text of ["192.0.2.12-192.0.2.10", "192.0.2.1-192.0.2.2-192.0.2.3", "192.0.2.1/24"])
    assert.equal(parseRange(text), undefined, text);
  assert.deepEqual(networksOf(parseRange("192.0.2.10-192.0.2.20")!).map(formatNetwork), [
    "192.0.2.10/31",
    "192.0.2.12/30",
    "192.0.2.16/30",
    "192.0.2.20/32",
  ]);
  assert.deepEqual(networksOf({ first: 0, last: 2 ** 32 - 1 }).map(formatNetwork), ["0.0.0.0/0"]);
  const outer = parseNetwork("10.0.0.0/8")!;
  assert.ok(contains(outer, parseNetwork("10.64.0.0/24")!));
  assert.ok(overlaps(parseNetwork("10.64.0.0/24")!, outer));
  assert.ok(!overlaps(parseNetwork("10.64.0.0/24")!, parseNetwork("10.64.1.0/24")!));
});
