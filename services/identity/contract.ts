import { z } from "zod";
import type { Principal } from "../../kernel/auth/principal.ts";
import {
  type Actor,
  contract,
  displayName,
  event,
  page,
  pageQuery,
  revision,
  roles,
  route,
  slug,
  timestamp,
} from "../../kernel/contract.ts";
import type { Tx } from "../../kernel/db/database.ts";
import type { Authentication } from "../../kernel/http/server.ts";
import { id } from "../../kernel/ids.ts";

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
const oneTimeToken = z.string().min(20).max(200);
const totpCode = z.string().regex(/^\d{6}$/, "Enter the 6 digits that the authenticator app shows.");

// ── The cloud itself ────────────────────────────────────────────────────────────────────────────────────────────

const currency = z.string().regex(/^[A-Z]{3}$/, "Three capital letters of ISO 4217, such as EUR, UAH or USD.");
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

/** A scope of a token: `*`, a service (`objects.*`), a resource (`objects.bucket.*`) or reading only (`*.read`). */
const scopes = z
  .array(
    z
      .string()
      .regex(
        /^(\*|\*\.read|[a-z]+(\.[a-z_]+)?\.\*|[a-z]+\.[a-z_]+\.[a-z_]+)$/,
        "Use *, *.read, objects.*, objects.bucket.* or a whole permission.",
      ),
  )
  .min(1)
  .max(50);

export const quota = z.object({
  name: z.string().describe("`objects.buckets`, …"),
  unit: z.enum(["count", "bytes"]),
  summary: z.string(),
  limit: z.number().int().min(0),
  used: z.number().int(),
  /** True where the limit was set by hand. */
  custom: z.boolean(),
});

const inOrganisation = z.object({ organisation: id("organisation") });
const withReason = z.object({ reason: z.string().trim().min(1, "Say why; the person will be shown it.").max(300) });
const webauthn = z.record(z.string(), z.unknown()).describe("A WebAuthn Level 3 JSON structure.");
const secondFactorNote =
  "With a second factor the first answer is `unauthenticated` with `reason: second_factor_required`; send it again with `code` or `recoveryCode`.";

/** Not in the request's transaction: hashing a password would hold it for long, and what is counted and audited stays when it fails. */
const ownTransactions = {};

export default contract({
  name: "identity",
  title: "Identity",
  routes: {
    cloudGet: route({ method: "GET", path: "/v1/cloud", summary: "Show the cloud", permission: "public", response: cloud }),
    cloudUpdate: route({
      method: "PATCH",
      path: "/v1/cloud",
      summary: "Change the cloud's settings",
      permission: "identity.cloud.update",
      roles: ["admin"],
      body: z.object({ name: displayName.optional(), signUpOpen: z.boolean().optional(), currency: currency.optional() }),
      response: cloud,
    }),
    setupComplete: route({
      method: "POST",
      path: "/v1/setup",
      summary: "Make the first owner",
      description: "Works once, with the token that `khmara up` printed.",
      permission: "public",
      body: z.object({
        token: oneTimeToken,
        email,
        name: displayName,
        password,
        organisationName: displayName.default("Home"),
        locale: z.enum(locales).default("en"),
      }),
      response: identity,
      status: 201,
      stream: ownTransactions,
      errors: ["failed_precondition", "rate_limited"],
      cli: false,
    }),
    signUpCreate: route({
      method: "POST",
      path: "/v1/sign-ups",
      summary: "Make an account and an organisation",
      description: "Only where the cloud allows it.",
      permission: "public",
      body: z.object({
        email,
        name: displayName,
        password,
        organisationName: displayName,
        locale: z.enum(locales).default("en"),
      }),
      response: identity,
      status: 201,
      stream: ownTransactions,
      errors: ["failed_precondition", "already_exists", "rate_limited"],
      cli: false,
    }),

    sessionCreate: route({
      method: "POST",
      path: "/v1/sessions",
      summary: "Sign in",
      description: `With e-mail and password, or with a passkey. Sets the session cookie. ${secondFactorNote}`,
      permission: "public",
      body: z.object({
        email: z.string().trim().toLowerCase().max(254).optional(),
        password: z.string().max(256).optional(),
        code: totpCode.optional(),
        recoveryCode: z.string().trim().max(40).optional(),
        passkey: z.object({ challengeId: z.string().max(100), response: webauthn }).optional(),
      }),
      response: identity,
      status: 201,
      stream: ownTransactions,
      errors: ["rate_limited"],
      cli: false,
    }),
    passkeyChallengeCreate: route({
      method: "POST",
      path: "/v1/passkey-challenges",
      summary: "Begin signing in with a passkey",
      permission: "public",
      body: z.object({}),
      response: z.object({ challengeId: z.string(), options: webauthn }),
      status: 201,
      stream: ownTransactions,
      errors: ["failed_precondition", "rate_limited"],
      cli: false,
    }),
    sessionList: route({
      method: "GET",
      path: "/v1/sessions",
      summary: "List your sessions",
      permission: "self",
      query: pageQuery,
      response: page(session),
    }),
    sessionDelete: route({
      method: "DELETE",
      path: "/v1/sessions/{session}",
      summary: "End one of your sessions",
      description: "`current` signs out.",
      permission: "self",
      params: z.object({ session: z.union([z.literal("current"), id("session")]) }),
      errors: ["not_found"],
    }),
    sessionClear: route({
      method: "DELETE",
      path: "/v1/sessions",
      summary: "End all your other sessions",
      permission: "self",
      response: z.object({ ended: z.number().int() }),
    }),
    identityGet: route({
      method: "GET",
      path: "/v1/identity",
      summary: "Show who you are and what you may see",
      permission: "self",
      response: identity,
    }),

    profileUpdate: route({
      method: "PATCH",
      path: "/v1/profile",
      summary: "Change your name or language",
      permission: "self",
      body: z.object({ name: displayName.optional(), locale: z.enum(locales).optional() }),
      response: user,
      errors: ["failed_precondition"],
    }),
    passwordUpdate: route({
      method: "PUT",
      path: "/v1/profile/password",
      summary: "Change your password",
      description: "Ends all your other sessions.",
      permission: "self",
      body: z.object({ currentPassword: z.string().max(256), newPassword: password }),
      stream: ownTransactions,
      errors: ["failed_precondition", "rate_limited"],
    }),
    totpCreate: route({
      method: "POST",
      path: "/v1/profile/totp",
      summary: "Begin adding an authenticator app",
      permission: "self",
      body: z.object({ currentPassword: z.string().max(256) }),
      response: z.object({ secret: z.string(), uri: z.string() }),
      status: 201,
      stream: ownTransactions,
      errors: ["failed_precondition", "rate_limited"],
    }),
    totpConfirm: route({
      method: "POST",
      path: "/v1/profile/totp/confirm",
      summary: "Finish adding an authenticator app",
      description: "Answers the recovery codes, once.",
      permission: "self",
      body: z.object({ code: totpCode }),
      response: z.object({ recoveryCodes: z.array(z.string()) }),
      stream: ownTransactions,
      errors: ["failed_precondition", "rate_limited"],
    }),
    totpDelete: route({
      method: "POST",
      path: "/v1/profile/totp/delete",
      summary: "Remove the authenticator app",
      permission: "self",
      body: z.object({ currentPassword: z.string().max(256) }),
      stream: ownTransactions,
      errors: ["failed_precondition", "rate_limited"],
    }),
    recoveryCodeCreate: route({
      method: "POST",
      path: "/v1/profile/recovery-codes",
      summary: "Make new recovery codes",
      description: "The old ones no longer work. The new ones are shown once.",
      permission: "self",
      body: z.object({ currentPassword: z.string().max(256) }),
      response: z.object({ recoveryCodes: z.array(z.string()) }),
      status: 201,
      stream: ownTransactions,
      errors: ["failed_precondition", "rate_limited"],
    }),
    passkeyList: route({
      method: "GET",
      path: "/v1/profile/passkeys",
      summary: "List your passkeys",
      permission: "self",
      query: pageQuery,
      response: page(passkey),
    }),
    passkeyRegister: route({
      method: "POST",
      path: "/v1/profile/passkeys/challenge",
      summary: "Begin adding a passkey",
      permission: "self",
      body: z.object({}),
      response: z.object({ challengeId: z.string(), options: webauthn }),
      status: 201,
      errors: ["failed_precondition"],
      cli: false,
    }),
    passkeyCreate: route({
      method: "POST",
      path: "/v1/profile/passkeys",
      summary: "Finish adding a passkey",
      permission: "self",
      body: z.object({ challengeId: z.string().max(100), name: displayName, response: webauthn }),
      response: passkey.extend({
        recoveryCodes: z.array(z.string()).optional().describe("Given once, with the first second factor."),
      }),
      status: 201,
      stream: ownTransactions,
      errors: ["failed_precondition"],
      cli: false,
    }),
    passkeyUpdate: route({
      method: "PATCH",
      path: "/v1/profile/passkeys/{passkey}",
      summary: "Rename a passkey",
      permission: "self",
      params: z.object({ passkey: id("passkey") }),
      body: z.object({ name: displayName }),
      response: passkey,
      errors: ["not_found"],
    }),
    passkeyDelete: route({
      method: "DELETE",
      path: "/v1/profile/passkeys/{passkey}",
      summary: "Remove a passkey",
      permission: "self",
      params: z.object({ passkey: id("passkey") }),
      errors: ["not_found"],
    }),

    personSshKeyList: route({
      method: "GET",
      path: "/v1/profile/ssh-keys",
      summary: "List your SSH keys",
      description: "Newest first.",
      permission: "self",
      query: pageQuery,
      response: page(personSshKey),
    }),
    personSshKeyCreate: route({
      method: "POST",
      path: "/v1/profile/ssh-keys",
      summary: "Add an SSH key of yours",
      description:
        "A public key that you push code with, over SSH: with your own roles, and for nothing else. A key belongs to one person of the cloud. Servers that people sign in to have keys of their own (`sshKeyCreate`).",
      permission: "self",
      body: z.object({
        name: displayName,
        publicKey: z.string().max(20_000).describe("One line, such as ~/.ssh/id_ed25519.pub has: ssh-ed25519 AAAA…"),
      }),
      response: personSshKey,
      status: 201,
      errors: ["failed_precondition", "already_exists"],
    }),
    personSshKeyDelete: route({
      method: "DELETE",
      path: "/v1/profile/ssh-keys/{personSshKey}",
      summary: "Delete an SSH key of yours",
      permission: "self",
      params: z.object({ personSshKey: id("personSshKey") }),
      errors: ["not_found"],
    }),

    passwordResetCreate: route({
      method: "POST",
      path: "/v1/users/{user}/password-resets",
      summary: "Make a link with which a person sets a new password",
      description: "The link works once, for 24 hours, and is shown once.",
      permission: "identity.user.reset_password",
      roles: ["admin"],
      params: z.object({ user: id("user") }),
      body: z.object({}),
      response: z.object({ link: z.string(), expiresAt: timestamp }),
      status: 201,
      errors: ["not_found"],
    }),
    passwordResetComplete: route({
      method: "POST",
      path: "/v1/password-resets",
      summary: "Set a new password with a reset link",
      permission: "public",
      body: z.object({ token: oneTimeToken, password }),
      stream: ownTransactions,
      errors: ["failed_precondition", "rate_limited"],
      cli: false,
    }),

    userList: route({
      method: "GET",
      path: "/v1/users",
      summary: "List all people of the cloud",
      permission: "identity.user.list",
      roles: ["admin"],
      query: pageQuery.extend({ search: z.string().max(100).optional(), state: z.enum(lifecycleStates).optional() }),
      response: page(user),
    }),
    userGet: route({
      method: "GET",
      path: "/v1/users/{user}",
      summary: "Show a person",
      permission: "identity.user.read",
      roles: ["admin"],
      params: z.object({ user: id("user") }),
      response: user,
      errors: ["not_found"],
    }),
    userSuspend: route({
      method: "POST",
      path: "/v1/users/{user}/suspend",
      summary: "Suspend a person",
      description: "All their sessions, tokens and keys stop working at once, until they are resumed.",
      permission: "identity.user.suspend",
      roles: ["admin"],
      params: z.object({ user: id("user") }),
      body: withReason,
      response: user,
      errors: ["not_found", "failed_precondition"],
    }),
    userResume: route({
      method: "POST",
      path: "/v1/users/{user}/resume",
      summary: "Let a suspended person in again",
      permission: "identity.user.resume",
      roles: ["admin"],
      params: z.object({ user: id("user") }),
      body: z.object({}),
      response: user,
      errors: ["not_found", "failed_precondition"],
    }),

    organisationList: route({
      method: "GET",
      path: "/v1/organisations",
      summary: "List your organisations",
      permission: "self",
      query: pageQuery.extend({ search: z.string().max(100).optional() }),
      response: page(organisation),
    }),
    organisationCreate: route({
      method: "POST",
      path: "/v1/organisations",
      summary: "Make an organisation",
      permission: "identity.organisation.create",
      roles: ["admin"],
      body: z.object({ name: displayName, slug: slug.optional() }),
      response: organisation,
      status: 201,
      errors: ["already_exists"],
    }),
    organisationGet: route({
      method: "GET",
      path: "/v1/organisations/{organisation}",
      summary: "Show an organisation",
      permission: "identity.organisation.read",
      roles: ["viewer", "billing"],
      params: inOrganisation,
      response: organisation,
      errors: ["not_found"],
    }),
    organisationUpdate: route({
      method: "PATCH",
      path: "/v1/organisations/{organisation}",
      summary: "Rename an organisation",
      permission: "identity.organisation.update",
      roles: ["admin"],
      params: inOrganisation,
      body: z.object({ name: displayName.optional(), slug: slug.optional() }),
      response: organisation,
      errors: ["not_found", "already_exists", "precondition_failed"],
    }),
    organisationSuspend: route({
      method: "POST",
      path: "/v1/organisations/{organisation}/suspend",
      summary: "Suspend an organisation",
      description: "Everything of it stays, nothing of it can be used. Needs the role admin at the cloud.",
      permission: "identity.organisation.suspend",
      roles: ["admin"],
      params: inOrganisation,
      body: withReason,
      response: organisation,
      errors: ["not_found", "failed_precondition"],
    }),
    organisationResume: route({
      method: "POST",
      path: "/v1/organisations/{organisation}/resume",
      summary: "Resume a suspended organisation",
      permission: "identity.organisation.resume",
      roles: ["admin"],
      params: inOrganisation,
      body: z.object({}),
      response: organisation,
      errors: ["not_found", "failed_precondition"],
    }),
    organisationDelete: route({
      method: "DELETE",
      path: "/v1/organisations/{organisation}",
      summary: "Delete an organisation",
      description: "Only when it has no projects. Its audit entries and usage stay.",
      permission: "identity.organisation.delete",
      roles: ["owner"],
      params: inOrganisation,
      errors: ["not_found", "failed_precondition"],
    }),

    projectList: route({
      method: "GET",
      path: "/v1/projects",
      summary: "List the projects of an organisation",
      permission: "identity.project.list",
      roles: ["viewer", "billing"],
      query: pageQuery.extend({ organisation: id("organisation"), search: z.string().max(100).optional() }),
      response: page(project),
      errors: ["not_found"],
    }),
    projectCreate: route({
      method: "POST",
      path: "/v1/projects",
      summary: "Make a project",
      permission: "identity.project.create",
      roles: ["admin"],
      body: z.object({ organisation: id("organisation"), name: displayName, slug: slug.optional() }),
      response: project,
      status: 201,
      errors: ["not_found", "already_exists", "quota_exceeded"],
    }),
    projectGet: route({
      method: "GET",
      path: "/v1/projects/{project}",
      summary: "Show a project",
      permission: "identity.project.read",
      roles: ["viewer", "billing"],
      params: z.object({ project: id("project") }),
      response: project,
      errors: ["not_found"],
    }),
    projectUpdate: route({
      method: "PATCH",
      path: "/v1/projects/{project}",
      summary: "Rename a project",
      permission: "identity.project.update",
      roles: ["admin"],
      params: z.object({ project: id("project") }),
      body: z.object({ name: displayName.optional(), slug: slug.optional() }),
      response: project,
      errors: ["not_found", "already_exists", "precondition_failed"],
    }),
    projectDelete: route({
      method: "DELETE",
      path: "/v1/projects/{project}",
      summary: "Delete a project",
      description: "Only when nothing is left in it.",
      permission: "identity.project.delete",
      roles: ["admin"],
      params: z.object({ project: id("project") }),
      errors: ["not_found", "failed_precondition"],
    }),

    memberList: route({
      method: "GET",
      path: "/v1/organisations/{organisation}/members",
      summary: "List the members of an organisation and their roles",
      permission: "identity.member.list",
      roles: ["viewer"],
      params: inOrganisation,
      query: pageQuery.extend({ search: z.string().max(100).optional() }),
      response: page(member),
      errors: ["not_found"],
    }),
    memberDelete: route({
      method: "DELETE",
      path: "/v1/organisations/{organisation}/members/{principal}",
      summary: "Remove a member from an organisation",
      description:
        "Takes away all roles in the organisation and its projects; their keys there stop working. The last owner cannot be removed.",
      permission: "identity.member.delete",
      roles: ["admin"],
      params: inOrganisation.extend({ principal: z.union([id("user"), id("serviceAccount")]) }),
      errors: ["not_found", "failed_precondition"],
    }),
    roleBindingList: route({
      method: "GET",
      path: "/v1/role-bindings",
      summary: "List the role bindings of an organisation",
      description: "With those in its projects; without `organisation` those at the cloud itself.",
      permission: "identity.role_binding.list",
      roles: ["viewer"],
      query: pageQuery.extend({ organisation: id("organisation").optional() }),
      response: page(roleBinding),
      errors: ["not_found"],
    }),
    roleBindingCreate: route({
      method: "POST",
      path: "/v1/role-bindings",
      summary: "Give a role to a member",
      description:
        "At an organisation, or at one of its projects; without either at the whole cloud. Nobody can give more than they hold.",
      permission: "identity.role_binding.create",
      roles: ["admin"],
      body: z.object({
        principal: z.union([id("user"), id("serviceAccount")]),
        role: z.enum(roles),
        organisation: id("organisation").optional(),
        project: id("project").optional(),
      }),
      response: roleBinding,
      status: 201,
      errors: ["not_found", "already_exists"],
    }),
    roleBindingDelete: route({
      method: "DELETE",
      path: "/v1/role-bindings/{roleBinding}",
      summary: "Take a role away",
      permission: "identity.role_binding.delete",
      roles: ["admin"],
      params: z.object({ roleBinding: id("roleBinding") }),
      errors: ["not_found", "failed_precondition"],
    }),

    invitationList: route({
      method: "GET",
      path: "/v1/invitations",
      summary: "List the invitations of an organisation",
      permission: "identity.invitation.list",
      roles: ["admin"],
      query: pageQuery.extend({ organisation: id("organisation") }),
      response: page(invitation),
      errors: ["not_found"],
    }),
    invitationCreate: route({
      method: "POST",
      path: "/v1/invitations",
      summary: "Invite a person by link",
      description: "The link works once, for 7 days, and is shown once.",
      permission: "identity.invitation.create",
      roles: ["admin"],
      body: z.object({ organisation: id("organisation"), project: id("project").optional(), email, role: z.enum(roles) }),
      response: invitation.extend({ link: z.string() }),
      status: 201,
      errors: ["not_found", "already_exists"],
    }),
    invitationDelete: route({
      method: "DELETE",
      path: "/v1/invitations/{invitation}",
      summary: "Revoke an invitation",
      permission: "identity.invitation.delete",
      roles: ["admin"],
      params: z.object({ invitation: id("invitation") }),
      errors: ["not_found", "failed_precondition"],
    }),
    invitationInspect: route({
      method: "POST",
      path: "/v1/invitations/inspect",
      summary: "Show what an invitation link is for",
      permission: "public",
      body: z.object({ token: oneTimeToken }),
      response: z.object({
        organisationName: z.string(),
        email: z.string(),
        role: z.enum(roles),
        invitedBy: z.string(),
        accountExists: z.boolean(),
      }),
      stream: ownTransactions,
      errors: ["not_found", "rate_limited"],
      cli: false,
    }),
    invitationAccept: route({
      method: "POST",
      path: "/v1/invitations/accept",
      summary: "Accept an invitation",
      description: "Signed in as the invited address, or with a name and a password for a new account.",
      permission: "public",
      body: z.object({
        token: oneTimeToken,
        name: displayName.optional(),
        password: password.optional(),
        locale: z.enum(locales).default("en"),
      }),
      response: identity,
      status: 201,
      stream: ownTransactions,
      errors: ["not_found", "failed_precondition", "rate_limited"],
      cli: false,
    }),

    serviceAccountList: route({
      method: "GET",
      path: "/v1/service-accounts",
      summary: "List the service accounts of an organisation",
      permission: "identity.service_account.list",
      roles: ["viewer"],
      query: pageQuery.extend({ organisation: id("organisation") }),
      response: page(serviceAccount),
      errors: ["not_found"],
    }),
    serviceAccountCreate: route({
      method: "POST",
      path: "/v1/service-accounts",
      summary: "Make a service account",
      description: "An identity for a program; give it a role with a role binding.",
      permission: "identity.service_account.create",
      roles: ["admin"],
      body: z.object({ organisation: id("organisation"), name: displayName, description: z.string().max(500).default("") }),
      response: serviceAccount,
      status: 201,
      errors: ["not_found", "already_exists"],
    }),
    serviceAccountUpdate: route({
      method: "PATCH",
      path: "/v1/service-accounts/{serviceAccount}",
      summary: "Change a service account",
      permission: "identity.service_account.update",
      roles: ["admin"],
      params: z.object({ serviceAccount: id("serviceAccount") }),
      body: z.object({
        name: displayName.optional(),
        description: z.string().max(500).optional(),
        state: z.enum(lifecycleStates).optional(),
      }),
      response: serviceAccount,
      errors: ["not_found", "already_exists", "precondition_failed"],
    }),
    serviceAccountDelete: route({
      method: "DELETE",
      path: "/v1/service-accounts/{serviceAccount}",
      summary: "Delete a service account",
      description: "Its tokens, keys and roles go with it.",
      permission: "identity.service_account.delete",
      roles: ["admin"],
      params: z.object({ serviceAccount: id("serviceAccount") }),
      errors: ["not_found"],
    }),

    apiTokenList: route({
      method: "GET",
      path: "/v1/api-tokens",
      summary: "List API tokens",
      description: "Your own, or with `serviceAccount` those of a service account.",
      permission: "self",
      query: pageQuery.extend({ serviceAccount: id("serviceAccount").optional() }),
      response: page(apiToken),
      errors: ["not_found"],
    }),
    apiTokenCreate: route({
      method: "POST",
      path: "/v1/api-tokens",
      summary: "Make an API token",
      description:
        "For yourself, or with `serviceAccount` for a service account. The token is shown once. A token cannot make a token with wider scopes.",
      permission: "self",
      body: z.object({
        name: displayName,
        scopes: scopes.default(["*"]),
        expiresInDays: z.number().int().min(1).max(3650).optional().describe("Absent: it does not expire."),
        serviceAccount: id("serviceAccount").optional(),
      }),
      response: apiToken.extend({ token: z.string() }),
      status: 201,
      errors: ["not_found"],
    }),
    apiTokenDelete: route({
      method: "DELETE",
      path: "/v1/api-tokens/{apiToken}",
      summary: "Revoke an API token",
      permission: "self",
      params: z.object({ apiToken: id("apiToken") }),
      errors: ["not_found"],
    }),

    accessKeyList: route({
      method: "GET",
      path: "/v1/access-keys",
      summary: "List the S3 access keys of a project",
      permission: "identity.access_key.list",
      roles: ["editor"],
      query: pageQuery.extend({ project: id("project") }),
      response: page(accessKey),
      errors: ["not_found"],
    }),
    accessKeyCreate: route({
      method: "POST",
      path: "/v1/access-keys",
      summary: "Make an S3 access key",
      description:
        "For yourself or a service account, in one project, with no more rights than its owner has there. The secret is shown once.",
      permission: "identity.access_key.create",
      roles: ["editor"],
      body: z.object({
        project: id("project"),
        name: displayName.default("S3 key"),
        readOnly: z.boolean().default(false),
        serviceAccount: id("serviceAccount").optional(),
      }),
      response: accessKey.extend({ secretAccessKey: z.string(), endpoint: z.string(), region: z.string() }),
      status: 201,
      errors: ["not_found", "quota_exceeded"],
    }),
    accessKeyUpdate: route({
      method: "PATCH",
      path: "/v1/access-keys/{accessKey}",
      summary: "Rename, disable or enable an S3 access key",
      permission: "identity.access_key.update",
      roles: ["editor"],
      params: z.object({ accessKey: id("accessKey") }),
      body: z.object({ name: displayName.optional(), enabled: z.boolean().optional(), readOnly: z.boolean().optional() }),
      response: accessKey,
      errors: ["not_found", "precondition_failed", "failed_precondition"],
    }),
    accessKeyDelete: route({
      method: "DELETE",
      path: "/v1/access-keys/{accessKey}",
      summary: "Delete an S3 access key",
      permission: "identity.access_key.delete",
      roles: ["editor"],
      params: z.object({ accessKey: id("accessKey") }),
      errors: ["not_found", "failed_precondition"],
    }),

    quotaList: route({
      method: "GET",
      path: "/v1/quotas",
      summary: "List the quotas of an organisation or a project",
      permission: "identity.quota.list",
      roles: ["viewer"],
      query: z.object({ organisation: id("organisation"), project: id("project").optional() }),
      response: z.object({ items: z.array(quota).max(1000) }),
      errors: ["not_found"],
    }),
    quotaUpdate: route({
      method: "PUT",
      path: "/v1/quotas",
      summary: "Set a quota",
      description: "Of an organisation: admins of the cloud. Of a project: admins of its organisation, within what that has.",
      permission: "identity.quota.update",
      roles: ["admin"],
      body: z.object({
        organisation: id("organisation"),
        project: id("project").optional(),
        name: z.string().max(100),
        limit: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).nullable().describe("Null: back to the default."),
      }),
      response: quota,
      errors: ["not_found"],
    }),
  },
  events: {
    organisationChanged: event({ type: "identity.organisation.changed", payload: z.object({ id: z.string() }) }),
    projectChanged: event({ type: "identity.project.changed", payload: z.object({ id: z.string() }) }),
    memberChanged: event({ type: "identity.member.changed", payload: z.object({ id: z.string() }) }),
    credentialChanged: event({ type: "identity.credential.changed", payload: z.object({ id: z.string() }) }),
  },
  quotas: {
    "identity.projects": { unit: "count", summary: "Projects", default: 50 },
    "identity.access_keys": { unit: "count", summary: "S3 access keys", default: 200 },
  },
});

/** What other services and the doors ask of identity inside the process. */
export interface IdentityService {
  /** Resolves the session cookie or the bearer token of a request; undefined without one, unauthenticated (thrown) with a wrong one. */
  authenticate(request: {
    cookies: Record<string, string>;
    authorization: string | undefined;
    sourceIp: string;
    userAgent: string;
  }): Promise<Authentication | undefined>;
  /** The person of a session, by its id, with the rights of now; undefined when it has ended or they are suspended. */
  sessionOf(sessionId: string): Promise<{ principal: Principal; email: string } | undefined>;
  /** Whether an organisation may be used: a suspended one serves nothing, to nobody. */
  organisationActive(tx: Tx, organisationId: string): Promise<boolean>;
  /** Where a project lives; undefined when there is none that this transaction may see. */
  projectPlace(
    tx: Tx,
    projectId: string,
  ): Promise<{ organisationId: string; projectId: string; name: string; slug: string } | undefined>;
  /**
   * The secret and the rights behind an S3 access key; undefined when there is none or it (or its owner) is disabled. Cached for some
   * seconds, emptied by a notification when a credential, role or suspension changes; goes on answering while the database restarts.
   */
  accessKey(accessKeyId: string): Promise<
    | {
        secretAccessKey: string;
        principal: Principal;
        organisationId: string;
        projectId: string;
        /** The only bucket that it reaches; absent: all of the project. */
        bucketId?: string;
      }
    | undefined
  >;
  /** Access keys that belong to an app, each for one bucket of its project. Whoever asks has checked that the person may. */
  appKeys: {
    make(
      tx: Tx,
      request: {
        organisationId: string;
        projectId: string;
        bucketId: string;
        /** What it is for; the name is for people: "app shop". */
        holder: { id: string; name: string };
        readOnly: boolean;
      },
    ): Promise<{ id: string; accessKeyId: string; secretAccessKey: string }>;
    /** No request is let in with it from the commit on. One that is not there is removed already. */
    remove(tx: Tx, id: string): Promise<void>;
  };
  /** Who asked for something earlier, with the roles of now; without any for those who are suspended or gone, and for the cloud itself. */
  principalOf(actor: Actor): Promise<Principal>;
  /**
   * Who stands behind a person's SSH key, by its fingerprint (`SHA256:…`): with the person's roles, limited to what git needs. undefined when it is
   * nobody's, or its owner is suspended. `used`: it is noted as its last use.
   */
  sshKey(fingerprint: string, options?: { used?: boolean }): Promise<{ principal: Principal; publicKey: string } | undefined>;
}
