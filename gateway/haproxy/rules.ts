/** The part of the configuration that each route has for itself: a backend, with its rules in the order in which they hold. */
import { join } from "node:path";
import type { CheckedRoute, CheckedServer } from "../specification.ts";

type ServersRoute = CheckedRoute & { target: Extract<CheckedRoute["target"], { kind: "servers" }> };

export const backendName = (routeId: string): string => `r_${routeId}`;
/** Undefined for what is no route's. */
export const routeOf = (backend: string): string | undefined => (backend.startsWith("r_") ? backend.slice(2) : undefined);

/** In single quotes HAProxy takes everything as it is. */
export const quote = (text: string): string => {
  if (/[\r\n\0]/.test(text)) throw new Error("A text of the configuration has more than one line.");
  return `'${text.replaceAll("'", "'\\''")}'`;
};

/** A text in a place that knows log formats, whose sign is the percent. */
export const literal = (text: string): string => quote(text.replaceAll("%", "%%"));

const milliseconds = (seconds: number): string => `${Math.round(seconds * 1000)}ms`;

const algorithms = { least_connections: "leastconn", round_robin: "roundrobin", source: "source" } as const;

/** Below it a host with `signIn` is the sign-in's own. */
export const visitPath = "/.khmara/";
/** Of one host alone; with the prefix no other host may set it (RFC 6265bis, 4.1.3.2), for which it needs TLS. */
export const visitCookie = (secure: boolean): string => (secure ? "__Host-khmara-visit" : "khmara-visit");
/** What the application learns of a visitor, by claim. The name is percent-encoded, as headers hold ASCII alone. */
export const visitorHeaders = {
  sub: "X-Forwarded-User",
  email: "X-Forwarded-Email",
  name: "X-Forwarded-Preferred-Username",
} as const;

export interface RoutePlaces {
  /** The map of routes that are under maintenance. */
  maintenanceMap: string;
  /** Where the page of this route for that status lies. */
  page(routeId: string, status: number | "maintenance"): string;
  maintenancePage: string;
  httpsPort: number;
}

/** Its lines, without those of its servers: they change at run time. */
export function routeSection(route: CheckedRoute, places: RoutePlaces): string[] {
  const name = backendName(route.id);
  const lines = [`backend ${name}`];
  const own = (status: number, more = "") =>
    lines.push(`  http-error status ${status} content-type ${quote(html)} lf-file ${places.page(route.id, status)}${more}`);
  const retryAfter = route.rateLimit === undefined ? "" : ` hdr Retry-After ${route.rateLimit.seconds}`;
  for (const status of Object.keys(route.errorPages).map(Number)) own(status, status === 429 ? retryAfter : "");
  lines.push(...accessRules(route), ...maintenanceRules(route, places));
  if (route.httpsOnly) {
    const port = places.httpsPort === 443 ? "" : `:${places.httpsPort}`;
    lines.push(
      `  http-request redirect location https://%[req.hdr(host),host_only]${port}%[pathq] code 308 unless { var(txn.proto) -m str https }`,
    );
  }
  if (route.hsts !== undefined) {
    const { maxAgeSeconds, includeSubdomains } = route.hsts;
    const value = `max-age=${maxAgeSeconds}${includeSubdomains ? "; includeSubDomains" : ""}`;
    lines.push(`  http-after-response set-header Strict-Transport-Security ${quote(value)} if { var(txn.proto) -m str https }`);
  }
  // The browser has to come by HTTPS before it says its password.
  lines.push(...signInRules(route), ...sizeRules(route));
  if (route.target.kind === "redirect") {
    const { to, code, keepPath } = route.target;
    const target = keepPath ? to.replace(/\/$/, "") : to;
    lines.push(`  http-request redirect ${keepPath ? "prefix" : "location"} ${literal(target)} code ${code}`);
    return lines;
  }
  for (const [name, value] of Object.entries(route.requestHeaders))
    lines.push(`  http-request set-header ${name} ${literal(value)}`);
  return [...lines, ...applicationLines(route as ServersRoute)];
}

const html = "text/html; charset=utf-8";

function accessRules({ addresses, rateLimit }: CheckedRoute): string[] {
  const lines: string[] = [];
  // Lines have an end: HAProxy takes 2048 bytes and 64 words.
  for (const some of inChunks(addresses.deny)) lines.push(`  http-request deny deny_status 403 if { src ${some} }`);
  if (addresses.allow.length > 0) {
    for (const some of inChunks(addresses.allow)) lines.push(`  http-request set-var(txn.allowed) bool(true) if { src ${some} }`);
    lines.push("  http-request deny deny_status 403 unless { var(txn.allowed) -m bool }");
  }
  if (rateLimit !== undefined) {
    const { requests, seconds } = rateLimit;
    lines.push(
      `  stick-table type ipv6 size 100k expire ${seconds * 2}s store http_req_rate(${seconds}s) peers gateway`,
      "  http-request track-sc0 src,ipmask(32,64)",
      `  http-request deny deny_status 429 if { sc_http_req_rate(0) gt ${requests} }`,
    );
  }
  return lines;
}

const inChunks = (networks: readonly string[], size = 30): string[] =>
  Array.from({ length: Math.ceil(networks.length / size) }, (_, i) => networks.slice(i * size, (i + 1) * size).join(" "));

function maintenanceRules({ id, maintenance }: CheckedRoute, places: RoutePlaces): string[] {
  if (maintenance === undefined) return [];
  const file = maintenance.page === undefined ? places.maintenancePage : places.page(id, "maintenance");
  const lines = inChunks(maintenance.allow).map((some) => `  http-request set-var(txn.inside) bool(true) if { src ${some} }`);
  lines.push(
    `  http-request return status 503 content-type ${quote(html)} lf-file ${file} hdr Retry-After ${maintenance.retryAfterSeconds} ` +
      `hdr Cache-Control no-store if { str(${backendName(id)}),map(${places.maintenanceMap}) -m found } !{ var(txn.inside) -m bool }`,
  );
  return lines;
}

function signInRules({ basicAuth, signIn }: CheckedRoute): string[] {
  if (basicAuth === undefined) return signIn === undefined ? [] : visitorRules(signIn);
  const bySecret = "{ var(txn.signedIn) -m bool }";
  return [
    ...basicAuth.users.map(
      ({ name, salt, hash }) =>
        `  http-request set-var(txn.signedIn) bool(true) if { http_auth_user -m str ${quote(name)} } ` +
        `{ http_auth_pass,hmac(sha256,${salt}),hex,lower -m str ${hash} }`,
    ),
    ...(signIn === undefined
      ? [`  http-request auth realm ${quote(basicAuth.realm)} unless ${bySecret}`]
      : visitorRules(signIn, `!${bySecret}`)),
    // The application gets who it is, and not the password.
    `  http-request set-header X-Forwarded-User %[http_auth_user] if ${bySecret}`,
    `  http-request del-header Authorization if ${bySecret}`,
  ];
}

/** How long a visit that has ended goes on while nobody is there who could renew it. */
const graceSeconds = 600;

/**
 * Only what a browser opens as a page can be sent to a sign-in: a script would get HTML in place of its answer. A visit that was genuine is renewed
 * for scripts too, as that is one redirect on the same host (307: with its method and body). WebSockets follow none (WHATWG's, 3.1).
 */
function visitorRules({ audience, key, renewSeconds }: NonNullable<CheckedRoute["signIn"]>, also = ""): string[] {
  const end = also === "" ? "" : ` ${also}`;
  const visit = "var(txn.visit)";
  const genuine = "{ var(txn.visitEnd) -m found }";
  const over = "!{ var(txn.visiting) -m bool }";
  const page = "{ var(txn.page) -m bool }";
  const send = (status: number, conditions: string) =>
    `  http-request return status ${status} hdr Location '${visitPath}sign-in?to=%[pathq,url_enc]' hdr Cache-Control no-store if ${conditions}${end}`;
  return [
    "  http-request set-var(txn.page) bool(true) if { method GET HEAD } { req.hdr(sec-fetch-mode) -m str navigate }",
    "  http-request set-var(txn.page) bool(true) if { method GET HEAD } !{ req.hdr(sec-fetch-mode) -m found } { req.hdr(accept) -m sub text/html }",
    `  http-request set-var(txn.visit) req.cook(${visitCookie(true)}) if { var(txn.proto) -m str https }`,
    `  http-request set-var(txn.visit) req.cook(${visitCookie(false)}) unless { var(txn.proto) -m str https }`,
    `  http-request set-var(txn.visitEnd) ${visit},jwt_payload_query('$.exp','int') if { ${visit},jwt_verify(HS256,${key}) -m int 1 } ` +
      `{ ${visit},jwt_payload_query('$.aud') -m str ${audience} }`,
    "  http-request set-var(txn.visitLeft) date,neg,add(txn.visitEnd)",
    `  http-request set-var(txn.visiting) bool(true) if ${genuine} { var(txn.visitLeft) -m int gt 0 }`,
    `  http-request set-var(txn.visiting) bool(true) if ${genuine} { var(txn.visitLeft),add(${graceSeconds}) -m int gt 0 } { nbsrv(visits) eq 0 }`,
    send(302, `${page} !${genuine}`),
    send(307, `${genuine} ${over} !{ req.hdr(upgrade) -m found }`),
    send(302, `${page} ${genuine} { var(txn.visitLeft) -m int lt ${renewSeconds} } { nbsrv(visits) gt 0 }`),
    "  http-request return status 401 content-type 'text/plain; charset=utf-8' string 'Sign in to go on: open this site in a browser.' " +
      `hdr Cache-Control no-store if ${over}${end}`,
    ...(["sub", "email", "name"] as const).map(
      (claim) => `  http-request set-header ${visitorHeaders[claim]} %[${visit},jwt_payload_query('$.${claim}')] if ${genuine}`,
    ),
    // The application could not use it, but whoever reads its logs might.
    ...[visitCookie(true), visitCookie(false)].map(
      (name) => `  http-request replace-header Cookie '^(.*;)?\\s*${name}=[^;]*;?(.*)$' '\\1\\2'`,
    ),
    "  http-request del-header Cookie if { req.hdr(cookie) -m len 0 }",
    // Whoever has left sees nothing more out of the browser's cache, which keeps as it likes what says nothing (RFC 9111, 4.2.2), and nobody
    // else out of one in between.
    "  http-response replace-header Cache-Control '(?i)(.*)public(.*)' '\\1private\\2'",
    "  http-response set-header Cache-Control '%[res.hdr(cache-control)], private' if { res.hdr(cache-control) -m found } " +
      "!{ res.hdr(cache-control) -i -m sub private no-store }",
    "  http-response set-header Cache-Control 'private, no-cache' unless { res.hdr(cache-control) -m found }",
  ];
}

function sizeRules({ maxBodyBytes }: CheckedRoute): string[] {
  if (maxBodyBytes === undefined) return [];
  return [
    `  http-request deny deny_status 413 if { req.hdr_val(content-length) gt ${maxBodyBytes} }`,
    // Also a body over HTTP/2 without a length: it has none of the two headers, and is there after the head of the request.
    "  http-request return status 411 content-type 'text/plain; charset=utf-8' string 'Say how long the upload is (Content-Length).' " +
      "if { req.hdr(transfer-encoding) -m found }",
    "  http-request return status 411 content-type 'text/plain; charset=utf-8' string 'Say how long the upload is (Content-Length).' " +
      "if !{ req.hdr(content-length) -m found } !{ method GET HEAD OPTIONS TRACE CONNECT DELETE }",
  ];
}

const compressed = [
  "text/html",
  "text/plain",
  "text/css",
  "text/xml",
  "text/javascript",
  "text/markdown",
  "text/csv",
  "application/javascript",
  "application/json",
  "application/ld+json",
  "application/problem+json",
  "application/manifest+json",
  "application/xml",
  "application/atom+xml",
  "application/rss+xml",
  "application/xhtml+xml",
  "application/wasm",
  "image/svg+xml",
  "image/x-icon",
  "font/ttf",
  "font/otf",
];

function applicationLines({ target, compress }: ServersRoute): string[] {
  const { balance, health, timeouts } = target;
  const lines = [
    `  balance ${algorithms[balance]}`,
    `  timeout connect ${milliseconds(timeouts.connectSeconds)}`,
    `  timeout server ${milliseconds(timeouts.responseSeconds)}`,
    `  timeout tunnel ${milliseconds(timeouts.tunnelSeconds)}`,
    // A request that waits for a server waits as long as one that waits for its connection.
    `  timeout queue ${milliseconds(timeouts.connectSeconds)}`,
  ];
  if (balance === "source") lines.push("  hash-type consistent");
  if (compress) lines.push("  compression algo gzip", `  compression type ${compressed.join(" ")}`);
  if (health.path !== undefined)
    lines.push(
      "  option httpchk",
      `  http-check send meth GET uri ${quote(health.path)} ver HTTP/1.1 hdr Host ${quote(health.host ?? "localhost")} hdr User-Agent khmara-gateway`,
      "  http-check expect status 200-399",
    );
  return lines;
}

/** How it is checked and spoken to: the same for a server of the file and for one that comes at run time. */
export function serverWords(route: ServersRoute, server: CheckedServer): string {
  const { health, protocol } = route.target;
  const words = [
    `weight ${serverWeight(server)}`,
    `check inter ${milliseconds(health.intervalSeconds)} fall ${health.failures} rise ${health.successes}`,
  ];
  if (protocol === "h2c") words.push(health.path === undefined ? "proto h2" : "proto h2 check-proto h2");
  return words.join(" ");
}

/** No weight is HAProxy's way of draining that a file can say too. */
export const serverWeight = ({ weight, drain }: CheckedServer): number => (drain ? 0 : weight);

export const serverAddress = ({ address, port }: { address: string; port: number }): string =>
  address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;

export const isServersRoute = (route: CheckedRoute): route is ServersRoute => route.target.kind === "servers";

/** Without its servers: those come line by line behind it. */
export const serverLines = (route: CheckedRoute): string[] =>
  isServersRoute(route)
    ? route.target.servers.map((each) => `  server ${each.name} ${serverAddress(each)} ${serverWords(route, each)}`)
    : [];

export const pageFile = (folder: string, routeId: string, status: number | "maintenance" | "starting"): string =>
  join(folder, `${routeId}.${status}.html`);
