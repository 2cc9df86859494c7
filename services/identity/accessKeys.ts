import { randomBytes } from "node:crypto";
import { covers } from "../../kernel/auth/authorize.ts";
import type { Principal } from "../../kernel/auth/principal.ts";
import { CloudError, checkRevision, invalid, notFound } from "../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../kernel/http/cursor.ts";
import { newId } from "../../kernel/ids.ts";
import { reserveQuota } from "../../kernel/quota.ts";
import type { RequestContext } from "../../kernel/service.ts";
import { secretPurpose } from "./accessKeyCache.ts";
import { scopeCovers, widerThanToken } from "./apiTokens.ts";
import { at, type Parts, type Some, tell } from "./parts.ts";
import { authorizedProject } from "./projects.ts";
import { assertHolds, placeOf } from "./roles.ts";
import { type AccessKeyRow, accessKeyStore } from "./store/accessKeys.ts";
import { bindingStore } from "./store/bindings.ts";
import { serviceAccountStore } from "./store/people.ts";
import { accessKeyView } from "./views.ts";

const base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** As long, and of the letters, that S3 clients expect. */
export const newAccessKeyId = (): string => `KHM${[...randomBytes(17)].map((byte) => base32[byte & 31]).join("")}`;
export const newSecret = (): string => randomBytes(30).toString("base64url");

async function authorized(context: RequestContext, id: string): Promise<AccessKeyRow> {
  const row = await accessKeyStore.find(context.tx, id, true);
  if (!row) throw notFound("access key");
  context.authorize(placeOf(row), "access key");
  if (row.owner.kind === "app")
    throw new CloudError(
      "failed_precondition",
      `This key belongs to the ${row.owner.name}, which uses a bucket with it. Take the link to the bucket away from the app, and the key goes too.`,
      { details: { resource: "access_key", reason: "held", holderId: row.owner.id } },
    );
  return row;
}

/** A key reaches objects: a token that may not cannot get there by way of a key. */
function assertNotWider(principal: Principal, key: { readOnly: boolean }): void {
  const { scopes } = principal;
  if (!scopes || scopeCovers(scopes, "objects.*") || (key.readOnly && scopeCovers(scopes, "*.read"))) return;
  throw widerThanToken();
}

const shown = (row: { name: string; enabled: boolean; readOnly: boolean }) => ({
  name: row.name,
  enabled: row.enabled,
  readOnly: row.readOnly,
});

export function accessKeyHandlers(
  parts: Parts,
): Some<"accessKeyList" | "accessKeyCreate" | "accessKeyUpdate" | "accessKeyDelete"> {
  const { config, secrets } = parts;

  return {
    async accessKeyList(context, { query }) {
      const project = await authorizedProject(context, query.project);
      const cursor = decodeCursor(query.cursor, 1);
      const rows = await accessKeyStore.list(context.tx, project.id, cursor && String(cursor[0]), query.limit + 1);
      return toPage(rows, query.limit, accessKeyView, (row) => [row.id]);
    },

    async accessKeyCreate(context, { body }) {
      const project = await authorizedProject(context, body.project);
      const { tx, principal } = context;
      const place = { organisationId: project.organisationId, projectId: project.id };
      assertNotWider(principal, body);
      const ownerId = body.serviceAccount ?? principal.id;
      if (ownerId !== principal.id) {
        const account = await serviceAccountStore.find(tx, ownerId);
        if (account?.organisationId !== place.organisationId) throw notFound("service account");
        const roles = (await bindingStore.ofPrincipals(tx, place.organisationId, [ownerId])).filter((row) =>
          covers({ role: row.role, ...definedPlace(row) }, place),
        );
        if (roles.length === 0)
          throw invalid("body.serviceAccount", "This service account has no role in the project. Give it one first.");
        // Its key does what it may do: that must not be more than the caller may.
        assertHolds(
          principal,
          roles.map((row) => ({ role: row.role, place })),
          "Making a key for this service account",
        );
      }
      await reserveQuota(tx, place, "identity.access_keys", 1);
      const isUser = ownerId.startsWith("usr_");
      const secretAccessKey = newSecret();
      const id = newId("accessKey", parts.clock.nowMs());
      await accessKeyStore.insert(tx, {
        id,
        name: body.name,
        accessKeyId: newAccessKeyId(),
        ...place,
        userId: isUser ? ownerId : null,
        serviceAccountId: isUser ? null : ownerId,
        secret: secrets.encrypt(secretPurpose(id), secretAccessKey),
        readOnly: body.readOnly,
        createdAt: at(parts),
      });
      const row = (await accessKeyStore.find(tx, id)) as AccessKeyRow;
      await accessKeyStore.tellChanged(tx);
      await tell(tx, "credentialChanged", id, place);
      context.audit({
        ...place,
        resource: { kind: "access_key", id, name: row.name },
        after: { ...shown(row), owner: ownerId, accessKeyId: row.accessKeyId },
      });
      return { ...accessKeyView(row), secretAccessKey, endpoint: config.s3Url, region: config.region };
    },

    async accessKeyUpdate(context, { params, body }) {
      const before = await authorized(context, params.accessKey);
      checkRevision(context.ifMatch, before, "access key");
      const { tx } = context;
      const change = {
        name: body.name ?? before.name,
        enabled: body.enabled ?? before.enabled,
        readOnly: body.readOnly ?? before.readOnly,
      };
      if (change.enabled && (!before.enabled || change.readOnly !== before.readOnly)) assertNotWider(context.principal, change);
      await accessKeyStore.update(tx, before.id, change);
      await accessKeyStore.tellChanged(tx);
      await tell(tx, "credentialChanged", before.id, placeOf(before));
      context.audit({
        ...placeOf(before),
        resource: { kind: "access_key", id: before.id, name: change.name },
        before: shown(before),
        after: change,
      });
      return accessKeyView({ ...before, ...change, revision: before.revision + 1 });
    },

    async accessKeyDelete(context, { params }) {
      const row = await authorized(context, params.accessKey);
      const { tx } = context;
      await accessKeyStore.remove(tx, row.id);
      const place = { organisationId: row.organisationId, projectId: row.projectId };
      await reserveQuota(tx, place, "identity.access_keys", -1);
      await accessKeyStore.tellChanged(tx);
      await tell(tx, "credentialChanged", row.id, place);
      context.audit({
        ...place,
        resource: { kind: "access_key", id: row.id, name: row.name },
        before: { ...shown(row), owner: row.owner.id, accessKeyId: row.accessKeyId },
      });
      return undefined;
    },
  };
}

const definedPlace = (row: { organisationId: string | null; projectId: string | null }) => ({
  ...(row.organisationId === null ? {} : { organisationId: row.organisationId }),
  ...(row.projectId === null ? {} : { projectId: row.projectId }),
});
