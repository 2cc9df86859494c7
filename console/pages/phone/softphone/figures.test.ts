import assert from "node:assert/strict";
import { test } from "node:test";
import { cancelCause, causeOf, MicrophoneError, microphoneCause, problemOf } from "./causes.ts";
import { withKnownChallenges } from "./challenges.ts";
import { clock, dialled, loadFormats, readable } from "./numbers.ts";
import { countersOf, figuresBetween, opinionScore, qualityOf } from "./quality.ts";

test("what is typed or pasted becomes what is dialled", () => {
  const writings: [text: string, number: string][] = [
    [" 101 ", "101"],
    ["*97", "*97"],
    ["**102", "**102"],
    ["#31#", "#31#"],
    ["+380 (44) 123-45-67", "+380441234567"],
    ["+44 (0)20 7946 0018", "+442079460018"],
    ["tel:+33-1-42-68-53-00;ext=7", "+33142685300"],
    ["044 123 45 67 ext. 12", "0441234567"],
    ["0800/123456", "0800123456"],
    ["sip:olena@lyceum.example;transport=tls", "olena@lyceum.example"],
    ["front-desk", "front-desk"],
    ["", ""],
    ["   ", ""],
  ];
  for (const [text, number] of writings) assert.equal(dialled(text), number, text);
});

test("long numbers are shown in groups, short ones and codes as they are", () => {
  assert.equal(readable("+380441234567"), "+380 44 123 45 67");
  assert.equal(readable("+33142685300"), "+33 14 268 53 00");
  assert.equal(readable("+12125550123"), "+1 212 555 01 23");
  assert.equal(readable("0441234567"), "044 123 45 67");
  for (const same of ["101", "*97", "olena@lyceum.example"]) assert.equal(readable(same), same);
});

test("with the rules of the countries, numbers stand as people there write them", async () => {
  await loadFormats();
  assert.equal(readable("+33142685300"), "+33 1 42 68 53 00");
  assert.equal(readable("+4930901820"), "+49 30 901820");
  assert.equal(readable("+380441234567"), "+380 44 123 4567");
  assert.equal(readable("+12125550123"), "+1 212 555 0123");
  // No country has it, and nobody's rules are for it.
  assert.equal(readable("+9991234567"), "+999 123 45 67");
  assert.equal(readable("0441234567"), "044 123 45 67");
});

test("the clock of a call", () => {
  assert.deepEqual([0, 65_000, 760_999, 3_723_000, -5].map(clock), ["0:00", "1:05", "12:40", "1:02:03", "0:00"]);
});

test("refusals in words that a person can act on", () => {
  const found = Object.fromEntries([486, 603, 404, 408, 480, 402, 403, 503, 488, 487].map((status) => [status, causeOf(status)]));
  assert.deepEqual(found, {
    402: "no_credit",
    403: "not_allowed",
    404: "not_found",
    408: "no_answer",
    480: "unreachable",
    486: "busy",
    487: "cancelled",
    488: "failed",
    503: "unreachable",
    603: "declined",
  });
  assert.equal(cancelCause('SIP ;cause=200 ;text="Call completed elsewhere"'), "elsewhere");
  assert.equal(cancelCause(undefined), "missed");
});

test("quality: a good line, a slow one, one that loses", () => {
  assert.equal(qualityOf({ loss: 0, jitter: 3, roundTrip: 30 }), "good");
  assert.equal(qualityOf({ loss: 0.05, jitter: 20, roundTrip: 120 }), "fair");
  assert.equal(qualityOf({ loss: 0.15, jitter: 40, roundTrip: 300 }), "poor");
  assert.ok(opinionScore({ loss: 1, jitter: 500, roundTrip: 2000 }) >= 1);
});

test("figures are of the last seconds alone, and say nothing while nothing comes", () => {
  const report = (received: number, lost: number): [string, object][] => [
    ["in", { type: "inbound-rtp", kind: "audio", packetsReceived: received, packetsLost: lost, jitter: 0.012 }],
    ["far", { type: "remote-inbound-rtp", kind: "audio", roundTripTime: 0.08 }],
    ["pair", { type: "candidate-pair", nominated: true, currentRoundTripTime: 0.5 }],
    ["video", { type: "inbound-rtp", kind: "video", packetsReceived: 9, packetsLost: 9 }],
  ];
  const before = countersOf(report(100, 40));
  assert.deepEqual(figuresBetween(before, countersOf(report(190, 50))), { loss: 0.1, jitter: 12, roundTrip: 80 });
  assert.equal(figuresBetween(before, countersOf(report(100, 40))), undefined);
});

test("of several challenges the one is left that sip.js answers", () => {
  const md5 = 'WWW-Authenticate: Digest realm="a", nonce="n", algorithm=MD5, qop="auth"\r\n';
  const sha = 'WWW-Authenticate: Digest realm="a", nonce="m", algorithm=SHA-256, qop="auth"\r\n';
  const plain = 'Proxy-Authenticate: Digest realm="a", nonce="n"\r\n';
  assert.equal(withKnownChallenges(`SIP/2.0 401 Unauthorized\r\n${md5}${sha}\r\n`), `SIP/2.0 401 Unauthorized\r\n${md5}\r\n`);
  assert.equal(withKnownChallenges(`${sha}${plain}\r\nalgorithm=SHA-256\r\n`), `${plain}\r\nalgorithm=SHA-256\r\n`);
});

test("what the browser refuses is told by what one can do about it", () => {
  const refused = new DOMException("", "NotAllowedError");
  assert.equal(microphoneCause(refused), "microphone_refused");
  assert.equal(microphoneCause(new DOMException("", "NotFoundError")), "no_microphone");
  assert.equal(microphoneCause(new DOMException("", "NotReadableError")), "microphone_busy");
  assert.equal(problemOf("accept", new MicrophoneError()), "microphone");
  assert.equal(problemOf("changeDevices", refused), "microphone");
  for (const step of ["accept", "invite", "setVideo"] as const) assert.equal(problemOf(step, refused), "camera");
  assert.equal(problemOf("setHold", new Error("The other side refused the change (488)")), "change");
  assert.equal(problemOf("refer", new Error("no")), "failed");
});
