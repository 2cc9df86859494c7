import type { PhoneDevice } from "../extensions/contract.ts";

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
}

export interface Template {
  contentType: string;
  escaping: "xml" | "line" | "quoted";
  /** With `{mac}`; the first is the one that is told. */
  fileNames: string[];
  /** Whether the phone itself adds the name of its file to the address. */
  addsFileName: boolean;
  text: string;
}

/**
 * One account each, as the makers' guides for provisioning name their settings. A phone that knows more than what stands here keeps what it has.
 */
export const templates: Readonly<Record<Exclude<PhoneDevice["maker"], "other">, Template>> = {
  yealink: {
    contentType: "text/plain; charset=utf-8",
    escaping: "line",
    fileNames: ["{mac}.cfg"],
    addsFileName: true,
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
account.1.nat.udp_update_enable = 1
account.1.subscribe_mwi = 1
voice_mail.number.1 = {voicemail}
features.pickup.group_pickup_enable = 1
features.pickup.group_pickup_code = {pickup}
features.pickup.direct_pickup_enable = 1
features.pickup.direct_pickup_code = {pickupOne}
`,
  },
  snom: {
    contentType: "application/xml; charset=utf-8",
    escaping: "xml",
    fileNames: ["snom.xml", "{mac}.xml", "snom-{mac}.htm"],
    addsFileName: false,
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
  </phone-settings>
</settings>
`,
  },
  grandstream: {
    contentType: "application/xml; charset=utf-8",
    escaping: "xml",
    fileNames: ["cfg{mac}.xml"],
    addsFileName: true,
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

export const fill = ({ text, escaping }: Template, values: Values): string =>
  text.replace(/\{(\w+)\}/g, (_, name) => escaped[escaping](values[name as keyof Values]));
