import { scopeAllows } from "../../kernel/auth/authorize.ts";
import type { Principal } from "../../kernel/auth/principal.ts";
import { CloudError, notFound } from "../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../kernel/http/cursor.ts";
import { newId } from "../../kernel/ids.ts";
import { hashToken, newToken } from "../../kernel/secrets.ts";
import type { RequestContext } from "../../kernel/service.ts";
import { tokenPrefix } from "./authentication.ts";
import { at, type Parts, type Some, tell } from "./parts.ts";
import { knowsOrganisation } from "./roles.ts";
import { assertHoldsRolesOf } from "./serviceAccounts.ts";
import { type ServiceAccountRow, serviceAccountStore } from "./store/people.ts";
import { type ApiTokenRow, apiTokenStore } from "./store/tokens.ts";
import { apiTokenView } from "./views.ts";

const shownCharacters = tokenPrefix.length + 8;

/** Whether what a token may do includes all that another scope allows. */
export function scopeCovers(held: readonly string[], wanted: string): boolean {
  if (held.includes("*") || held.includes(wanted)) return true;
  if (wanted === "*" || wanted === "*.read") return false;
  if (wanted.endsWith(".*")) return held.some((scope) => scope.endsWith(".*") && wanted.startsWith(scope.slice(0, -1)));
  return scopeAllows(held, wanted);
}

export const widerThanToken = (): CloudError =>
  new CloudError(
    "permission_denied",
    "The token that you use cannot make a credential that may do more, or lives longer, than itself.",
    {
      details: { reason: "token_scope" },
    },
  );

/** The routes are "self", but a service account belongs to its organisation: that one's administrators act for it. */
async function administered(context: RequestContext, id: string): Promise<ServiceAccountRow> {
  const row = await serviceAccountStore.find(context.tx, id);
  if (!row || !knowsOrganisation(context.principal, row.organisationId)) throw notFound("service account");
  if (!context.allows("identity.service_account.update", ["admin"], { organisationId: row.organisationId })) {
    throw new CloudError(
      "permission_denied",
      "The tokens of a service account are managed by administrators of its organisation.",
      {
        details: { roles: ["admin"] },
      },
    );
  }
  return row;
}

/** Whose tokens a request is about: the caller's own, or a service account's. */
async function ownerOf(
  context: RequestContext,
  serviceAccount: string | undefined,
): Promise<{ id: string; account?: ServiceAccountRow }> {
  const { principal } = context;
  if (serviceAccount !== undefined && serviceAccount !== principal.id) {
    const account = await administered(context, serviceAccount);
    return { id: account.id, account };
  }
  if (principal.kind === "user") return { id: principal.id };
  const account = await serviceAccountStore.find(context.tx, principal.id);
  if (!account) throw notFound("service account");
  return { id: principal.id, account };
}

/** permission_denied when a credential may do more, or lives longer, than the token that makes it. */
export async function assertNotWider(
  context: RequestContext,
  principal: Principal,
  scopes: readonly string[],
  expiresAt: Date | null,
): Promise<void> {
  if (principal.tokenId === undefined) return;
  if (!scopes.every((scope) => scopeCovers(principal.scopes ?? [], scope))) throw widerThanToken();
  const own = await apiTokenStore.find(context.tx, principal.tokenId);
  if (own?.expiresAt && (!expiresAt || expiresAt > own.expiresAt)) throw widerThanToken();
}

export function apiTokenHandlers(parts: Parts): Some<"apiTokenList" | "apiTokenCreate" | "apiTokenDelete"> {
  return {
    async apiTokenList(context, { query }) {
      const owner = await ownerOf(context, query.serviceAccount);
      const cursor = decodeCursor(query.cursor, 1);
      const rows = await apiTokenStore.list(context.tx, owner.id, cursor && String(cursor[0]), query.limit + 1);
      return toPage(rows, query.limit, apiTokenView, (row) => [row.id]);
    },

    async apiTokenCreate(context, { body }) {
      const { tx, principal } = context;
      const { id: ownerId, account } = await ownerOf(context, body.serviceAccount);
      const createdAt = at(parts);
      const expiresAt =
        body.expiresInDays === undefined ? null : new Date(createdAt.getTime() + body.expiresInDays * 24 * 3600_000);
      await assertNotWider(context, principal, body.scopes, expiresAt);
      if (account && account.id !== principal.id)
        await assertHoldsRolesOf(context, account, "Making a token for this service account");
      const token = newToken(tokenPrefix);
      const row = {
        id: newId("apiToken", createdAt.getTime()),
        organisationId: account?.organisationId ?? null,
        name: body.name,
        prefix: token.slice(0, shownCharacters),
        scopes: body.scopes,
        expiresAt,
        createdAt,
      };
      await apiTokenStore.insert(tx, {
        ...row,
        userId: account ? null : ownerId,
        serviceAccountId: account ? ownerId : null,
        tokenHash: hashToken(token),
      });
      if (account) await tell(tx, "credentialChanged", row.id, { organisationId: account.organisationId });
      context.audit({
        action: "identity.api_token.create",
        organisationId: account?.organisationId,
        resource: { kind: "api_token", id: row.id, name: row.name },
        after: { owner: ownerId, prefix: row.prefix, scopes: row.scopes, expiresAt: expiresAt?.toISOString() },
      });
      return { ...apiTokenView((await apiTokenStore.find(tx, row.id)) as ApiTokenRow), token };
    },

    async apiTokenDelete(context, { params }) {
      const { tx, principal } = context;
      const row = await apiTokenStore.find(tx, params.apiToken);
      if (!row) throw notFound("API token");
      if (row.owner.id !== principal.id) {
        if (row.owner.kind === "user") throw notFound("API token");
        await administered(context, row.owner.id);
      }
      await apiTokenStore.remove(tx, row.id);
      const organisationId = row.organisationId ?? undefined;
      if (organisationId) await tell(tx, "credentialChanged", row.id, { organisationId });
      context.audit({
        action: "identity.api_token.delete",
        organisationId,
        resource: { kind: "api_token", id: row.id, name: row.name },
        before: { owner: row.owner.id, prefix: row.prefix, scopes: row.scopes },
      });
      return undefined;
    },
  };
}
