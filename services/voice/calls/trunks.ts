import { createHmac, randomBytes } from "node:crypto";
import { lookup } from "node:dns/promises";
import { BlockList, isIP } from "node:net";
import type { Database } from "../../../kernel/db/database.ts";
import type { Log } from "../../../kernel/log.ts";
import type { Secrets } from "../../../kernel/secrets.ts";
import type { PhonePlan, PlanTrunk } from "../plan.ts";
import type { SipRequest, SipStack } from "../sip/ports.ts";
import { openTrunkPassword } from "../trunks/passwords.ts";
import { trunkStore } from "../trunks/store.ts";
import { pause } from "./abort.ts";
import type { Plans } from "./plans.ts";

/** Where calls from providers come in, and our registrations there. */
export interface Trunks {
  /** Whose call this is: by the address that it comes from, and for a registration by the contact that we gave. */
  match(request: SipRequest): { plan: PhonePlan; trunk: PlanTrunk } | undefined;
  /** Whether anything that comes from there is a provider's. */
  isProvider(address: string): boolean;
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
  stop: AbortController;
}

const resolveMs = 300_000;
const retryMs = 30_000;
const longestRetryMs = 600_000;
const goodbyeMs = 2000;

export function openTrunks(parts: { database: Database; secrets: Secrets; log: Log; plans: Plans; stack: SipStack }): Trunks {
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
    if (!trunk.enabled) {
      running.delete(trunk.id);
      note(parts, trunk, "disabled");
      return;
    }
    const contact = createHmac("sha256", key).update(trunk.id).digest("hex").slice(0, 20);
    const stop = new AbortController();
    const one: Running = { plan, trunk, made, contact, addresses: new BlockList(), stop };
    running.set(trunk.id, one);
    addAddresses(one, trunk.sourceAddresses);
    const until = (work: Promise<void>) =>
      void work.catch((error) => {
        if (!stop.signal.aborted) log.warn({ err: error, trunk: trunk.id }, "a trunk is not looked after any more");
      });
    until(resolveOften(one));
    if (trunk.kind === "registration") until(register(parts, one));
    else if (trunk.qualifySeconds > 0) until(qualify(parts, one));
    else note(parts, trunk, "unknown");
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
      const here = [...running.values()].filter((one) => comesFrom(one, address));
      const { user } = request.uri;
      // A provider may serve several phone systems of this cloud from one address.
      const byContact = here.find(({ contact }) => contact === user);
      const byNumber = here.find(({ plan }) => plan.numbers.some(({ number }) => sameDigits(number, user)));
      return byContact ?? byNumber ?? here[0];
    },
    isProvider: (address) => [...running.values()].some((one) => comesFrom(one, address)),
    async close() {
      const goodbyes = [...running.values()].map(async (one) => {
        one.stop.abort();
        if (one.trunk.kind === "registration") await sendRegister(parts, one, 0, goodbyeMs);
      });
      await Promise.allSettled(goodbyes);
    },
  };
}

const sameDigits = (number: string, user: string | undefined): boolean =>
  user !== undefined && user.replace(/\D/g, "") === number.slice(1);

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

type Parts = Parameters<typeof openTrunks>[0];

function note(
  { database, log }: Pick<Parts, "database" | "log">,
  trunk: PlanTrunk,
  state: Parameters<typeof trunkStore.noteState>[2],
  reason?: string,
): void {
  database
    .transaction("system", (tx) => trunkStore.noteState(tx, trunk.id, state, reason))
    .catch((error) => log.warn({ err: error, trunk: trunk.id }, "the state of a trunk cannot be written down"));
}

const uriOf = ({ trunk }: Running, user?: string): string => {
  const host = trunk.host.includes(":") && !trunk.host.startsWith("[") ? `[${trunk.host}]` : trunk.host;
  return `sip:${user === undefined ? "" : `${user}@`}${host}${trunk.port === null ? "" : `:${trunk.port}`}${trunk.transport === "udp" ? "" : `;transport=${trunk.transport}`}`;
};
const routesOf = ({ trunk }: Running) => (trunk.outboundProxy ? { routes: [`<sip:${trunk.outboundProxy};lr>`] } : {});

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
    ...routesOf(one),
    ...credentialsOf(parts, one),
  });
}

async function register(parts: Parts, one: Running): Promise<void> {
  const { trunk, stop, contact } = one;
  note(parts, trunk, "registering");
  let was = "";
  for (let failures = 0; ; ) {
    const { status, reason, response } = await sendRegister(parts, one, trunk.registrationSeconds, 32_000);
    stop.signal.throwIfAborted();
    if (status >= 200 && status < 300) {
      failures = 0;
      if (was !== "ready") note(parts, trunk, "ready");
      was = "ready";
      if (response) addAddresses(one, [response.source.address]);
      const granted =
        response?.contacts.find(({ uri }) => uri.user === contact)?.params["expires"] ?? response?.header("Expires");
      const seconds = Number(granted ?? trunk.registrationSeconds) || trunk.registrationSeconds;
      // Before it is over, with time for one that gets lost.
      await pause(Math.max(10, seconds - Math.max(30, seconds * 0.1)) * 1000, stop.signal);
    } else {
      if (was !== `${status}`) note(parts, trunk, "failed", `The provider answered ${status} ${reason}.`);
      was = `${status}`;
      await pause(Math.min(retryMs * 2 ** failures++, longestRetryMs), stop.signal);
    }
  }
}

async function qualify(parts: Parts, one: Running): Promise<void> {
  const { trunk, stop } = one;
  let was = "";
  for (;;) {
    const from = `<sip:khmara@${trunk.fromDomain ?? one.plan.system.domain}>`;
    const { status } = await parts.stack.request({
      method: "OPTIONS",
      target: uriOf(one),
      from,
      timeoutMs: 10_000,
      ...routesOf(one),
    });
    stop.signal.throwIfAborted();
    // Any answer shows that somebody is there.
    const state = [408, 430, 503].includes(status) ? "failed" : "ready";
    if (state !== was) note(parts, trunk, state, state === "failed" ? "It does not answer." : undefined);
    was = state;
    await pause(trunk.qualifySeconds * 1000, stop.signal);
  }
}
