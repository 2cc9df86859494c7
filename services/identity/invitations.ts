import { CloudError, invalid, notFound } from "../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../kernel/http/cursor.ts";
import { newId } from "../../kernel/ids.ts";
import { hashToken, newToken } from "../../kernel/secrets.ts";
import { auditSignIn, createUser, describeIdentity, startSession } from "./accounts.ts";
import { authorizedPlace } from "./members.ts";
import { authorizedOrganisation } from "./organisations.ts";
import { at, type Parts, type Some, tell } from "./parts.ts";
import { assertHolds, placeOf } from "./roles.ts";
import { accessKeyStore } from "./store/accessKeys.ts";
import { bindingStore } from "./store/bindings.ts";
import { cloudStore } from "./store/cloud.ts";
import { type InvitationRow, invitationStore } from "./store/links.ts";
import { userStore } from "./store/people.ts";
import { WrongProof } from "./throttle.ts";
import { invitationView } from "./views.ts";

const invitationLifeMs = 7 * 24 * 3600_000;

export function invitationHandlers(
  parts: Parts,
): Some<"invitationList" | "invitationCreate" | "invitationDelete" | "invitationInspect" | "invitationAccept"> {
  const { config, database, passwords, throttle } = parts;

  function assertOpen(row: InvitationRow | undefined): asserts row is InvitationRow {
    if (!row) throw new WrongProof("not_found", "link_invalid", "This invitation link is not right. Ask for a new one.");
    if (row.state === "pending" && row.expiresAt > at(parts)) return;
    const why = { pending: "has expired", accepted: "was accepted already", revoked: "was withdrawn" }[row.state];
    throw new CloudError("not_found", `This invitation ${why}.`, { details: { resource: "invitation", reason: "link_used_up" } });
  }

  return {
    async invitationList(context, { query }) {
      await authorizedOrganisation(context, query.organisation);
      const cursor = decodeCursor(query.cursor, 1);
      const rows = await invitationStore.list(context.tx, query.organisation, cursor && String(cursor[0]), query.limit + 1);
      const now = at(parts);
      return toPage(
        rows,
        query.limit,
        (row) => invitationView(row, now),
        (row) => [row.id],
      );
    },

    async invitationCreate(context, { body }) {
      const place = await authorizedPlace(context, body);
      const { tx, principal } = context;
      const organisationId = body.organisation;
      assertHolds(principal, [{ role: body.role, place }], "Inviting somebody with this role");
      const now = at(parts);
      const token = newToken("");
      const row = {
        id: newId("invitation", now.getTime()),
        organisationId,
        projectId: place.projectId ?? null,
        email: body.email,
        role: body.role,
        invitedById: principal.id,
        invitedByName: principal.name,
        expiresAt: new Date(now.getTime() + invitationLifeMs),
        createdAt: now,
      };
      const user = await userStore.findByEmail(tx, body.email);
      const held = user ? await bindingStore.ofPrincipals(tx, organisationId, [user.id]) : [];
      if (held.some((binding) => binding.role === row.role && binding.projectId === row.projectId)) {
        throw new CloudError("already_exists", "This person has this role already.", { details: { reason: "role_held" } });
      }
      if (await invitationStore.hasPending(tx, row, now)) {
        throw new CloudError("already_exists", "This person is invited already. Revoke that invitation to make a new link.", {
          details: { reason: "invitation_pending" },
        });
      }
      await invitationStore.insert(tx, { ...row, tokenHash: hashToken(token) });
      await tell(tx, "memberChanged", row.id, { organisationId });
      context.audit({
        ...place,
        resource: { kind: "invitation", id: row.id, name: row.email },
        after: { email: row.email, role: row.role },
      });
      const kept = (await invitationStore.find(tx, row.id)) as InvitationRow;
      return { ...invitationView(kept, now), link: `${config.publicUrl}/invitation#${token}` };
    },

    async invitationDelete(context, { params }) {
      const row = await invitationStore.find(context.tx, params.invitation);
      if (!row) throw notFound("invitation");
      context.authorize({ organisationId: row.organisationId, projectId: row.projectId ?? undefined }, "invitation");
      if (row.state !== "pending") {
        throw new CloudError("failed_precondition", `This invitation was ${row.state} already.`, {
          details: { reason: `invitation_${row.state}` },
        });
      }
      await invitationStore.setState(context.tx, row.id, "revoked");
      await tell(context.tx, "memberChanged", row.id, { organisationId: row.organisationId });
      context.audit({
        ...placeOf(row),
        resource: { kind: "invitation", id: row.id, name: row.email },
        before: { state: "pending" },
        after: { state: "revoked" },
      });
      return undefined;
    },

    invitationInspect: (context, { body }) =>
      throttle.attempt({ link: context.sourceIp }, () =>
        cloudStore.asSystem(database, async (tx) => {
          const row = await invitationStore.openByToken(tx, hashToken(body.token));
          assertOpen(row);
          return {
            organisationName: row.organisationName,
            email: row.email,
            role: row.role,
            invitedBy: row.invitedByName,
            accountExists: (await userStore.findByEmail(tx, row.email)) !== undefined,
          };
        }),
      ),

    invitationAccept: (context, { body }) =>
      throttle.attempt({ link: context.sourceIp }, async () => {
        const tokenHash = hashToken(body.token);
        const { invitation, existing } = await cloudStore.asSystem(database, async (tx) => {
          const row = await invitationStore.openByToken(tx, tokenHash);
          assertOpen(row);
          return { invitation: row, existing: await userStore.findByEmail(tx, row.email) };
        });
        if (existing && !(context.principal?.sessionId && context.principal.id === existing.id)) {
          throw new CloudError("failed_precondition", `Sign in as ${invitation.email} to accept this invitation.`, {
            details: { reason: context.principal ? "other_account" : "sign_in_first" },
          });
        }
        if (!existing && !body.name) throw invalid("body.name", "Enter your name.");
        if (!existing && !body.password) throw invalid("body.password", "Choose a password.");
        const passwordHash = existing ? undefined : await passwords.hash(body.password as string);

        const { user, session } = await cloudStore.asSystem(database, async (tx) => {
          const row = await invitationStore.openByToken(tx, tokenHash);
          assertOpen(row);
          const person = { email: row.email, name: body.name as string, locale: body.locale };
          const user = existing ?? (await createUser(tx, parts, { ...person, passwordHash: passwordHash as string }));
          const { organisationId, projectId } = placeOf(row);
          await bindingStore.insert(tx, {
            id: newId("roleBinding", parts.clock.nowMs()),
            principalId: user.id,
            role: row.role,
            organisationId,
            projectId,
            createdAt: at(parts),
          });
          await invitationStore.setState(tx, row.id, "accepted");
          await accessKeyStore.tellChanged(tx);
          await tell(tx, "memberChanged", user.id, { organisationId });
          context.audit(tx, {
            action: "identity.invitation.accept",
            actor: { kind: "user", id: user.id, name: user.name },
            organisationId,
            projectId,
            resource: { kind: "invitation", id: row.id, name: row.email },
            after: { user: user.id, role: row.role, newAccount: existing === undefined },
          });
          if (existing) return { user, session: undefined };
          const started = await startSession(tx, parts, context, user.id, "password");
          auditSignIn(context, tx, user, started, "password");
          return { user, session: started };
        });
        session?.setCookie(context);
        return cloudStore.asSystem(database, (tx) => describeIdentity(tx, { kind: "user", id: user.id, name: user.name }));
      }),
  };
}
