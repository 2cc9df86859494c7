import { parsePublicKey } from "../../kernel/auth/sshPublicKey.ts";
import { isoTime } from "../../kernel/clock.ts";
import { CloudError, invalid, notFound } from "../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../kernel/http/cursor.ts";
import { newId } from "../../kernel/ids.ts";
import { assertNotWider } from "./apiTokens.ts";
import { isStale, principalOf } from "./authentication.ts";
import type { IdentityService, PersonSshKey } from "./contract.ts";
import { at, type Parts, requirePerson, type Some } from "./parts.ts";
import { type SshKeyRow, sshKeyStore } from "./store/sshKeys.ts";
import { asId } from "./views.ts";

const mostKeys = 100;
/** All that a key is good for: reading an app's source, and deploying to it. */
const keyScopes = ["apps.app.read", "apps.app.deploy"] as const;

const view = (row: SshKeyRow): PersonSshKey => ({
  id: asId(row.id),
  name: row.name,
  type: row.type,
  fingerprint: row.fingerprint,
  ...(row.lastUsedAt === null ? {} : { lastUsedAt: isoTime(row.lastUsedAt) }),
  createdAt: isoTime(row.createdAt),
});

export const createSshKeys =
  ({ database, clock, log }: Parts): IdentityService["sshKey"] =>
  async (fingerprint, { used = false } = {}) => {
    const bearer = await database.statement((sql) => sshKeyStore.bearer(sql, fingerprint));
    if (bearer?.state !== "active") return undefined;
    const now = new Date(clock.nowMs());
    if (used && isStale(bearer, now))
      sshKeyStore
        .used(database.sql, bearer.id, now)
        .catch((error) => log.debug({ err: error }, "the use of a credential was not noted"));
    return { principal: { ...principalOf(bearer), scopes: [...keyScopes] }, publicKey: bearer.publicKey };
  };

export function personSshKeyHandlers(parts: Parts): Some<"personSshKeyList" | "personSshKeyCreate" | "personSshKeyDelete"> {
  return {
    async personSshKeyList(context, { query }) {
      const cursor = decodeCursor(query.cursor, 1);
      const userId = requirePerson(context.principal);
      const rows = await sshKeyStore.list(context.tx, userId, cursor && String(cursor[0]), query.limit + 1);
      return toPage(rows, query.limit, view, (row) => [row.id]);
    },

    async personSshKeyCreate(context, { body }) {
      const { tx, principal } = context;
      const userId = requirePerson(principal);
      await assertNotWider(context, principal, keyScopes, null);
      const { type, fingerprint, line } = parsePublicKey(body.publicKey, "body.publicKey");
      if (type.startsWith("sk-"))
        throw invalid(
          "body.publicKey",
          "Keys of security keys (sk-) cannot be used here yet. Add one that ssh-keygen -t ed25519 makes.",
        );
      if ((await sshKeyStore.count(tx, userId)) >= mostKeys)
        throw new CloudError("failed_precondition", `You have ${mostKeys} keys. Delete one that you no longer use.`, {
          details: { reason: "too_many_keys" },
        });
      const row = {
        id: newId("personSshKey", parts.clock.nowMs()),
        userId,
        name: body.name,
        type,
        fingerprint,
        publicKey: line.split(" ", 2).join(" "),
        createdAt: at(parts),
      };
      if (!(await sshKeyStore.insert(tx, row))) {
        const message = "This key is in use already: a key belongs to one person. Make another one: ssh-keygen -t ed25519";
        throw new CloudError("already_exists", message, {
          details: { resource: "personSshKey", reason: "key_in_use", fields: [{ path: "body.publicKey", message }] },
        });
      }
      context.audit({
        action: "identity.ssh_key.create",
        resource: { kind: "ssh_key", id: row.id, name: row.name },
        after: { name: row.name, type, fingerprint },
      });
      return view({ ...row, lastUsedAt: null });
    },

    async personSshKeyDelete(context, { params }) {
      const row = await sshKeyStore.find(context.tx, requirePerson(context.principal), params.personSshKey);
      if (!row) throw notFound("SSH key");
      await sshKeyStore.remove(context.tx, row.id);
      context.audit({
        action: "identity.ssh_key.delete",
        resource: { kind: "ssh_key", id: row.id, name: row.name },
        before: { name: row.name, fingerprint: row.fingerprint },
      });
      return undefined;
    },
  };
}
