import { createHash } from "node:crypto";
import type { Database } from "../../../kernel/db/database.ts";
import { newId } from "../../../kernel/ids.ts";
import { mayBeUserName } from "../extensions/credentials.ts";
import type { DigestServer, IncomingRequest, NameAddress, SipRequest } from "../sip/ports.ts";
import { formatUri } from "../sip/uri.ts";
import type { Admission } from "./admission.ts";
import type { Locations } from "./locations.ts";
import { type AccountRow, type Location, registrarStore } from "./store.ts";

/** Seconds. */
const shortest = 60;
const longest = 3600;
const usual = 600;
const bindingsPerDevice = 10;

/**
 * Phones that give up when SHA-256 is offered beside MD5, instead of taking what they know: libre before 2.0, which baresip 1 has, and those in
 * browsers (sip.js, JsSIP), whose connection is secret anyway.
 */
const knowsMd5Only = (request: SipRequest): boolean =>
  /^wss?$/.test(request.source.transport) || /^baresip v?[01]\./i.test(request.header("User-Agent") ?? "");

export interface Account extends Omit<AccountRow, "password"> {
  password: string;
}

export type Verdict =
  | { account: Account }
  | { account: undefined; challenge: string[] }
  | { account: undefined; challenge: undefined; status: number };

export interface Registrar {
  /** RFC 3261 section 10.3, RFC 5626 section 6. Answers it, whatever becomes of it. */
  register(request: IncomingRequest): Promise<void>;
  /** Whether it says that it is a device; `authenticate` asks it to prove that. */
  saysDevice(request: SipRequest): Promise<boolean>;
  /** Who sends this. A connection on which it registered has proven it; else by digest: `challenge` is to be answered with 401 or 407. */
  authenticate(request: SipRequest, header: "Authorization" | "Proxy-Authorization"): Promise<Verdict>;
}

export function createRegistrar(parts: {
  database: Database;
  openPassword(account: AccountRow): string;
  digest: DigestServer;
  admission: Admission;
  locations: Locations;
  /** Whether its phone system is served here. */
  serves: (systemId: string) => Promise<boolean>;
  now?: () => Date;
}): Registrar {
  const { database, digest, admission, locations, now = () => new Date() } = parts;

  /** Phones that are set up with our address in place of the domain are found by their user name, which is random. */
  async function accountOf(userName: string, domain: string): Promise<Account | undefined> {
    if (!mayBeUserName(userName)) return undefined;
    const found = await database.statement(async (sql) => {
      const there = await registrarStore.accounts(sql, userName, domain);
      return there.length > 0 ? there : registrarStore.accounts(sql, userName, undefined);
    });
    const [row] = found;
    return row === undefined || found.length > 1 ? undefined : { ...row, password: parts.openPassword(row) };
  }

  async function authenticate(request: SipRequest, header: "Authorization" | "Proxy-Authorization"): Promise<Verdict> {
    const { source } = request;
    const userName = request.from.uri.user ?? "";
    const account = await accountOf(userName, request.from.uri.host);
    if (request.method !== "REGISTER" && account && source.transport !== "udp" && locations.byFlow(source.flow, userName))
      return { account };
    // RFC 3261 section 21.5.4: a phone that knows other addresses of ours asks there (RFC 3263 section 4.3). Before it is asked for its password, as libre
    // gives up when a second server asks for it again. It tells nobody which users there are: their names are random.
    if (account && !(await parts.serves(account.systemId))) return { account: undefined, challenge: undefined, status: 503 };
    // Strangers are not told which users there are: one that is not is asked for its password too.
    const realm = account?.domain ?? request.from.uri.host;
    const verdict = await digest.verify(request, {
      realm,
      header,
      lookup: (name, algorithm) => (account?.userName === name ? hashOf(account, algorithm) : undefined),
    });
    if (verdict.result === "ok" && account) {
      admission.succeeded(source.address);
      return { account };
    }
    const offered = knowsMd5Only(request) ? { algorithms: ["MD5" as const] } : {};
    if (verdict.result === "missing") {
      // Whoever asks for one name after the other guesses; a phone asks for its own.
      if (!account) admission.failed(source.address);
      return { account: undefined, challenge: digest.challenges(realm, offered) };
    }
    if (verdict.result === "stale" || verdict.result === "replayed")
      return { account: undefined, challenge: digest.challenges(realm, { ...offered, stale: true }) };
    admission.failed(source.address);
    if (verdict.result === "malformed") return { account: undefined, challenge: undefined, status: 400 };
    return { account: undefined, challenge: digest.challenges(realm, offered) };
  }

  async function register(request: IncomingRequest): Promise<void> {
    const verdict = await authenticate(request, "Authorization");
    if (!verdict.account) {
      if (verdict.challenge) request.respond(401, { headers: { "WWW-Authenticate": verdict.challenge } });
      else request.respond(verdict.status);
      return;
    }
    const { account } = verdict;
    // Registering another's address of record is not for devices (RFC 3261 section 10.3, step 4).
    if (request.to.uri.user !== account.userName) return request.respond(403);
    const mine = locations.ofDevice(account.deviceId).filter(({ userName }) => userName === account.userName);
    const isLate = mine.some(({ callId, cseq }) => callId === request.callId && cseq >= request.cseq.number);
    if (isLate) return request.respond(500, { reason: "CSeq is not higher than before", headers: { "Retry-After": "1" } });
    const asked = secondsOf(request.header("Expires"));
    if (request.header("Contact")?.trim() === "*") {
      if (asked !== 0) return request.respond(400, { reason: "Contact * needs Expires: 0" });
      await locations.remove(mine);
    } else {
      const contacts = request.contacts.map((contact) => ({
        contact,
        seconds: secondsOf(contact.params["expires"]) ?? asked ?? usual,
      }));
      if (contacts.some(({ seconds }) => seconds > 0 && seconds < shortest))
        return request.respond(423, { headers: { "Min-Expires": String(shortest) } });
      if (contacts.length + mine.length > 2 * bindingsPerDevice) return request.respond(403, { reason: "Too many contacts" });
      for (const { contact, seconds } of contacts) await bind(request, account, contact, Math.min(seconds, longest), mine);
    }
    answer(request, account);
  }

  async function bind(
    request: SipRequest,
    account: Account,
    contact: NameAddress,
    seconds: number,
    mine: Location[],
  ): Promise<void> {
    const binding = bindingOf(contact);
    const before = mine.find((location) => location.binding === binding);
    if (seconds === 0) {
      if (before) await locations.remove([before]);
      return;
    }
    const others = mine.filter((location) => location.binding !== binding);
    // A phone that lost its connection comes from a new one each time: its oldest goes.
    if (others.length >= bindingsPerDevice)
      await locations.remove(others.toSorted((a, b) => a.registeredAt.getTime() - b.registeredAt.getTime()).slice(0, 1));
    const { source } = request;
    const registeredAt = now();
    const byPassword = registeredAt.getTime() + seconds * 1000;
    await locations.put({
      id: before?.id ?? newId("registration"),
      organisationId: account.organisationId,
      systemId: account.systemId,
      extensionId: account.extensionId,
      deviceId: account.deviceId,
      binding,
      userName: account.userName,
      contact: formatUri({ ...contact.uri, headers: undefined }),
      transport: source.transport,
      flow: source.flow,
      address: source.address,
      port: source.port,
      path: request.headers("Path").slice(0, 10),
      userAgent: request.header("User-Agent")?.slice(0, 200) ?? null,
      callId: request.callId,
      cseq: request.cseq.number,
      registeredAt,
      expiresAt: new Date(Math.min(byPassword, account.expiresAt?.getTime() ?? byPassword)),
    });
  }

  function answer(request: IncomingRequest, account: Account): void {
    const bound = locations.ofDevice(account.deviceId).filter(({ userName }) => userName === account.userName);
    const time = now().getTime();
    const contacts = bound.map(({ contact, expiresAt, binding }) => {
      const [instance, regId] = binding.startsWith("<") ? binding.split(";") : [];
      const outbound =
        instance === undefined ? "" : `;+sip.instance="${instance}"${regId === undefined ? "" : `;reg-id=${regId}`}`;
      return `<${contact}>;expires=${Math.max(0, Math.round((expiresAt.getTime() - time) / 1000))}${outbound}`;
    });
    const usesOutbound =
      request.contacts.some(({ params }) => params["reg-id"] !== undefined && params["+sip.instance"] !== undefined) &&
      request.headers("Supported").some((tag) => tag.trim().toLowerCase() === "outbound");
    const path = request.headers("Path");
    request.respond(200, {
      headers: {
        Contact: contacts,
        Date: now().toUTCString(),
        ...(path.length > 0 ? { Path: path } : {}),
        ...(usesOutbound ? { Require: "outbound" } : {}),
      },
    });
  }

  const saysDevice = async ({ from }: SipRequest): Promise<boolean> =>
    from.uri.user !== undefined && (await accountOf(from.uri.user, from.uri.host)) !== undefined;

  return { register, saysDevice, authenticate };
}

const hashOf = ({ userName, domain, password }: Account, algorithm: "MD5" | "SHA-256"): string =>
  createHash(algorithm === "MD5" ? "md5" : "sha256")
    .update(`${userName}:${domain}:${password}`)
    .digest("hex");

function secondsOf(value: string | true | undefined): number | undefined {
  if (typeof value !== "string" || !/^\s*\d+\s*$/.test(value)) return undefined;
  return Math.min(Number(value), 2 ** 31);
}

/** RFC 5626 section 6: instance and reg-id tell flows of one phone apart; without them the contact's address. */
function bindingOf({ uri, params }: NameAddress): string {
  const instance = params["+sip.instance"];
  const regId = params["reg-id"];
  if (typeof instance === "string")
    return `${instance.replace(/^"|"$/g, "").slice(0, 200)}${typeof regId === "string" ? `;${regId.slice(0, 10)}` : ""}`;
  return formatUri({ ...uri, headers: undefined }).slice(0, 500);
}
