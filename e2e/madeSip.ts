import { createHash, randomBytes } from "node:crypto";
import type { Server } from "node:http";
import { type WebSocket, WebSocketServer } from "ws";

/**
 * A small SIP proxy over WebSocket (RFC 3261 section 16, RFC 7118) for tests of the console's phone, apart from the cloud's own: browsers register
 * with a password (RFC 7616, MD5) and call each other through it. A REFER it takes itself, as a phone system does.
 */
export interface SipUser {
  user: string;
  password: string;
}

interface Message {
  first: string;
  headers: [name: string, value: string][];
  body: string;
}

const own = "relay.invalid";
const md5 = (text: string) => createHash("md5").update(text).digest("hex");

function parse(text: string): Message {
  const [head = "", ...rest] = text.split("\r\n\r\n");
  const [first = "", ...lines] = head.split("\r\n");
  return {
    first,
    headers: lines.map((line) => [line.slice(0, line.indexOf(":")).trim(), line.slice(line.indexOf(":") + 1).trim()]),
    body: rest.join("\r\n\r\n"),
  };
}
const written = ({ first, headers, body }: Message) =>
  `${[first, ...headers.map(([name, value]) => `${name}: ${value}`)].join("\r\n")}\r\n\r\n${body}`;
const header = ({ headers }: Message, name: string) => headers.find(([found]) => found.toLowerCase() === name)?.[1];
const all = ({ headers }: Message, name: string) => headers.filter(([found]) => found.toLowerCase() === name);
const branchOf = (via: string | undefined) => /branch=([^;,\s]+)/.exec(via ?? "")?.[1] ?? "";
const hostOf = (uri: string) => /@([^;>:?\s]+)/.exec(uri)?.[1] ?? "";
const userOf = (uri: string) => /sips?:([^@;>]+)@/.exec(uri)?.[1] ?? "";

export class SipRelay {
  /** Requests that came, newest last: `REFER`, with its headers. */
  readonly seen: { method: string; headers: Record<string, string> }[] = [];
  readonly domain: string;
  readonly #users: SipUser[];
  readonly #contacts = new Map<string, { socket: WebSocket; uri: string }>();
  readonly #sources = new Map<string, WebSocket>();
  readonly #sockets = new WebSocketServer({ noServer: true, handleProtocols: () => "sip" });
  readonly #nonce = randomBytes(12).toString("hex");

  constructor(server: Server, domain: string, users: SipUser[]) {
    this.domain = domain;
    this.#users = users;
    server.on("upgrade", (request, socket, head) => {
      if (request.url !== "/sip") {
        socket.destroy();
        return;
      }
      this.#sockets.handleUpgrade(request, socket, head, (web) => {
        web.on("message", (data) => this.#take(web, data.toString()));
        web.on("close", () => {
          for (const [user, contact] of this.#contacts) if (contact.socket === web) this.#contacts.delete(user);
        });
      });
    });
  }

  /** Whether this user is registered now. */
  has(user: string): boolean {
    return this.#contacts.has(user);
  }

  /** Every line is cut, as when the phone system starts again. */
  cut(): void {
    for (const client of this.#sockets.clients) client.terminate();
  }

  #take(socket: WebSocket, text: string): void {
    // Keep-alive of RFC 5626.
    if (text.trim() === "") socket.send("\r\n");
    else this.#message(socket, parse(text));
  }

  #message(socket: WebSocket, message: Message): void {
    if (message.first.startsWith("SIP/2.0")) {
      this.#back(message);
      return;
    }
    const [method = "", uri = ""] = message.first.split(" ");
    this.seen.push({ method, headers: Object.fromEntries(message.headers.map(([name, value]) => [name.toLowerCase(), value])) });
    const to = hostOf(uri) === this.domain ? this.#contacts.get(decodeURIComponent(userOf(uri))) : this.#byHost(hostOf(uri));
    if (method === "REGISTER") this.#register(socket, message);
    else if (method === "REFER") this.#refer(socket, message);
    else if (to) this.#forward(socket, to, message, method);
    else if (method !== "ACK") this.#answer(socket, message, "404 Not Found");
  }

  #byHost(host: string) {
    return [...this.#contacts.values()].find(({ uri }) => hostOf(uri) === host);
  }

  #forward(from: WebSocket, to: { socket: WebSocket; uri: string }, message: Message, method: string): void {
    // The same for an INVITE, its CANCEL and its ACK.
    const branch = `z9hG4bK-relay-${md5(branchOf(header(message, "via"))).slice(0, 16)}`;
    this.#sources.set(branch, from);
    const [top, ...routes] = all(message, "route");
    const others = message.headers.filter(([name]) => name.toLowerCase() !== "route");
    const kept = top?.[1].includes(own) ? routes : top ? [top, ...routes] : [];
    const target = message.first.split(" ")[1] ?? "";
    to.socket.send(
      written({
        first: `${method} ${hostOf(target) === this.domain ? to.uri : target} SIP/2.0`,
        headers: [
          ["Via", `SIP/2.0/WS ${own};branch=${branch}`],
          ...(method === "INVITE" ? ([["Record-Route", `<sip:${own};transport=ws;lr>`]] as [string, string][]) : []),
          ...kept,
          ...others,
        ],
        body: message.body,
      }),
    );
  }

  #back(message: Message): void {
    const at = message.headers.findIndex(([name]) => name.toLowerCase() === "via");
    const branch = branchOf(message.headers[at]?.[1]);
    message.headers.splice(at, 1);
    this.#sources.get(branch)?.send(written(message));
  }

  #answer(socket: WebSocket, request: Message, status: string, more: [string, string][] = []): void {
    const copied = request.headers
      .filter(([name]) => /^(via|from|to|call-id|cseq)$/i.test(name))
      .map(([name, value]): [string, string] =>
        name.toLowerCase() === "to" && !value.includes("tag=") ? [name, `${value};tag=relay`] : [name, value],
      );
    socket.send(written({ first: `SIP/2.0 ${status}`, headers: [...copied, ...more, ["Content-Length", "0"]], body: "" }));
  }

  #register(socket: WebSocket, message: Message): void {
    const user = userOf(header(message, "to") ?? "");
    const found = this.#users.find((one) => one.user === user);
    const given = header(message, "authorization") ?? "";
    const part = (name: string) => new RegExp(`\\b${name}="?([^",]+)`).exec(given)?.[1] ?? "";
    const secret = md5(`${user}:${this.domain}:${found?.password}`);
    const proof = md5(
      `${secret}:${this.#nonce}:${part("nc")}:${part("cnonce")}:${part("qop")}:${md5(`REGISTER:${part("uri")}`)}`,
    );
    if (!found || part("response") !== proof) {
      const challenge = (algorithm: string): [string, string] => [
        "WWW-Authenticate",
        `Digest realm="${this.domain}", nonce="${this.#nonce}", algorithm=${algorithm}, qop="auth"`,
      ];
      this.#answer(socket, message, "401 Unauthorized", [challenge("MD5"), challenge("SHA-256")]);
      return;
    }
    const contact = header(message, "contact") ?? "";
    const uri = /<([^>]+)>/.exec(contact)?.[1] ?? "";
    if (header(message, "expires") === "0" || /expires=0\b/.test(contact)) this.#contacts.delete(user);
    else this.#contacts.set(user, { socket, uri });
    this.#answer(socket, message, "200 OK", [["Contact", `<${uri}>;expires=120`]]);
  }

  /** As a phone system does it: it takes the call over itself, and says that it did. */
  #refer(socket: WebSocket, message: Message): void {
    this.#answer(socket, message, "202 Accepted");
    const to = header(message, "contact") ?? "";
    socket.send(
      written({
        first: `NOTIFY ${/<([^>]+)>/.exec(to)?.[1]} SIP/2.0`,
        headers: [
          ["Via", `SIP/2.0/WS ${own};branch=z9hG4bK${randomBytes(6).toString("hex")}`],
          ["From", header(message, "to") ?? ""],
          ["To", header(message, "from") ?? ""],
          ["Call-ID", header(message, "call-id") ?? ""],
          ["CSeq", "9000 NOTIFY"],
          ["Event", "refer"],
          ["Subscription-State", "terminated;reason=noresource"],
          ["Content-Type", "message/sipfrag"],
          ["Content-Length", "16"],
        ],
        body: "SIP/2.0 200 OK\r\n",
      }),
    );
  }
}
