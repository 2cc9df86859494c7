/** Databases as apps use them: a user of its own for each, which goes with the link. */
import { randomBytes } from "node:crypto";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, notFound } from "../../../kernel/errors.ts";
import { newId } from "../../../kernel/ids.ts";
import type { DatabaseLinks } from "../contract.ts";
import { containerOf, type DatabasesParts, internalHostOf } from "../parts.ts";
import { checkDatabase } from "../states.ts";
import { authorityStore, type DatabaseRow, databaseStore, type UserRow, userStore } from "../store.ts";
import { holderStore } from "./store.ts";

const port = 5432;
const removalMs = 60_000;

export function createDatabaseLinks(parts: DatabasesParts): DatabaseLinks {
  const { database, log } = parts;

  /** What cannot go now is left to the worker that clears away users. */
  async function removeSoon(row: DatabaseRow, user: UserRow): Promise<void> {
    try {
      await parts
        .driver()
        .userRemove(
          containerOf(row),
          { name: user.name, database: row.databaseName, owner: row.ownerName },
          { signal: AbortSignal.timeout(removalMs) },
        );
      await database.transaction("system", (tx) => userStore.delete(tx, user));
    } catch (error) {
      log.info({ err: error, database: row.id, user: user.name }, "the user of an app cannot be removed yet; it is tried again");
    }
  }

  return {
    async find(tx, projectId, id) {
      const row = await databaseStore.find(tx, id);
      return row?.projectId === projectId && row.state !== "deleting" ? { id: row.id, name: row.name } : undefined;
    },

    async makeUser({ databaseId, name, access, holder, signal }) {
      const password = randomBytes(24).toString("base64url");
      const now = new Date();
      // The record first: what a process that dies leaves behind is known, and is cleared away.
      const { row, user } = await database.transaction("system", async (tx) => {
        const found = await databaseStore.find(tx, databaseId, { lock: true });
        if (found === undefined) throw notFound("database");
        parts.driver();
        checkDatabase(found, "change_users");
        const made: UserRow = {
          id: newId("databaseUser"),
          organisationId: found.organisationId,
          projectId: found.projectId,
          databaseId: found.id,
          name,
          access,
          state: "creating",
          createdAt: now,
          changedAt: now,
        };
        if (!(await userStore.insert(tx, made)))
          throw new CloudError("conflict", `The database ${found.name} has a user ${name} already. Try again.`);
        await holderStore.set(tx, made.id, holder);
        return { row: found, user: made };
      });
      try {
        await parts
          .driver()
          .userPut(containerOf(row), { name, access, password, database: row.databaseName, owner: row.ownerName }, { signal });
      } catch (error) {
        await database.transaction("system", (tx) => userStore.setState(tx, user, "deleting"));
        throw error;
      }
      await database.transaction("system", (tx) => userStore.setState(tx, user, "active"));
      return { password };
    },

    async reach(tx, databaseId) {
      const row = await databaseStore.find(tx, databaseId);
      return row && { host: internalHostOf(row), port, databaseName: row.databaseName };
    },

    certificate: async (tx) => (await authorityStore.find(tx))?.certificate,

    async dropUser(tx, { databaseId, name }) {
      const row = await databaseStore.find(tx, databaseId);
      const userId = await holderStore.userNamed(tx, databaseId, name);
      const user = userId === undefined ? undefined : await userStore.find(tx, userId, { lock: true });
      if (row === undefined || user === undefined) return;
      await userStore.setState(tx, user, "deleting");
      tx.afterCommit(() => void removeSoon(row, user));
    },
  };
}

/** A user that an app has goes with the app's link, and its password is the app's. In the transaction of the change. */
export async function checkNotHeld(tx: Tx, user: Pick<UserRow, "id" | "name">): Promise<void> {
  const holder = await holderStore.of(tx, user.id);
  if (holder === undefined) return;
  throw new CloudError(
    "failed_precondition",
    `The user ${user.name} belongs to the ${holder}. Take the link to this database away from the app, and the user goes too.`,
    { details: { resource: "databaseUser", reason: "held", holder } },
  );
}

/** failed_precondition with the names of the apps that use a database. */
export async function checkNoHolders(tx: Tx, row: Pick<DatabaseRow, "id" | "name">): Promise<void> {
  const holders = await holderStore.ofDatabase(tx, row.id);
  if (holders.length === 0) return;
  const shown = holders.length > 3 ? `${holders.slice(0, 3).join(", ")} and ${holders.length - 3} more` : holders.join(", ");
  throw new CloudError(
    "failed_precondition",
    `The database ${row.name} is in use: ${shown}. Take the links to it away from there first, then delete it.`,
    { details: { resource: "database", reason: "database_held", holders } },
  );
}
