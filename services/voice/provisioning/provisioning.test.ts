import assert from "node:assert/strict";
import { before, test } from "node:test";
import { XMLParser } from "fast-xml-parser";
import { startCloud } from "../../../testing/cloud.ts";
import { openTestCloud } from "../testing/cloud.ts";

const started = await startCloud();
const api = openTestCloud(started);
const { call } = api;
let system = "";
let domain = "";
let extension = "";
const name = `Anne "Öl" <&'> ${"}"}{user}`;

before(async () => {
  ({ system, domain } = await api.newSystem("Office"));
  const made = await call("extensionCreate", { params: { phoneSystem: system }, body: { name } });
  assert.equal(made.status, 201, made.text);
  extension = made.body.id;
});

async function newPhone(maker: string, macAddress?: string) {
  const made = await call("phoneDeviceCreate", {
    params: { extension },
    body: { kind: "desk", label: maker, maker, ...(macAddress ? { macAddress } : {}) },
  });
  assert.equal(made.status, 201, made.text);
  const given = await call("phoneDeviceProvisioningCreate", { params: { phoneDevice: made.body.id } });
  return { id: made.body.id, account: made.body.account, given };
}
const get = async (url: string, file = "") => started.http.inject({ method: "GET", url: new URL(url + file).pathname });

const xml = (text: string) => new XMLParser({ ignoreAttributes: false, parseTagValue: false }).parse(text);
const mac = (index: number) => `00156500000${index}`;

test("XML of each maker has the account, with names that are not markup", async () => {
  const find: Record<string, (document: ReturnType<typeof xml>) => unknown[]> = {
    snom: ({ settings: { "phone-settings": of } }) => [
      of.user_name["#text"],
      of.user_pass["#text"],
      of.user_host["#text"],
      of.user_realname["#text"],
      of.user_outbound["#text"],
    ],
    grandstream: ({ gs_provision: { config } }) => [config.P35, config.P34, config.P47, config.P3, config.P48],
    fanvil: ({ sysConf: { sip } }) => [
      sip.line.RegisterUser,
      sip.line.RegisterPswd,
      sip.line.RegisterAddr,
      sip.line.DisplayName,
      `${sip.line.ProxyAddr}:${sip.line.ProxyPort}`,
    ],
  };
  const route: Record<string, string> = { snom: "sip:192.0.2.1:5060;transport=udp" };
  for (const [index, maker] of Object.keys(find).entries()) {
    const { account, given } = await newPhone(maker, mac(index));
    assert.equal(given.status, 201, given.text);
    const { url, fileNames, qrCodeSvg } = given.body;
    assert.match(qrCodeSvg, /^<svg/);
    const answer = await get(url.endsWith("/") ? `${url}${fileNames[0]}` : url);
    assert.equal(answer.statusCode, 200, answer.body);
    assert.match(String(answer.headers["content-type"]), /xml/);
    assert.equal(answer.headers["cache-control"], "no-store");
    assert.deepEqual(find[maker]?.(xml(answer.body)), [
      account.userName,
      account.password,
      domain,
      name,
      route[maker] ?? "192.0.2.1:5060",
    ]);
  }
});

test("linphone and baresip get an account as they read it", async () => {
  const linphone = await newPhone("linphone");
  const document = xml((await get(linphone.given.body.url)).body);
  const entries = Object.fromEntries(
    document.config.section.flatMap((section: { entry: object | object[] }) =>
      [section.entry].flat().map((entry) => [(entry as never)["@_name"], (entry as never)["#text"]]),
    ),
  );
  assert.equal(entries["passwd"], linphone.account.password);
  assert.equal(entries["reg_identity"], `"${name.replaceAll('"', "")}" <sip:${linphone.account.userName}@${domain}>`);
  assert.equal(entries["reg_proxy"], "<sip:192.0.2.1:5060;transport=udp>");

  const { account, given } = await newPhone("baresip");
  const line = (await get(given.body.url)).body;
  assert.equal(line.trim().split("\n").length, 1);
  assert.match(
    line,
    new RegExp(`<sip:${account.userName}@${domain}>;auth_user=${account.userName};auth_pass=${account.password};`),
  );
  assert.equal(line.split('"').length, 5, "the name has ended no quotes");
});

test("a phone asks by its own MAC address, and is told nothing by another", async () => {
  const { given, account } = await newPhone("yealink", "00:15:65:AA:BB:CC");
  const { url } = given.body;
  const own = await get(url, "001565aabbcc.cfg");
  assert.equal(own.statusCode, 200, own.body);
  assert.match(own.body, /^#!version:1\.0\.0\.1\n/);
  assert.ok(own.body.includes(`account.1.password = ${account.password}\n`));
  // Firmware before version 80 knows the first name, later ones the other.
  for (const setting of [
    "account.1.transport = 0",
    "account.1.sip_server.1.transport_type = 0",
    "features.pickup.direct_pickup_code = **",
  ])
    assert.ok(own.body.includes(`${setting}\n`), setting);
  assert.equal((await get(url, "001565AABBCC.cfg")).statusCode, 200);
  for (const file of ["001565aabbcd.cfg", "y000000000028.cfg", "001565aabbcc.xml"])
    assert.equal((await get(url, file)).statusCode, 404, file);
});

test("phones of other makers get the account, whose lamps they have, and where they ask next", async () => {
  const other = await call("extensionCreate", { params: { phoneSystem: system }, body: { name: "Bob; fnc=sd & {password}" } });
  const lampKeys = [other.body.id];
  const made = async (maker: string, macAddress: string) => {
    const { id, account } = (
      await call("phoneDeviceCreate", {
        params: { extension },
        body: { kind: "desk", label: maker, maker, macAddress, lampKeys },
      })
    ).body;
    const given = (await call("phoneDeviceProvisioningCreate", { params: { phoneDevice: id } })).body;
    return { account, given, base: String(given.url).replace(/[^/]*$/, "") };
  };
  const { number } = other.body;

  const poly = await made("poly", "64167f000001");
  assert.match((await get(poly.base, "64167F000001.cfg")).body, /CONFIG_FILES="\[PHONE_MAC_ADDRESS\]-khmara\.cfg"/);
  const all = xml((await get(poly.base, "64167f000001-khmara.cfg")).body).PHONE_CONFIG.ALL;
  assert.equal(all["@_reg.1.auth.password"], poly.account.password);
  assert.equal(all["@_reg.1.outboundProxy.transport"], "UDPOnly");
  assert.equal(all["@_attendant.resourceList.1.address"], `${number}@${domain}`);
  assert.equal(all["@_attendant.resourceList.1.label"], "Bob; fnc=sd & {password}", "a name is no place of the template");
  assert.equal(all["@_device.prov.serverName"], poly.base);

  const cisco = await made("cisco", "64167f000002");
  const profile = xml((await get(cisco.given.url)).body)["flat-profile"];
  assert.equal(profile.Password_1_, cisco.account.password);
  assert.equal(profile.Profile_Rule, `${cisco.base}$MA.xml`);
  assert.equal(
    profile.Extended_Function_2_,
    `fnc=blf+sd+cp;sub=${number}@$PROXY;ext=${number}@$PROXY;nme=Bob  fnc sd & {password}`,
  );

  const mitel = await made("mitel", "64167f000003");
  const lines = (await get(mitel.base, "64167F000003.cfg")).body;
  assert.ok(lines.includes(`sip line1 password: ${mitel.account.password}\n`));
  assert.ok(lines.includes(`topsoftkey1 value: ${number}\n`));

  const { system: elsewhere } = await api.newSystem("Elsewhere");
  const stranger = await call("extensionCreate", { params: { phoneSystem: elsewhere }, body: { name: "Stranger" } });
  const body = { kind: "desk", label: "x", maker: "snom", lampKeys: [stranger.body.id] };
  assert.equal((await call("phoneDeviceCreate", { params: { extension }, body })).status, 400);
});

test("with TLS at a name, phones speak TLS and SRTP; at a bare address they do as before", async () => {
  const { parts } = api.cloud.voice;
  const before = parts.sip;
  const { given } = await newPhone("yealink", "001565aabb01");
  const snom = await newPhone("snom", "001565aabb02");
  try {
    parts.sip = { host: "192.0.2.1", port: 5060, tlsPort: 5061 };
    assert.match((await get(given.body.url, "001565aabb01.cfg")).body, /account\.1\.transport = 0\n/);
    parts.sip = { host: "phones.example.org", port: 5060, tlsPort: 5061 };
    const text = (await get(given.body.url, "001565aabb01.cfg")).body;
    for (const setting of ["transport = 2", "srtp_encryption = 2", "outbound_proxy.1.port = 5061"])
      assert.ok(text.includes(`account.1.${setting}\n`), setting);
    const { settings } = xml((await get(snom.given.body.url)).body);
    assert.equal(settings["phone-settings"].user_outbound["#text"], "sip:phones.example.org:5061;transport=tls");
    assert.equal(settings["phone-settings"].user_srtp["#text"], "on");
  } finally {
    parts.sip = before;
  }
});

test("at the address of a site only phones that are awaited get their file, and that for a while", async () => {
  const { sql } = api.cloud.database;
  const add = async (maker: string, macAddress: string) =>
    (await call("phoneDeviceCreate", { params: { extension }, body: { kind: "desk", label: maker, maker, macAddress } })).body;
  const [snom, grandstream, lateOne] = [
    await add("snom", "000413111111"),
    await add("grandstream", "000b82222222"),
    await add("yealink", "001565333333"),
  ];
  const site = await call("phoneSiteCreate", { params: { phoneSystem: system } });
  assert.equal(site.status, 201, site.text);
  assert.equal(site.body.isEncrypted, false);
  const at = async (file: string) => get(site.body.url, file);
  assert.equal((await at("snomD785-000413111111.htm")).statusCode, 404, "nobody has said that it is awaited");

  const awaited = await call("phoneSiteAwait", { params: { phoneSystem: system } });
  assert.equal(awaited.status, 200, awaited.text);
  assert.ok(awaited.body.devices >= 3);
  const first = await at("snomD785-000413111111.htm");
  assert.equal(first.statusCode, 200, first.body);
  const settings = xml(first.body).settings["phone-settings"];
  assert.equal(settings.user_pass["#text"], snom.account.password);
  const own = await get(settings.setting_server["#text"]);
  assert.equal(own.statusCode, 200, "its own address works from then on");
  assert.equal((await at("cfg000b82222222.xml")).statusCode, 200);
  for (const file of ["cfg000413111111.xml", "000b82222223.cfg", "snom.xml", "linphone.xml", "accounts"])
    assert.equal((await at(file)).statusCode, 404, file);

  // Somebody who has learnt the address comes later.
  const [left] = await sql`select awaited_until < now() + interval '61 minutes' as soon from voice.devices where id = ${snom.id}`;
  assert.equal(left?.["soon"], true);
  await sql`update voice.devices set awaited_until = now() - interval '1 second' where id in (${snom.id}, ${lateOne.id})`;
  assert.equal((await at("snomD785-000413111111.htm")).statusCode, 404);
  assert.equal((await at("001565333333.cfg")).statusCode, 404);
  assert.equal((await get(settings.setting_server["#text"])).statusCode, 200);
  const told = await sql`select source_ip from kernel.audit_entries where action = 'voice.phone_device.configure'`;
  assert.equal(told.length, 2);

  assert.equal((await call("phoneSiteDelete", { params: { phoneSystem: system } })).status, 204);
  assert.equal((await at("cfg000b82222222.xml")).statusCode, 404);
  assert.ok(grandstream.id);
});

test("an address is good until there is a new one, it is taken back, or the device is off", async () => {
  const { id, given } = await newPhone("linphone");
  const params = { phoneDevice: id };
  assert.equal((await get(given.body.url)).statusCode, 200);
  const next = (await call("phoneDeviceProvisioningCreate", { params })).body;
  assert.equal((await get(given.body.url)).statusCode, 404);
  assert.equal((await get(next.url)).statusCode, 200);
  const stored = await api.cloud.database.sql`select provisioning_token from voice.devices where id = ${id}`;
  assert.ok(!next.url.includes(stored[0]?.["provisioning_token"]), "it is kept as a hash");
  await call("phoneDeviceUpdate", { params, body: { enabled: false } });
  assert.equal((await get(next.url)).statusCode, 404);
  await call("phoneDeviceUpdate", { params, body: { enabled: true } });
  assert.equal((await get(next.url)).statusCode, 200);
  assert.equal((await call("phoneDeviceProvisioningDelete", { params })).status, 204);
  assert.equal((await get(next.url)).statusCode, 404);
  const unknown = await newPhone("other");
  assert.equal(unknown.given.status, 409, unknown.given.text);
});

test("whoever guesses addresses has to wait", async () => {
  const guess = "/api/v1/phone-configuration/khp_aaaaaaaaaaaaaaaaaaaaaaaa/linphone.xml";
  let last = 404;
  for (let count = 0; count < 200 && last === 404; count++)
    last = (await started.http.inject({ method: "GET", url: guess, remoteAddress: "198.51.100.7" })).statusCode;
  assert.equal(last, 429);
});
