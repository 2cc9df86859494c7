/** What the stack does by itself, seen from outside: raw datagrams, streams, WebSockets. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import { test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import type { IncomingRequest, Subscription } from "./ports.ts";
import { next, sdp, testStack, until } from "./testing/stacks.ts";
import { request, statusOf, stranger } from "./testing/stranger.ts";

test("requests that belong nowhere get the RFC's answers, one behind address translation too", async (context) => {
  const bob = await testStack(context, { onRequest: (incoming) => incoming.respond(200) });
  const someone = await stranger(context, bob.port());
  const options = await someone.ask(request("OPTIONS"));
  assert.equal(statusOf(options), 200);
  assert.match(options, /^Allow: INVITE, ACK/m);
  assert.match(options, /;received=127\.0\.0\.1/);
  assert.match(options, /;rport=\d+/);
  for (const [message, status] of [
    [request("MESSAGE", { "Max-Forwards": "0" }), 483],
    [request("BYE", { To: "<sip:bob@127.0.0.1>;tag=none" }), 481],
    [request("CANCEL"), 481],
    [request("DANCE"), 501],
    [request("OPTIONS", { Require: "nothingSupportsThis, 100rel" }), 420],
    [`${request("INVITE", { "Content-Type": "application/unknown", "Content-Length": "3" })}abc`, 415],
    [request("INVITE", { Contact: "" }), 400],
    [request("INVITE", { To: "broken <<" }), 400],
    [request("INVITE", {}, "INVITE isbn:123 SIP/2.0"), 416],
    [request("REGISTER", { Via: "SIP/2.0/UDP 10.9.8.7" }), 200],
  ] as const)
    assert.equal(statusOf(await someone.ask(message)), status, message);
  assert.deepEqual(bob.errors, []);
});

test("a request that comes twice is answered twice, and handled once; by two ways it is refused", async (context) => {
  let handled = 0;
  const bob = await testStack(context, {
    onRequest: (incoming) => {
      handled++;
      incoming.respond(200);
    },
  });
  const someone = await stranger(context, bob.port());
  const message = request("MESSAGE");
  assert.equal(statusOf(await someone.ask(message)), 200);
  assert.equal(statusOf(await someone.ask(message)), 200);
  assert.equal(handled, 1);
  assert.equal(statusOf(await someone.ask(message.replace("z9hG4bKtest", "z9hG4bKother"))), 482);
});

test("scanners that are not admitted hear nothing, and noise is counted", async (context) => {
  let open = false;
  const noise: string[] = [];
  const bob = await testStack(context, {
    admit: () => open,
    onMalformed: (_, why) => noise.push(why),
    onRequest: (incoming) => incoming.respond(200),
  });
  const someone = await stranger(context, bob.port());
  someone.say(request("OPTIONS"));
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual(someone.heard, []);
  open = true;
  someone.say(Buffer.alloc(100, 0xff));
  someone.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  assert.equal(statusOf(await someone.ask(request("OPTIONS"))), 200);
  assert.equal(noise.length, 2);
});

test("random datagrams do not stop it", async (context) => {
  const bob = await testStack(context, { onRequest: (incoming) => incoming.respond(200) });
  const someone = await stranger(context, bob.port());
  let state = 7;
  const chance = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  for (let round = 0; round < 500; round++) {
    const bytes = Buffer.from(request(["INVITE", "BYE", "REGISTER", "ACK", "CANCEL"][round % 5]!));
    for (let change = 0; change < 6; change++) bytes[Math.floor(chance() * bytes.length)] = Math.floor(chance() * 256);
    someone.say(bytes);
    if (round % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const probe = request("OPTIONS");
  const callId = /Call-ID: (\S+)/.exec(probe)![1]!;
  someone.say(probe);
  await until(() => someone.heard.some((response) => response.includes(`Call-ID: ${callId}\r\n`)));
  assert.deepEqual(bob.errors, []);
});

/** As the PROTOS suite for SIP did: each field in turn is empty, too long, no number, or of another kind. */
const anomalies = [
  ...[
    "",
    " ",
    "\t",
    "0",
    "-1",
    "4294967296",
    "99999999999999999999",
    "%s%n%x",
    "\0",
    "\u0007",
    "é",
    ";;;;",
    "<<>>",
    "@@@",
    ":::",
  ],
  ...["a".repeat(2000), "1".repeat(400), "sip:".repeat(200), "[::::::::::]", '"', "\r", "=\\", "SIP/2.0 ".repeat(40)],
];
const brokenMessages = (): string[] => {
  const fields = ["Via", "From", "To", "Call-ID", "CSeq", "Contact", "Max-Forwards", "Content-Length", "Route", "Content-Type"];
  const methods = ["INVITE", "REGISTER", "CANCEL", "SUBSCRIBE", "ACK"];
  const inHeaders = fields.flatMap((name) =>
    anomalies.map((value, i) => request(methods[i % methods.length]!, { [name]: value })),
  );
  const inLines = anomalies.flatMap((value) => [
    request("INVITE", {}, `${value} sip:bob@127.0.0.1 SIP/2.0`),
    request("INVITE", {}, `INVITE ${value} SIP/2.0`),
    request("INVITE", {}, `INVITE sip:${value}@127.0.0.1;${value}=${value} ${value}`),
  ]);
  return [...inHeaders, ...inLines];
};

test("messages that are broken field by field do not stop it: datagrams, streams, WebSockets", async (context) => {
  const bob = await testStack(context, {
    bindings: (["udp", "tcp", "ws"] as const).map((transport) => ({ transport, host: "127.0.0.1", port: 0 })),
    onRequest: (incoming) => incoming.respond(200),
  });
  const someone = await stranger(context, bob.port());
  for (const text of brokenMessages()) someone.say(text);
  for (const text of brokenMessages()) {
    const socket = connect(bob.port("tcp"), "127.0.0.1").on("error", () => {});
    const closed = once(socket, "close");
    socket.resume().end(text.replaceAll("UDP", "TCP"));
    await closed;
  }
  const open = async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${bob.port("ws")}`, "sip");
    await once(socket, "open");
    return socket.on("error", () => {});
  };
  let socket = await open();
  for (const text of brokenMessages()) {
    if (socket.readyState !== WebSocket.OPEN) socket = await open();
    socket.send(text.replaceAll("UDP", "WS"));
  }
  socket.terminate();

  const last = await open();
  const answered = once(last, "message");
  last.send(request("OPTIONS").replaceAll("UDP", "WS"));
  assert.match(String((await answered)[0]), /^SIP\/2\.0 200/);
  last.terminate();
  const stream = connect(bob.port("tcp"), "127.0.0.1");
  const said = once(stream, "data");
  stream.write(request("OPTIONS").replaceAll("UDP", "TCP"));
  assert.match(String((await said)[0]), /^SIP\/2\.0 200/);
  stream.destroy();
  const probe = request("OPTIONS");
  someone.say(probe);
  await until(() => someone.heard.some((response) => response.includes(/Call-ID: \S+/.exec(probe)![0])));
  assert.deepEqual(bob.errors, []);
});

test("a stream answers pings, and its flow carries calls back", async (context) => {
  const flows: string[] = [];
  const closed: string[] = [];
  const bob = await testStack(context, {
    onRequest: (incoming) => {
      flows.push(incoming.source.flow);
      incoming.respond(200);
    },
    onFlowClosed: (flow) => closed.push(flow),
  });
  const socket = connect(bob.port("tcp"), "127.0.0.1");
  let heard = "";
  socket.on("data", (chunk) => {
    heard += chunk;
  });
  socket.write("\r\n\r\n");
  await until(() => heard === "\r\n");
  socket.write(request("REGISTER").replaceAll("UDP", "TCP"));
  await until(() => heard.includes("SIP/2.0 200"));
  assert.equal(bob.stack.isFlowOpen(flows[0]!), true);
  bob.stack.call({ target: "sip:alice@10.9.8.7", flow: flows[0], from: "sip:bob@example.org", sdp: sdp("b") });
  await until(() => heard.includes("INVITE sip:alice@10.9.8.7 SIP/2.0"));
  socket.destroy();
  await until(() => closed.length === 1);
  assert.deepEqual(closed, flows);
  assert.equal(bob.stack.isFlowOpen(flows[0]!), false);
});

test("WebSockets: our own door, and one that someone else has opened for us", async (context) => {
  const seen: IncomingRequest[] = [];
  const bob = await testStack(context, {
    bindings: [{ transport: "ws", host: "127.0.0.1", port: 0 }],
    onRequest: (incoming) => {
      seen.push(incoming);
      incoming.respond(200);
    },
  });
  const door = createServer();
  const upgrading = new WebSocketServer({ server: door });
  upgrading.on("connection", (socket) => bob.stack.acceptWebSocket(socket, { address: "203.0.113.9", port: 4711, secure: true }));
  door.listen(0, "127.0.0.1");
  await once(door, "listening");
  context.after(() => door.close());
  for (const port of [bob.port("ws"), (door.address() as { port: number }).port]) {
    const client = new WebSocket(`ws://127.0.0.1:${port}/sip`, "sip");
    await once(client, "open");
    client.send(request("REGISTER").replace("UDP 10.9.8.7:5060", "WS df7jal23ls0d.invalid"));
    const [answer] = (await once(client, "message")) as [Buffer];
    assert.equal(statusOf(answer.toString()), 200);
    client.close();
  }
  assert.deepEqual(
    seen.map(({ source }) => [source.transport, source.address]),
    [
      ["ws", "127.0.0.1"],
      ["wss", "203.0.113.9"],
    ],
  );
  const wrong = new WebSocket(`ws://127.0.0.1:${bob.port("ws")}/`, "chat");
  await once(wrong, "error");
});

test("a subscription: news at once, on change, after a refresh, and a last time", async (context) => {
  let subscription: Subscription | undefined;
  const ended: string[] = [];
  let due = 0;
  const bob = await testStack(context, {
    onRequest: (incoming) => {
      if (incoming.method !== "SUBSCRIBE") return;
      subscription = bob.stack.subscribe(incoming, {
        expires: 600,
        onNotifyDue: (one) => one.notify({ type: "text/plain", content: `state ${++due}` }),
        onEnded: (why) => ended.push(why),
      });
    },
  });
  const someone = await stranger(context, bob.port());
  const subscribe = (seq: number, to: string, expires: number) =>
    request("SUBSCRIBE", { "Call-ID": "news", CSeq: `${seq} SUBSCRIBE`, To: to, Event: "dialog", Expires: String(expires) });
  const answers = (word: string) => someone.heard.filter((text) => text.includes(word));
  const confirm = (notify: string) => {
    const kept = notify.split("\r\n").filter((line) => /^(Via|From|To|Call-ID|CSeq):/.test(line));
    someone.say(`SIP/2.0 200 OK\r\n${kept.join("\r\n")}\r\nContent-Length: 0\r\n\r\n`);
  };
  someone.say(subscribe(1, "<sip:bob@127.0.0.1>", 600));
  await until(() => answers("state 1").length > 0);
  assert.match(answers("state 1")[0]!, /^Subscription-State: active;expires=600/m);
  assert.match(answers("state 1")[0]!, /^Event: dialog/m);
  confirm(answers("state 1")[0]!);
  const to = /^To: (.*)$/m.exec(answers("200 OK")[0]!)![1]!;
  someone.say(subscribe(2, to, 300));
  await until(() => answers("state 2").length > 0);
  confirm(answers("state 2")[0]!);
  assert.equal(subscription!.expires <= 300, true);
  someone.say(subscribe(3, to, 0));
  await until(() => answers("state 3").length > 0);
  assert.match(answers("state 3")[0]!, /^Subscription-State: terminated/m);
  confirm(answers("state 3")[0]!);
  await until(() => ended.length > 0);
  assert.deepEqual(ended, ["unsubscribed"]);
  assert.equal(subscription!.ended, true);
});

test("when it closes, new calls are sent away, and running ones hear goodbye", async (context) => {
  const bob = await testStack(context, { onInvite: (call) => call.answer({ sdp: sdp("b") }) });
  const alice = await testStack(context);
  const dial = () => alice.stack.call({ target: bob.uri("bob"), from: "sip:a@example.org", sdp: sdp("a") });
  const running = dial();
  await next(running, "answered");
  const ended = next(running, "ended");
  const closing = bob.stack.close({ drainMs: 300 });
  const [refusal] = await next(dial(), "refused");
  assert.equal((refusal as { status: number }).status, 503);
  assert.equal(((await ended)[0] as { cause: string }).cause, "remote_hangup");
  await closing;
});

test("two phones behind a proxy answer at once: the first has the call, the second is thanked and hung up", async (context) => {
  const alice = await testStack(context);
  const proxy = await stranger(context, alice.port());
  const call = alice.stack.call({ target: `sip:group@127.0.0.1:${proxy.port}`, from: "sip:alice@example.org", sdp: sdp("a") });
  const branches: string[] = [];
  call.on("progress", ({ branch }) => branches.push(branch));
  call.on("answered", ({ branch }) => branches.push(`answered ${branch}`));
  await until(() => proxy.heard.length > 0);
  const invite = proxy.heard[0]!.split("\r\n");
  const say = (status: string, tag: string) => {
    const kept = invite.filter((line) => /^(Via|From|Call-ID|CSeq):/.test(line));
    const to = `To: <sip:group@127.0.0.1>;tag=${tag}\r\nContact: <sip:${tag}@127.0.0.1:${proxy.port}>`;
    proxy.say(`SIP/2.0 ${status}\r\n${kept.join("\r\n")}\r\n${to}\r\nContent-Length: 0\r\n\r\n`);
  };
  const heard = (method: string, tag: string) => proxy.heard.filter((text) => text.startsWith(`${method} sip:${tag}@`));
  say("180 Ringing", "one");
  say("180 Ringing", "two");
  say("200 OK", "two");
  say("200 OK", "one");
  await until(() => heard("BYE", "one").length > 0 && heard("ACK", "two").length > 0);
  assert.equal(heard("ACK", "one").length > 0, true);
  assert.match(heard("BYE", "one")[0]!, /^Reason: SIP;cause=200/m);
  assert.deepEqual(heard("BYE", "two"), []);
  assert.deepEqual(branches, ["one", "two", "answered two"]);
  // The same 2xx again: so the ACK was lost, and is sent again.
  const acks = heard("ACK", "two").length;
  say("200 OK", "two");
  await until(() => heard("ACK", "two").length > acks);
  assert.equal(call.state, "confirmed");
});
