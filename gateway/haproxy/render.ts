/**
 * From what is wanted to HAProxy's files. They are of two kinds: the structure, which only a reload changes and whose hash the running
 * worker tells (`description`), and what changes at run time: servers, maps and certificates.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { logFormat } from "../log/format.ts";
import { errorPage, maintenancePage, pageStatuses, startingPage } from "../pages.ts";
import type { CheckedSpecification } from "../specification.ts";
import { backendName, pageFile, quote, routeSection, serverAddress, serverLines, visitPath } from "./rules.ts";

export interface RenderOptions {
  folder: string;
  /** Whom the workers give their rights up for; absent: they stay who we are. */
  user?: { user: string; group: string } | undefined;
  threads: number;
}

export interface Rendered {
  /** Of everything that needs a reload. */
  hash: string;
  config: string;
  /** Path → content. The pages of people are among them. */
  pages: ReadonlyMap<string, string>;
  /** Path → key → value. */
  maps: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** Path → PEM, key included; the default one first. */
  certificates: ReadonlyMap<string, string>;
  /** Path → its whole line. */
  certificateLines: ReadonlyMap<string, string>;
  certificateList: string;
}

export const filesIn = (folder: string) => ({
  config: join(folder, "haproxy.cfg"),
  masterSocket: join(folder, "master.sock"),
  pid: join(folder, "haproxy.pid"),
  requestLog: join(folder, "requests.log"),
  processLog: join(folder, "haproxy.log"),
  routes: join(folder, "routes.map"),
  maintenance: join(folder, "maintenance.map"),
  visits: join(folder, "visits.map"),
  certificates: join(folder, "certificates"),
  certificateList: join(folder, "certificates.list"),
  pages: join(folder, "pages"),
});

export function render(specification: CheckedSpecification, options: RenderOptions): Rendered {
  const files = filesIn(options.folder);
  const certificates = new Map<string, string>();
  const certificateLines = new Map<string, string>();
  const { defaultCertificate } = specification;
  const first = specification.certificates.filter(({ name }) => name === defaultCertificate);
  const others = specification.certificates.filter(({ name }) => name !== defaultCertificate);
  for (const { name, hosts, certificate, key } of [...first, ...others]) {
    const path = join(files.certificates, `${name}.pem`);
    // An empty line would end it on the way through the socket.
    certificates.set(path, `${certificate}\n${key}\n`.replace(/\r/g, "").replace(/\n\s*\n+/g, "\n"));
    certificateLines.set(path, [path, ...hosts].join(" "));
  }
  const pages = renderPages(specification, files.pages);
  const { before, sections } = structure(specification, options);
  const hash = createHash("sha256")
    // Where it lies is no part of what it is.
    .update([...before("-"), ...sections.flatMap(({ lines }) => lines)].join("\n").replaceAll(options.folder, ""))
    .update(JSON.stringify([...pages.values()]))
    .digest("hex")
    .slice(0, 16);
  const lines = [...before(hash), ...sections.flatMap(({ lines, servers }) => [...lines, ...servers])];
  return {
    hash,
    config: `${lines.join("\n")}\n`,
    pages,
    maps: new Map([
      [files.routes, routeMap(specification)],
      [files.maintenance, maintenanceMap(specification)],
      [files.visits, visitsMap(specification)],
    ]),
    certificates,
    certificateLines,
    certificateList: files.certificateList,
  };
}

/** Host and path, with a / behind it, so that /api/ is the beginning of /api/ and of /api/x, and not of /apis/. */
function routeMap({ routes }: CheckedSpecification): Map<string, string> {
  const map = new Map<string, string>();
  for (const { id, hosts, paths } of routes)
    for (const host of hosts) for (const path of paths) map.set(`${host}${path.replace(/\/?$/, "/")}`, backendName(id));
  return map;
}

const maintenanceMap = ({ routes }: CheckedSpecification): Map<string, string> =>
  new Map(routes.filter(({ maintenance }) => maintenance?.on).map(({ id }) => [backendName(id), "1"]));

const visitsMap = ({ routes }: CheckedSpecification): Map<string, string> =>
  new Map(routes.filter(({ signIn }) => signIn !== undefined).map(({ id }) => [backendName(id), "1"]));

function renderPages({ routes, productName }: CheckedSpecification, folder: string): Map<string, string> {
  // The percent sign begins a log format there.
  const format = (html: string) => html.replaceAll("%", "%%").replaceAll("{{requestId}}", "%[unique-id]");
  const pages = new Map(pageStatuses.map((status) => [pageFile(folder, "-", status), format(errorPage(status, productName))]));
  pages.set(pageFile(folder, "-", "maintenance"), format(maintenancePage(productName)));
  pages.set(pageFile(folder, "-", "starting"), format(startingPage(productName)));
  for (const { id, errorPages, maintenance } of routes) {
    for (const [status, html] of Object.entries(errorPages))
      if (html !== undefined) pages.set(pageFile(folder, id, Number(status)), format(html));
    if (maintenance?.page !== undefined) pages.set(pageFile(folder, id, "maintenance"), format(maintenance.page));
  }
  return pages;
}

/** Those that HAProxy makes itself, and lets one replace. */
const replaceable = [400, 401, 403, 404, 408, 413, 429, 500, 502, 503, 504];

interface Section {
  lines: string[];
  servers: string[];
}

function structure(specification: CheckedSpecification, { folder, user, threads }: RenderOptions) {
  const files = filesIn(folder);
  const before = (hash: string): string[] => [
    "global",
    `  description ${hash}`,
    ...(user === undefined ? [] : [`  user ${user.user}`, `  group ${user.group}`]),
    `  nbthread ${threads}`,
    "  log stdout len 8192 format raw local0 info",
    `  hard-stop-after ${specification.longestConnectionSeconds}s`,
    "  mworker-max-reloads 1000",
    "  ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets prefer-client-ciphers",
    `  ssl-default-bind-ciphers ${ciphers}`,
    "  tune.ssl.cachesize 20000",
    `  stats socket ${join(folder, "worker.sock")} mode 600 level admin expose-fd listeners`,
    "peers gateway",
    // The counts of rate limits go from a worker to the one after it through this.
    `  bind unix@${join(folder, "peers.sock")} mode 600`,
    "  server khmara",
    "defaults",
    "  mode http",
    "  log global",
    "  option dontlognull",
    // A reload closes no idle connection under a request that is on its way: each is closed with its next answer, and what comes then finds
    // the new configuration. (close-spread-time would keep them in the old one for as long as somebody asks.)
    "  option idle-close-on-response",
    // Who has gone away needs no answer: the application hears of it.
    "  option abortonclose",
    "  option redispatch 1",
    "  retries 3",
    // A server that closes an idle connection under a request: only what is harmless to repeat is repeated.
    "  retry-on conn-failure empty-response",
    "  timeout connect 5s",
    "  timeout server 60s",
    `  timeout http-request ${Math.round(specification.requestHeadSeconds * 1000)}ms`,
    `  timeout http-keep-alive ${Math.round(specification.keepAliveSeconds * 1000)}ms`,
    `  timeout client ${Math.round(specification.clientSeconds * 1000)}ms`,
    "  timeout client-fin 30s",
    "  timeout server-fin 30s",
    "  timeout tarpit 5s",
    `  unique-id-format '%[uuid()]'`,
    `  log-format ${quote(logFormat)}`,
    ...replaceable.map(
      (status) =>
        `  http-error status ${status} content-type 'text/html; charset=utf-8' lf-file ${pageFile(files.pages, "-", status)}` +
        (status === 429 ? " hdr Retry-After 10" : ""),
    ),
    ...entrance(specification, folder),
    "backend no_route",
    // The name may be new, and this a kept connection of a worker that goes away: clients ask again on a new one (RFC 9110, 9.2.2). Over HTTP/2
    // they were told to (GOAWAY).
    "  http-request reject if { stopping } !{ http_first_req }",
    "  http-request deny deny_status 404",
  ];
  const sections: Section[] = [];
  if (specification.acme !== undefined)
    sections.push({
      lines: ["backend acme", "  timeout server 30s", `  server control ${serverAddress(specification.acme)}`],
      servers: [],
    });
  if (specification.visits !== undefined)
    sections.push({
      lines: [
        "backend visits",
        "  timeout connect 2s",
        "  timeout server 30s",
        `  http-error status 503 content-type 'text/html; charset=utf-8' lf-file ${pageFile(files.pages, "-", "starting")} hdr Retry-After 3`,
        // Whoever is signed in already is let on while it is away, and is not sent there.
        `  server control ${serverAddress(specification.visits)} check inter 1s fall 1 rise 1`,
      ],
      servers: [],
    });
  const places = {
    maintenanceMap: files.maintenance,
    maintenancePage: pageFile(files.pages, "-", "maintenance"),
    page: (id: string, status: number | "maintenance") => pageFile(files.pages, id, status),
    httpsPort: specification.httpsPort,
  };
  for (const route of specification.routes) sections.push({ lines: routeSection(route, places), servers: serverLines(route) });
  return { before, sections };
}

/** Mozilla's "intermediate", for TLS 1.2; TLS 1.3 has good ones only. */
const ciphers = [
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");

/** What holds for every request, before it has a route. */
function entrance(specification: CheckedSpecification, folder: string): string[] {
  const files = filesIn(folder);
  const binds = specification.listeners.map(({ protocol, address, port, proxyProtocol }) =>
    [
      `  bind ${serverAddress({ address, port })}`,
      ...(address.includes(":") ? ["v6only"] : []),
      ...(protocol === "https" ? [`ssl crt-list ${files.certificateList} alpn h2,http/1.1`] : []),
      ...(proxyProtocol ? ["accept-proxy"] : []),
    ].join(" "),
  );
  const trusted = specification.trustedProxies;
  const isTrusted = "{ var(txn.trusted) -m bool }";
  const fromProxy: string[] = [];
  for (let i = 0; i < trusted.length; i += 30)
    fromProxy.push(`  http-request set-var(txn.trusted) bool(true) if { src ${trusted.slice(i, i + 30).join(" ")} }`);
  // A chain of up to three proxies: each step back is believed only when the one before it is trusted too.
  for (const back of trusted.length === 0 ? [] : [1, 2, 3]) {
    for (let i = 0; i < trusted.length; i += 30)
      fromProxy.push(
        `  http-request set-var(txn.hop) int(${back}) if { src ${trusted.slice(i, i + 30).join(" ")} } { req.hdr_ip(x-forwarded-for,-${back}) -m found }`,
      );
    fromProxy.push(`  http-request set-src req.hdr_ip(x-forwarded-for,-${back}) if { var(txn.hop) -m int ${back} }`);
  }
  return [
    "frontend public",
    ...binds,
    ...fromProxy,
    "  http-request set-var(txn.client) src",
    "  http-request set-var(txn.proto) str(http)",
    "  http-request set-var(txn.proto) str(https) if { ssl_fc }",
    ...(trusted.length === 0
      ? []
      : [
          `  http-request set-var(txn.proto) req.hdr(x-forwarded-proto),lower if ${isTrusted} { req.hdr(x-forwarded-proto) -m str -i http https }`,
        ]),
    "  http-request set-var(txn.host) req.hdr(host),host_only,lower,rtrim(.)",
    "  http-request set-var(txn.method) method",
    "  http-request set-var(txn.path) path,bytes(0,1024)",
    "  http-request set-var(txn.agent) req.fhdr(user-agent),bytes(0,256)",
    // Two of them, and whoever stands behind us may take the other one (RFC 9112, section 3.2).
    "  http-request deny deny_status 400 if { req.hdr_cnt(host) gt 1 }",
    // Browsers resolve these; what is left would go around the rules of a path.
    `  http-request deny deny_status 400 if { path,url_dec -m reg ${quote("(^|[/\\\\])\\.\\.?([/\\\\;]|$)")} }`,
    // Only we say these things.
    "  http-request del-header X-Forwarded- -m beg",
    // What only we say to the cloud's own doors; X-Khmara-Csrf is the console's.
    "  http-request del-header X-Khmara-Website",
    "  http-request del-header Forwarded",
    "  http-request del-header X-Real-IP",
    "  http-request del-header X-Request-Id",
    "  http-request del-header Proxy",
    "  http-request set-header X-Request-Id %[unique-id]",
    "  http-request set-header X-Forwarded-For %[src]",
    "  http-request set-header X-Real-IP %[src]",
    "  http-request set-header X-Forwarded-Proto %[var(txn.proto)]",
    "  http-request set-header X-Forwarded-Host %[req.hdr(host)]",
    "  http-request set-header X-Forwarded-Port %[dst_port]",
    // RFC 7239: an IPv6 address stands in brackets, and in quotes.
    "  http-request set-var(txn.quoted) req.hdr(host),regsub([^A-Za-z0-9.:_-],,g)",
    `  http-request set-header Forwarded 'for=%[src];host="%[var(txn.quoted)]";proto=%[var(txn.proto)]'`,
    `  http-request set-header Forwarded 'for="[%[src]]";host="%[var(txn.quoted)]";proto=%[var(txn.proto)]' if { src -m sub : }`,
    "  http-request disable-l7-retry unless METH_GET",
    "  http-after-response set-header X-Request-Id %[unique-id]",
    ...(specification.acme === undefined ? [] : ["  use_backend acme if { path_beg /.well-known/acme-challenge/ } !{ ssl_fc }"]),
    // Routes are found by what a path means, not by how it is written: %61dmin and //admin are /admin.
    "  http-request set-var(txn.place) path,url_dec,regsub(/+,/,g)",
    ...["", ",regsub(^[^.]+,*)", "any"].map((change) => {
      const hostOf = change === "any" ? "str(*)" : `var(txn.host)${change}`;
      return (
        `  http-request set-var(txn.route) ${hostOf},concat(,txn.place,/),map_beg(${files.routes})` +
        (change === "" ? "" : " unless { var(txn.route) -m found }")
      );
    }),
    ...(specification.visits === undefined
      ? []
      : [
          `  use_backend visits if { var(txn.place) -m beg ${visitPath} } { var(txn.route) -m found } { var(txn.route),map_str(${files.visits}) -m found }`,
        ]),
    "  use_backend %[var(txn.route)] if { var(txn.route) -m found }",
    "  default_backend no_route",
  ];
}
