/** From what is recorded and what runs to what the gateway is told: one route for each app, and one for each name that leads elsewhere. */

import { startingPage } from "../../../gateway/pages.ts";
import type { GatewaySpecification } from "../../../gateway/specification.ts";
import type { CloudDoor } from "./area.ts";
import { urlOf } from "./names.ts";

type Route = NonNullable<GatewaySpecification["routes"]>[number];
type Certificate = NonNullable<GatewaySpecification["certificates"]>[number];

export interface RoutedApp {
  id: string;
  /** Its own name first. */
  hosts: readonly string[];
  redirects: readonly { id: string; host: string; to: string }[];
  servers: readonly { name: string; address: string; port: number; drain: boolean }[];
  access: {
    httpsOnly: boolean;
    users: readonly { name: string; salt: string; hash: string }[];
    signIn?: { audience: string; key: string } | undefined;
    allow: readonly string[];
    deny: readonly string[];
    rateLimit?: { requests: number; seconds: number } | undefined;
    maintenance: boolean;
    maximumBodyBytes?: number | undefined;
  };
}

export interface Routing {
  listeners: GatewaySpecification["listeners"];
  challenges: { address: string; port: number };
  /** Where visitors are signed in. */
  visits: { address: string; port: number };
  ports: { http: number; https?: number | undefined };
  doors: readonly CloudDoor[];
  /** Websites of buckets, and where they are answered. */
  sites?: { address: string; port: number; list: readonly { id: string; name: string; host: string }[] } | undefined;
  apps: readonly RoutedApp[];
  /** By host. */
  certificates: readonly Certificate[];
  defaultCertificate?: Certificate | undefined;
  /** Hosts that browsers trust the certificate of. */
  trusted: ReadonlySet<string>;
}

const mostHosts = 200;
/** Of the application's own health the deployment and the reconciler take care; here it is whether anybody listens. */
const checkSeconds = 2;

/**
 * A name that two apps would have goes to the first of them: one that is wrong must not keep the others from being served. Apps that
 * were never deployed have no route: what the gateway says of unknown names (404) is true of them.
 */
export function buildSpecification(routing: Routing): GatewaySpecification {
  const { listeners, challenges, visits, ports, doors, sites, apps, certificates, defaultCertificate, trusted } = routing;
  const taken = new Set<string>();
  const claim = (host: string): boolean => !taken.has(host) && taken.add(host) !== undefined;
  const routes: Route[] = [];
  for (const door of doors) {
    const hosts = door.hosts.filter(claim);
    if (hosts.length > 0) routes.push(doorRoute(door, hosts, ports.https !== undefined));
  }
  for (const app of apps) {
    const hosts = app.hosts.filter(claim).slice(0, mostHosts);
    if (hosts.length > 0) routes.push(routeOf(app, hosts, ports.https !== undefined));
    for (const { id, host, to } of app.redirects) {
      if (!claim(host)) continue;
      const secure = ports.https !== undefined && (trusted.has(to) || app.access.httpsOnly);
      routes.push({ id, hosts: [host], target: { kind: "redirect", to: urlOf(to, secure, ports), code: 308, keepPath: true } });
    }
  }
  for (const { id, name, host } of sites?.list ?? []) if (claim(host)) routes.push(siteRoute(id, name, host, sites as Place));
  const secure = defaultCertificate !== undefined;
  return {
    listeners: listeners.filter(({ protocol }) => secure || protocol === "http"),
    ...(secure
      ? { certificates: [...certificates, { ...defaultCertificate, hosts: [] }], defaultCertificate: defaultCertificate.name }
      : {}),
    ...(ports.https === undefined ? {} : { httpsPort: ports.https }),
    acme: challenges,
    visits,
    routes,
  };
}

type Place = Pick<NonNullable<Routing["sites"]>, "address" | "port">;

const siteRoute = (id: string, name: string, host: string, { address, port }: Place): Route => ({
  id: `site-${id}`,
  hosts: [host],
  target: { kind: "servers", servers: [{ name: "door", address, port }], health: { intervalSeconds: checkSeconds } },
  requestHeaders: { "x-khmara-website": name },
});

/** Streams of events and long requests of the cloud's own clients. */
const patienceSeconds = 3600;

function doorRoute({ id, address, port, secure, compress }: CloudDoor, hosts: string[], hasHttps: boolean): Route {
  const starting = startingPage("Khmara");
  return {
    id,
    hosts,
    target: {
      kind: "servers",
      servers: [{ name: "door", address, port }],
      // Whoever asks while it starts is told at once.
      health: { intervalSeconds: 1, failures: 1 },
      timeouts: { connectSeconds: 2, responseSeconds: patienceSeconds, tunnelSeconds: 24 * 3600 },
    },
    httpsOnly: secure && hasHttps,
    errorPages: { 502: starting, 503: starting },
    compress,
  };
}

function routeOf({ id, servers, access }: RoutedApp, hosts: string[], hasHttps: boolean): Route {
  return {
    id,
    hosts,
    target: {
      kind: "servers",
      servers: servers.map(({ name, address, port, drain }) => ({ name, address, port, drain })),
      health: { intervalSeconds: checkSeconds },
    },
    httpsOnly: access.httpsOnly && hasHttps,
    ...(access.users.length === 0 ? {} : { basicAuth: { realm: "Sign in", users: access.users.map((user) => ({ ...user })) } }),
    ...(access.signIn === undefined ? {} : { signIn: { ...access.signIn } }),
    addresses: { allow: [...access.allow], deny: [...access.deny] },
    ...(access.rateLimit === undefined ? {} : { rateLimit: { ...access.rateLimit } }),
    // Always there, so that it is turned on and off without a reload.
    maintenance: { on: access.maintenance },
    ...(access.maximumBodyBytes === undefined ? {} : { maxBodyBytes: access.maximumBodyBytes }),
  };
}
