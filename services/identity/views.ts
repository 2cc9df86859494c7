import type { z } from "zod";
import { isoTime } from "../../kernel/clock.ts";
import type { Id, IdKind } from "../../kernel/ids.ts";
import type {
  accessKey,
  apiToken,
  invitation,
  Organisation,
  Project,
  passkey,
  RoleBinding,
  serviceAccount,
  session,
  User,
} from "./contract.ts";
import type { AccessKeyRow } from "./store/accessKeys.ts";
import type { BindingRow } from "./store/bindings.ts";
import type { InvitationRow } from "./store/links.ts";
import type { ServiceAccountRow, UserRow } from "./store/people.ts";
import type { PasskeyRow } from "./store/secondFactors.ts";
import type { SessionRow } from "./store/sessions.ts";
import type { OrganisationRow, ProjectRow } from "./store/tenancy.ts";
import type { ApiTokenRow } from "./store/tokens.ts";

/** A text of the database that is known to be an id. */
export const asId = <K extends IdKind>(text: string): Id<K> => text as Id<K>;
const maybe = <T, V, N extends string>(name: N, value: T | null | undefined, view: (value: T) => V): { [K in N]?: V } =>
  (value == null ? {} : { [name]: view(value) }) as { [K in N]?: V };
const same = <T>(value: T): T => value;

export const organisationView = (row: OrganisationRow): Organisation => ({
  id: asId(row.id),
  name: row.name,
  slug: row.slug,
  state: row.state,
  ...maybe("suspendedReason", row.suspendedReason, same),
  createdAt: isoTime(row.createdAt),
  revision: row.revision,
});

export const projectView = (row: ProjectRow): Project => ({
  id: asId(row.id),
  organisationId: asId(row.organisationId),
  name: row.name,
  slug: row.slug,
  createdAt: isoTime(row.createdAt),
  revision: row.revision,
});

export const bindingView = (row: BindingRow): RoleBinding => ({
  id: asId(row.id),
  principal: { kind: row.principalKind, id: row.principalId, name: row.principalName },
  role: row.role,
  ...maybe("organisationId", row.organisationId, asId<"organisation">),
  ...maybe("projectId", row.projectId, asId<"project">),
  createdAt: isoTime(row.createdAt),
});

export const userView = (row: UserRow): User => ({
  id: asId(row.id),
  email: row.email,
  name: row.name,
  locale: row.locale,
  state: row.state,
  ...maybe("suspendedReason", row.suspendedReason, same),
  totpEnabled: row.totpEnabled,
  passkeyCount: row.passkeyCount,
  ...maybe("lastSignInAt", row.lastSignInAt, isoTime),
  createdAt: isoTime(row.createdAt),
  revision: row.revision,
});

export const serviceAccountView = (row: ServiceAccountRow): z.output<typeof serviceAccount> => ({
  ...row,
  id: asId(row.id),
  organisationId: asId(row.organisationId),
  createdAt: isoTime(row.createdAt),
});

export const sessionView = (row: SessionRow, current: string | undefined, idleSeconds: number): z.output<typeof session> => ({
  id: asId(row.id),
  current: row.id === current,
  sourceIp: row.sourceIp,
  userAgent: row.userAgent,
  method: row.method,
  createdAt: isoTime(row.createdAt),
  lastSeenAt: isoTime(row.lastSeenAt),
  expiresAt: isoTime(Math.min(row.expiresAt.getTime(), row.lastSeenAt.getTime() + idleSeconds * 1000)),
});

export const invitationView = (row: InvitationRow, now: Date): z.output<typeof invitation> => ({
  id: asId(row.id),
  organisationId: asId(row.organisationId),
  organisationName: row.organisationName,
  ...maybe("projectId", row.projectId, asId<"project">),
  email: row.email,
  role: row.role,
  state: row.state === "pending" && row.expiresAt <= now ? "expired" : row.state,
  invitedBy: row.invitedByName,
  expiresAt: isoTime(row.expiresAt),
  createdAt: isoTime(row.createdAt),
});

export const apiTokenView = (row: ApiTokenRow): z.output<typeof apiToken> => ({
  id: asId(row.id),
  name: row.name,
  prefix: row.prefix,
  owner: row.owner,
  scopes: row.scopes,
  ...maybe("lastUsedAt", row.lastUsedAt, isoTime),
  ...maybe("expiresAt", row.expiresAt, isoTime),
  createdAt: isoTime(row.createdAt),
});

export const accessKeyView = (row: AccessKeyRow): z.output<typeof accessKey> => ({
  id: asId(row.id),
  name: row.name,
  accessKeyId: row.accessKeyId,
  projectId: asId(row.projectId),
  owner: row.owner,
  ...maybe("bucketId", row.bucketId, (id) => asId<"bucket">(id)),
  readOnly: row.readOnly,
  enabled: row.enabled,
  ...maybe("lastUsedAt", row.lastUsedAt, isoTime),
  createdAt: isoTime(row.createdAt),
  revision: row.revision,
});

export const passkeyView = (row: PasskeyRow): z.output<typeof passkey> => ({
  id: asId(row.id),
  name: row.name,
  ...maybe("lastUsedAt", row.lastUsedAt, isoTime),
  createdAt: isoTime(row.createdAt),
});
