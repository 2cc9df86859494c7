import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startCloud } from "../../../testing/cloud.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import { findTone } from "../testing/tones.ts";
import { openHouse } from "./testing/house.ts";

await installTestTools(phoneTools);
const house = await openHouse(startCloud, { workers: 2 });
const noVoicemail = { voicemail: { enabled: false } };
const [ann, bob, carol, dan] = await Promise.all([
  house.phone(await house.account("101", "Ann", noVoicemail), { toneHz: 440 }),
  house.phone(await house.account("102", "Bob", noVoicemail), { toneHz: 620 }),
  house.phone(await house.account("103", "Carol", noVoicemail), { toneHz: 1000 }),
  house.phone(await house.account("104", "Dan", noVoicemail), { toneHz: 1400 }),
]);

/** Media workers of this process (proc(5): the parent is the fourth field of stat). */
const workers = (): number[] =>
  readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const parent = readFileSync(`/proc/${name}/stat`, "utf8").split(") ")[1]?.split(" ")[1];
      const isWorker = readFileSync(`/proc/${name}/cmdline`, "utf8").includes("media/embedded/worker.ts");
      return Number(parent) === process.pid && isWorker ? [Number(name)] : [];
    } catch {
      return []; // It has ended in between.
    }
  });

test("kill -9 of a media worker ends its calls only; they are accounted for, and a new worker serves the next ones", async () => {
  await ann.dial("102");
  await bob.answer();
  await Promise.all([ann.established(), bob.established()]);
  const [first] = workers();
  await carol.dial("104");
  await dan.answer();
  await Promise.all([carol.established(), dan.established()]);
  assert.equal(workers().length, 2, "each call has a worker of its own");
  const hearing = Promise.all([carol.heardFor(6), dan.heardFor(6)]);
  await sleep(1500);
  process.kill(first as number, "SIGKILL");
  await Promise.all([ann.closed(), bob.closed()]);
  const [atCarol, atDan] = await hearing;
  for (const [sound, says] of [
    [atCarol, 1400],
    [atDan, 1000],
  ] as const) {
    const tone = findTone(sound, says);
    // What a busy machine does to a phone's clock is no gap of ours.
    const isWhole = tone.gaps.every(({ fromMs, toMs }) => toMs - fromMs < 300);
    assert.ok(tone.heardMs > 4000 && isWhole, JSON.stringify(tone));
  }
  const [record] = await house.calls(1);
  assert.deepEqual(
    [record?.["fromNumber"], record?.["toNumber"], record?.["outcome"], record?.["cause"], record?.["hungUpBy"]],
    ["101", "102", "answered", 200, "system"],
  );
  assert.match(record?.["reason"], /media/);
  assert.ok(record?.["talkSeconds"] > 1);
  for (const phone of [ann, bob]) phone.forget();
  await ann.dial("102");
  await bob.answer();
  await Promise.all([ann.established(), bob.established()]);
  assert.ok(findTone(await ann.heardFor(3), 620).heardMs > 2000);
  assert.ok(workers().length === 2 && !workers().includes(first as number));
  await ann.hangUp();
  await bob.closed();
  await carol.hangUp();
  await dan.closed();
});

const md5 = (text: string): string => createHash("md5").update(text).digest("hex");

/** A sender at an address of its own. */
async function stranger(address: string) {
  const socket: Socket = createSocket("udp4");
  const heard: string[] = [];
  socket.on("message", (bytes) => void heard.push(bytes.toString()));
  socket.bind(0, address);
  await once(socket, "listening");
  const here = `${address}:${socket.address().port}`;
  return {
    here,
    heard,
    send: (bytes: Buffer | string) => socket.send(bytes, house.phones.sipPort, "127.0.0.1"),
    close: () => socket.close(),
  };
}

test("a flood of INVITEs and of random bytes from one address: phones call on, and it gets little for it", async () => {
  for (const phone of [ann, bob]) phone.forget();
  const from = await stranger("127.0.0.21");
  const before = process.memoryUsage().heapUsed;
  const call = (async () => {
    await ann.dial("102");
    await bob.answer();
    await Promise.all([ann.established(), bob.established()]);
    return ann.heardFor(4);
  })();
  let seed = 1;
  const random = () => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return seed >>> 16;
  };
  for (let i = 0; i < 1000; i++) {
    const lines = [
      "INVITE sip:101@127.0.0.1 SIP/2.0",
      `Via: SIP/2.0/UDP ${from.here};branch=z9hG4bKflood${i};rport`,
      ...[`From: <sip:x${i}@127.0.0.1>;tag=${i}`, "To: <sip:101@127.0.0.1>", `Call-ID: flood${i}`, "CSeq: 1 INVITE"],
      ...[`Contact: <sip:x@${from.here}>`, "Max-Forwards: 70", "Content-Length: 0", "", ""],
    ];
    from.send(lines.join("\r\n"));
    for (let one = 0; one < 5; one++) from.send(Buffer.from(Array.from({ length: 20 + (random() % 600) }, () => random() & 255)));
    if (i % 50 === 0) await sleep(5);
  }
  assert.ok(findTone(await call, 620).heardMs > 2500, "the call that began with the flood");
  await ann.hangUp();
  await bob.closed();
  const kinds = new Set(from.heard.map((text) => text.slice(8, 11)));
  assert.ok(
    [...kinds].every((status) => status === "100" || status === "407"),
    [...kinds].join(),
  );
  assert.ok(
    new Set(from.heard.flatMap((text) => /^Call-ID: (.*)$/m.exec(text)?.[1] ?? [])).size < 700,
    "it is answered less and less",
  );
  // Nonsense has shut it out: nothing comes back now.
  const heard = from.heard.length;
  from.send(
    `OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP ${from.here};branch=z9hG4bKlast\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: last\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 9\r\nContent-Length: 0\r\n\r\n`,
  );
  await ann.dial("199");
  await ann.closed();
  assert.ok(!from.heard.slice(heard).some((text) => text.includes("Call-ID: last")));
  assert.ok(process.memoryUsage().heapUsed - before < 100 * 2 ** 20, "memory");
  from.close();
});

test("a digest that was listened to is good for nobody else, and an INVITE that comes three times is one call", async () => {
  const account = await house.account("105", "Raw", noVoicemail);
  const [owner, thief] = [await stranger("127.0.0.22"), await stranger("127.0.0.23")];
  const address = `<sip:${account.userName}@${house.domain}>`;
  const request = (who: typeof owner, method: string, uri: string, id: string, cseq: number, more: string[] = []): string =>
    [
      `${method} ${uri} SIP/2.0`,
      `Via: SIP/2.0/UDP ${who.here};branch=z9hG4bK${id}${cseq};rport`,
      ...[`From: ${address};tag=${id}`, `To: ${method === "REGISTER" ? address : `<${uri}>`}`, `Call-ID: ${id}`],
      ...[`CSeq: ${cseq} ${method}`, "Max-Forwards: 70", `Contact: <sip:${account.userName}@${who.here}>`, ...more],
      ...["Content-Length: 0", "", ""],
    ].join("\r\n");
  const answerTo = async (who: typeof owner, text: string): Promise<string> => {
    const count = who.heard.length;
    who.send(text);
    const last = () => who.heard.slice(count).findLast((answer) => !answer.startsWith("SIP/2.0 100"));
    await house.until(() => last() !== undefined, "an answer");
    return last() as string;
  };
  const given = (challenge: string, method: string, uri: string): string => {
    const nonce = /nonce="([^"]+)", algorithm=MD5/.exec(challenge)?.[1];
    const secret = md5(`${account.userName}:${house.domain}:${account.password}`);
    const response = md5(`${secret}:${nonce}:00000001:c:auth:${md5(`${method}:${uri}`)}`);
    return `Digest username="${account.userName}", realm="${house.domain}", nonce="${nonce}", uri="${uri}", response="${response}", algorithm=MD5, qop=auth, cnonce="c", nc=00000001`;
  };
  const home = `sip:${house.domain}`;
  const right = `Authorization: ${given(await answerTo(owner, request(owner, "REGISTER", home, "own", 1)), "REGISTER", home)}`;
  assert.match(await answerTo(owner, request(owner, "REGISTER", home, "own", 2, [right])), /^SIP\/2\.0 200/);
  const stolen = await answerTo(thief, request(thief, "REGISTER", home, "stolen", 2, [right]));
  assert.match(stolen, /^SIP\/2\.0 401[\s\S]*stale=true/);
  const { items } = await house.office.as("owner", "phoneDeviceList", { params: { extension: account.extensionId } });
  assert.equal(items[0].lastAddress, "127.0.0.22");

  bob.forget();
  const called = `sip:102@${house.domain}`;
  const challenge = await answerTo(owner, request(owner, "INVITE", called, "thrice", 1));
  const invite = request(owner, "INVITE", called, "thrice", 2, [`Proxy-Authorization: ${given(challenge, "INVITE", called)}`]);
  for (let copy = 0; copy < 3; copy++) owner.send(invite);
  await bob.next("CALL_INCOMING");
  const isAnswer = (text: string) => text.includes("Call-ID: thrice") && text.includes("CSeq: 2 INVITE");
  await house.until(() => owner.heard.filter(isAnswer).length >= 3, "an answer to each copy");
  const running = async () => (await house.office.as("owner", "activeCallList", { params: house.office.within }))["items"];
  await house.until(async () => (await running()).length > 0, "the call");
  assert.equal((await running()).length, 1);
  await bob.hangUp();
  await house.until(() => owner.heard.some((text) => text.startsWith("SIP/2.0 486")), "that it is busy");
  for (const who of [owner, thief]) who.close();
});
