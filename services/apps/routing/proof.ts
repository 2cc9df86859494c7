/** Whether a domain is the organisation's that says so: it leads here, or carries the organisation's word in its DNS. */
import { Resolver } from "node:dns/promises";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError } from "../../../kernel/errors.ts";
import type { Secrets } from "../../../kernel/secrets.ts";
import type { AppsParts } from "../parts.ts";
import type { Applying } from "./applying.ts";
import type { GatewayDoor } from "./area.ts";
import { appAt, isBelow, isPrivateName, namesOf } from "./names.ts";
import { acmeStore, type DomainRow, domainStore, type SettingsRow } from "./store.ts";
import { announce } from "./subjects.ts";

export interface Finding {
  /** In words, with the record that would put it right; absent: it leads here. */
  problem?: string | undefined;
  proven: boolean;
}

const atOnce = 10;

/** The same for all domains of an organisation, and of no use to another one. */
export const challengeOf = (secrets: Secrets, { host, organisationId }: Pick<DomainRow, "host" | "organisationId">) => ({
  name: `_khmara-challenge.${host.replace(/^\*\./, "")}`,
  value: `khmara-${secrets.fingerprint("apps.domain_challenge", organisationId).slice(0, 40)}`,
});

export function createProof(parts: AppsParts, gateway: GatewayDoor | undefined, { soon }: Pick<Applying, "soon">) {
  const { database, secrets } = parts;

  /** Asks the DNS; in no transaction. */
  async function look(row: DomainRow): Promise<Finding> {
    const { settings, alias } = await database.transaction("system", async (tx) => {
      const app = await parts.deploying.find(tx, row.appId);
      const { settings, own } = await namesOf(parts, tx, app === undefined ? [] : [app]);
      return { settings, alias: own.get(row.appId) };
    });
    const resolver = new Resolver({ timeout: 3000, tries: 2 });
    if (gateway?.nameServers !== undefined) resolver.setServers(gateway.nameServers);
    const { problem, leadsHere, by } = await pointing(row.host, settings, alias, gateway, resolver);
    if (row.provenAt !== null || settings.trustDomains) return { problem, proven: true };
    if (leadsHere && (by === undefined || (await isTheirs(by, settings, row.organisationId)))) return { problem, proven: true };
    const challenge = challengeOf(secrets, row);
    if (await carries(challenge, resolver)) return { problem, proven: true };
    const record = `the record TXT ${challenge.name} "${challenge.value}"`;
    return {
      problem:
        problem === undefined
          ? `${row.host} points to an app of somebody else. Point it to ${alias ?? "an app of yours"}, or prove that it is yours: add ${record}.`
          : `${problem} Or prove first that it is yours, and point it here later: add ${record}.`,
      proven: false,
    };
  }

  /** Who points to an app's name has chosen that app's organisation. */
  async function isTheirs(alias: string, { appsDomain }: SettingsRow, organisationId: string): Promise<boolean> {
    if (!isBelow(alias, appsDomain) || alias === appsDomain) return true;
    const app = await database.transaction("system", (tx) => appAt(parts, tx, alias));
    return app?.organisationId === organisationId;
  }

  /** Notes what was found, and lets the domain lead to its app when it is proven. Answers the domain as it is then. */
  async function note(tx: Tx, row: DomainRow, { problem, proven }: Finding): Promise<DomainRow> {
    const now = new Date();
    const begins = proven && row.provenAt === null && (await domainStore.prove(tx, row, now));
    const words =
      proven && row.provenAt === null && !begins
        ? "Another organisation of this cloud has this domain. It has to be removed there first."
        : problem;
    await domainStore.checked(tx, row.id, words ?? null, now);
    if (words === undefined) await acmeStore.retryNow(tx, row.host);
    if (begins) tx.afterCommit(soon);
    return { ...row, problem: words ?? null, checkedAt: now, provenAt: begins ? now : row.provenAt };
  }

  return {
    look,
    note,
    /** A worker: claims that nobody has looked at for a while. */
    async watch(signal: AbortSignal): Promise<void> {
      for (const row of await database.transaction("system", (tx) => domainStore.unproven(tx, atOnce))) {
        if (signal.aborted) return;
        const finding = await look(row);
        await database.transaction("system", async (tx) => {
          const now = await domainStore.find(tx, row.id);
          const app = now && (await parts.deploying.find(tx, now.appId));
          if (now === undefined || app === undefined) return;
          const after = await note(tx, now, finding);
          if (after.problem !== now.problem || after.provenAt !== null) await announce(tx, app);
        });
      }
    },
  };
}

export type Proof = ReturnType<typeof createProof>;

interface Pointing {
  problem?: string | undefined;
  leadsHere: boolean;
  /** The name that it is an alias of. */
  by?: string | undefined;
}

/** Whether clients who ask for this name come to the gateway; what the DNS says, in words. */
async function pointing(
  host: string,
  { appsDomain, acmeDirectory }: SettingsRow,
  alias: string | undefined,
  gateway: GatewayDoor | undefined,
  resolver: Resolver,
): Promise<Pointing> {
  if (gateway === undefined)
    return { problem: "There is no gateway on this machine that the name could lead to.", leadsHere: false };
  const { domainCheck } = await import("../../../gateway/certificates/domainCheck.ts");
  const ownName = isPrivateName(appsDomain) ? undefined : alias;
  const addresses = new Set(gateway.addresses());
  // Behind a router the world knows this machine by another address: that of the domain of the apps.
  if (ownName !== undefined) {
    const found = await Promise.allSettled([resolver.resolve4(ownName), resolver.resolve6(ownName)]);
    for (const each of found) if (each.status === "fulfilled") for (const address of each.value) addresses.add(address);
  }
  // A wildcard is looked at by one of its names.
  const name = host.startsWith("*.") ? `khmara-check.${host.slice(2)}` : host;
  const authority = acmeDirectory?.includes("letsencrypt.org") === true ? { authority: "letsencrypt.org" } : {};
  try {
    const { problems, leadsHere, found } = await domainCheck(
      name,
      { addresses: [...addresses], ...(ownName === undefined ? {} : { alias: ownName }), ...authority },
      resolver,
    );
    return { problem: problems.length === 0 ? undefined : problems.join(" "), leadsHere, by: found.alias };
  } catch (error) {
    if (CloudError.is(error, "unavailable")) return { problem: error.message, leadsHere: false };
    throw error;
  }
}

/** At the name itself or above it: whoever has a domain has what is below it. */
async function carries({ name, value }: { name: string; value: string }, resolver: Resolver): Promise<boolean> {
  const [label, ...rest] = name.split(".");
  for (let at = rest; at.length >= 2; at = at.slice(1)) {
    const texts = await resolver.resolveTxt([label, ...at].join(".")).catch(() => []);
    if (texts.some((pieces) => pieces.join("").trim() === value)) return true;
  }
  return false;
}
