/** Against sipp: what goes wrong between two programs that were written apart. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { freePort } from "../../../testing/ports.ts";
import { openDigestServer } from "./digest.ts";
import type { IncomingCall, SipStack } from "./ports.ts";
import { backToBack } from "./testing/backToBack.ts";
import { expect, media, perhaps, play, reply, request } from "./testing/sipp.ts";
import { next, sdp, testStack, until } from "./testing/stacks.ts";

const quick = { t1: 50, t2: 200, t4: 250 };
const onHold = `${media}\na=sendonly`;
const busy = { concurrency: 4 };

const answering = (call: IncomingCall) => {
  call.on("offer", (offer) => offer.answer(sdp("bob")));
  call.answer({ sdp: sdp("bob") });
};

const ack = (options = {}) => request("ACK", 1, options);

const rseq = `<recv response="183"><action><ereg regexp="[0-9]+" search_in="hdr" header="RSeq:" assign_to="1"/></action></recv>`;

/** With these words in headers, or in the body. */
const seen = (status: number, words: Record<string, string>) => {
  const place = (name: string) => (name === "body" ? 'search_in="body"' : `search_in="hdr" header="${name}"`);
  const checks = Object.entries(words).map(
    ([name, word]) => `<ereg regexp="${word}" ${place(name)} check_it="true" assign_to="seen"/>`,
  );
  return `<recv response="${status}"><action>${checks.join("")}</action></recv>`;
};

test("against sipp", busy, (group) => {
  for (const transport of ["udp", "tcp"] as const) {
    void group.test(`a call through a switchboard between two sipps, over ${transport}`, async (context) => {
      const port = await freePort();
      let stack: SipStack | undefined;
      const middle = await testStack(
        context,
        backToBack(
          () => stack!,
          () => `sip:callee@127.0.0.1:${port};transport=${transport}`,
        ),
      );
      stack = middle.stack;
      const callee = play(
        [
          expect("INVITE"),
          reply("180 Ringing"),
          reply("200 OK", { sdp: true, retransmits: 500 }),
          expect("ACK"),
          expect("INVITE"),
          reply("200 OK", { sdp: true, tag: false, retransmits: 500 }),
          expect("ACK"),
          expect("BYE"),
          reply("200 OK", { tag: false }),
        ],
        { port, transport },
      );
      const caller = play(
        [
          request("INVITE", 1, { sdp: true, retransmits: 500 }),
          perhaps(100),
          expect(180),
          expect(200),
          ack(),
          request("INVITE", 2, { sdp: onHold, retransmits: 500 }),
          perhaps(100),
          expect(200),
          request("ACK", 2),
          request("BYE", 3, { retransmits: 500 }),
          expect(200),
        ],
        { target: `127.0.0.1:${middle.port(transport)}`, transport },
      );
      await Promise.all([caller, callee]);
      await until(() => middle.stack.sessions.size === 0);
      assert.deepEqual(middle.errors, []);
    });

    void group.test(`CANCEL while it rings, over ${transport}`, async (context) => {
      const ends: string[] = [];
      const bob = await testStack(context, {
        onInvite: (call) => {
          call.on("ended", ({ cause, reasons }) => ends.push(cause, ...reasons));
          call.progress(180);
        },
      });
      const branch = "z9hG4bKcancel[call_number][pid]";
      await play(
        [
          request("INVITE", 1, { sdp: true, branch }),
          perhaps(100),
          expect(180),
          request("CANCEL", 1, { branch, headers: "Reason: SIP;cause=200" }),
          expect(200),
          expect(487),
          ack({ branch }),
        ],
        { target: `127.0.0.1:${bob.port(transport)}`, transport },
      );
      assert.deepEqual(ends, ["cancelled", "SIP;cause=200"]);
    });
  }

  void group.test("a CANCEL that comes after the 200 changes nothing", async (context) => {
    const bob = await testStack(context, { onInvite: answering });
    const branch = "z9hG4bKlate[call_number][pid]";
    await play(
      [
        request("INVITE", 1, { sdp: true, branch }),
        perhaps(100),
        expect(200),
        request("CANCEL", 1, { branch }),
        expect(200),
        ack(),
        request("BYE", 2),
        expect(200),
      ],
      { target: `127.0.0.1:${bob.port()}` },
    );
    assert.equal(bob.stack.sessions.size, 0);
  });

  void group.test("our CANCEL that crosses a 200: the call is acknowledged and hung up", async (context) => {
    const port = await freePort();
    const alice = await testStack(context);
    const callee = play(
      [
        expect("INVITE"),
        reply("180 Ringing"),
        expect("CANCEL"),
        reply("200 OK", { headers: "CSeq: 1 INVITE" }).replace("[last_CSeq:]\n", ""),
        expect("ACK"),
        expect("BYE"),
        reply("200 OK", { tag: false }),
      ],
      { port },
    );
    const call = alice.stack.call({ target: `sip:bob@127.0.0.1:${port}`, from: "sip:alice@example.org", sdp: sdp("a") });
    const refused = next(call, "refused");
    await next(call, "progress");
    call.cancel();
    await callee;
    assert.equal(((await refused)[0] as { status: number }).status, 487);
  });

  void group.test("a lost ACK: the 200 comes again, and a call without any is ended", async (context) => {
    const ends: string[] = [];
    const bob = await testStack(context, {
      timers: quick,
      onInvite: (call) => {
        call.on("ended", ({ cause }) => ends.push(cause));
        answering(call);
      },
    });
    const target = `127.0.0.1:${bob.port()}`;
    await play(
      [
        request("INVITE", 1, { sdp: true }),
        perhaps(100),
        expect(200),
        expect(200),
        expect(200),
        ack(),
        request("BYE", 2),
        expect(200),
      ],
      { target, more: ["-nr"] },
    );
    assert.deepEqual(ends, ["remote_hangup"]);
    // sipp skips copies by itself with its own retransmissions on.
    await play(
      [
        request("INVITE", 1, { sdp: true, retransmits: 500 }),
        perhaps(100),
        expect(200),
        expect("BYE"),
        reply("200 OK", { tag: false }),
      ],
      { target },
    );
    await until(() => ends.length === 2);
    assert.equal(ends[1], "no_acknowledgement");
  });

  void group.test("a PRACK that offers while a 200 waits for it is answered first, and what it agreed holds", async (context) => {
    const acknowledged = Promise.withResolvers<void>();
    const descriptions: (string | undefined)[] = [];
    const bob = await testStack(context, {
      onInvite: (call) => {
        call.on("offer", async (offer) => {
          // As media that take their time; the 200 must wait for that too.
          await new Promise((resolve) => setImmediate(resolve));
          offer.answer(sdp("carol"));
        });
        call.on("acknowledged", () => {
          descriptions.push(call.localSdp, call.remoteSdp);
          acknowledged.resolve();
        });
        call.progress(183, { sdp: sdp("bob") });
        call.answer({ sdp: sdp("bob") });
      },
    });
    await play(
      [
        request("INVITE", 1, { sdp: true, headers: "Supported: 100rel" }),
        perhaps(100),
        rseq,
        request("PRACK", 2, { headers: "RAck: [$1] 1 INVITE", sdp: onHold }),
        seen(200, { "CSeq:": "2 PRACK", body: "s=carol" }),
        seen(200, { "CSeq:": "1 INVITE", "Content-Length:": "0" }),
        ack(),
        request("BYE", 3),
        expect(200),
        '<Reference variables="seen"/>',
      ],
      { target: `127.0.0.1:${bob.port()}` },
    );
    await acknowledged.promise;
    assert.match(descriptions[0] ?? "", /carol/);
    assert.match(descriptions[1] ?? "", /sendonly/);
  });

  void group.test("a PRACK that comes late: the 183 is repeated, the 200 waits", async (context) => {
    const bob = await testStack(context, {
      timers: quick,
      onInvite: (call) => {
        call.progress(183, { sdp: sdp("bob") });
        call.answer({ sdp: sdp("bob") });
      },
    });
    await play(
      [
        request("INVITE", 1, { sdp: true, headers: "Supported: 100rel" }),
        perhaps(100),
        rseq,
        expect(183),
        expect(183),
        request("PRACK", 2, { headers: "RAck: [$1] 1 INVITE" }),
        expect(200),
        expect(200),
        request("ACK", 1),
        // Of one that was never sent.
        request("PRACK", 3, { headers: "RAck: 999999 1 INVITE" }),
        expect(481),
        request("BYE", 4),
        expect(200),
      ],
      { target: `127.0.0.1:${bob.port()}`, more: ["-nr"] },
    );
  });

  // Debian's sipp has no TLS.
  for (const transport of ["u1", "un", "t1", "tn"] as const)
    void group.test(`sipp's own callers, by ${transport}`, async (context) => {
      const bob = await testStack(context, {
        // Sipp reads a name there.
        onInvite: (call) => call.answer({ sdp: sdp("bob").replace("o=-", "o=bob") }),
        onRequest: (request) => request.respond(200),
      });
      const target = `127.0.0.1:${bob.port(transport.startsWith("u") ? "udp" : "tcp")}`;
      const more = ["-r", "20", "-d", "50", "-max_socket", "100"];
      for (const scenario of ["uac", "regexp"]) await play(scenario, { target, transport, calls: 4, more });
      // Registers first; it takes its time.
      if (transport === "u1") await play("branchc", { target, transport, more });
      await until(() => bob.stack.sessions.size === 0);
      assert.deepEqual(bob.errors, []);
    });

  void group.test("sipp's own phone, and its third party that joins two of ours", async (context) => {
    const port = await freePort();
    const phone = play("uas", { port });
    const alice = await testStack(context);
    const call = alice.stack.call({ target: `sip:bob@127.0.0.1:${port}`, from: "sip:alice@example.org", sdp: sdp("a") });
    await next(call, "answered");
    call.hangUp();
    await phone;

    const descriptions: (string | undefined)[] = [];
    const a = await testStack(context, {
      onInvite: (incoming) => {
        incoming.on("acknowledged", (answer) => {
          descriptions.push(incoming.request.sdp, answer);
        });
        incoming.answer({ sdp: sdp("first") });
      },
    });
    const b = await testStack(context, { onInvite: (incoming) => incoming.answer({ sdp: sdp("second") }) });
    const meeting = await freePort();
    const between = ["-3pcc", `127.0.0.1:${meeting}`];
    const waiting = play("3pcc-C-B", { target: `127.0.0.1:${b.port()}`, more: between });
    // To ask it by a connection would take the place of the other one.
    const listening = new RegExp(`:${meeting.toString(16).toUpperCase().padStart(4, "0")} 0{8}:0000 0A `);
    await Promise.race([waiting, until(() => listening.test(readFileSync("/proc/net/tcp", "utf8")))]);
    await Promise.all([waiting, play("3pcc-C-A", { target: `127.0.0.1:${a.port()}`, more: between })]);
    assert.equal(descriptions[0], undefined);
    assert.match(descriptions[1] ?? "", /s=second/);
  });

  void group.test("REFER: accepted, and told how it goes", async (context) => {
    const bob = await testStack(context, {
      onInvite: (call) => {
        answering(call);
        call.on("refer", (refer) => {
          assert.equal(refer.target.uri.user, "carol");
          const progress = refer.accept();
          progress.notify(200);
        });
      },
    });
    const notify = (code: string) =>
      `<recv request="NOTIFY"><action><ereg regexp="SIP/2.0 ${code}" search_in="body" check_it="true" assign_to="1"/></action></recv>`;
    await play(
      [
        request("INVITE", 1, { sdp: true }),
        perhaps(100),
        expect(200),
        ack(),
        request("REFER", 2, { headers: "Refer-To: <sip:carol@127.0.0.1>\nReferred-By: <sip:sipp@127.0.0.1>" }),
        expect(202),
        notify("[12]00"),
        reply("200 OK", { tag: false }),
        notify("[12]00"),
        reply("200 OK", { tag: false }),
        request("BYE", 3),
        expect(200),
        '<Reference variables="1"/>',
      ],
      { target: `127.0.0.1:${bob.port()}` },
    );
  });

  void group.test("digest, as the server: REGISTER by MD5, and a wrong password", async (context) => {
    const digest = openDigestServer({ key: Buffer.alloc(32, 7) });
    const verdicts: string[] = [];
    const bob = await testStack(context, {
      onRequest: async (incoming) => {
        const verdict = await digest.verify(incoming, {
          realm: "khmara.test",
          lookup: (user) => createHash("md5").update(`${user}:khmara.test:secret`).digest("hex"),
        });
        verdicts.push(verdict.result);
        if (verdict.result === "ok") incoming.respond(200);
        else
          incoming.respond(401, { headers: { "WWW-Authenticate": digest.challenges("khmara.test", { algorithms: ["MD5"] }) } });
      },
    });
    const target = `127.0.0.1:${bob.port()}`;
    const steps = (last: number) => [
      request("REGISTER", 1, { uri: "sip:khmara.test" }),
      expect(401, 'auth="true"'),
      request("REGISTER", 2, { uri: "sip:khmara.test", headers: "[authentication]" }).replace("[peer_tag_param]", ""),
      expect(last),
    ];
    await play(steps(200), { target, more: ["-au", "101", "-ap", "secret"] });
    await play(steps(401), { target, more: ["-au", "101", "-ap", "wrong"] });
    assert.deepEqual(verdicts, ["missing", "ok", "missing", "wrong"]);
  });

  void group.test("digest, as the caller: a trunk that asks is answered, also in the ACK", async (context) => {
    const port = await freePort();
    const alice = await testStack(context);
    const verify = `<recv request="INVITE"><action><verifyauth assign_to="1" username="trunk" password="secret"/></action></recv>\n<nop test="1" next="1"/>`;
    const trunk = play(
      [
        expect("INVITE"),
        reply("401 Unauthorized", {
          headers: 'WWW-Authenticate: Digest realm="trunk", nonce="abc", qop="auth", algorithm=MD5',
        }),
        expect("ACK"),
        verify,
        '<nop><action><error message="wrong answer"/></action></nop>',
        '<label id="1"/>',
        reply("200 OK", { sdp: true, retransmits: 500 }),
        '<recv request="ACK"><action><ereg regexp="Digest" search_in="hdr" header="Authorization:" check_it="true" assign_to="3"/></action></recv>',
        expect("BYE"),
        reply("200 OK", { tag: false }),
        '<Reference variables="1,3"/>',
      ],
      { port },
    );
    const call = alice.stack.call({
      target: `sip:0441234@127.0.0.1:${port}`,
      from: "sip:alice@example.org",
      sdp: sdp("a"),
      credentials: { username: "trunk", password: "secret" },
    });
    await next(call, "answered");
    call.hangUp();
    await trunk;
  });
});
