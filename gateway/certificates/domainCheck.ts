import { isIP } from "node:net";
import { CloudError } from "../../kernel/errors.ts";

/** What it asks: Node's `Resolver` of node:dns/promises, with a timeout of its own. */
export interface DomainResolver {
  resolve4(name: string): Promise<string[]>;
  resolve6(name: string): Promise<string[]>;
  resolveCname(name: string): Promise<string[]>;
  resolveCaa(name: string): Promise<{ critical: number; issue?: string | undefined; issuewild?: string | undefined }[]>;
}

export interface DomainExpectation {
  /** Where clients find the gateway. */
  addresses: readonly string[];
  /** A name of the gateway that may be pointed to (CNAME), such as apps.example.com. */
  alias?: string;
  /** What the authority calls itself in CAA records: `letsencrypt.org`. */
  authority?: string;
}

export interface DomainCheck {
  ready: boolean;
  /** It has addresses, and all of them are ours. */
  leadsHere: boolean;
  /** What is wrong, and the record that would put it right, each a whole sentence. Empty when it is ready. */
  problems: string[];
  found: { addresses: string[]; alias?: string };
}

/**
 * Asks the DNS whether a name leads here and may be certified, and says in words what is missing. `unavailable` when the DNS does not
 * answer: that says nothing about the name.
 */
export async function domainCheck(
  name: string,
  { addresses, alias, authority }: DomainExpectation,
  resolver: DomainResolver,
): Promise<DomainCheck> {
  const [four, six, [cname]] = await Promise.all([
    ask(() => resolver.resolve4(name)),
    ask(() => resolver.resolve6(name)),
    ask(() => resolver.resolveCname(name)),
  ]);
  const found = [...four, ...six];
  const ours = new Set(addresses.map(canonical));
  const strangers = found.filter((address) => !ours.has(canonical(address)));
  const problems: string[] = [];
  const wanted = records(name, addresses, alias);
  if (found.length === 0)
    problems.push(
      cname === undefined
        ? `${name} has no address yet. Add ${wanted}.`
        : `${name} points to ${cname}, which has no address. Instead: ${wanted}.`,
    );
  else if (strangers.length === found.length)
    problems.push(
      `${name} points elsewhere, to ${found.join(" and ")}${cname === undefined ? "" : ` (by way of ${cname})`}. Instead: ${wanted}.`,
    );
  else if (strangers.length > 0)
    // A public authority, and every client, may take any of them.
    problems.push(
      `${name} points here and also to ${strangers.join(" and ")}. Remove ${strangers.length > 1 ? "those records" : "that record"}.`,
    );
  if (authority !== undefined) {
    const problem = await caaProblem(name, authority, resolver);
    if (problem !== undefined) problems.push(problem);
  }
  return {
    ready: problems.length === 0,
    leadsHere: found.length > 0 && strangers.length === 0,
    problems,
    found: { addresses: found, ...(cname === undefined ? {} : { alias: cname }) },
  };
}

function records(name: string, addresses: readonly string[], alias: string | undefined): string {
  const own = addresses.map((address) => `${isIP(address) === 6 ? "AAAA" : "A"} ${name} ${address}`).join(" and ");
  return alias === undefined ? `the record ${own}` : `the record CNAME ${name} ${alias}, or ${own}`;
}

/** RFC 8659, section 3: the closest name upwards that has any such records decides. */
async function caaProblem(name: string, authority: string, resolver: DomainResolver): Promise<string | undefined> {
  const wildcard = name.startsWith("*.");
  const labels = name.replace(/^\*\./, "").split(".");
  for (let i = 0; i < labels.length; i++) {
    const at = labels.slice(i).join(".");
    const all = await ask(() => resolver.resolveCaa(at));
    if (all.length === 0) continue;
    const wild = all.filter(({ issuewild }) => issuewild !== undefined).map(({ issuewild }) => issuewild);
    const plain = all.filter(({ issue }) => issue !== undefined).map(({ issue }) => issue);
    const allowed = wildcard && wild.length > 0 ? wild : plain;
    // Only about e-mail reports, or about wildcards: everybody may.
    if (allowed.length === 0) return undefined;
    const names = allowed.map((value) => (value ?? "").split(";")[0]?.trim().toLowerCase() ?? "");
    if (names.includes(authority)) return undefined;
    const who = names.filter(Boolean).join(", ") || "nobody";
    return `The CAA records of ${at} let ${who} give certificates for ${name}. Add CAA ${at} 0 issue "${authority}".`;
  }
  return undefined;
}

const nothingThere = ["ENODATA", "ENOTFOUND", "ENONAME"];

async function ask<T>(question: () => Promise<T[]>): Promise<T[]> {
  try {
    return await question();
  } catch (error) {
    if (nothingThere.includes((error as NodeJS.ErrnoException).code ?? "")) return [];
    throw new CloudError("unavailable", "The DNS does not answer at the moment. Try again in a minute.", { cause: error });
  }
}

/** IPv6 is written in more than one way. */
const canonical = (address: string): string =>
  isIP(address) === 6 ? new URL(`http://[${address}]/`).hostname.slice(1, -1) : address;
