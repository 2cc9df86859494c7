import assert from "node:assert/strict";
import { test } from "node:test";
import type { IncomingCall } from "./ports.ts";
import { expect, perhaps, play, reply, request } from "./testing/sipp.ts";
import { next, sdp, testStack, until } from "./testing/stacks.ts";

test("a call lives on as long as it is refreshed, and ends by itself when it is not", async (context) => {
  const calls: IncomingCall[] = [];
  const ends: string[] = [];
  const bob = await testStack(context, {
    minimumSessionExpires: 1,
    onInvite: (call) => {
      calls.push(call);
      call.on("ended", ({ cause }) => ends.push(cause));
      call.answer({ sdp: sdp("bob") });
    },
  });
  const alice = await testStack(context, { sessionExpires: 2, minimumSessionExpires: 1 });
  const call = alice.stack.call({ target: bob.uri("bob"), from: "sip:alice@example.org", sdp: sdp("a") });
  await next(call, "answered");
  // The other one agreed to two seconds and does nothing more: it is hung up before ours, which is refreshed.
  await play(
    [
      request("INVITE", 1, { sdp: true, headers: "Supported: timer\nSession-Expires: 2;refresher=uac" }),
      perhaps(100),
      expect(200),
      request("ACK", 1),
      expect("BYE"),
      reply("200 OK", { tag: false }),
    ],
    { target: `127.0.0.1:${bob.port()}` },
  );
  await until(() => ends.length === 1);
  assert.deepEqual(ends, ["session_expired"]);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  assert.equal(calls[0]!.state, "confirmed");
  assert.equal(call.state, "confirmed");
  call.hangUp();
});

test("a phone without timers is asked whether it is there, and its call ends when it is not", async (context) => {
  const ends: string[] = [];
  const bob = await testStack(context, {
    sessionExpires: 1,
    minimumSessionExpires: 1,
    timers: { t1: 10 },
    onInvite: (call) => {
      call.on("ended", ({ cause }) => ends.push(cause));
      call.answer({ sdp: sdp("bob") });
    },
  });
  // Whatever it answers says that it is there. After that it is gone.
  await play(
    [
      request("INVITE", 1, { sdp: true }),
      perhaps(100),
      expect(200),
      request("ACK", 1),
      expect("OPTIONS"),
      reply("501 Not Implemented", { tag: false }),
      expect("OPTIONS"),
      reply("200 OK", { tag: false }),
    ],
    { target: `127.0.0.1:${bob.port()}` },
  );
  assert.deepEqual(ends, []);
  await until(() => ends.length === 1);
  assert.deepEqual(ends, ["dialog_lost"]);
});

test("who asks for less than the other bears asks again for more", async (context) => {
  let asked: string | undefined;
  const bob = await testStack(context, {
    minimumSessionExpires: 120,
    onInvite: (call) => {
      asked = call.request.header("session-expires");
      call.answer({ sdp: sdp("bob") });
    },
  });
  const alice = await testStack(context, { sessionExpires: 60, minimumSessionExpires: 60 });
  const call = alice.stack.call({ target: bob.uri("bob"), from: "sip:alice@example.org", sdp: sdp("a") });
  await next(call, "answered");
  assert.equal(asked, "120");
});
