/**
 * What the gateway is to do, all of it, as one value: whoever drives it says what is wanted, and never how to get there. Every text of it
 * ends in a configuration file, so each has a closed form; what does not fit is refused before anything changes.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { z } from "zod";
import { CloudError, type FieldProblem } from "../kernel/errors.ts";

const label = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?";
const hostPattern = new RegExp(`^(\\*\\.)?(${label}\\.)*${label}$`);

const name = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, "Use a-z, 0-9, - and _, at most 63 of them.");
const serverName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/, "Use letters, digits, _, . and -, at most 63 of them.");
const address = z.string().refine((text) => isIP(text) !== 0, "Give an IP address.");
const port = z.int().min(1).max(65535);
const seconds = (least: number, most: number) => z.number().min(least).max(most);

/** `10.0.0.0/8`, `2001:db8::/32` or one address. */
const network = z.string().refine((text) => {
  const [ip = "", bits, ...rest] = text.split("/");
  const version = isIP(ip);
  if (version === 0 || ip.includes("%") || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
}, "Give an address or a network, such as 10.0.0.0/8.");

/** In lower case and in ASCII (IDNA's A-labels); `*.example.com` is any one label below, and `*` whatever no other route takes. */
const host = z
  .string()
  .max(253)
  .refine((text) => text === "*" || hostPattern.test(text), "Give a host name in lower case, such as www.example.com.");

const pathPrefix = z
  .string()
  .max(512)
  .regex(/^\/[A-Za-z0-9._~!$&()*+,;=:@/-]*$/, "Give a path that begins with /, without a query.")
  .refine((text) => !/\/\/|\/\.\.?(\/|$)/.test(text), "The path may not have empty parts, . or ..");

const page = z.string().max(64 * 1024);

const listener = z.strictObject({
  protocol: z.enum(["http", "https"]),
  /** `0.0.0.0` and `::` are all of that family. */
  address,
  port,
  /** What stands in front speaks the PROXY protocol (versions 1 and 2), and nobody else comes here. */
  proxyProtocol: z.boolean().default(false),
});

const certificate = z.strictObject({
  name,
  /** Names of the server name indication that it is for; `*.example.com` too. */
  hosts: z.array(host.refine((text) => text !== "*", "A certificate has names.")).max(100),
  /** PEM: the certificate first, then the chain. */
  certificate: z.string().max(64 * 1024),
  /** PEM, not encrypted. */
  key: z.string().max(16 * 1024),
});

const server = z.strictObject({
  name: serverName,
  address,
  port,
  /** The share of requests, among the others of the route. */
  weight: z.int().min(1).max(256).default(100),
  /** Takes no new request; what is under way goes on. */
  drain: z.boolean().default(false),
});

const health = z.strictObject({
  /** Absent: it is enough that the port takes connections. */
  path: pathPrefix.optional(),
  host: host.optional(),
  intervalSeconds: seconds(0.1, 300).default(5),
  /** So many in a row take it out. */
  failures: z.int().min(1).max(20).default(3),
  /** So many in a row take it in again. */
  successes: z.int().min(1).max(20).default(1),
});

const application = z.strictObject({
  kind: z.literal("servers"),
  servers: z.array(server).max(200),
  balance: z.enum(["least_connections", "round_robin", "source"]).default("least_connections"),
  /** What the servers speak: h2c is HTTP/2 without TLS, as for gRPC. */
  protocol: z.enum(["http1", "h2c"]).default("http1"),
  health: health.prefault({}),
  timeouts: z
    .strictObject({
      connectSeconds: seconds(0.1, 60).default(5),
      /** From the request to the first byte, and between two bytes. */
      responseSeconds: seconds(1, 86_400).default(60),
      /** A WebSocket on which nothing happens. */
      tunnelSeconds: seconds(1, 86_400).default(3600),
    })
    .prefault({}),
});

const redirection = z.strictObject({
  kind: z.literal("redirect"),
  to: z
    .string()
    .max(2048)
    .regex(
      /^https?:\/\/[A-Za-z0-9.:[\]-]+(\/[\w.~!$&()*+,;=:@%/?-]*)?$/,
      "Give a whole address, such as https://www.example.com.",
    ),
  code: z.union([z.literal(301), z.literal(302), z.literal(303), z.literal(307), z.literal(308)]).default(308),
  /** Path and query of the request are put behind `to`. */
  keepPath: z.boolean().default(true),
});

const basicAuthUser = z.strictObject({
  name: z.string().regex(/^[\w.@-]{1,64}$/, "Use letters, digits, _, ., @ and -."),
  /** Base64 of 16 bytes, and hex of HMAC-SHA256(salt, password): see basicAuthUser(). */
  salt: z.string().regex(/^[A-Za-z0-9+/]{22}==$/),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
});

const route = z.strictObject({
  id: name,
  hosts: z.array(host).min(1).max(200),
  /** `/api` is /api and what is below it, and not /apis. The longest one wins; a name itself wins over a wildcard. */
  paths: z.array(pathPrefix).min(1).max(50).default(["/"]),
  target: z.discriminatedUnion("kind", [application, redirection]),
  /** Plain HTTP is sent to HTTPS (308), but for ACME's challenges. */
  httpsOnly: z.boolean().default(false),
  /** HTTP Strict Transport Security (RFC 6797), on HTTPS answers. */
  hsts: z
    .strictObject({
      maxAgeSeconds: z.int().min(0).max(63_072_000).default(31_536_000),
      includeSubdomains: z.boolean().default(false),
    })
    .optional(),
  basicAuth: z
    .strictObject({ realm: z.string().regex(/^[\w .@-]{1,64}$/), users: z.array(basicAuthUser).min(1).max(100) })
    .optional(),
  /**
   * Only visitors who have signed in elsewhere: they carry a JSON Web Token (RFC 7519, HS256) in the cookie of visitCookie(), which is checked
   * here without asking anybody. Whoever has none is sent to `visits` of the specification; a program is answered 401. With basicAuth too,
   * either lets in.
   */
  signIn: z
    .strictObject({
      /** The claim `aud`. */
      audience: z.string().regex(/^[\w.-]{1,64}$/),
      /** Of the signature: 32 bytes, in hex. */
      key: z.string().regex(/^[0-9a-f]{64}$/),
      /** A page that is opened with less than this left is sent to be renewed, when somebody is there to do it. */
      renewSeconds: z.int().min(0).max(86_400).default(900),
    })
    .optional(),
  /** Denied wins; when something is allowed, everything else is denied. */
  addresses: z
    .strictObject({ allow: z.array(network).max(500).default([]), deny: z.array(network).max(500).default([]) })
    .prefault({}),
  /** For each client address (IPv6: its /64). What is above is answered 429. */
  rateLimit: z.strictObject({ requests: z.int().min(1).max(1_000_000), seconds: z.int().min(1).max(3600) }).optional(),
  maintenance: z
    .strictObject({
      on: z.boolean(),
      /** HTML of its own; `{{requestId}}` is replaced. */
      page: page.optional(),
      retryAfterSeconds: z.int().min(0).max(86_400).default(120),
      /** They see the application all the same. */
      allow: z.array(network).max(100).default([]),
    })
    .optional(),
  /** HTML of its own for what the gateway answers itself; `{{requestId}}` is replaced. */
  errorPages: z
    .strictObject({ 403: page, 404: page, 429: page, 500: page, 502: page, 503: page, 504: page })
    .partial()
    .default({}),
  /** Said to the servers, whatever the client says. */
  requestHeaders: z.record(z.string().regex(/^x-khmara-website$/), z.string().regex(/^[A-Za-z0-9._:-]{1,200}$/)).default({}),
  /** gzip, for text of any kind that does not come compressed already. */
  compress: z.boolean().default(true),
  /** Bytes. More is answered 413, and a body of unknown length 411, as it could be of any. Absent: the application decides. */
  maxBodyBytes: z.int().min(0).optional(),
});

export const gatewaySpecification = z.strictObject({
  listeners: z.array(listener).min(1).max(50),
  certificates: z.array(certificate).max(10_000).default([]),
  /** The name of the one for clients that ask for no name, or for one that nobody has. Needed for an HTTPS listener. */
  defaultCertificate: name.optional(),
  /** Where clients find HTTPS, which may be another port than the one listened on. */
  httpsPort: port.default(443),
  /** Where /.well-known/acme-challenge/ of every host goes. */
  acme: z.strictObject({ address, port }).optional(),
  /** Where /.khmara/ of routes with `signIn` goes: it signs visitors in and renews that. */
  visits: z.strictObject({ address, port }).optional(),
  /** Proxies in front whose X-Forwarded-For and X-Forwarded-Proto are believed. */
  trustedProxies: z.array(network).max(500).default([]),
  routes: z.array(route).max(10_000).default([]),
  /** In the titles of the pages that the gateway answers itself. */
  productName: z
    .string()
    .regex(/^[\w .-]{1,40}$/)
    .default("Khmara"),
  /** How long an old worker may go on after a reload with the connections it has; then they are cut. */
  longestConnectionSeconds: z.int().min(1).max(604_800).default(86_400),
  /** How long a client may take for the head of a request. */
  requestHeadSeconds: seconds(0.5, 120).default(10),
  /** How long a client may do nothing: while it sends a body, or takes an answer. */
  clientSeconds: seconds(1, 3600).default(60),
  /** How long a connection without a request is kept. */
  keepAliveSeconds: seconds(1, 600).default(60),
});

export type GatewaySpecification = z.input<typeof gatewaySpecification>;
export type CheckedSpecification = z.output<typeof gatewaySpecification>;
export type CheckedRoute = CheckedSpecification["routes"][number];
export type CheckedServer = z.output<typeof server>;

/** The same with every default filled in. invalid_argument, with every problem and its place. */
export function checkSpecification(specification: GatewaySpecification): CheckedSpecification {
  const parsed = gatewaySpecification.safeParse(specification);
  if (!parsed.success) throw refuse(parsed.error.issues.map(({ path, message }) => ({ path: path.join("."), message })));
  const problems = crossProblems(parsed.data);
  if (problems.length > 0) throw refuse(problems);
  return parsed.data;
}

function refuse(fields: FieldProblem[]): CloudError {
  const [first] = fields;
  const more = fields.length > 1 ? ` (and ${fields.length - 1} more)` : "";
  return new CloudError("invalid_argument", `The gateway cannot do this: ${first?.path}: ${first?.message}${more}`, {
    details: { fields },
  });
}

/** What no single field shows: two that say the same, and one that names what is not there. */
function crossProblems(specification: CheckedSpecification): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const once = (what: string) => {
    const seen = new Map<string, string>();
    return (key: string, path: string) => {
      const first = seen.get(key);
      if (first === undefined) seen.set(key, path);
      else problems.push({ path, message: `${what} ${key} is at ${first} already.` });
    };
  };
  const listeners = once("The listener");
  specification.listeners.forEach(({ address, port }, i) => {
    listeners(`${address} port ${port}`, `listeners.${i}`);
  });
  const names = once("The certificate");
  const certified = once("The certificate for");
  specification.certificates.forEach((each, i) => {
    names(each.name, `certificates.${i}.name`);
    for (const host of each.hosts) certified(host, `certificates.${i}.hosts`);
    const problem = pairProblem(each.certificate, each.key);
    if (problem !== undefined) problems.push({ path: `certificates.${i}`, message: problem });
  });
  const { defaultCertificate } = specification;
  if (defaultCertificate !== undefined && !specification.certificates.some((each) => each.name === defaultCertificate))
    problems.push({ path: "defaultCertificate", message: `There is no certificate ${defaultCertificate}.` });
  if (defaultCertificate === undefined && specification.listeners.some(({ protocol }) => protocol === "https"))
    problems.push({ path: "defaultCertificate", message: "A listener for HTTPS needs one." });
  const routes = once("The route");
  const places = once("The place");
  specification.routes.forEach((route, i) => {
    routes(route.id, `routes.${i}.id`);
    for (const host of route.hosts) for (const path of route.paths) places(host + path, `routes.${i}.hosts`);
    if (route.signIn !== undefined && specification.visits === undefined)
      problems.push({ path: `routes.${i}.signIn`, message: "Somebody has to sign visitors in: give visits." });
    if (route.target.kind !== "servers") return;
    const servers = once("The server");
    route.target.servers.forEach((each, n) => {
      servers(each.name, `routes.${i}.target.servers.${n}.name`);
    });
  });
  return problems;
}

function pairProblem(certificate: string, key: string): string | undefined {
  try {
    if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key)))
      return "The key is not the one of the certificate.";
    const blocks = certificate.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
    for (const block of blocks) new X509Certificate(block);
    return undefined;
  } catch {
    return "The certificate or its key cannot be read: give PEM, and a key without a passphrase.";
  }
}
