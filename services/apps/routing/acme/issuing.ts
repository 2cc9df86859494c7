import { createPrivateKey } from "node:crypto";
import type { AppsParts } from "../../parts.ts";
import { allApps, websitesOf } from "../applying.ts";
import type { GatewayDoor } from "../area.ts";
import { sealCertificate } from "../certificates.ts";
import { isPrivateName, namesOf } from "../names.ts";
import { type AcmeRequestRow, acmeStore, certificateStore, domainStore, type SettingsRow, settingsStore } from "../store.ts";
import { AcmeClient, AcmeError, newAccountKey } from "./client.ts";

/** In one round: the others wait for the next one, so that a stop of ours never waits long. */
const mostAtOnce = 5;
const firstPauseMs = 15 * 60_000;
const longestPauseMs = 24 * 3_600_000;
const limitedPauseMs = 3_600_000;
const accountPurpose = (directory: string): string => `apps.acme_account:${directory}`;

/** Whether an ACME server can be asked for it over HTTP: a wildcard needs an entry in the DNS (RFC 8555, section 8.4). */
export const isProvable = (host: string): boolean => !host.startsWith("*.");

/** Asks for what is missing or due. Answers whether the gateway has something new to serve. */
export async function issueDue(parts: AppsParts, gateway: GatewayDoor, signal: AbortSignal): Promise<boolean> {
  if (gateway.httpsPort === undefined) return false;
  const { settings, due } = await parts.database.transaction("system", async (tx) => {
    const settings = await settingsStore.get(tx);
    if (settings.acmeDirectory === null) return { settings, due: [] };
    const ours = gateway.doors.flatMap((door) => door.hosts).filter((host) => !isPrivateName(host));
    const hosts = [...ours, ...(await domainStore.all(tx)).map(({ host }) => host)].filter(isProvable);
    // Below a domain of this machine alone no public authority certifies anything.
    if (!isPrivateName(settings.appsDomain)) {
      const live = (await allApps(parts, tx)).filter(
        ({ liveReleaseId, state }) => liveReleaseId !== undefined && state !== "deleting",
      );
      hosts.push(...(await namesOf(parts, tx, live)).own.values());
      if (gateway.websites !== undefined) hosts.push(...(await websitesOf(parts, tx)).map(({ host }) => host));
    }
    const now = Date.now();
    const have = new Map(
      (await certificateStore.of(tx, hosts)).filter(({ issuedBy }) => issuedBy === "acme").map((row) => [row.host, row]),
    );
    const asked = new Map((await acmeStore.requests(tx, hosts)).map((row) => [row.host, row]));
    const isDue = (host: string) => {
      const request = asked.get(host);
      if (request?.directory === settings.acmeDirectory && request.nextAt.getTime() > now) return false;
      return request?.directory !== settings.acmeDirectory || (have.get(host)?.renewAt.getTime() ?? 0) <= now;
    };
    return { settings, due: hosts.filter(isDue).map((host) => ({ host, failures: asked.get(host)?.failures ?? 0 })) };
  });
  if (due.length === 0) return false;
  const client = await openClient(parts, settings, gateway, signal);
  let changed = false;
  for (const { host, failures } of due.slice(0, mostAtOnce)) {
    if (signal.aborted) break;
    if (await issue(parts, client, settings, gateway, host, failures, signal)) changed = true;
  }
  return changed;
}

async function issue(
  parts: AppsParts,
  client: AcmeClient | AcmeError,
  { acmeDirectory }: SettingsRow,
  gateway: GatewayDoor,
  host: string,
  failures: number,
  signal: AbortSignal,
): Promise<boolean> {
  const directory = acmeDirectory as string;
  const remember = (row: Omit<AcmeRequestRow, "host" | "directory">) =>
    parts.database.transaction("system", (tx) => acmeStore.putRequest(tx, { host, directory, ...row }));
  const tokens: string[] = [];
  try {
    if (client instanceof AcmeError) throw client;
    const { certificateRequest } = await import("../../../../gateway/certificates/request.ts");
    let key = "";
    const certificate = await client.certificate([host], {
      signal,
      show: async ({ token, keyAuthorization }) => {
        tokens.push(token);
        await parts.database.transaction("system", (tx) => acmeStore.putChallenge(tx, token, keyAuthorization));
      },
      request: async () => {
        const made = await certificateRequest([host]);
        key = made.key;
        return made.request;
      },
    });
    const row = await sealCertificate(parts, { host, issuedBy: "acme", certificate, key });
    await parts.database.transaction("system", async (tx) => {
      await certificateStore.put(tx, row);
      await acmeStore.putRequest(tx, { host, directory, problem: null, failures: 0, nextAt: row.renewAt });
    });
    parts.log.info({ host, directory }, "a certificate was issued");
    return true;
  } catch (error) {
    if (signal.aborted) return false;
    parts.log.warn({ err: error, host, directory }, "no certificate was issued; it will be asked for again");
    const problem = problemWords(error, gateway.httpPort);
    await remember({ problem, failures: failures + 1, nextAt: new Date(Date.now() + pauseMs(error, failures)) });
    return false;
  } finally {
    if (tokens.length > 0)
      await parts.database
        .transaction("system", async (tx) => {
          for (const token of tokens) await acmeStore.deleteChallenge(tx, token);
        })
        .catch(() => {});
  }
}

function pauseMs(error: unknown, failures: number): number {
  const asked = error instanceof AcmeError && error.retryAfterSeconds !== undefined ? error.retryAfterSeconds * 1000 : 0;
  const limited = error instanceof AcmeError && error.type === "rateLimited" ? limitedPauseMs : 0;
  return Math.min(Math.max(firstPauseMs * 2 ** Math.min(failures, 10), asked, limited), Math.max(longestPauseMs, asked));
}

function problemWords(error: unknown, httpPort: number): string {
  if (!(error instanceof AcmeError)) return "The certificate could not be asked for; the log says why.";
  if (error.type === "rateLimited") return `The authority gives no more certificates for now: ${error.message}`;
  const port =
    httpPort !== 80 && ["connection", "unauthorized"].includes(error.type)
      ? ` The authority asks on port 80, and the gateway listens on ${httpPort}: start with --http-port 80, or have port 80 sent there.`
      : "";
  return `${error.message}${port}`;
}

/** With its account, which is made when there is none. An error is told at every name that waits. */
async function openClient(
  parts: AppsParts,
  { acmeDirectory, acmeEmail }: SettingsRow,
  { trust }: GatewayDoor,
  signal: AbortSignal,
): Promise<AcmeClient | AcmeError> {
  const [directory, email] = [acmeDirectory as string, acmeEmail as string];
  const purpose = accountPurpose(directory);
  const known = await parts.database.transaction("system", (tx) => acmeStore.account(tx, directory));
  const accountKey =
    known === undefined ? newAccountKey() : createPrivateKey(parts.secrets.decrypt(purpose, known.key).toString());
  const client = new AcmeClient({ directory, accountKey, accountUrl: known?.url, trust });
  const keep = (url: string) =>
    parts.database.transaction("system", (tx) => {
      const key = accountKey.export({ type: "pkcs8", format: "pem" }).toString();
      return acmeStore.putAccount(tx, directory, { email, url, key: parts.secrets.encrypt(purpose, key) });
    });
  try {
    if (known === undefined) await keep(await client.register(email, signal));
    else if (known.email !== email) {
      await client.setContact(email, signal);
      await keep(known.url);
    }
    return client;
  } catch (error) {
    if (!(error instanceof AcmeError)) throw error;
    if (error.type !== "accountDoesNotExist") return error;
  }
  try {
    // The server has forgotten it: the same key may begin again.
    await keep(await client.register(email, signal));
    return client;
  } catch (error) {
    if (error instanceof AcmeError) return error;
    throw error;
  }
}
