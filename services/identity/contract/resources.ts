import { z } from "zod";
import { displayName, revision, roles, slug, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";

export const locales = ["en", "fr", "uk"] as const;
export type Locale = (typeof locales)[number];

export const email = z
  .email("Enter an e-mail address, like name@example.org.")
  .max(254)
  .transform((address) => address.toLowerCase());
export const password = z
  .string()
  .min(12, "A password needs at least 12 characters; a few unrelated words are good.")
  .max(256, "A password has at most 256 characters.");

// ── The cloud itself ────────────────────────────────────────────────────────────────────────────────────────────

export const cloud = z.object({
  name: z.string(),
  version: z.string(),
  /** True until the first owner exists. */
  setupNeeded: z.boolean(),
  /** Whether anybody may make an account and an organisation. */
  signUpOpen: z.boolean(),
  /** Of all prices: ISO 4217. */
  currency: z.string(),
  s3: z.object({ endpoint: z.string(), region: z.string() }),
  /** Where git is spoken over SSH; absent: it is turned off. */
  ssh: z
    .object({
      host: z.string(),
      port: z.number().int(),
      fingerprint: z.string().describe("Of the server's key, as ssh shows it before the first connection: SHA256:…"),
      hostKey: z.string().describe("The server's public key, for a known_hosts file: ssh-ed25519 …"),
    })
    .optional(),
});

// ── Tenancy ─────────────────────────────────────────────────────────────────────────────────────────────────────

export const lifecycleStates = ["active", "suspended"] as const;
export const organisation = z.object({
  id: id("organisation"),
  name: displayName,
  slug,
  state: z.enum(lifecycleStates),
  suspendedReason: z.string().optional(),
  createdAt: timestamp,
  revision,
});
export type Organisation = z.output<typeof organisation>;

export const project = z.object({
  id: id("project"),
  organisationId: id("organisation"),
  name: displayName,
  slug,
  createdAt: timestamp,
  revision,
});
export type Project = z.output<typeof project>;

/** Where a role holds: exactly the cloud (neither id), an organisation, or a project (both ids). */
export const roleBinding = z.object({
  id: id("roleBinding"),
  principal: z.object({ kind: z.enum(["user", "service_account"]), id: z.string(), name: z.string() }),
  role: z.enum(roles),
  organisationId: id("organisation").optional(),
  projectId: id("project").optional(),
  createdAt: timestamp,
});
export type RoleBinding = z.output<typeof roleBinding>;

// ── People and machines ─────────────────────────────────────────────────────────────────────────────────────────

export const user = z.object({
  id: id("user"),
  email: z.string(),
  name: z.string(),
  locale: z.enum(locales),
  state: z.enum(lifecycleStates),
  suspendedReason: z.string().optional(),
  totpEnabled: z.boolean(),
  passkeyCount: z.number().int(),
  lastSignInAt: timestamp.optional(),
  createdAt: timestamp,
  revision,
});
export type User = z.output<typeof user>;

export const member = z.object({
  principal: z.object({
    kind: z.enum(["user", "service_account"]),
    id: z.string(),
    name: z.string(),
    email: z.string().optional(),
  }),
  state: z.enum(lifecycleStates),
  secondFactor: z.boolean(),
  lastSignInAt: timestamp.optional(),
  bindings: z.array(roleBinding),
});
export type Member = z.output<typeof member>;

export const serviceAccount = z.object({
  id: id("serviceAccount"),
  organisationId: id("organisation"),
  name: displayName,
  description: z.string().max(500),
  state: z.enum(lifecycleStates),
  createdAt: timestamp,
  revision,
});

export const session = z.object({
  id: id("session"),
  current: z.boolean(),
  sourceIp: z.string(),
  userAgent: z.string(),
  /** How the person proved who they are. */
  method: z.enum(["password", "password_totp", "password_recovery_code", "passkey"]),
  createdAt: timestamp,
  lastSeenAt: timestamp,
  expiresAt: timestamp,
});

/** Who is calling, and everything the console's frame needs. */
export const identity = z.object({
  principal: z.object({ kind: z.enum(["user", "service_account"]), id: z.string(), name: z.string() }),
  user: user.optional(),
  bindings: z.array(roleBinding),
  organisations: z.array(organisation.extend({ projects: z.array(project) })).max(1000),
  recoveryCodesLeft: z.number().int(),
});
export type Identity = z.output<typeof identity>;

export const invitation = z.object({
  id: id("invitation"),
  organisationId: id("organisation"),
  organisationName: z.string(),
  projectId: id("project").optional(),
  email: z.string(),
  role: z.enum(roles),
  state: z.enum(["pending", "accepted", "revoked", "expired"]),
  invitedBy: z.string(),
  expiresAt: timestamp,
  createdAt: timestamp,
});

export const apiToken = z.object({
  id: id("apiToken"),
  name: displayName,
  /** The beginning of the token, to recognise it by. */
  prefix: z.string(),
  owner: z.object({ kind: z.enum(["user", "service_account"]), id: z.string(), name: z.string() }),
  scopes: z.array(z.string()),
  lastUsedAt: timestamp.optional(),
  expiresAt: timestamp.optional(),
  createdAt: timestamp,
});

export const accessKey = z.object({
  id: id("accessKey"),
  name: displayName,
  /** What S3 clients call the access key id. */
  accessKeyId: z.string(),
  projectId: id("project"),
  owner: z.object({
    kind: z.enum(["user", "service_account", "app"]).describe("app: it uses a bucket with this key, which goes with the link."),
    id: z.string(),
    name: z.string(),
  }),
  bucketId: id("bucket").optional().describe("The only bucket that it reaches; absent: all of the project."),
  readOnly: z.boolean(),
  enabled: z.boolean(),
  lastUsedAt: timestamp.optional(),
  createdAt: timestamp,
  revision,
});

export const passkey = z.object({ id: id("passkey"), name: displayName, createdAt: timestamp, lastUsedAt: timestamp.optional() });

/** A public key that a person pushes code with. */
export const personSshKey = z.object({
  id: id("personSshKey"),
  name: displayName,
  /** `ssh-ed25519`, … */
  type: z.string(),
  /** `SHA256:…`, as `ssh-keygen -l` prints it. */
  fingerprint: z.string(),
  lastUsedAt: timestamp.optional(),
  createdAt: timestamp,
});
export type PersonSshKey = z.output<typeof personSshKey>;

export const quota = z.object({
  name: z.string().describe("`objects.buckets`, …"),
  unit: z.enum(["count", "bytes"]),
  summary: z.string(),
  limit: z.number().int().min(0),
  used: z.number().int(),
  /** True where the limit was set by hand. */
  custom: z.boolean(),
});
