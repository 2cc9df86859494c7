import assert from "node:assert/strict";
import { after, test } from "node:test";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { createAuthority, issueCertificate } from "../../../gateway/certificates/authority.ts";
import { startCloud } from "../../../testing/cloud.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import type { IncomingCall } from "../sip/ports.ts";
import { openSipStack } from "../sip/stack.ts";
import { sdp } from "../sip/testing/stacks.ts";
import type { Json } from "../testing/office.ts";
import { findTone } from "../testing/tones.ts";
import { openHouse } from "./testing/house.ts";

/** What providers differ in: each setting of a trunk, by what a provider gets when a phone of ours calls. */

await installTestTools(phoneTools);
const authority = await createAuthority({ name: "provider" });
const { certificate, key } = await issueCertificate(authority, ["127.0.0.3"]);
// As on a server on which somebody installed the provider's authority.
setDefaultCACertificates([...getCACertificates("default"), authority.certificate]);
const house = await openHouse(startCloud, { listen: "127.0.0.2" });
const secure = { tlsPort: 0, certificate: { cert: Buffer.from(certificate), key: Buffer.from(key) } };
const provider = await openHouse(startCloud, { listen: "127.0.0.3", ...secure });
const { as, within } = house.office;
const settings = { voicemail: { enabled: false }, permissions: { international: true } };
const ann = await house.account("501", "Ann", settings);
const atAnn = await house.phone(ann, { toneHz: 440 });

/** What it was asked, and what it was called by. */
const asked: IncomingCall[] = [];
const works: { answers: boolean; serviceRoute: string[] } = { answers: false, serviceRoute: [] };
const registered: string[][] = [];
const exchange = await openSipStack({
  bindings: [
    { transport: "udp", host: "127.0.0.4", port: 0 },
    { transport: "tcp", host: "127.0.0.4", port: 0 },
  ],
  userAgent: "exchange",
  onInvite(call) {
    asked.push(call);
    if (works.answers) call.answer({ sdp: sdp("exchange") });
    else call.reject(486);
  },
  onRequest(request) {
    if (request.method === "REGISTER") registered.push(request.headers("Route"));
    request.respond(200, works.serviceRoute.length > 0 ? { headers: { "Service-Route": works.serviceRoute } } : {});
  },
});
after(() => exchange.close());
const portOf = (wanted: string) => exchange.bindings.find(({ transport }) => transport === wanted)?.port as number;

const add = (key: string, body: object): Promise<Json> => as("owner", key, { params: within, body });
await as("owner", "phoneSystemUpdate", { params: within, body: { limits: { allowedCountries: ["UA"] } } });
const numbers = await Promise.all(
  ["+33199001122", "+33199001133"].map((number) =>
    add("phoneNumberCreate", { number, destination: { kind: "extension", id: ann.extensionId } }),
  ),
);
await as("owner", "extensionUpdate", { params: { extension: ann.extensionId }, body: { callerNumber: numbers[0]?.["id"] } });
const trunk = await add("trunkCreate", {
  name: "Exchange",
  kind: "ip",
  host: "127.0.0.4",
  port: portOf("udp"),
  qualifySeconds: 0,
});
const route = await add("outboundRouteCreate", { name: "All", prefixes: ["+"], trunks: [trunk["id"]] });
const set = (body: object) => as("owner", "trunkUpdate", { params: { trunk: trunk["id"] }, body });

/** Ann dials, and is refused: how the exchange was asked. */
async function ask(dialled = "0199003344"): Promise<IncomingCall["request"]> {
  const before = asked.length;
  atAnn.forget();
  await atAnn.dial(dialled);
  assert.match((await atAnn.closed()).param ?? "", /486/);
  assert.equal(asked.length, before + 1);
  return (asked.at(-1) as IncomingCall).request;
}

test("numbers as the provider writes them, and the caller where it looks for them", async () => {
  const usual = await ask();
  assert.equal(usual.uri.user, "+33199003344");
  assert.match(usual.header("P-Asserted-Identity") ?? "", /<sip:\+33199001122@127\.0\.0\.4>/);
  await set({ dialFormat: "national", stripDigits: 1, addPrefix: "77", callerIdFormat: "e164", callerIdHeader: "from" });
  const national = await ask();
  assert.deepEqual([national.uri.user, national.from.uri.user], ["77199003344", "33199001122"]);
  await set({ dialFormat: "e164", stripDigits: 0, addPrefix: "", callerIdFormat: "national", callerIdHeader: "remote_party_id" });
  await set({ userName: "office", fromDomain: "office.example" });
  const remote = await ask();
  assert.deepEqual([remote.uri.user, remote.from.uri.user, remote.from.uri.host], ["33199003344", "office", "office.example"]);
  assert.equal(remote.header("Remote-Party-ID"), "<sip:0199001122@office.example>;party=calling;privacy=off");
  const hidden = await ask("*310199003344");
  assert.match(`${hidden.header("From")}`, /anonymous@anonymous\.invalid/);
  assert.deepEqual(
    [hidden.header("Privacy"), hidden.header("Remote-Party-ID")],
    ["id", "<sip:office@office.example>;party=calling;privacy=full"],
  );
  // A route shows a number of its own, whoever calls.
  await as("owner", "outboundRouteUpdate", {
    params: { outboundRoute: route["id"] },
    body: { callerNumber: numbers[1]?.["id"] },
  });
  assert.match((await ask()).header("Remote-Party-ID") ?? "", /sip:0199001133@/);
  await as("owner", "phoneSystemUpdate", { params: within, body: { outsidePrefix: "0" } });
  assert.equal((await ask("000380441234567")).uri.user, "380441234567");
  atAnn.forget();
  await atAnn.dial("199003344");
  assert.match((await atAnn.closed()).param ?? "", /404/);
  await as("owner", "phoneSystemUpdate", { params: within, body: { outsidePrefix: "" } });
});

test("over TCP, and by a proxy of the provider: where it is asked, and for whom", async () => {
  await set({ transport: "tcp", port: portOf("tcp") });
  assert.equal((await ask()).source.transport, "tcp");
  await set({ host: "sip.provider.example", port: null, outboundProxy: `127.0.0.4:${portOf("tcp")}` });
  const { source, uri } = await ask();
  assert.deepEqual([source.transport, uri.host], ["tcp", "sip.provider.example"]);
  await set({ transport: "udp", host: "127.0.0.4", port: portOf("udp"), outboundProxy: null });
});

test("a registrar names the way for requests (Service-Route), and they go it, after the trunk's own proxy", async () => {
  const proxy = `127.0.0.4:${portOf("udp")}`;
  const edge = `<sip:edge@${proxy};lr>`;
  const home = "<sip:home.provider.example;lr>";
  works.serviceRoute = [edge, home];
  const line = { kind: "registration", userName: "line", password: "secret of the line" };
  const ready = async (count: number) => {
    await house.until(() => registered.length === count, `registration ${count}`);
    const state = async () => (await as("owner", "trunkGet", { params: { trunk: trunk["id"] } }))["state"];
    await house.until(async () => (await state()) === "ready", "that it is registered");
  };
  await set({ ...line, host: "127.0.0.4", port: portOf("tcp"), transport: "tcp" });
  await ready(1);
  const way = await ask();
  assert.deepEqual([way.source.transport, way.headers("Route")], ["udp", [edge, home]]);
  assert.equal(way.uri.port, portOf("tcp"), "it is for the trunk's own host");
  // A proxy that is set comes first, but not twice.
  await set({ outboundProxy: `127.0.0.4:${portOf("tcp")}` });
  await ready(2);
  const own = `<sip:127.0.0.4:${portOf("tcp")};transport=tcp;lr>`;
  assert.deepEqual((await ask()).headers("Route"), [own, edge, home]);
  await set({ transport: "udp", port: portOf("udp"), outboundProxy: proxy });
  await ready(3);
  assert.deepEqual((await ask()).headers("Route"), [edge, home]);
  assert.deepEqual(registered, [[], [own], [`<sip:${proxy};lr>`]], "registrations go no such way");
  // Without it in the next answer it is over.
  works.serviceRoute = [];
  await set({ outboundProxy: null });
  await ready(4);
  assert.deepEqual((await ask()).headers("Route"), []);
  await set({ kind: "ip", userName: null, password: null });
});

test("short numbers of a country: as they are dialled, by the route and the cheapest trunk, premium apart", async () => {
  const refuses = async (dialled: string, status: RegExp) => {
    const before = asked.length;
    atAnn.forget();
    await atAnn.dial(dialled);
    assert.match((await atAnn.closed()).param ?? "", status, dialled);
    assert.equal(asked.length, before, `${dialled} went out`);
  };
  const country = (body: object) => as("owner", "phoneSystemUpdate", { params: within, body });
  await set({ dialFormat: "national", stripDigits: 1, addPrefix: "77" });
  for (const [code, numbers] of Object.entries({ FR: ["3115", "116000"], GB: ["111", "118500"], UA: ["1580", "116111"] })) {
    await country({ country: code });
    for (const dialled of numbers) assert.equal((await ask(dialled)).uri.user, dialled);
    await refuses(code === "UA" ? "5433" : "7999", /404/);
  }
  let record: Json | undefined;
  await house.until(async () => {
    const { items } = await as("owner", "phoneCallList", { params: within, query: { limit: 5 } });
    record = items.find(({ toNumber }: Json) => toNumber === "116111");
    return record !== undefined;
  }, "the record of a call to 116111");
  assert.deepEqual([record?.["country"], record?.["direction"]], ["UA", "outbound"]);

  // What the list does not have goes where a route says so; by the cheaper trunk, whose own prefix is the longest.
  const cheap = await add("trunkCreate", {
    ...{ name: "Cheap", kind: "ip", host: "127.0.0.4", port: portOf("tcp"), transport: "tcp", qualifySeconds: 0 },
  });
  await add("outboundRouteCreate", {
    ...{ name: "Services", prefixes: ["5", "15"], trunks: [trunk["id"], cheap["id"]], strategy: "least_cost" },
  });
  const rate = (one: Json, prefix: string, perMinute: string) =>
    as("owner", "phoneRateSet", { params: within, body: { trunk: one["id"], prefix, perMinute } });
  await rate(trunk, "15", "1");
  await rate(cheap, "+", "0.5");
  assert.equal((await ask("1580")).source.transport, "tcp");
  await rate(trunk, "158", "0.1");
  assert.equal((await ask("1580")).source.transport, "udp");
  assert.equal((await ask("5433")).uri.user, "5433");

  // 3639 costs more in France: only for who may call such numbers.
  await country({ country: "FR" });
  await refuses("3639", /403/);
  await as("owner", "extensionUpdate", { params: { extension: ann.extensionId }, body: { permissions: { premium: true } } });
  assert.equal((await ask("3639")).uri.user, "3639");
  // Behind a prefix for outside it is what is dialled after it; what calls for help needs none.
  await country({ outsidePrefix: "0", emergency: { numbers: ["112"] } });
  await refuses("3639", /404/);
  assert.equal((await ask("03639")).uri.user, "3639");
  atAnn.forget();
  await atAnn.dial("112");
  await atAnn.closed();
  // Every trunk is asked.
  assert.deepEqual(
    asked.slice(-2).map(({ request }) => [request.uri.user, request.source.transport]),
    [
      ["112", "udp"],
      ["112", "tcp"],
    ],
  );
  await country({ outsidePrefix: "" });
  await set({ dialFormat: "e164_plus", stripDigits: 0, addPrefix: "" });
});

test("digits go to a provider that wants them so as SIP INFO", async () => {
  await set({ dtmf: "info" });
  works.answers = true;
  atAnn.forget();
  await atAnn.dial("0199003344");
  await atAnn.established();
  let pressed = "";
  asked.at(-1)?.on("dtmf", (digit) => {
    pressed += digit;
  });
  await atAnn.press("42#");
  await house.until(() => pressed === "42#", `42#, not ${pressed}`);
  await atAnn.hangUp();
  works.answers = false;
});

test("a provider over TLS with SRTP, and never without: tones both ways", async () => {
  const line = await provider.account("201", "Zoe", { voicemail: { enabled: false } });
  const atZoe = await provider.phone(line, { toneHz: 620 });
  const theirs = (name: string, body: object) => provider.office.as("owner", name, { params: provider.office.within, body });
  const destination = { kind: "extension", id: line.extensionId };
  await theirs("phoneNumberCreate", { number: "+33199003344", destination });
  // Its connections come from there.
  await theirs("trunkCreate", {
    name: "Office",
    kind: "ip",
    host: "127.0.0.2",
    sourceAddresses: ["127.0.0.1"],
    qualifySeconds: 0,
  });
  const tls = { transport: "tls", host: "127.0.0.3", port: provider.phones.tlsPort, mediaEncryption: "required" };
  await set({
    ...tls,
    dialFormat: "e164_plus",
    callerIdFormat: "e164_plus",
    callerIdHeader: "p_asserted_identity",
    dtmf: "rtp",
    userName: null,
    fromDomain: null,
    qualifySeconds: 1,
  });
  await house.until(
    async () => (await as("owner", "trunkGet", { params: { trunk: trunk["id"] } }))["state"] === "ready",
    "that it answers",
  );
  atAnn.forget();
  await atAnn.dial("0199003344");
  await atZoe.answer();
  await atAnn.established();
  await house.until(async () => findTone(await atZoe.heardFor(1), 440).heardMs > 1000, "Ann at Zoe");
  await house.until(async () => findTone(await atAnn.heardFor(1), 620).heardMs > 1000, "Zoe at Ann");
  await atAnn.hangUp();
  await atZoe.closed();
  // One without SRTP does not get the call.
  await set({ transport: "udp", host: "127.0.0.4", port: portOf("udp") });
  const { sdp: offer } = await ask();
  assert.match(offer ?? "", /^m=audio \d+ RTP\/SAVP /m);
});
