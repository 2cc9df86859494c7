import assert from "node:assert/strict";
import { test } from "node:test";
import { Framing } from "./framing.ts";
import { type Parsed, parseMessage } from "./parse.ts";
import type { Source } from "./ports.ts";
import { formatNameAddress, formatUri, parseNameAddress, parseUri } from "./uri.ts";

const source: Source = { transport: "udp", address: "192.0.2.1", port: 5060, flow: "udp|5060|192.0.2.1|5060" };

const required: Record<string, string> = {
  Via: "SIP/2.0/UDP host.example.com;branch=z9hG4bKkdj;rport",
  "Max-Forwards": "70",
  From: "<sip:caller@example.net>;tag=1",
  To: "<sip:user@example.com>",
  "Call-ID": "abc@host",
  CSeq: "1 INVITE",
  Contact: "<sip:caller@host.example.com>",
};

function text(changes: Record<string, string | undefined> = {}, line = "INVITE sip:user@example.com SIP/2.0", body = ""): string {
  const headers = { ...required, "Content-Length": String(Buffer.byteLength(body)), ...changes };
  const lines = Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]));
  return `${[line, ...lines].join("\r\n")}\r\n\r\n${body}`;
}

const read = (message: string | Buffer): Parsed => parseMessage(Buffer.from(message as string), source);

function good(message: string) {
  const parsed = read(message);
  assert.equal(parsed.kind, "request", JSON.stringify(parsed));
  return (parsed as Extract<Parsed, { kind: "request" }>).request;
}

/** The status that refuses it, or "noise" for silence. */
function verdict(message: string): number | string {
  const parsed = read(message);
  return parsed.kind === "bad" ? parsed.status : parsed.kind;
}

test("a tortuous INVITE is read as it is meant (RFC 4475 section 3.1.1.1)", () => {
  const request = good(
    [
      "INVITE sip:olena@office.example.org;colour SIP/2.0",
      "TO :",
      " sip:olena@example.org ;   tag    = t0",
      'from   : "Bohdan \\\\ \\""       <sip:bohdan@example.org>',
      "  ;",
      "  tag = f0",
      "mAx-FORwards: 0042",
      "Call-ID: crooked@192.0.2.7",
      "Content-Length   : 5",
      "cseq: 0017",
      "  INVITE",
      "Via  : SIP  /   2.0",
      " /UDP",
      "    192.0.2.2;branch=oldstyle",
      "s :",
      "X-Weather:   sunny",
      " with clouds",
      "X-Commas: ;;,,;;,;",
      "Content-Type: application/sdp",
      "Route:",
      " <sip:edge.example.org;lr;flag;colour=blue>",
      "v:  SIP  / 2.0  / TCP     edge.example.org   ;",
      "  branch  =   z9hG4bKab  ,",
      " SIP  /    2.0   / UDP  10.1.2.3   ; branch=",
      " z9hG4bKcd",
      'm:"Two \\"\\" quotes" <sip:bohdan@10.1.2.3> ; size =',
      "      small ;",
      "  flag ; q = 0.25",
      "",
      "v=0\r\n",
    ].join("\r\n"),
  );
  assert.equal(request.from.displayName, 'Bohdan \\ "');
  assert.equal(request.from.params["tag"], "f0");
  assert.equal(request.to.params["tag"], "t0");
  assert.equal(request.maxForwards, 42);
  assert.deepEqual(request.cseq, { number: 17, method: "INVITE" });
  assert.equal(request.via!.host, "192.0.2.2");
  assert.equal(request.via!.branch, undefined, "a branch of RFC 2543 is none of ours");
  assert.equal(request.headers("via").length, 3);
  assert.deepEqual(request.contacts[0]!.params, { size: "small", flag: true, q: "0.25" });
  assert.equal(request.header("x-weather"), "sunny with clouds");
  assert.equal(request.header("subject"), "");
});

test("unusual but right (RFC 4475 section 3.1.1)", () => {
  const wide = "sip:odd.~(very!)&isn't+=$/?,;;*:&pass=+!*$~.(word's)@example.org";
  assert.equal(parseUri(wide)!.user, "odd.~(very!)&isn't+=$/?,;;*");
  assert.equal(parseUri("sip:tel%3A101%40home.org@example.net")!.user, "tel:101@home.org");
  assert.equal(parseUri("sip:a%00b@example.com")!.user, "a\0b");
  assert.equal(parseUri("sip:user;par=u%40example.net@example.com")!.user, "user;par=u@example.net");
  assert.deepEqual(parseNameAddress("Olena<sip:olena@example.org>;tag=1")!.displayName, "Olena");
  assert.equal(good(text({ CSeq: "1 DA%4ECE" }, "DA%4ECE sip:registrar.example.com SIP/2.0")).method, "DA%4ECE");
  assert.equal(good(`${text()}bytes after the end`).content.length, 0);
  assert.equal(good(text({ Via: `SIP/2.0/UDP ${"a.".repeat(200)}example.com;branch=z9hG4bK1` })).via!.host.length, 411);
  assert.equal(good(text({ Via: "SIP/2.0/UNKNOWN example.org;branch=z9hG4bK1" })).via!.transport, "unknown");
  const response = read(text({}, "SIP/2.0 200 добре: 2 * 100"));
  assert.equal(response.kind === "response" && response.response.status, 200);
  const empty = read(text({}, "SIP/2.0 100 "));
  assert.equal(empty.kind === "response" && empty.response.reason, "Trying");
  const multipart =
    "--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b--\r\n";
  assert.equal(good(text({ "Content-Type": "multipart/mixed;boundary=b" }, undefined, multipart)).sdp, "v=0\r\n");
});

test("what is wrong is refused with the right word, or met with silence (RFC 4475 section 3.1.2, 3.3)", () => {
  assert.equal(verdict(text({ Via: "SIP/2.0/UDP 192.0.2.15;;,;" })), "noise");
  assert.equal(verdict(text({ "Content-Length": "9999" })), 400);
  assert.equal(verdict(text({ "Content-Length": "-999" })), 400);
  assert.equal(verdict(text({ CSeq: "99999999999999999999 INVITE" })), 400);
  assert.equal(verdict(text({ CSeq: "88888888888888888888 OPTIONS" }, "SIP/2.0 503 Service Unavailable")), "noise");
  assert.equal(verdict(text({ To: '"Olena <sip:olena@example.org>' })), 400);
  assert.equal(verdict(text({}, "INVITE <sip:user@example.com> SIP/2.0")), 400);
  assert.equal(verdict(text({}, "INVITE sip:user@example.com; lr SIP/2.0")), 400);
  assert.equal(verdict(text({}, "INVITE  sip:user@example.com  SIP/2.0")), 400);
  assert.equal(verdict(text({}, "INVITE sip:user@example.com SIP/2.0  ")), 400);
  assert.equal(verdict(text({}, "INVITE sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0")), 400);
  assert.equal(verdict(text({ To: "sip:user@example.com?Route=%3Csip:sip.example.com%3E" })), 400);
  assert.equal(verdict(text({}, "INVITE sip:user@example.com SIP/3.0")), 505);
  assert.equal(verdict(text({ CSeq: "8 INVITE" }, "OPTIONS sip:user@example.com SIP/2.0")), 400);
  assert.equal(verdict(text({}, "SIP/2.0 99999999999 Far too much")), "noise");
  assert.equal(verdict(text({ "Call-ID": undefined })), "noise");
  assert.equal(verdict(text({ From: undefined })), "noise");
  assert.equal(verdict(text({}, "INVITE pigeon:grey SIP/2.0")), 416);
  assert.equal(verdict(`${text().slice(0, -2)}From: <sip:other@example.com>;tag=2\r\n\r\n`), 400);
  assert.equal(verdict(`${text().slice(0, -2)}l: 5\r\n\r\n`), 400);
  assert.equal(verdict(text({ CSeq: "1 ACK", "Content-Length": "55" }, "ACK sip:user@example.com SIP/2.0")), "noise");
  assert.equal(verdict("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"), "noise");
  assert.equal(verdict("\r\n\r\n"), "noise");
  assert.equal(verdict(text(Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`X-${at}`, "y"])))), "noise");
});

test("URIs and addresses come back as they were", () => {
  for (const uri of [
    "sip:alice@example.com",
    "sips:alice:secret@example.com:5071;transport=tcp;lr",
    "sip:*97%23@[2001:db8::1]:5070",
    "sip:example.com",
    "tel:+380441234567;phone-context=example.com",
  ])
    assert.equal(formatUri(parseUri(uri)!), uri);
  assert.equal(parseUri("tel:+1-201-555(0123)")!.user, "+12015550123");
  assert.equal(parseUri("sip:a@b:99999"), undefined);
  assert.equal(parseUri("sip:a b@example.com"), undefined);
  const address = '"Ann \\"A\\" Bee" <sip:ann@example.com>;tag=x;+sip.instance="<urn:uuid:1>"';
  const parsed = parseNameAddress(address)!;
  assert.equal(parsed.params["+sip.instance"], "<urn:uuid:1>");
  assert.equal(formatNameAddress(parsed), address);
  assert.deepEqual(parseNameAddress("sip:ann@example.com;tag=x")!.params, { tag: "x" });
});

function framed(limit = 1000) {
  const seen: string[] = [];
  const framing = new Framing(limit, {
    message: (data) => seen.push(data.toString()),
    ping: () => seen.push("ping"),
    pong: () => seen.push("pong"),
    broken: (why) => seen.push(why),
  });
  return { seen, framing };
}

test("a stream is cut into messages wherever its bytes are torn", () => {
  const one = text({}, undefined, "hello");
  const two = text({ "Content-Length": undefined, l: "3" }, undefined, "abc");
  for (const size of [1, 7, 64, 10_000]) {
    const { seen, framing } = framed();
    const stream = Buffer.from(`${one}\r\n\r\n${two}`);
    for (let at = 0; at < stream.length; at += size) framing.push(stream.subarray(at, at + size));
    assert.deepEqual(
      seen.filter((word) => word.length > 10),
      [one, two],
    );
    if (size > 1) assert.ok(seen.includes("ping"), `a ping in pieces of ${size}`);
  }
  const { seen, framing } = framed();
  framing.push(Buffer.from(text({ "Content-Length": "999999" })));
  framing.push(Buffer.from(one));
  assert.deepEqual(seen, ["a message is too long"]);
});

/** Seeded, so that what fails fails again. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

test("no bytes make the parser throw", () => {
  const chance = random(42);
  const seeds = [
    text({}, undefined, "v=0"),
    text({}, "SIP/2.0 200 OK"),
    text({ Contact: '"a" <sip:b@c>;q=1, <sip:d@[::1]:5060>' }),
  ];
  for (let round = 0; round < 4000; round++) {
    const bytes = Buffer.from(seeds[round % seeds.length]!);
    const changes = 1 + Math.floor(chance() * 12);
    for (let change = 0; change < changes; change++) bytes[Math.floor(chance() * bytes.length)] = Math.floor(chance() * 256);
    const cut = chance() < 0.3 ? bytes.subarray(0, Math.floor(chance() * bytes.length)) : bytes;
    const parsed = parseMessage(cut, source);
    if (parsed.kind === "request" || parsed.kind === "bad") {
      const { request } = parsed;
      // What is read late must not throw late.
      void [request.uri, request.from, request.to, request.contacts, request.cseq, request.sdp, request.maxForwards, request.via];
    }
    const { framing } = framed();
    framing.push(cut);
  }
});
