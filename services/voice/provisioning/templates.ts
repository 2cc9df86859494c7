import type { PhoneDevice } from "../extensions/contract.ts";
import {
  type ClockLines,
  ciscoClock,
  grandstreamClock,
  mitelClock,
  polyClock,
  snomClock,
  yealinkClock,
  type Zone,
} from "./clock.ts";

/** What a template may name in braces. */
export interface Values {
  /** Of the person. */
  name: string;
  /** The same without what ends quotes in an address (RFC 3261, section 25.1). */
  quotableName: string;
  number: string;
  domain: string;
  user: string;
  password: string;
  server: string;
  /** Of a phone that is not told to ask for SRV records. */
  port: string;
  /** With a colon before it; empty: the phone asks for SRV records. */
  colonPort: string;
  /** udp or tls. */
  transport: string;
  /** As most makers number them: 0, TLS 2. */
  transportNumber: string;
  /** 0 with transport 3 (DNS-NAPTR): NAPTR, then SRV, then A records. */
  yealinkPort: string;
  yealinkTransport: string;
  /** P103: A records 0, SRV 1. */
  grandstreamLookup: string;
  /** As Fanvil does: 0, TLS 3. */
  fanvilTransport: string;
  /** Code of the own voicemail; empty: none. */
  voicemail: string;
  pickup: string;
  /** Dialled before the number that rings. */
  pickupOne: string;
  /** Where this very file is fetched from again, with a slash behind: the device's own address. */
  configurationUrl: string;
  /** The same without its scheme, as Grandstream has it. */
  configurationPlace: string;
  /** http or https; in capitals; as Grandstream numbers it. */
  configurationScheme: string;
  configurationSchemeName: string;
  configurationSchemeNumber: string;
  configurationHost: string;
  configurationPort: string;
  /** Without the first slash and the last one. */
  configurationPath: string;
  /** SRTP: no or yes, in each maker's words. Only over TLS: its keys are in the signalling. */
  srtpNumber: string;
  srtpWord: string;
  srtpBit: string;
  polyTransport: string;
  ciscoTransport: string;
  ciscoSrtp: string;
  ciscoSrv: string;
  mitelTransport: string;
  /** 0: the phone asks for SRV records. */
  srvPort: string;
  /** en, fr or uk. */
  language: string;
  /** Upper case. */
  mac: string;
}

/** A key with the lamp of somebody else. */
export interface Lamp {
  number: string;
  name: string;
}

export interface Template {
  contentType: string;
  escaping: "xml" | "line" | "quoted";
  /** With `{mac}`, and `*` for the name of a model; the first is the one that is told. */
  fileNames: string[];
  /** Whether the phone itself adds the name of its file to the address. */
  addsFileName: boolean;
  /** What stands behind the address of a whole site, where the phone does not add it itself. */
  siteFile?: string;
  /** A file that only leads to the other one. */
  first?: { fileName: string; text: string };
  /** Settings of the zone, in place of `{clock}`. */
  clock?: ClockLines;
  /** One key, with `{key}` from `firstKey` on, `{lampNumber}` and `{lampName}`, in place of `{lamps}`. */
  lamp?: { text: (key: number) => string; firstKey: number; most: number; maySay?: (name: string) => string };
  /** The maker's word for a language, in place of `{languageLine}`; none: the phone keeps its own. */
  languages?: { text: string; words: Partial<Record<string, string>> };
  text: string;
}

const key = (text: string) => (index: number) => text.replaceAll("{key}", String(index));

/**
 * One account each, as the makers' guides for provisioning name their settings. A phone that knows more than what stands here keeps what it has.
 */
export const templates: Readonly<Record<Exclude<PhoneDevice["maker"], "other">, Template>> = {
  yealink: {
    contentType: "text/plain; charset=utf-8",
    escaping: "line",
    fileNames: ["{mac}.cfg"],
    addsFileName: true,
    clock: yealinkClock,
    languages: { text: "lang.gui = {word}\nlang.wui = {word}\n", words: { en: "English", fr: "French" } },
    // The first key is the line itself.
    lamp: {
      firstKey: 2,
      most: 26,
      text: key(`linekey.{key}.type = 16
linekey.{key}.line = 1
linekey.{key}.value = {lampNumber}
linekey.{key}.label = {lampName}
linekey.{key}.extension = {pickupOne}
`),
    },
    text: `#!version:1.0.0.1
account.1.enable = 1
account.1.label = {number} {name}
account.1.display_name = {name}
account.1.user_name = {user}
account.1.auth_name = {user}
account.1.password = {password}
account.1.sip_server.1.address = {domain}
account.1.sip_server.1.expires = 600
account.1.outbound_proxy_enable = 1
account.1.outbound_proxy.1.address = {server}
account.1.outbound_proxy.1.port = {yealinkPort}
account.1.transport = {yealinkTransport}
account.1.sip_server.1.transport_type = {yealinkTransport}
account.1.srtp_encryption = {srtpNumber}
account.1.codec.1.enable = 1
account.1.codec.1.payload_type = G722
account.1.codec.1.priority = 1
account.1.codec.2.enable = 1
account.1.codec.2.payload_type = PCMA
account.1.codec.2.priority = 2
account.1.codec.3.enable = 1
account.1.codec.3.payload_type = PCMU
account.1.codec.3.priority = 3
account.1.codec.g722.enable = 1
account.1.codec.g722.priority = 1
account.1.codec.pcma.enable = 1
account.1.codec.pcma.priority = 2
account.1.codec.pcmu.enable = 1
account.1.codec.pcmu.priority = 3
account.1.nat.udp_update_enable = 1
account.1.subscribe_mwi = 1
voice_mail.number.1 = {voicemail}
features.pickup.group_pickup_enable = 1
features.pickup.group_pickup_code = {pickup}
features.pickup.direct_pickup_enable = 1
features.pickup.direct_pickup_code = {pickupOne}
auto_provision.server.url = {configurationUrl}
static.auto_provision.server.url = {configurationUrl}
{languageLine}{clock}{lamps}`,
  },
  snom: {
    contentType: "application/xml; charset=utf-8",
    escaping: "xml",
    fileNames: ["snom.xml", "{mac}.xml", "snom*-{mac}.htm"],
    addsFileName: false,
    siteFile: "snom-{mac}.htm",
    clock: snomClock,
    languages: { text: '<language perm="R">{word}</language>\n', words: { en: "English", fr: "Français" } },
    lamp: {
      firstKey: 1,
      most: 48,
      text: key(`    <fkey idx="{key}" context="1" label="{lampName}" perm="R">blf sip:{lampNumber}@{domain}|{pickupOne}</fkey>
`),
    },
    text: `<?xml version="1.0" encoding="utf-8"?>
<settings>
  <phone-settings>
    <user_active idx="1" perm="R">on</user_active>
    <user_realname idx="1" perm="R">{name}</user_realname>
    <user_idle_text idx="1" perm="R">{number} {name}</user_idle_text>
    <user_name idx="1" perm="R">{user}</user_name>
    <user_pname idx="1" perm="R">{user}</user_pname>
    <user_pass idx="1" perm="R">{password}</user_pass>
    <user_host idx="1" perm="R">{domain}</user_host>
    <user_outbound idx="1" perm="R">sip:{server}{colonPort};transport={transport}</user_outbound>
    <user_expiry idx="1" perm="R">600</user_expiry>
    <user_mailbox idx="1" perm="R">{voicemail}</user_mailbox>
    <user_srtp idx="1" perm="R">{srtpWord}</user_srtp>
    <user_savp idx="1" perm="R">mandatory</user_savp>
    <codec_priority_list idx="1" perm="R">g722,pcma,pcmu,telephone-event</codec_priority_list>
    <setting_server perm="R">{configurationUrl}snom.xml</setting_server>
    {languageLine}{clock}  </phone-settings>
  <functionKeys>
{lamps}  </functionKeys>
</settings>
`,
  },
  grandstream: {
    contentType: "application/xml; charset=utf-8",
    escaping: "xml",
    fileNames: ["cfg{mac}.xml"],
    addsFileName: true,
    clock: grandstreamClock,
    languages: { text: "<P1362>{word}</P1362>\n", words: { en: "en", fr: "fr" } },
    // The multi-purpose keys of the GXP; other lines number theirs otherwise.
    lamp: {
      firstKey: 1,
      most: 7,
      text: (index) => `<P${322 + index}>1</P${322 + index}><P${298 + 3 * index}>0</P${298 + 3 * index}>
    <P${299 + 3 * index}>{lampName}</P${299 + 3 * index}><P${300 + 3 * index}>{lampNumber}</P${300 + 3 * index}>
    `,
    },
    text: `<?xml version="1.0" encoding="UTF-8"?>
<gs_provision version="1">
  <config version="1">
    <P271>1</P271>
    <P270>{number} {name}</P270>
    <P3>{name}</P3>
    <P47>{domain}</P47>
    <P48>{server}{colonPort}</P48>
    <P103>{grandstreamLookup}</P103>
    <P35>{user}</P35>
    <P36>{user}</P36>
    <P34>{password}</P34>
    <P32>10</P32>
    <P130>{transportNumber}</P130>
    <P33>{voicemail}</P33>
    <P99>1</P99>
    <P183>{srtpNumber}</P183>
    <P57>9</P57>
    <P58>8</P58>
    <P59>0</P59>
    <P212>{configurationSchemeNumber}</P212>
    <P237>{configurationPlace}</P237>
    {languageLine}{clock}    {lamps}
  </config>
</gs_provision>
`,
  },
  fanvil: {
    contentType: "application/xml; charset=utf-8",
    escaping: "xml",
    fileNames: ["{mac}.cfg", "{mac}.xml"],
    addsFileName: true,
    text: `<?xml version="1.0" encoding="UTF-8"?>
<sysConf>
  <Version>2.0000000000</Version>
  <sip>
    <line index="1">
      <PhoneNumber>{user}</PhoneNumber>
      <DisplayName>{name}</DisplayName>
      <RegisterAddr>{domain}</RegisterAddr>
      <RegisterUser>{user}</RegisterUser>
      <RegisterPswd>{password}</RegisterPswd>
      <RegisterTTL>600</RegisterTTL>
      <EnableReg>1</EnableReg>
      <ProxyAddr>{server}</ProxyAddr>
      <ProxyPort>{port}</ProxyPort>
      <ProxyUser>{user}</ProxyUser>
      <ProxyPswd>{password}</ProxyPswd>
      <Transport>{fanvilTransport}</Transport>
      <Subscribe>1</Subscribe>
      <MWINum>{voicemail}</MWINum>
      <PickupNum>{pickupOne}</PickupNum>
    </line>
  </sip>
</sysConf>
`,
  },
  poly: {
    contentType: "application/xml; charset=utf-8",
    escaping: "xml",
    fileNames: ["{mac}-khmara.cfg"],
    addsFileName: true,
    // Looked for by the phone itself; it names what is to be read.
    first: {
      fileName: "{mac}.cfg",
      text: `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<APPLICATION APP_FILE_PATH="" CONFIG_FILES="[PHONE_MAC_ADDRESS]-khmara.cfg" MISC_FILES="" LOG_FILE_DIRECTORY="" OVERRIDES_DIRECTORY="" CONTACTS_DIRECTORY=""/>
`,
    },
    clock: polyClock,
    languages: { text: 'lcl.ml.lang="{word}"', words: { en: "", fr: "French_France" } },
    lamp: {
      firstKey: 1,
      most: 48,
      text: key(`attendant.resourceList.{key}.address="{lampNumber}@{domain}"
    attendant.resourceList.{key}.label="{lampName}"
    attendant.resourceList.{key}.type="normal"
    `),
    },
    text: `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<PHONE_CONFIG>
  <ALL
    reg.1.address="{user}"
    reg.1.label="{number} {name}"
    reg.1.displayName="{name}"
    reg.1.auth.userId="{user}"
    reg.1.auth.password="{password}"
    reg.1.server.1.address="{domain}"
    reg.1.server.1.port="{srvPort}"
    reg.1.server.1.transport="{polyTransport}"
    reg.1.server.1.expires="600"
    reg.1.server.1.register="1"
    reg.1.outboundProxy.address="{server}"
    reg.1.outboundProxy.port="{srvPort}"
    reg.1.outboundProxy.transport="{polyTransport}"
    msg.mwi.1.callBackMode="contact"
    msg.mwi.1.callBack="{voicemail}"
    sec.srtp.enable="{srtpBit}"
    sec.srtp.offer="{srtpBit}"
    sec.srtp.require="{srtpBit}"
    voice.codecPref.G722="1"
    voice.codecPref.G711_A="2"
    voice.codecPref.G711_Mu="3"
    device.set="1"
    device.prov.serverName.set="1"
    device.prov.serverName="{configurationUrl}"
    attendant.reg="1"
    {lamps}{languageLine}
    {clock}
  />
</PHONE_CONFIG>
`,
  },
  cisco: {
    contentType: "application/xml; charset=utf-8",
    escaping: "xml",
    fileNames: ["{mac}.xml"],
    addsFileName: false,
    siteFile: "$MA.xml",
    clock: ciscoClock,
    lamp: {
      firstKey: 2,
      most: 9,
      text: key(`<Extension_{key}_>Disabled</Extension_{key}_>
  <Short_Name_{key}_>{lampName}</Short_Name_{key}_>
  <Extended_Function_{key}_>fnc=blf+sd+cp;sub={lampNumber}@$PROXY;ext={lampNumber}@$PROXY;nme={lampName}</Extended_Function_{key}_>
  `),
      // What is between its semicolons would be another function.
      maySay: (name) => name.replace(/[;=@$]/g, " "),
    },
    text: `<?xml version="1.0" encoding="UTF-8"?>
<flat-profile>
  <Profile_Rule>{configurationUrl}$MA.xml</Profile_Rule>
  <Resync_On_Reset>Yes</Resync_On_Reset>
  <Line_Enable_1_>Yes</Line_Enable_1_>
  <Extension_1_>1</Extension_1_>
  <Short_Name_1_>{number}</Short_Name_1_>
  <Display_Name_1_>{name}</Display_Name_1_>
  <User_ID_1_>{user}</User_ID_1_>
  <Use_Auth_ID_1_>Yes</Use_Auth_ID_1_>
  <Auth_ID_1_>{user}</Auth_ID_1_>
  <Password_1_>{password}</Password_1_>
  <Proxy_1_>{domain}</Proxy_1_>
  <Use_Outbound_Proxy_1_>Yes</Use_Outbound_Proxy_1_>
  <Outbound_Proxy_1_>{server}{colonPort}</Outbound_Proxy_1_>
  <Use_DNS_SRV_1_>{ciscoSrv}</Use_DNS_SRV_1_>
  <DNS_SRV_Auto_Prefix_1_>{ciscoSrv}</DNS_SRV_Auto_Prefix_1_>
  <SIP_Transport_1_>{ciscoTransport}</SIP_Transport_1_>
  <Register_1_>Yes</Register_1_>
  <Register_Expires_1_>600</Register_Expires_1_>
  <Secure_Call_Serv>Yes</Secure_Call_Serv>
  <Secure_Call_Option_1_>{ciscoSrtp}</Secure_Call_Option_1_>
  <Preferred_Codec_1_>G722</Preferred_Codec_1_>
  <Second_Preferred_Codec_1_>G711a</Second_Preferred_Codec_1_>
  <Third_Preferred_Codec_1_>G711u</Third_Preferred_Codec_1_>
  <Voice_Mail_Number>{voicemail}</Voice_Mail_Number>
  <Attendant_Console_Call_Pickup_Code>{pickupOne}#</Attendant_Console_Call_Pickup_Code>
  {clock}  {lamps}
</flat-profile>
`,
  },
  mitel: {
    contentType: "text/plain; charset=utf-8",
    escaping: "line",
    fileNames: ["{mac}.cfg"],
    addsFileName: true,
    clock: mitelClock,
    // The same keys are called otherwise on phones with a large display.
    lamp: {
      firstKey: 1,
      most: 20,
      text: key(`prgkey{key} type: blf
prgkey{key} value: {lampNumber}
prgkey{key} line: 1
topsoftkey{key} type: blf
topsoftkey{key} label: {lampName}
topsoftkey{key} value: {lampNumber}
topsoftkey{key} line: 1
`),
    },
    text: `download protocol: {configurationSchemeName}
{configurationScheme} server: {configurationHost}
{configurationScheme} port: {configurationPort}
{configurationScheme} path: {configurationPath}
sip line1 mode: 0
sip line1 user name: {user}
sip line1 auth name: {user}
sip line1 password: {password}
sip line1 display name: {name}
sip line1 screen name: {number} {name}
sip line1 proxy ip: {domain}
sip line1 proxy port: {srvPort}
sip line1 registrar ip: {domain}
sip line1 registrar port: {srvPort}
sip line1 outbound proxy: {server}
sip line1 outbound proxy port: {srvPort}
sip line1 registration period: 600
sip transport protocol: {mitelTransport}
sip srtp mode: {srtpNumber}
sip customized codec: payload=9;ptime=20;silsupp=off,payload=8;ptime=20;silsupp=off,payload=0;ptime=20;silsupp=off
sip vmail: {voicemail}
sip explicit mwi subscription: 1
directed call pickup: 1
directed call pickup prefix: {pickupOne}
{clock}{lamps}`,
  },
  linphone: {
    contentType: "application/xml; charset=utf-8",
    escaping: "xml",
    fileNames: ["linphone.xml"],
    addsFileName: false,
    text: `<?xml version="1.0" encoding="UTF-8"?>
<config xmlns="http://www.linphone.org/xsds/lpconfig.xsd">
  <section name="sip">
    <entry name="default_proxy" overwrite="true">0</entry>
  </section>
  <section name="auth_info_0">
    <entry name="username" overwrite="true">{user}</entry>
    <entry name="userid" overwrite="true">{user}</entry>
    <entry name="passwd" overwrite="true">{password}</entry>
    <entry name="domain" overwrite="true">{domain}</entry>
  </section>
  <section name="proxy_0">
    <entry name="reg_identity" overwrite="true">"{quotableName}" &lt;sip:{user}@{domain}&gt;</entry>
    <entry name="reg_proxy" overwrite="true">&lt;sip:{server}{colonPort};transport={transport}&gt;</entry>
    <entry name="reg_route" overwrite="true">&lt;sip:{server}{colonPort};transport={transport};lr&gt;</entry>
    <entry name="reg_expires" overwrite="true">600</entry>
    <entry name="reg_sendregister" overwrite="true">1</entry>
  </section>
</config>
`,
  },
  baresip: {
    contentType: "text/plain; charset=utf-8",
    escaping: "quoted",
    fileNames: ["accounts"],
    addsFileName: false,
    text: `"{name}" <sip:{user}@{domain}>;auth_user={user};auth_pass={password};outbound="sip:{server}{colonPort};transport={transport}";regint=600;mwi=yes
`,
  },
};

const escaped: Readonly<Record<Template["escaping"], (value: string) => string>> = {
  xml: (value) =>
    value.replace(/[<>&"']/g, (sign) => `&${{ "<": "lt", ">": "gt", "&": "amp", '"': "quot", "'": "apos" }[sign]};`),
  // Lines have no escapes: what would end one goes.
  line: (value) => value.replace(/[\r\n]/g, " "),
  quoted: (value) => value.replace(/[\r\n"\\<>;]/g, " "),
};

/** What a phone is told, for one who has keys with the lamps of others. */
export function fill(template: Template, values: Values, { lamps, zone }: { lamps: readonly Lamp[]; zone: Zone }): string {
  const { lamp, languages } = template;
  const word = languages?.words[values.language];
  const made: Record<string, () => string> = {
    clock: () => template.clock?.(zone) ?? "",
    languageLine: () =>
      word === undefined ? "" : (languages?.text.replaceAll("{word}", escaped[template.escaping](word)) ?? ""),
    lamps: () =>
      lamps
        .slice(0, lamp?.most ?? 0)
        .map(({ number, name }, index) => {
          const maySay = lamp?.maySay ?? ((text: string) => text);
          return put(lamp?.text(index + (lamp.firstKey ?? 1)) ?? "", { ...values, lampNumber: number, lampName: maySay(name) });
        })
        .join(""),
  };
  const put = (text: string, of: object): string =>
    text.replace(/\{(\w+)\}/g, (_, name) => made[name]?.() ?? escaped[template.escaping](of[name as keyof typeof of]));
  return put(template.text, values);
}

/** The MAC address that a phone of this maker asks with; empty: the name has none. Undefined: it is no file of the maker's. */
export function macIn({ fileNames, first }: Pick<Template, "fileNames" | "first">, file: string): string | undefined {
  const wanted = file.toLowerCase();
  for (const name of [...fileNames, ...(first ? [first.fileName] : [])]) {
    const pattern = name.replace(/[.]/g, "\\.").replace("*", "[a-z0-9]*").replace("{mac}", "([0-9a-f]{12})");
    const found = new RegExp(`^${pattern}$`).exec(wanted);
    if (found) return found[1] ?? "";
  }
  return undefined;
}
