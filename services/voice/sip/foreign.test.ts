/** Messages as other makers' programs and test suites send them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { IncomingCall, OutgoingCall } from "./ports.ts";
import { next, sdp, testStack, until } from "./testing/stacks.ts";
import { request, statusOf, stranger } from "./testing/stranger.ts";

const typed = (type: string, body: string, more: Record<string, string> = {}) =>
  `${request("INVITE", { ...(type === "" ? {} : { "Content-Type": type }), "Content-Length": String(Buffer.byteLength(body)), ...more })}${body}`;
const part = (lines: string, content: string) => `--cut\r\n${lines}\r\n\r\n${content}\r\n`;
const mixed = 'multipart/mixed; boundary="cut"';
const ours = part("Content-Type: application/sdp", sdp("inside"));
const tagOf = (message: string) => /^To:.*;tag=(\S+)/m.exec(message)?.[1];
const branchOf = (message: string) => /branch=([^;\s]+)/.exec(message)?.[1] ?? "";

test("bodies beside a description: what must be understood and is not gets 415, what need not is passed over", async (context) => {
  const offers: (string | undefined)[] = [];
  const bob = await testStack(context, {
    onInvite: (call) => {
      offers.push(/^s=(.*)/m.exec(call.request.sdp ?? "")?.[1]);
      call.reject(486);
    },
  });
  const someone = await stranger(context, bob.port());
  const finalOf = async (message: string) => {
    const branch = branchOf(message);
    someone.say(message);
    const isFinal = (heard: string) => branchOf(heard) === branch && statusOf(heard) >= 200;
    await until(() => someone.heard.some(isFinal));
    return statusOf(someone.heard.find(isFinal) ?? "");
  };
  const isup = part("Content-Type: application/isup\r\nContent-Disposition: signal; handling=required", "x");
  const location = part("Content-Type: application/pidf+xml\r\nContent-ID: <here@x>", "<presence/>");
  const nested = part(
    "Content-Type: multipart/alternative;boundary=in",
    `--in\r\nc: application/sdp\r\n\r\n${sdp("deep")}\r\n--in--`,
  );
  const disposition = "Content-Disposition";
  for (const [message, status] of [
    [typed(mixed, `${ours}${isup}--cut--`), 415],
    [typed(mixed, `${ours}${isup.replace("required", "optional")}--cut--`), 486],
    [typed(mixed, `${location}${ours}--cut--`), 486],
    [typed(mixed, `preamble\r\n${nested}--cut--`), 486],
    [typed(mixed, `${location}--cut--`), 415],
    [typed("application/x-thing", "thing", { [disposition]: "signal;handling=optional" }), 486],
    [typed("application/x-thing", "thing", { [disposition]: "session" }), 415],
    // The blank line came too early.
    [typed("", "Content-Length: 0\r\n\r\n"), 486],
    [typed("", sdp("untyped")), 486],
  ] as const)
    assert.equal(await finalOf(message), status, message);
  assert.deepEqual(offers, ["inside", "inside", "deep", undefined, undefined, "untyped"]);
  assert.equal(await finalOf(request("INVITE", { Contact: "<tel:+380441234567>" })), 400);
  assert.deepEqual(bob.errors, []);
});

test("answers carry what a caller looks for: the Timestamp in 100, one tag for CANCEL and INVITE", async (context) => {
  const bob = await testStack(context, { onInvite: (call) => call.progress(180) });
  const someone = await stranger(context, bob.port());
  const invite = request("INVITE", { Timestamp: "54.5" });
  someone.say(invite);
  await until(() => someone.heard.length === 2);
  assert.match(someone.heard[0] ?? "", /^SIP\/2\.0 100 [\s\S]*^Timestamp: 54\.5\r$/m);
  assert.doesNotMatch(someone.heard[1] ?? "", /^Timestamp/m);
  someone.say(invite.replaceAll("INVITE", "CANCEL"));
  await until(() => someone.heard.length >= 4);
  const [, ringing, ...last] = someone.heard;
  assert.deepEqual(last.map(statusOf).sort(), [200, 487]);
  for (const one of last) assert.equal(tagOf(one), tagOf(ringing ?? ""));
});

test("a phone that says one branch for all its requests is understood", async (context) => {
  const bob = await testStack(context, { onInvite: (call) => call.answer({ sdp: sdp("bob") }) });
  const someone = await stranger(context, bob.port());
  const same = { Via: "SIP/2.0/UDP 127.0.0.1:9;rport;branch=z9hG4bKalways", "Call-ID": "constant" };
  const body = sdp("offer");
  const invite = (to: string, seq: number) =>
    `${request("INVITE", { ...same, To: to, CSeq: `${seq} INVITE`, "Content-Type": "application/sdp", "Content-Length": String(body.length) })}${body}`;
  someone.say(invite("<sip:bob@127.0.0.1>", 1));
  const accepted = (seq: number) =>
    someone.heard.find((heard) => statusOf(heard) === 200 && heard.includes(`CSeq: ${seq} INVITE`));
  await until(() => accepted(1) !== undefined);
  const to = `<sip:bob@127.0.0.1>;tag=${tagOf(accepted(1) ?? "")}`;
  someone.say(request("ACK", { ...same, To: to, CSeq: "1 ACK" }));
  someone.say(invite(to, 2));
  await until(() => accepted(2) !== undefined);
  someone.say(request("ACK", { ...same, To: to, CSeq: "2 ACK" }));
  someone.say(request("BYE", { ...same, To: to, CSeq: "3 BYE" }));
  await until(() => someone.heard.some((heard) => statusOf(heard) === 200 && heard.includes("CSeq: 3 BYE")));
});

test("an offer that comes before another one has its answer has to wait", async (context) => {
  const calls: IncomingCall[] = [];
  const bob = await testStack(context, {
    onInvite: (call) => {
      call.on("offer", (offer) => offer.answer(sdp("again")));
      calls.push(call);
      call.progress(180);
    },
  });
  const someone = await stranger(context, bob.port());
  const body = sdp("offer");
  const described = { "Content-Type": "application/sdp", "Content-Length": String(body.length) };
  const first = `${request("INVITE", { "Call-ID": "early", ...described })}${body}`;
  someone.say(first);
  await until(() => someone.heard.length === 2);
  const to = `<sip:bob@127.0.0.1>;tag=${tagOf(someone.heard[1] ?? "")}`;
  const update = (seq: number) =>
    `${request("UPDATE", { "Call-ID": "early", To: to, CSeq: `${seq} UPDATE`, ...described })}${body}`;
  const refused = await someone.ask(update(2));
  assert.equal(statusOf(refused), 500);
  assert.match(refused, /^Retry-After: \d+\r$/m);
  calls[0]?.progress(183, { sdp: sdp("early") });
  await until(() => someone.heard.some((heard) => statusOf(heard) === 183));
  assert.equal(statusOf(await someone.ask(update(3))), 200);

  // The other way: we call, and who rings has an offer of its own.
  const call: OutgoingCall = bob.stack.call({
    target: `sip:someone@127.0.0.1:${someone.port}`,
    from: "<sip:bob@127.0.0.1>",
    sdp: body,
  });
  await until(() => someone.heard.some((heard) => heard.startsWith("INVITE")));
  const invite = someone.heard.find((heard) => heard.startsWith("INVITE")) ?? "";
  const header = (name: string) => new RegExp(`^${name}: (.*)\r$`, "m").exec(invite)?.[1] ?? "";
  const dialog = { From: `${header("To")};tag=theirs`, To: header("From"), "Call-ID": header("Call-ID") };
  const answer = (status: string) =>
    `SIP/2.0 ${status}\r\nVia: ${header("Via")}\r\nFrom: ${header("From")}\r\nTo: ${dialog.From}\r\nCall-ID: ${header("Call-ID")}\r\n` +
    `CSeq: ${header("CSeq")}\r\nContact: <sip:someone@127.0.0.1:${someone.port}>\r\nContent-Length: 0\r\n\r\n`;
  const rings = next(call, "progress" as never);
  someone.say(answer("180 Ringing"));
  await rings;
  for (const method of ["INVITE", "UPDATE"])
    assert.equal(statusOf(await someone.ask(`${request(method, { ...dialog, ...described })}${body}`)), 491);
  const ended = next(call, "ended" as never);
  someone.say(answer("486 Busy Here"));
  await ended;
  assert.deepEqual(bob.errors, []);
});
