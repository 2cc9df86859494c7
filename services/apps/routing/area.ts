import type { LogBatch } from "../../../gateway/log/reader.ts";
import type { GatewaySpecification } from "../../../gateway/specification.ts";
import type { AppsParts, Area, RoutingPart } from "../parts.ts";
import { accessHandlers } from "./accessRoutes.ts";
import { issueDue } from "./acme/issuing.ts";
import { createApplying } from "./applying.ts";
import { createCertificates } from "./certificates.ts";
import type { routingRoutes } from "./contract.ts";
import { domainHandlers } from "./domainRoutes.ts";
import { engineHandlers } from "./engineRoutes.ts";
import { namesOf, urlOf, websiteHost } from "./names.ts";
import { createProof } from "./proof.ts";
import { countRequests, forgetRequests, samplesOf } from "./requests.ts";
import { accessStore, acmeStore, certificateStore, domainStore } from "./store.ts";
import { createVisits } from "./visits.ts";

export type Available<T> = { driver: T } | { missing: string };

/** Of the cloud itself. It is there as long as the process behind it; until it is there again, a page says so. */
export interface CloudDoor {
  id: string;
  /** The first is its own; a wildcard below it may follow. */
  hosts: readonly string[];
  address: string;
  port: number;
  /** It is reached by HTTPS alone. */
  secure: boolean;
  /** Texts are compressed on the way. */
  compress: boolean;
}

/** The gateway as this service sees it; server/gateway.ts is it. */
export interface GatewayDoor {
  readonly httpPort: number;
  /** Absent: no HTTPS. */
  readonly httpsPort?: number;
  readonly listeners: GatewaySpecification["listeners"];
  /** Where the control plane answers ACME's challenges and visitors who sign in, with `challenge()` and `visit()` of the routing part. */
  readonly challenges: { address: string; port: number };
  /** The cloud's own doors at names of theirs, which the gateway serves too: the console, S3. */
  readonly doors: readonly CloudDoor[];
  /** Where buckets' websites are answered; absent: nowhere. */
  readonly websites?: { address: string; port: number };
  /** Where people sign in, without a slash at the end. */
  readonly consoleUrl: string;
  /** The cloud's own names, such as the console's: no app may have them. */
  readonly reservedHosts: readonly string[];
  /** PEM: an authority, besides the public ones, that an ACME server's own certificate may be of. */
  readonly trust?: string;
  /** To ask about domains, in place of the machine's own: `192.0.2.53`, with `:5353` where that is another port. */
  readonly nameServers?: readonly string[];
  /** Addresses at which clients find the gateway, as far as this machine knows. */
  addresses(): string[];
  /**
   * What is wanted is built when nobody else changes the gateway, in no process. Resolves when new requests are handled so. Rejects with
   * invalid_argument or unavailable; all is as before then.
   */
  apply(build: () => Promise<GatewaySpecification>): Promise<{ how: string; refused?: string | undefined }>;
  /** Starts it with what was applied last, if it does not run. False when nothing ever was. */
  ensureRunning(): Promise<boolean>;
  /** The server gets nothing new; how many requests are left at the deadline. */
  drain(route: string, server: string, options: { deadlineMs: number; signal?: AbortSignal }): Promise<{ left: number }>;
  /** Every request; `after` says up to where the log of a name has been read. */
  requests(signal: AbortSignal, after: (log: string) => Promise<number | undefined>): AsyncIterable<LogBatch>;
}

/** Names, access, certificates, and the gateway that serves them. */
export function createRouting(
  parts: AppsParts,
  gateway: Available<GatewayDoor>,
): Area<typeof routingRoutes> & { part: RoutingPart } {
  const door = "driver" in gateway ? gateway.driver : undefined;
  const certificates = createCertificates(parts);
  const applying = createApplying(parts, door, certificates);
  const visits = createVisits(parts, door);
  const proof = createProof(parts, door, applying);
  const { database } = parts;

  if (door?.websites !== undefined)
    parts.objects.addressWebsites(async (tx, { name, projectId }) => {
      const { projects, settings } = await namesOf(parts, tx, [{ id: projectId as never, name, projectId }]);
      const host = websiteHost(name, projects.get(projectId), settings);
      if (host === undefined) return undefined;
      const [row] = (await certificateStore.of(tx, [host])).filter(({ issuedBy }) => issuedBy === "acme");
      return urlOf(host, row !== undefined, { http: door.httpPort, https: door.httpsPort });
    });

  const part: RoutingPart = {
    async hosts(tx, apps) {
      const { own, domains } = await namesOf(parts, tx, apps);
      const trusted = new Set(
        (await certificateStore.of(tx, [...own.values()]))
          .filter(({ issuedBy, expiresAt }) => issuedBy === "acme" && expiresAt.getTime() > Date.now())
          .map(({ host }) => host),
      );
      const ports = { http: door?.httpPort ?? 80, https: door?.httpsPort };
      return new Map(
        apps.flatMap(({ id }) => {
          const host = own.get(id);
          if (host === undefined) return [];
          const hosts = [host, ...(domains.get(id) ?? []).map((domain) => domain.host)];
          return [[id, { url: urlOf(host, trusted.has(host), ports), hosts }] as const];
        }),
      );
    },
    apply: applying.apply,
    drain: applying.drain,
    requests: (appId, from, to, stepSeconds) =>
      database.transaction("system", (tx) => samplesOf(tx, appId, from, to, stepSeconds)),
    async appDeleted(tx, appId) {
      await domainStore.deleteOf(tx, appId);
      await accessStore.delete(tx, appId);
      tx.afterCommit(applying.soon);
    },
    challenge: (token) => database.transaction("system", (tx) => acmeStore.challenge(tx, token)),
    visit: visits.answer,
  };

  return {
    part,
    handlers: {
      ...domainHandlers(parts, door, applying, proof),
      ...accessHandlers(parts, applying),
      ...visits.handlers,
      ...engineHandlers(parts, gateway, applying),
    },
    workers:
      door === undefined
        ? []
        : [
            { name: "apps.gateway", everySeconds: 3, run: applying.keep },
            { name: "apps.websites", everySeconds: 3, run: applying.watchWebsites },
            { name: "apps.domains", everySeconds: 5, run: proof.watch },
            { name: "apps.requests", everySeconds: 5, run: (signal) => countRequests(parts, door, signal) },
            { name: "apps.requests.forget", everySeconds: 3600, run: () => forgetRequests(parts) },
            {
              name: "apps.certificates",
              everySeconds: 10,
              run: async (signal) => {
                if (await issueDue(parts, door, signal)) await applying.apply();
              },
            },
          ],
  };
}
