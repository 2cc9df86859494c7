import { z } from "zod";
import { page, pageQuery, revision, route, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";

const host = z
  .string()
  .trim()
  .toLowerCase()
  .max(253)
  .regex(
    /^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
    "Give a name such as www.example.com.",
  );
const network = z.string().max(50).describe("An address, or a network such as 10.0.0.0/8.");

export const domain = z.object({
  id: id("domain"),
  appId: id("app"),
  host: z.string(),
  /** Requests to this name are sent there instead (308). */
  redirectTo: z.string().optional(),
  active: z.boolean().describe("Whether it leads to the app: it does once it is proven to be yours."),
  challenge: z
    .object({ name: z.string(), value: z.string() })
    .optional()
    .describe("While it is not: a TXT record in the DNS that proves it. The other way is to point the domain to this cloud."),
  /** What is missing, in words; absent: all is well. */
  problem: z.string().optional(),
  certificate: z.object({
    state: z
      .enum(["internal", "waiting", "issued", "failed"])
      .describe("internal: by this cloud's own authority, which browsers do not know."),
    issuer: z.string().optional(),
    expiresAt: timestamp.optional(),
    problem: z.string().optional(),
  }),
  checkedAt: timestamp.optional(),
  createdAt: timestamp,
});
export type Domain = z.output<typeof domain>;

/** Who of those who can sign in to this cloud an app is for. */
export const audiences = ["project", "organisation", "chosen", "cloud"] as const;
export type Audience = (typeof audiences)[number];
const audience = z
  .enum(audiences)
  .describe(
    "Members of its project, of its organisation, those of them that are chosen, or whoever has an account of this cloud.",
  );
const mostChosen = 500;

/** What the gateway does with requests before an app sees them. */
export const appAccess = z.object({
  httpsOnly: z.boolean(),
  basicAuth: z
    .object({ users: z.array(z.string()) })
    .optional()
    .describe("Names only."),
  signIn: z
    .object({ audience, users: z.array(id("user")) })
    .optional()
    .describe("Absent: nobody has to sign in to this cloud."),
  allow: z.array(z.string()),
  deny: z.array(z.string()),
  rateLimit: z.object({ requests: z.number().int(), seconds: z.number().int() }).optional(),
  maintenance: z.boolean(),
  maximumBodyBytes: z.number().int().optional(),
  revision,
});
export type AppAccess = z.output<typeof appAccess>;

export const appEngine = z.object({
  /** Why there is none, for people, with the command that adds it. */
  missing: z.string().optional(),
  version: z.string().optional(),
  cpus: z.number().optional(),
  memoryBytes: z.number().int().optional(),
  userNamespaces: z.enum(["none", "remap", "rootless"]).optional(),
  gateway: z.object({
    missing: z.string().optional(),
    httpPort: z.number().int().optional(),
    httpsPort: z.number().int().optional(),
  }),
  appsDomain: z.string().describe("Apps without a domain of their own are at <app>.<project>.<this>."),
  acme: z
    .object({ directory: z.string(), email: z.string() })
    .optional()
    .describe("Absent: certificates by the cloud's own authority alone."),
  trustDomains: z.boolean().describe("Domains are taken at people's word: for a cloud without public DNS."),
  revision,
});

const byApp = z.object({ app: id("app") });
const byDomain = z.object({ domain: id("domain") });
const errors = ["not_found"] as const;

export const routingRoutes = {
  domainList: route({
    method: "GET",
    path: "/v1/apps/{app}/domains",
    summary: "List the domains of an app",
    permission: "apps.domain.list",
    roles: ["viewer"],
    params: byApp,
    query: pageQuery,
    response: page(domain),
    errors,
  }),
  domainAdd: route({
    method: "POST",
    path: "/v1/apps/{app}/domains",
    summary: "Give an app a domain",
    description:
      "It answers there once the domain is proven to be yours: it leads here, or carries the TXT record that the answer tells. The cloud looks by itself; the certificate comes when the name leads here.",
    permission: "apps.domain.create",
    roles: ["editor"],
    params: byApp,
    body: z.object({ host, redirectTo: host.optional().describe("Another domain of the app, to which requests are sent.") }),
    response: domain,
    status: 201,
    errors: ["not_found", "already_exists", "failed_precondition"],
  }),
  domainCheck: route({
    method: "POST",
    path: "/v1/domains/{domain}/check",
    summary: "Check whether a domain leads here",
    permission: "apps.domain.check",
    roles: ["editor"],
    params: byDomain,
    response: domain,
    errors,
    stream: {},
  }),
  domainDelete: route({
    method: "DELETE",
    path: "/v1/domains/{domain}",
    summary: "Take a domain from an app",
    permission: "apps.domain.delete",
    roles: ["editor"],
    params: byDomain,
    status: 204,
    errors,
  }),
  appAccessGet: route({
    method: "GET",
    path: "/v1/apps/{app}/access",
    summary: "Show who reaches an app",
    permission: "apps.access.read",
    roles: ["viewer"],
    params: byApp,
    response: appAccess,
    errors,
  }),
  appAccessUpdate: route({
    method: "PATCH",
    path: "/v1/apps/{app}/access",
    summary: "Change who reaches an app",
    permission: "apps.access.update",
    roles: ["editor"],
    params: byApp,
    body: z.object({
      httpsOnly: z.boolean().optional(),
      basicAuth: z
        .array(
          z.object({
            name: z.string().regex(/^[\w.@-]{1,64}$/, "Letters, digits, _, ., @ and -."),
            password: z.string().min(8).max(200),
          }),
        )
        .max(100)
        .nullable()
        .optional()
        .describe("All of them; null: none is asked for."),
      signIn: z
        .object({ audience, users: z.array(id("user")).max(mostChosen).optional().describe("When they are chosen.") })
        .nullable()
        .optional()
        .describe("Visitors sign in to this cloud first; with basicAuth too, either lets in. null: they need not."),
      allow: z.array(network).max(500).optional().describe("When there are any, all others are denied."),
      deny: z.array(network).max(500).optional(),
      rateLimit: z
        .object({ requests: z.int().min(1).max(1_000_000), seconds: z.int().min(1).max(3600) })
        .nullable()
        .optional()
        .describe("For each client's address; what is above is answered 429."),
      maintenance: z.boolean().optional().describe("A page says so in place of the app."),
      maximumBodyBytes: z.int().min(0).nullable().optional(),
    }),
    response: appAccess,
    errors: ["not_found", "invalid_argument", "precondition_failed"],
  }),
  appVisitCreate: route({
    method: "POST",
    path: "/v1/app-visits",
    summary: "Visit an app that asks for a sign-in",
    description:
      "For the console's own page, to which the gateway sends visitors of such an app: the answer is the address at the app that lets this browser in, once, within a minute.",
    permission: "self",
    body: z.object({
      origin: z
        .url({ protocol: /^https?$/ })
        .max(300)
        .describe("Of the app, such as https://shop.example.org."),
      state: z
        .string()
        .regex(/^[0-9a-f]{64}$/)
        .describe("Of the browser that began."),
      to: z.string().max(2048).describe("Where at the app: a path with its query."),
      confirmed: z.boolean().optional().describe("The visitor wants the app to know who they are."),
    }),
    response: z.object({
      url: z
        .string()
        .optional()
        .describe("Absent: the visitor has to say first that they want it, as the app is none of their organisations'."),
      app: z.object({ name: z.string(), host: z.string() }),
    }),
    errors: ["not_found", "permission_denied", "failed_precondition"],
    stream: {},
    cli: false,
  }),
  appEngineGet: route({
    method: "GET",
    path: "/v1/app-engine",
    summary: "Show what apps run on",
    description:
      "Whether there is an engine and a gateway, and under which domain apps are; how certificates are got, for administrators of the cloud.",
    permission: "self",
    response: appEngine,
    stream: {},
  }),
  appEngineUpdate: route({
    method: "PATCH",
    path: "/v1/app-engine",
    summary: "Change what apps run on",
    permission: "apps.engine.update",
    roles: ["admin"],
    body: z.object({
      appsDomain: z
        .union([z.literal("localhost"), host])
        .optional()
        .describe("With a wildcard entry in DNS that leads here: *.apps.example.com. localhost: seen on this machine alone."),
      acme: z
        .object({ directory: z.url({ protocol: /^https$/ }).max(500), email: z.email().max(200) })
        .nullable()
        .optional()
        .describe("The directory of an ACME server (RFC 8555), such as Let's Encrypt's."),
      trustDomains: z.boolean().optional().describe("Nobody has to prove that a domain is theirs."),
    }),
    response: appEngine,
    errors: ["invalid_argument", "precondition_failed"],
    stream: {},
  }),
};

export const routingMeters = {
  "apps.requests": { unit: "requests", summary: "Requests that the gateway answered for apps" },
  "apps.sent": { unit: "bytes", summary: "Bytes that the gateway sent for apps" },
} as const;
