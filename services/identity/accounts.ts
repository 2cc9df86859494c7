import type { Principal } from "../../kernel/auth/principal.ts";
import type { Tx } from "../../kernel/db/database.ts";
import { CloudError } from "../../kernel/errors.ts";
import { newId } from "../../kernel/ids.ts";
import { hashToken, newToken } from "../../kernel/secrets.ts";
import type { StreamContext } from "../../kernel/service.ts";
import { sessionCookie, sessionTokenOf } from "./authentication.ts";
import type { Identity, Locale } from "./contract.ts";
import { type AnyContext, at, type Parts } from "./parts.ts";
import { visibleProjects } from "./roles.ts";
import { slugChoices, slugOf } from "./slug.ts";
import { bindingStore } from "./store/bindings.ts";
import { type UserRow, userStore } from "./store/people.ts";
import { recoveryCodeStore } from "./store/secondFactors.ts";
import { type SignInMethod, sessionStore } from "./store/sessions.ts";
import { organisationStore, projectStore } from "./store/tenancy.ts";
import { bindingView, organisationView, projectView, userView } from "./views.ts";

/** As many as the answer of identityGet holds. */
const mostOrganisations = 1000;

export async function createUser(
  tx: Tx,
  parts: Parts,
  person: { email: string; name: string; locale: Locale; passwordHash: string },
): Promise<UserRow> {
  const id = newId("user", parts.clock.nowMs());
  if (!(await userStore.insert(tx, { id, ...person, createdAt: at(parts) }))) {
    throw new CloudError("already_exists", "There is an account with this e-mail address. Sign in with it.", {
      details: { reason: "email_taken" },
    });
  }
  return (await userStore.find(tx, id)) as UserRow;
}

/** An organisation with its first owner. Without a slug one is made out of the name. */
export async function createOrganisation(
  tx: Tx,
  parts: Parts,
  wanted: { name: string; slug?: string | undefined; ownerId: string | undefined },
): Promise<string> {
  const id = newId("organisation", parts.clock.nowMs());
  const createdAt = at(parts);
  const slugs = wanted.slug ? [wanted.slug] : slugChoices(slugOf(wanted.name, "org"));
  let made = false;
  for (const slug of slugs) {
    made = await organisationStore.insert(tx, { id, name: wanted.name, slug, createdAt });
    if (made) break;
  }
  if (!made) throw slugTaken("organisation");
  if (wanted.ownerId) {
    await bindingStore.insert(tx, {
      id: newId("roleBinding", parts.clock.nowMs()),
      principalId: wanted.ownerId,
      role: "owner",
      organisationId: id,
      projectId: undefined,
      createdAt,
    });
  }
  return id;
}

export const slugTaken = (resource: string): CloudError =>
  new CloudError("already_exists", `Another ${resource} has this short name. Choose another one.`, {
    details: { resource, reason: "slug_taken", fields: [{ path: "body.slug", message: "This one is taken." }] },
  });

/**
 * Signs somebody in: always a new token, whatever the browser had before (OWASP Session Management: renew the session id after any
 * change of privilege). The cookie is to be set once the transaction has committed.
 */
export async function startSession(
  tx: Tx,
  parts: Parts,
  context: Pick<AnyContext, "cookies" | "sourceIp" | "userAgent">,
  userId: string,
  method: SignInMethod,
): Promise<{ sessionId: string; setCookie(context: Pick<AnyContext, "setCookie">): void }> {
  const before = sessionTokenOf(parts.config, context.cookies);
  if (before) await sessionStore.removeByToken(tx, hashToken(before.token));
  const token = newToken("");
  const now = at(parts);
  const sessionId = newId("session", now.getTime());
  const { sessionLifetimeSeconds } = parts.config;
  await sessionStore.insert(tx, {
    id: sessionId,
    userId,
    tokenHash: hashToken(token),
    method,
    sourceIp: context.sourceIp,
    userAgent: context.userAgent.slice(0, 300),
    createdAt: now,
    lastSeenAt: now,
    expiresAt: new Date(now.getTime() + sessionLifetimeSeconds * 1000),
  });
  await userStore.signedIn(tx, userId, now);
  return {
    sessionId,
    setCookie: (to) => to.setCookie(sessionCookie(parts.config), token, { maxAgeSeconds: sessionLifetimeSeconds }),
  };
}

/** A sign-in in the audit log of the cloud; people sign in to the cloud, not to an organisation. */
export function auditSignIn(
  context: StreamContext<Principal | undefined>,
  tx: Tx,
  user: { id: string; name: string },
  session: { sessionId: string },
  method: string,
): void {
  context.audit(tx, {
    action: "identity.session.create",
    actor: { kind: "user", id: user.id, name: user.name },
    resource: { kind: "session", id: session.sessionId, name: user.name },
    after: { outcome: "signed_in", method },
  });
}

/** Who somebody is and what they see. */
export async function describeIdentity(tx: Tx, principal: Pick<Principal, "kind" | "id" | "name">): Promise<Identity> {
  const bindings = await bindingStore.ofPrincipal(tx, principal.id);
  const places = bindings.map((row) => ({
    role: row.role,
    ...(row.organisationId ? { organisationId: row.organisationId } : {}),
    ...(row.projectId ? { projectId: row.projectId } : {}),
  }));
  const everywhere = places.some((place) => place.organisationId === undefined);
  const ids = everywhere ? undefined : [...new Set(places.map((place) => place.organisationId as string))];
  const organisations = await organisationStore.list(tx, ids, { after: undefined, limit: mostOrganisations });
  const projects = await projectStore.ofOrganisations(
    tx,
    organisations.map((row) => row.id),
  );
  const user = principal.kind === "user" ? await userStore.find(tx, principal.id) : undefined;
  return {
    principal: { kind: principal.kind, id: principal.id, name: user?.name ?? principal.name },
    ...(user ? { user: userView(user) } : {}),
    bindings: bindings.map(bindingView),
    organisations: organisations.map((row) => {
      const visible = visibleProjects({ bindings: places }, row.id);
      return {
        ...organisationView(row),
        projects: projects
          .filter((project) => project.organisationId === row.id && (!visible || visible.includes(project.id)))
          .map(projectView),
      };
    }),
    recoveryCodesLeft: user ? await recoveryCodeStore.count(tx, user.id) : 0,
  };
}
