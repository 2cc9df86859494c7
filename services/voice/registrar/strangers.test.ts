import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startCloud } from "../../../testing/cloud.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import { openHouse } from "../calls/testing/house.ts";

await installTestTools({ ...phoneTools, "/usr/bin/sipsak": "sipsak", "/usr/bin/svmap": "sipvicious" });
const blockMs = 3000;
const house = await openHouse(startCloud, { admission: { firstBlockMs: blockMs }, keepAliveMs: 400 });
const ann = await house.account("501", "Ann");
const bob = await house.account("502", "Bob", { voicemail: { enabled: false } });
const [atAnn, atBob] = await Promise.all([house.phone(ann), house.phone(bob)]);
const target = { address: "127.0.0.1", port: house.phones.sipPort };

/** A program that sends what is written, from an address of its own. */
async function openSender(address: string): Promise<{ say(text: string): void; heard: string[]; socket: Socket; at: string }> {
  const socket = createSocket("udp4");
  const heard: string[] = [];
  socket.on("message", (message) => heard.push(message.toString()));
  socket.bind(0, address);
  await once(socket, "listening");
  after(() => void socket.close());
  const at = `${address}:${socket.address().port}`;
  return { heard, socket, at, say: (text) => socket.send(text.replace(/\n/g, "\r\n"), target.port, target.address) };
}

const register = (at: string, user: string, more = "") => `REGISTER sip:${house.domain} SIP/2.0
Via: SIP/2.0/UDP ${at};branch=z9hG4bK${randomBytes(6).toString("hex")};rport
Max-Forwards: 70
From: <sip:${user}@${house.domain}>;tag=${randomBytes(4).toString("hex")}
To: <sip:${user}@${house.domain}>
Call-ID: ${randomBytes(8).toString("hex")}
CSeq: 1 REGISTER
Contact: <sip:${user}@${at}>
${more}Expires: 300
Content-Length: 0

`;

const md5 = (text: string) => createHash("md5").update(text).digest("hex");

/** As a phone that knows the password answers (RFC 7616). */
function answerTo(challenge: string, { userName, password }: typeof ann): string {
  const nonce = /nonce="([^"]+)".*algorithm=MD5/.exec(challenge)?.[1] ?? "";
  const uri = `sip:${house.domain}`;
  const [one, two] = [md5(`${userName}:${house.domain}:${password}`), md5(`REGISTER:${uri}`)];
  const response = md5(`${one}:${nonce}:00000001:abcd:auth:${two}`);
  return `Authorization: Digest username="${userName}", realm="${house.domain}", nonce="${nonce}", uri="${uri}", algorithm=MD5, qop=auth, nc=00000001, cnonce="abcd", response="${response}"\n`;
}

async function talk(): Promise<void> {
  for (const phone of [atAnn, atBob]) phone.forget();
  await atAnn.dial("502");
  await atBob.answer();
  await atAnn.established();
  await atAnn.hangUp();
  await atBob.closed();
}

/** What a scanner sends (SIPVicious): to the bare address, one name after the other. */
const scan = (method: string, at: string, user: number) => `${method} sip:${user}@${target.address} SIP/2.0
Via: SIP/2.0/UDP ${at};branch=z9hG4bK${randomBytes(6).toString("hex")};rport
Max-Forwards: 70
From: "sipvicious" <sip:${user}@${target.address}>;tag=${randomBytes(4).toString("hex")}
To: <sip:${user}@${target.address}>
Call-ID: scan-${user}
CSeq: 1 ${method}
Contact: <sip:${user}@${at}>
User-Agent: friendly-scanner
Content-Length: 0

`;

/** Ends by itself, or is ended when it has said that. */
function outputOf(program: string, words: string[], last?: RegExp): Promise<string> {
  return new Promise((resolve) => {
    const child = execFile(`/usr/bin/${program}`, words, { timeout: 60_000 }, (_, out, told) => resolve(out + told));
    let said = "";
    child.stderr?.on("data", (more) => {
      said += more;
      if (last?.test(said)) child.kill();
    });
  });
}

test("the programs of scanners find nothing: SIPVicious, sipsak", async () => {
  const at = (address: string) => ["-b", address, "-x", address];
  const port = String(house.phones.sipPort);
  assert.match(await outputOf("svmap", [...at("127.0.0.61"), "-p", port, target.address]), /found nothing/i);
  const names = await outputOf("svwar", [...at("127.0.0.62"), "-p", port, "--force", "-e", "500-520", target.address]);
  // It looks for one that is answered otherwise than a name that nobody has.
  assert.match(names, /Bad user = SIP\/2\.0 401/);
  assert.doesNotMatch(names, /50[0-9]\s*\|/);
  // After so many wrong passwords nobody answers it any more.
  const given = [...at("127.0.0.63"), "-p", port, "-u", ann.userName, "-r", "1-40", target.address];
  const secret = await outputOf("svcrack", given, /since we last received a response/);
  assert.match(secret, /since we last received a response/);
  assert.doesNotMatch(secret, /\|\s*\d+\s*\|/);
  // From the address of our own phones, as sipsak can use no other.
  const asked = await outputOf("sipsak", ["-vv", "-s", `sip:501@${target.address}:${port}`, "-D", "1"]);
  assert.match(asked, /no final response/);
  await outputOf("sipsak", ["-R", "-t", "100", "-s", `sip:501@${target.address}:${port}`]);
  await talk();
});

test("who looks for phone systems and names finds nothing, and is soon not heard; phones elsewhere go on", async () => {
  for (const [index, method] of ["OPTIONS", "REGISTER", "INVITE"].entries()) {
    const sender = await openSender(`127.0.0.${41 + index}`);
    let unheard = 0;
    let user = 100;
    for (; unheard < 5; user++) {
      assert.ok(user < 140, `${method} is answered on and on`);
      const isAnswered = () => sender.heard.some((answer) => answer.includes(`Call-ID: scan-${user}\r\n`));
      sender.say(scan(method, sender.at, user));
      for (let waited = 0; waited < 500 && !isAnswered(); waited += 20) await sleep(20);
      unheard = isAnswered() ? 0 : unheard + 1;
    }
    const statuses = new Set(sender.heard.map((answer) => answer.slice(8, 11)));
    const expected = { OPTIONS: [], REGISTER: ["401"], INVITE: ["100", "407"] }[method];
    assert.deepEqual([...statuses].sort(), expected, `${method}: nobody is told which names there are`);
  }
  await talk();
});

test("an answer that was overheard is worth nothing: digest replay", async () => {
  const sender = await openSender("127.0.0.51");
  const device = await house.device(ann.extensionId, "501");
  const reply = async () => {
    await house.until(() => sender.heard.length > 0, "an answer");
    return sender.heard.shift() as string;
  };
  sender.say(register(sender.at, device.userName));
  const challenge = await reply();
  assert.match(challenge, /^SIP\/2\.0 401/);
  const authorization = answerTo(challenge.replace(/\r\n/g, "\n"), device);
  sender.say(register(sender.at, device.userName, authorization));
  assert.match(await reply(), /^SIP\/2\.0 200/);
  const thief = await openSender("127.0.0.52");
  thief.say(register(thief.at, device.userName, authorization));
  await house.until(() => thief.heard.length > 0, "an answer");
  assert.match(thief.heard[0] as string, /^SIP\/2\.0 401[\s\S]*stale=true/);
});

test("whoever guesses passwords is not answered for a while, and then is again", async () => {
  const sender = await openSender("127.0.0.61");
  const device = await house.device(bob.extensionId, "502");
  const wrong = { ...device, password: "not this" };
  const guess = async (account: typeof device): Promise<string | undefined> => {
    sender.heard.length = 0;
    sender.say(register(sender.at, account.userName));
    for (let waited = 0; sender.heard.length === 0; waited += 20) {
      if (waited > 700) return undefined;
      await sleep(20);
    }
    const challenge = (sender.heard.shift() as string).replace(/\r\n/g, "\n");
    sender.say(register(sender.at, account.userName, answerTo(challenge, account)));
    await house.until(() => sender.heard.length > 0, "an answer");
    return sender.heard.shift()?.slice(0, 11);
  };
  let guesses = 0;
  while ((await guess(wrong)) !== undefined) assert.ok(++guesses < 20, "it is answered on and on");
  assert.ok(guesses >= 5, `${guesses} guesses were answered: a person who types may err`);
  // A phone at the same address that is registered is heard all the time; so is another address.
  await talk();
  await house.until(async () => (await guess(device)) === "SIP/2.0 200", "the end of the block");
});

test("a phone is asked whether it is there; once it says nothing any more calls do not wait for it, until it registers anew", async () => {
  const sender = await openSender("127.0.0.71");
  const dora = await house.account("503", "Dora", { voicemail: { enabled: false } });
  const asked = new Set<string>();
  let answers = true;
  let called = 0;
  sender.socket.on("message", (message) => {
    const text = message.toString();
    if (text.startsWith("INVITE")) called++;
    if (!text.startsWith("OPTIONS")) return;
    asked.add(/Call-ID: (.*)/i.exec(text)?.[1] as string);
    if (answers)
      sender.say(
        `SIP/2.0 200 OK\n${(text.match(/^(Via|From|To|Call-ID|CSeq):.*$/gim) ?? []).map((line) => line.trim()).join("\n")}\nContent-Length: 0\n\n`,
      );
  });
  const signIn = async () => {
    sender.heard.length = 0;
    sender.say(register(sender.at, dora.userName));
    const got = (status: string) => sender.heard.find((text) => text.startsWith(`SIP/2.0 ${status}`));
    await house.until(() => got("401") !== undefined, "the challenge");
    sender.say(register(sender.at, dora.userName, answerTo((got("401") as string).replace(/\r\n/g, "\n"), dora)));
    await house.until(() => got("200") !== undefined, "its registration");
  };
  await signIn();
  await house.until(() => asked.size >= 2, "OPTIONS");
  answers = false;
  const before = asked.size;
  // Some are not counted as silences yet: each has six seconds.
  await house.until(() => asked.size >= before + 25, "more OPTIONS");
  atAnn.forget();
  await atAnn.dial("503");
  assert.match((await atAnn.closed()).param ?? "", /480/);
  assert.equal(called, 0);
  answers = true;
  await signIn();
  await atAnn.dial("503");
  await house.until(() => called > 0, "the call");
  await atAnn.hangUp();
});
