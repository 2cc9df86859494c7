import { createHmac, randomBytes } from "node:crypto";
import { lookup } from "node:dns/promises";
import { BlockList, isIP } from "node:net";
import type { Database } from "../../../kernel/db/database.ts";
import type { Log } from "../../../kernel/log.ts";
import type { Secrets } from "../../../kernel/secrets.ts";
import type { PhonePlan, PlanTrunk } from "../plan.ts";
import type { SipRequest, SipStack, Source } from "../sip/ports.ts";
import { openTrunkPassword } from "../trunks/passwords.ts";
import { trunkStore } from "../trunks/store.ts";
import { pause } from "./abort.ts";
import { calledNumber } from "./inbound.ts";
import type { Plans } from "./plans.ts";
import { throughProxy } from "./trunkTargets.ts";

/** Whose call it is. `certain`: it has the contact that only this provider was given. */
export interface TrunkMatch {
  plan: PhonePlan;
  trunk: PlanTrunk;
  certain: boolean;
}

/** Where calls from providers come in, and our registrations there. */
export interface Trunks {
  /**
   * By the contact that we registered with, else by the address that it comes from and the number that is called. Anybody may make a trunk of any
   * address and give himself any number: of several that fit the one whose number was there first has it.
   */
  match(request: SipRequest): TrunkMatch | undefined;
  /** Whether a provider may be there; phones may be at the same address. */
  isProvider(address: string): boolean;
  /** Where a trunk has answered us. */
  isKnownFlow(flow: string): boolean;
  /** It did not answer when it was last asked, or refused our registration. */
  isDown(trunkId: string): boolean;
  /** The way that its registrar wants our requests to go, after the trunk's own proxy (RFC 3608 section 5). */
  serviceRoute(trunkId: string): string[];
  /** Where it last answered from, or what its host is when that is an address. */
  addressOf(trunkId: string): string | undefined;
  /** Takes our registrations back, as far as providers answer at once. */
  close(): Promise<void>;
}

interface Running {
  plan: PhonePlan;
  trunk: PlanTrunk;
  /** What was made of it: when that changes it is begun anew. */
  made: string;
  contact: string;
  addresses: BlockList;
  /** The way that its last answer came. */
  flow: string | undefined;
  answeredFrom: string | undefined;
  isDown: boolean;
  serviceRoute: string[];
  /** States are written one after the other. */
  noted: Promise<void>;
  stop: AbortController;
}

const resolveMs = 300_000;
const longestRetryMs = 600_000;
/** Seconds that a provider may ask for. */
const longestRegistration = 604_800;
const goodbyeMs = 2000;
/** Proxies of a provider that its registrar may name. */
const longestRoute = 10;

export interface TrunkOptions {
  database: Database;
  secrets: Secrets;
  log: Log;
  plans: Plans;
  stack: SipStack;
  /** After a registration was refused; then twice as long each time, up to ten minutes. Default half a minute. */
  retryMs?: number | undefined;
}

export function openTrunks(parts: TrunkOptions): Trunks {
  const { plans, log } = parts;
  const running = new Map<string, Running>();
  const key = randomBytes(32);

  function begin(plan: PhonePlan, trunk: PlanTrunk): void {
    const made = JSON.stringify([trunk, plan.system.domain]);
    const before = running.get(trunk.id);
    if (before?.made === made) {
      before.plan = plan;
      return;
    }
    before?.stop.abort();
    const contact = createHmac("sha256", key).update(trunk.id).digest("hex").slice(0, 20);
    const stop = new AbortController();
    const one: Running = {
      ...{ plan, trunk, made, contact, stop, addresses: new BlockList() },
      ...{ flow: undefined, answeredFrom: undefined, isDown: false, serviceRoute: [], noted: before?.noted ?? Promise.resolve() },
    };
    if (!trunk.enabled) {
      running.delete(trunk.id);
      note(parts, one, "disabled");
      return;
    }
    running.set(trunk.id, one);
    addAddresses(one, trunk.sourceAddresses);
    const until = (work: Promise<void>) =>
      void work.catch((error) => {
        if (!stop.signal.aborted) log.warn({ err: error, trunk: trunk.id }, "a trunk is not looked after any more");
      });
    until(resolveOften(one));
    if (trunk.kind === "registration") until(register(parts, one));
    else if (trunk.qualifySeconds > 0) until(qualify(parts, one));
    else note(parts, one, "unknown");
  }

  function take(systemId: string, plan: PhonePlan | undefined): void {
    for (const [id, one] of running) {
      if (one.plan.system.id !== systemId || plan?.trunks.some((trunk) => trunk.id === id)) continue;
      one.stop.abort();
      running.delete(id);
    }
    for (const trunk of plan?.trunks ?? []) begin(plan as PhonePlan, trunk);
  }
  for (const plan of plans.all()) take(plan.system.id, plan);
  plans.onChange(take);

  const comesFrom = ({ addresses }: Running, address: string) => addresses.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
  return {
    match(request) {
      const { address } = request.source;
      const { user } = request.uri;
      // As ids tell: the oldest first.
      const here = [...running.values()]
        .filter((one) => comesFrom(one, address))
        .sort((a, b) => (a.trunk.id < b.trunk.id ? -1 : 1));
      const byContact = here.find(({ contact }) => contact === user);
      if (byContact) return { plan: byContact.plan, trunk: byContact.trunk, certain: true };
      const [byNumber] = here
        .map((one) => ({ one, number: calledNumber(request, one.plan, one.trunk)?.id }))
        .filter(({ number }) => number !== undefined)
        .sort((a, b) => ((a.number as string) < (b.number as string) ? -1 : 1));
      const one = byNumber?.one ?? here.find(({ trunk }) => trunk.defaultDestination !== null) ?? here[0];
      return one && { plan: one.plan, trunk: one.trunk, certain: false };
    },
    isProvider: (address) => [...running.values()].some((one) => comesFrom(one, address)),
    isKnownFlow: (flow) => [...running.values()].some((one) => one.flow === flow),
    isDown: (trunkId) => running.get(trunkId)?.isDown === true,
    serviceRoute: (trunkId) => running.get(trunkId)?.serviceRoute ?? [],
    addressOf(trunkId) {
      const one = running.get(trunkId);
      const written = one?.trunk.host.replace(/^\[|\]$/g, "") ?? "";
      return one?.answeredFrom ?? (isIP(written) === 0 ? undefined : written);
    },
    async close() {
      const goodbyes = [...running.values()].map(async (one) => {
        one.stop.abort();
        if (one.trunk.kind === "registration") await sendRegister(parts, one, 0, goodbyeMs);
      });
      await Promise.allSettled(goodbyes);
    },
  };
}

function addAddresses({ addresses }: Running, list: readonly string[]): void {
  for (const each of list) {
    const [address = "", bits] = each.split("/");
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    if (isIP(address) === 0) continue;
    if (bits === undefined) addresses.addAddress(address, family);
    else addresses.addSubnet(address, Number(bits), family);
  }
}

/** Calls come from where its name leads, too. */
async function resolveOften(one: Running): Promise<void> {
  const proxy = one.trunk.outboundProxy?.replace(/^(\[[^\]]+\]|[^:]+)(:\d+)?$/, "$1");
  for (;;) {
    for (const host of [one.trunk.host, proxy]) {
      if (host === undefined) continue;
      const found = await lookup(host.replace(/^\[|\]$/g, ""), { all: true }).catch(() => []);
      addAddresses(
        one,
        found.map(({ address }) => address),
      );
    }
    await pause(resolveMs, one.stop.signal);
  }
}

type Parts = TrunkOptions;

function note(
  { database, log }: Pick<Parts, "database" | "log">,
  one: Running,
  state: Parameters<typeof trunkStore.noteState>[2],
  reason?: string,
): void {
  one.isDown = state === "failed";
  one.noted = one.noted
    .then(() => database.transaction("system", (tx) => trunkStore.noteState(tx, one.trunk.id, state, reason)))
    .catch((error) => log.warn({ err: error, trunk: one.trunk.id }, "the state of a trunk cannot be written down"));
}

const uriOf = ({ trunk }: Running, user?: string): string => {
  const host = trunk.host.includes(":") && !trunk.host.startsWith("[") ? `[${trunk.host}]` : trunk.host;
  return `sip:${user === undefined ? "" : `${user}@`}${host}${trunk.port === null ? "" : `:${trunk.port}`}${trunk.transport === "udp" ? "" : `;transport=${trunk.transport}`}`;
};

function credentialsOf({ secrets }: Pick<Parts, "secrets">, { trunk }: Running) {
  if (!trunk.password || !trunk.userName) return {};
  const password = openTrunkPassword(secrets, { id: trunk.id, password: trunk.password });
  return { credentials: { username: trunk.authUserName ?? trunk.userName, password } };
}

function sendRegister(parts: Parts, one: Running, seconds: number, timeoutMs: number) {
  const { trunk, contact } = one;
  const account = `<sip:${trunk.userName ?? "anonymous"}@${trunk.fromDomain ?? trunk.host}>`;
  return parts.stack.request({
    method: "REGISTER",
    target: uriOf(one),
    from: account,
    to: account,
    headers: { Expires: String(seconds) },
    contact: { user: contact, params: { expires: String(seconds) } },
    callId: contact,
    timeoutMs,
    ...throughProxy(one.trunk),
    ...credentialsOf(parts, one),
  });
}

async function register(parts: Parts, one: Running): Promise<void> {
  const { trunk, stop, contact } = one;
  note(parts, one, "registering");
  let wanted = trunk.registrationSeconds;
  for (let failures = 0; ; ) {
    const { status, reason, response } = await sendRegister(parts, one, wanted, 32_000);
    stop.signal.throwIfAborted();
    const least = status === 423 ? Number(response?.header("Min-Expires")) : 0;
    if (least > wanted && least <= longestRegistration) {
      // RFC 3261 section 10.2.8.
      wanted = least;
      continue;
    }
    if (status >= 200 && status < 300) {
      failures = 0;
      note(parts, one, "ready");
      if (response) answered(one, response.source);
      // Each answer says it anew; one without ends it.
      one.serviceRoute = (response?.headers("Service-Route") ?? []).slice(0, longestRoute);
      const granted =
        response?.contacts.find(({ uri }) => uri.user === contact)?.params["expires"] ?? response?.header("Expires");
      const seconds = Number(granted ?? wanted) || wanted;
      // Before it is over, with time for one that gets lost.
      await pause(Math.max(10, seconds - Math.max(30, seconds * 0.1)) * 1000, stop.signal);
    } else {
      one.serviceRoute = [];
      note(parts, one, "failed", response ? `The provider answered ${status} ${reason}.` : "The provider does not answer.");
      await pause(Math.min((parts.retryMs ?? 30_000) * 2 ** failures++, longestRetryMs), stop.signal);
    }
  }
}

function answered(one: Running, { address, flow }: Source): void {
  addAddresses(one, [address]);
  one.flow = flow;
  one.answeredFrom = address;
}

async function qualify(parts: Parts, one: Running): Promise<void> {
  const { trunk, stop } = one;
  for (;;) {
    const from = `<sip:khmara@${trunk.fromDomain ?? one.plan.system.domain}>`;
    const { status, response } = await parts.stack.request({
      method: "OPTIONS",
      target: uriOf(one),
      from,
      timeoutMs: 10_000,
      ...throughProxy(one.trunk),
    });
    stop.signal.throwIfAborted();
    if (response) answered(one, response.source);
    // Any other answer shows that somebody is there.
    if (response && status !== 503) note(parts, one, "ready");
    else note(parts, one, "failed", response ? "It answers that it takes no calls." : "It does not answer.");
    await pause(trunk.qualifySeconds * 1000, stop.signal);
  }
}
