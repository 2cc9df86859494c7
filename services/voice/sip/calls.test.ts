import assert from "node:assert/strict";
import { test } from "node:test";
import type { IncomingCall } from "./ports.ts";
import { next, sdp, testStack, until } from "./testing/stacks.ts";

const quick = { t1: 40, t2: 160, t4: 200 };

for (const transport of ["udp", "tcp"] as const) {
  test(`a call over ${transport}: ringing, answer, re-INVITE both ways, INFO, goodbye`, async (context) => {
    let incoming: IncomingCall | undefined;
    const bob = await testStack(context, {
      onInvite: (call) => {
        incoming = call;
        call.progress(180);
        call.answer({ sdp: sdp("bob") });
      },
    });
    const alice = await testStack(context);
    const call = alice.stack.call({
      target: bob.uri("bob", transport),
      from: '"Alice" <sip:alice@example.org>',
      headers: { "P-Asserted-Identity": "<sip:alice@example.org>", "Alert-Info": ["<http://a>", "<http://b>"] },
      sdp: sdp("alice"),
    });
    const answered = next(call, "answered");
    const [progress] = await next(call, "progress");
    assert.equal((progress as { status: number }).status, 180);
    await answered;
    await until(() => incoming!.state === "confirmed");
    assert.equal(call.remoteSdp, sdp("bob"));
    assert.equal(incoming!.remoteSdp, sdp("alice"));
    assert.equal(incoming!.request.header("p-asserted-identity"), "<sip:alice@example.org>");
    assert.deepEqual(incoming!.request.headers("alert-info"), ["<http://a>", "<http://b>"]);
    assert.equal(incoming!.remote.displayName, "Alice");

    incoming!.on("offer", (offer) => offer.answer(sdp(`answer to ${/s=(.*)/.exec(offer.sdp!)![1]}`)));
    const held = await call.reinvite({ sdp: sdp("hold") });
    assert.equal(held.status, 200);
    assert.equal(held.sdp, sdp("answer to hold"));

    call.on("offer", (offer) => offer.reject(488));
    assert.equal((await incoming!.reinvite({ sdp: sdp("other") })).status, 488);
    assert.equal((await incoming!.update({})).status, 200);

    const dtmf = next(incoming!, "dtmf");
    assert.equal((await call.info({ type: "application/dtmf-relay", content: "Signal=5\r\nDuration=200\r\n" })).status, 200);
    assert.deepEqual(await dtmf, ["5", 200]);

    const ended = next(call, "ended");
    incoming!.hangUp({ reason: "Q.850;cause=16" });
    const [end] = await ended;
    assert.deepEqual((end as { cause: string; reasons: string[] }).reasons, ["Q.850;cause=16"]);
    await until(() => alice.stack.sessions.size === 0 && bob.stack.sessions.size === 0);
    assert.deepEqual([...alice.errors, ...bob.errors], []);
  });
}

test("a caller who takes back its call: the phone hears why", async (context) => {
  const ends: string[] = [];
  const bob = await testStack(context, {
    onInvite: (call) => {
      call.progress(180);
      call.on("ended", (end) => ends.push(end.cause, ...end.reasons));
    },
  });
  const alice = await testStack(context);
  const call = alice.stack.call({ target: bob.uri("bob"), from: "sip:alice@example.org", sdp: sdp("alice") });
  const refused = next(call, "refused");
  // Before anything came back: it waits for that.
  call.cancel({ reason: 'SIP;cause=200;text="Call completed elsewhere"' });
  assert.equal(((await refused)[0] as { status: number }).status, 487);
  assert.deepEqual(ends, ["cancelled", 'SIP;cause=200;text="Call completed elsewhere"']);
  assert.equal(call.state, "ended");
});

test("both offer at once: one waits, and both get through", async (context) => {
  let incoming: IncomingCall | undefined;
  const bob = await testStack(context, {
    timers: quick,
    onInvite: (call) => {
      incoming = call;
      call.on("offer", (offer) => offer.answer(sdp("b-answer")));
      call.answer({ sdp: sdp("bob") });
    },
  });
  const alice = await testStack(context, { timers: quick });
  const call = alice.stack.call({ target: bob.uri("bob"), from: "sip:alice@example.org", sdp: sdp("alice") });
  call.on("offer", (offer) => offer.answer(sdp("a-answer")));
  await next(call, "answered");
  const results = await Promise.all([call.reinvite({ sdp: sdp("from-a") }), incoming!.reinvite({ sdp: sdp("from-b") })]);
  assert.deepEqual(
    results.map(({ status, sdp: text }) => [status, /s=(.*)\r/.exec(text!)![1]]),
    [
      [200, "b-answer"],
      [200, "a-answer"],
    ],
  );
});

test("an offer that is made for its moment is not sent again when both wanted one: when to make another is told", async (context) => {
  let incoming: IncomingCall | undefined;
  const bob = await testStack(context, {
    timers: quick,
    onInvite: (call) => {
      incoming = call;
      call.on("offer", (offer) => offer.answer(sdp("b-answer")));
      call.answer({ sdp: sdp("bob") });
    },
  });
  const alice = await testStack(context, { timers: quick });
  const call = alice.stack.call({ target: bob.uri("bob"), from: "sip:alice@example.org", sdp: sdp("alice") });
  call.on("offer", (offer) => offer.answer(sdp("a-answer")));
  await next(call, "answered");
  let made = 0;
  const make = async () => sdp(`from-a ${++made}`);
  const [ours, theirs] = await Promise.all([call.reinvite({ sdp: make }), incoming!.reinvite({ sdp: sdp("from-b") })]);
  // Whoever made the call waits longer (RFC 3261 section 14.1): quick timers have a T1 of their own.
  assert.deepEqual([ours.status, ours.againMs !== undefined && ours.againMs > 0, made], [491, true, 1]);
  assert.equal(theirs.status, 200);
  const again = await call.reinvite({ sdp: make });
  assert.deepEqual([again.status, again.againMs, made, call.localSdp], [200, undefined, 2, sdp("from-a 2")]);
});

test("a late offer is answered in the ACK, and in the PRACK of a reliable answer", async (context) => {
  const heard: (string | undefined)[] = [];
  let early = false;
  const bob = await testStack(context, {
    onInvite: (call) => {
      call.on("acknowledged", (text) => heard.push(text));
      if (early) call.progress(183, { sdp: sdp("offer"), reliable: true });
      call.answer({ sdp: sdp("offer") });
    },
  });
  const alice = await testStack(context);
  const dial = () =>
    alice.stack.call({ target: bob.uri("bob"), from: "sip:alice@example.org", answerOffer: async () => sdp("late answer") });
  const first = dial();
  await next(first, "answered");
  await until(() => heard.length > 0);
  assert.deepEqual(heard, [sdp("late answer")]);
  first.hangUp();
  early = true;
  heard.length = 0;
  const second = dial();
  await next(second, "answered");
  await until(() => heard.length === 2);
  assert.deepEqual(heard, [sdp("late answer"), undefined]);
});

test("a transfer with Replaces: asked for, found, told how it goes", async (context) => {
  const calls: IncomingCall[] = [];
  const bob = await testStack(context, {
    onInvite: (call) => {
      calls.push(call);
      call.answer({ sdp: sdp("bob") });
    },
  });
  const alice = await testStack(context);
  const dial = async (user: string) => {
    const call = alice.stack.call({ target: bob.uri(user), from: "sip:alice@example.org", sdp: sdp("alice") });
    await next(call, "answered");
    return call;
  };
  const first = await dial("one");
  const second = await dial("two");
  const asked = next(calls[0]!, "refer");
  const progress: number[] = [];
  first.on("transfer", ({ status }) => progress.push(status));
  const answered = first.refer({ target: bob.uri("two"), replaces: second, referredBy: "<sip:alice@example.org>" });
  const [refer] = (await asked) as unknown as [import("./ports.ts").IncomingRefer];
  assert.equal(refer.replacedSession, calls[1]);
  assert.equal(refer.referredBy, "<sip:alice@example.org>");
  const notes = refer.accept();
  assert.equal((await answered).status, 202);
  notes.notify(180);
  notes.notify(200);
  notes.notify(500);
  await until(() => progress.length === 3);
  assert.deepEqual([...progress].sort(), [100, 180, 200]);
});

test("an INVITE with Replaces shows the call it is to take over; of an unknown one 481", async (context) => {
  const calls: IncomingCall[] = [];
  const bob = await testStack(context, {
    onInvite: (call) => {
      calls.push(call);
      call.answer({ sdp: sdp("bob") });
    },
  });
  const alice = await testStack(context);
  const first = alice.stack.call({ target: bob.uri("bob"), from: "sip:alice@example.org", sdp: sdp("a") });
  await next(first, "answered");
  const replaces = `${first.callId};to-tag=${first.remoteTag};from-tag=${first.localTag}`;
  const second = alice.stack.call({
    target: bob.uri("bob"),
    from: "sip:carol@example.org",
    sdp: sdp("c"),
    headers: { Replaces: replaces },
  });
  await next(second, "answered");
  assert.equal(calls[1]!.replaces, calls[0]);
  const third = alice.stack.call({
    target: bob.uri("bob"),
    from: "sip:carol@example.org",
    sdp: sdp("c"),
    headers: { Replaces: "none;to-tag=1;from-tag=2" },
  });
  const [refusal] = await next(third, "refused");
  assert.equal((refusal as { status: number }).status, 481);
});

test("whoever answers nothing: 408 after the patience of the caller; a flow that is gone: 430", async (context) => {
  const bob = await testStack(context, { onInvite: (call) => call.progress(180) });
  const alice = await testStack(context);
  const call = alice.stack.call({ target: bob.uri("bob"), from: "sip:alice@example.org", sdp: sdp("a"), timeoutMs: 100 });
  assert.equal(((await next(call, "refused"))[0] as { status: number }).status, 408);
  const lost = alice.stack.call({
    target: "sip:x@nowhere.invalid",
    flow: "tcp|ff|1",
    from: "sip:alice@example.org",
    sdp: sdp("a"),
  });
  assert.equal(((await next(lost, "refused"))[0] as { status: number }).status, 430);
});

test("a listener that throws answers 500, and the call goes on", async (context) => {
  const bob = await testStack(context, {
    onInvite: (call) => {
      call.on("offer", async () => {
        throw new Error("the switchboard stumbled");
      });
      call.answer({ sdp: sdp("bob") });
    },
  });
  const alice = await testStack(context);
  const call = alice.stack.call({ target: bob.uri("bob"), from: "sip:alice@example.org", sdp: sdp("a") });
  await next(call, "answered");
  assert.equal((await call.reinvite({ sdp: sdp("b") })).status, 500);
  assert.equal(call.state, "confirmed");
  assert.equal(bob.errors.length, 1);
});
