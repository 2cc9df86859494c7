import assert from "node:assert/strict";
import { test } from "node:test";
import { plainAddress, subscriberOf } from "./peerAddress.ts";

test("an IPv4 address is the same however it came", () => {
  assert.equal(plainAddress("::ffff:192.0.2.7"), "192.0.2.7");
  assert.equal(plainAddress("192.0.2.7"), "192.0.2.7");
  assert.equal(plainAddress("2001:db8::7"), "2001:db8::7");
});

test("an IPv6 subscriber is the /64, an IPv4 one the address", () => {
  assert.equal(subscriberOf("::ffff:192.0.2.7"), "192.0.2.7");
  assert.equal(subscriberOf("192.0.2.7"), "192.0.2.7");
  for (const address of ["2001:db8:1:2::7", "2001:DB8:1:2:3:4:5:6", "2001:db8:1:2::", "2001:db8:1:2:0:0:0:1"])
    assert.equal(subscriberOf(address), "2001:db8:1:2");
  assert.equal(subscriberOf("2001:db8::7"), "2001:db8:0:0");
  assert.equal(subscriberOf("::1"), "0:0:0:0");
  assert.equal(subscriberOf("no address"), "no address");
});
