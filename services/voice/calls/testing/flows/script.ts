/** Steps of a phone that SIPp plays against the switchboard. Each is a piece of a scenario; a phone plays them in their order. */
import type { Account } from "../house.ts";

export type Step = string;

/** A phone system's device and the port of 127.0.0.1 where SIPp plays it. */
export interface Desk extends Account {
  domain: string;
  port: number;
}

export const audio = (direction?: "sendonly" | "inactive" | "recvonly", port = "[media_port]"): string => `v=0
o=sipp 1 ${direction === undefined ? 1 : 2} IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio ${port} RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
${direction === undefined ? "a=sendrecv" : `a=${direction}`}`;

interface Message {
  headers?: readonly string[];
  sdp?: string;
  /** Another body, with its type; it must end with the last line. */
  body?: { type: string; text: string };
  /** Milliseconds after which it is sent again over UDP until there is an answer; 0: once. */
  retransmits?: number;
}

interface Request extends Message {
  /** Whom it is for: a number, or a user name. */
  to: string;
  /** The whole To, when the tag of the last answer is not its tag. */
  toHeader?: string;
  fromHeader?: string;
  uri?: string;
  /** What stands before the scenario's own Call-ID: SIPp takes a message with any of them for this call. */
  dialog?: string;
  branch?: string;
  contact?: string;
}

const rendered = (lines: readonly string[], { headers = [], sdp, body }: Message): string => {
  const content = sdp === undefined ? body : { type: "application/sdp", text: sdp };
  const all = [...lines, ...headers, ...(content ? [`Content-Type: ${content.type}`] : []), "Content-Length: [len]"];
  return `<![CDATA[\n${all.join("\n")}\n\n${content ? `${content.text}\n` : ""}]]>`;
};

export const contactOf = (desk: Desk): string => `<sip:${desk.userName}@[local_ip]:[local_port];transport=[transport]>`;

/** A request of the phone. Without `toHeader` it is in the dialog of the last answer, or in none before that. */
export function send(desk: Desk, method: string, cseq: number, options: Request): Step {
  const isAck = method === "ACK";
  const lines = [
    `${method} ${options.uri ?? `sip:${options.to}@[remote_ip]:[remote_port]`} SIP/2.0`,
    `Via: SIP/2.0/[transport] [local_ip]:[local_port];rport;branch=${options.branch ?? "[branch]"}`,
    `From: ${options.fromHeader ?? `<sip:${desk.userName}@${desk.domain}>;tag=[pid]f[call_number]${options.dialog ?? ""}`}`,
    `To: ${options.toHeader ?? `<sip:${options.to}@${desk.domain}>[peer_tag_param]`}`,
    `Call-ID: ${options.dialog === undefined ? "" : `${options.dialog}///`}[call_id]`,
    `CSeq: ${cseq} ${method}`,
    `Contact: ${options.contact ?? contactOf(desk)}`,
    "Max-Forwards: 70",
    "User-Agent: sipp",
  ];
  const retransmits = options.retransmits ?? (isAck ? 0 : 500);
  return `<send${retransmits > 0 ? ` retrans="${retransmits}"` : ""}>${rendered(lines, options)}</send>`;
}

/** An answer to the last request. `tag`: the dialog begins with it. */
export function reply(desk: Desk, status: string, options: Message & { tag?: boolean; contact?: string } = {}): Step {
  const lines = [
    `SIP/2.0 ${status}`,
    ...["[last_Via:]", "[last_From:]", `[last_To:]${options.tag ? ";tag=[pid]t[call_number]" : ""}`],
    ...["[last_Call-ID:]", "[last_CSeq:]", `Contact: ${options.contact ?? contactOf(desk)}`],
  ];
  const retransmits = options.retransmits ?? 0;
  return `<send${retransmits > 0 ? ` retrans="${retransmits}"` : ""}>${rendered(lines, options)}</send>`;
}

interface Looking {
  /** Regular expressions that a header must match, by its name. */
  headers?: Record<string, string>;
  /** One that the body must match. */
  body?: string;
  /** Those that the whole message must match, and one that it must not: where a header may stand more than once. */
  message?: string;
  without?: string;
  /** Whole values of headers, kept as `[$name]`. */
  keep?: Record<string, string>;
  /** The tag of its To, the address in its Contact, or the number in its RSeq, kept by this name. */
  keepTag?: string;
  keepTarget?: string;
  keepSequence?: string;
  optional?: boolean;
  authentication?: boolean;
}

const escaped = (text: string): string => text.replace(/&/g, "&amp;").replace(/"/g, "&quot;").replace(/</g, "&lt;");

/** Waits for an answer (by its status) or a request (by its method), and looks at it. */
export function receive(what: number | string, looking: Looking = {}): Step {
  const { headers = {}, keep = {}, body, message, without } = looking;
  const search = (expression: string, place: string, to: string, check: string) =>
    `<ereg regexp="${escaped(expression)}" ${place} ${check} assign_to="${to}"/>`;
  const place = (name: string) => `search_in="hdr" header="${name}:"`;
  const parts = [
    [looking.keepTag, "To", "tag=(.*)"],
    [looking.keepTarget, "Contact", "<([^>]*)>"],
    [looking.keepSequence, "RSeq", "([0-9]+)"],
  ] as const;
  const actions = [
    ...Object.entries(headers).map(([name, expression]) => search(expression, place(name), "seen", 'check_it="true"')),
    ...Object.entries(keep).map(([variable, name]) => search(".*", place(name), variable, 'check_it="true"')),
    ...parts.flatMap(([variable, header, expression]) =>
      variable === undefined ? [] : [search(expression, place(header), `seen,${variable}`, 'check_it="true"')],
    ),
    ...(body === undefined ? [] : [search(body, 'search_in="body"', "seen", 'check_it="true"')]),
    ...(message === undefined ? [] : [search(message, 'search_in="msg"', "seen", 'check_it="true"')]),
    ...(without === undefined ? [] : [search(without, 'search_in="msg"', "seen", 'check_it_inverse="true"')]),
  ];
  const kind = typeof what === "number" ? `response="${what}"` : `request="${what}"`;
  const more = `${looking.optional ? ' optional="true"' : ""}${looking.authentication ? ' auth="true"' : ""}`;
  return `<recv ${kind}${more}>${actions.length > 0 ? `<action>${actions.join("")}</action>` : ""}</recv>`;
}

export const perhaps = (what: number | string): Step => receive(what, { optional: true });
export const pause = (ms: number): Step => `<pause milliseconds="${ms}"/>`;

const authentication = (desk: Desk) => `[authentication username=${desk.userName} password=${desk.password}]`;
let branches = 0;
/** INVITE, its ACK for a refusal and its CANCEL have one. */
export const newBranch = (): string => `z9hG4bK${++branches}x[pid]x[call_number]`;

/** A call up to the moment at which it is let in: the second INVITE (number `cseq + 1`) is sent, with the password. */
export function invite(desk: Desk, to: string, options: Partial<Request> & { cseq?: number; second?: string } = {}): Step[] {
  const { cseq = 1, second, ...rest } = options;
  const branch = newBranch();
  const toHeader = `<sip:${to}@${desk.domain}>`;
  const message = { sdp: audio(), ...rest, to, toHeader };
  return [
    send(desk, "INVITE", cseq, { ...message, branch }),
    perhaps(100),
    receive(407, { authentication: true, keep: { refused: "To" } }),
    send(desk, "ACK", cseq, { ...rest, to, branch, toHeader: "[$refused]" }),
    send(desk, "INVITE", cseq + 1, {
      ...message,
      ...(second === undefined ? {} : { branch: second }),
      headers: [authentication(desk), ...(rest.headers ?? [])],
    }),
    perhaps(100),
  ];
}

/** A request beside calls, with the password once it was asked for. */
export function asked(desk: Desk, method: string, to: string, options: Partial<Request> & { status: number }): Step[] {
  const { status, ...rest } = options;
  const message = { ...rest, to, toHeader: `<sip:${to}@${desk.domain}>` };
  return [
    send(desk, method, 1, message),
    receive(status, { authentication: true }),
    send(desk, method, 2, { ...message, headers: [authentication(desk), ...(rest.headers ?? [])] }),
  ];
}

/** The other one hangs up. */
export const hungUp = (desk: Desk): Step[] => [receive("BYE"), reply(desk, "200 OK")];
export const hangUp = (desk: Desk, to: string, cseq: number, options: Partial<Request> = {}): Step[] => [
  send(desk, "BYE", cseq, { to, ...options }),
  receive(200),
];

/** A phone that rings and answers. Its dialog is kept: `own`, `other` and `target` are To, From and Contact of the INVITE. */
export const answered = (desk: Desk, looking: Looking = {}): Step[] => [
  receive("INVITE", { ...looking, keep: { other: "From", own: "To", ...looking.keep }, keepTarget: "target" }),
  reply(desk, "180 Ringing", { tag: true }),
  reply(desk, "200 OK", { tag: true, sdp: audio(), retransmits: 500 }),
  receive("ACK"),
];

/** A request of a phone that was called, in its dialog. */
export const sendBack = (desk: Desk, method: string, cseq: number, options: Message = {}): Step =>
  send(desk, method, cseq, {
    to: "caller",
    uri: "[$target]",
    fromHeader: "[$own];tag=[pid]t[call_number]",
    toHeader: "[$other]",
    ...options,
  });

export const register = (desk: Desk, cseq: number, options: Partial<Request> & { password?: string } = {}): Step[] => {
  const { password, ...rest } = options;
  const address = `<sip:${desk.userName}@${desk.domain}>`;
  const message = {
    to: desk.userName,
    toHeader: address,
    uri: `sip:${desk.domain}`,
    contact: `${contactOf(desk)};expires=600`,
    ...rest,
  };
  return [
    send(desk, "REGISTER", cseq, message),
    receive(401, { authentication: true }),
    send(desk, "REGISTER", cseq + 1, {
      ...message,
      headers: [authentication(password === undefined ? desk : { ...desk, password }), ...(rest.headers ?? [])],
    }),
  ];
};

/** The scenario as SIPp reads it. */
export function scenario(steps: readonly Step[]): string {
  const text = steps.join("\n");
  const variables = [...new Set([...text.matchAll(/assign_to="([\w,]+)"/g)].flatMap(([, names = ""]) => names.split(",")))];
  const used = variables.length > 0 ? `<Reference variables="${variables.join(",")}"/>` : "";
  return `<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="flow">\n${text}\n${used}\n</scenario>\n`;
}
