/** What is in a database: its users, extensions, tables, statements. These ask the server, outside of any transaction of ours. */
import { randomBytes } from "node:crypto";
import { CloudError, nameTaken, there } from "../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../kernel/http/cursor.ts";
import { newId } from "../../kernel/ids.ts";
import type contract from "./contract.ts";
import { readyDatabase } from "./databaseRoutes.ts";
import { checkNotHeld } from "./links/links.ts";
import { containerOf, type DatabasesParts, placeOf, type RouteHandlers, subjectOf } from "./parts.ts";
import { mostStatements as mostOfScript } from "./scripts/contract.ts";
import { checkDatabase } from "./states.ts";
import { type DatabaseRow, databaseStore, type UserRow, userStore } from "./store.ts";
import { urls, viewUser } from "./views.ts";

type Routes = Pick<
  (typeof contract)["routes"],
  | "databaseUserList"
  | "databaseUserCreate"
  | "databaseUserRotate"
  | "databaseUserDelete"
  | "databaseExtensionList"
  | "databaseExtensionEnable"
  | "databaseExtensionDisable"
  | "databaseTableList"
  | "databaseQuery"
  | "databaseScriptRun"
  | "databaseStatementList"
  | "databaseMetricsGet"
>;

/** 192 bits, in letters that need no escaping anywhere. */
const newPassword = (): string => randomBytes(24).toString("base64url");
const mostStatements = 500;

export function contentHandlers(parts: DatabasesParts): RouteHandlers<Routes> {
  const credential = (row: DatabaseRow, user: UserRow, password: string) => ({
    user: viewUser(user),
    password,
    ...urls(row, parts.publicHost, parts.driver().port, user.name, password),
  });
  const inner = (row: DatabaseRow) => ({ database: row.databaseName, owner: row.ownerName });

  return {
    async databaseUserList(context, { params, query }) {
      const row = there(await databaseStore.find(context.tx, params.database), "database");
      context.authorize(placeOf(row), "database");
      const [after] = decodeCursor(query.cursor, 1) ?? [];
      const rows = await userStore.page(context.tx, {
        databaseId: row.id,
        after: after === undefined ? undefined : String(after),
        limit: query.limit + 1,
      });
      return toPage(rows, query.limit, viewUser, ({ name }) => [name]);
    },

    /** The record first: what a process that dies leaves behind is known, and is cleared away. */
    async databaseUserCreate(context, { params, body }) {
      const password = newPassword();
      const now = new Date();
      const { row, user } = await context.transaction(async (tx) => {
        const found = there(await databaseStore.find(tx, params.database, { lock: true }), "database");
        context.authorize(placeOf(found), "database");
        parts.driver();
        checkDatabase(found, "change_users");
        const made: UserRow = {
          id: newId("databaseUser"),
          organisationId: found.organisationId,
          projectId: found.projectId,
          databaseId: found.id,
          name: body.name,
          access: body.access,
          state: "creating",
          createdAt: now,
          changedAt: now,
        };
        if (!(await userStore.insert(tx, made))) throw nameTaken("user", `The database ${found.name}`, body.name);
        return { row: found, user: made };
      });
      const driver = parts.driver();
      try {
        await driver.userPut(
          containerOf(row),
          { ...inner(row), name: user.name, access: user.access, password },
          { signal: context.signal },
        );
      } catch (error) {
        await parts.database.transaction("system", (tx) => userStore.setState(tx, user, "deleting"));
        throw error;
      }
      await context.transaction(async (tx) => {
        await userStore.setState(tx, user, "active");
        context.audit(tx, {
          ...subjectOf("databaseUser", user, user.name),
          after: { database: row.id, name: user.name, access: user.access },
        });
      });
      return credential(row, { ...user, state: "active" }, password);
    },

    async databaseUserRotate(context, { params }) {
      const { row, user } = await openUser(context, params.databaseUser);
      if (user.state !== "active")
        throw new CloudError(
          "failed_precondition",
          `The user ${user.name} is ${user.state === "creating" ? "being made" : "being deleted"}.`,
          {
            details: { resource: "databaseUser", reason: `state_${user.state}` },
          },
        );
      const password = newPassword();
      // Written down before it is done: one that was done is never missing from the audit log.
      await context.transaction(async (tx) => {
        context.audit(tx, { ...subjectOf("databaseUser", user, user.name), after: { database: row.id, name: user.name } });
      });
      await parts
        .driver()
        .userPut(containerOf(row), { ...inner(row), name: user.name, access: user.access, password }, { signal: context.signal });
      return credential(row, user, password);
    },

    async databaseUserDelete(context, { params }) {
      const { row, user } = await openUser(context, params.databaseUser);
      if (user.access === "owner")
        throw new CloudError("failed_precondition", "The owner of a database goes with it: delete the database.", {
          details: { resource: "databaseUser", reason: "owner" },
        });
      await context.transaction(async (tx) => {
        await userStore.setState(tx, user, "deleting");
        context.audit(tx, {
          ...subjectOf("databaseUser", user, user.name),
          before: { database: row.id, name: user.name, access: user.access },
        });
      });
      await parts.driver().userRemove(containerOf(row), { ...inner(row), name: user.name });
      await context.transaction((tx) => userStore.delete(tx, user));
      return undefined;
    },

    async databaseExtensionList(context, { params, query }) {
      const row = await readyDatabase(context, params.database, "query");
      const [after] = decodeCursor(query.cursor, 1) ?? [];
      const all = await parts.driver().extensions(containerOf(row), row.databaseName);
      const rest = after === undefined ? all : all.filter(({ name }) => name > String(after));
      return toPage(
        rest.slice(0, query.limit + 1),
        query.limit,
        (each) => each,
        ({ name }) => [name],
      );
    },

    async databaseExtensionEnable(context, { params, body }) {
      const row = await readyDatabase(context, params.database, "change_extensions");
      await parts.driver().extensionEnable(containerOf(row), row.databaseName, body.extension);
      await context.transaction(async (tx) => {
        context.audit(tx, { ...subjectOf("database", row, row.name), after: { extension: body.extension } });
      });
      return undefined;
    },

    async databaseExtensionDisable(context, { params }) {
      const row = await readyDatabase(context, params.database, "change_extensions");
      await parts.driver().extensionDisable(containerOf(row), row.databaseName, params.extension);
      await context.transaction(async (tx) => {
        context.audit(tx, { ...subjectOf("database", row, row.name), before: { extension: params.extension } });
      });
      return undefined;
    },

    async databaseTableList(context, { params, query }) {
      const row = await readyDatabase(context, params.database, "query");
      const after = decodeCursor(query.cursor, 2);
      const tables = await parts.driver().tables(containerOf(row), row.databaseName, {
        after: after && [String(after[0]), String(after[1])],
        limit: query.limit + 1,
      });
      return toPage(
        tables,
        query.limit,
        (each) => each,
        ({ schema, name }) => [schema, name],
      );
    },

    async databaseQuery(context, { params, body }) {
      const row = await readyDatabase(context, params.database, "query");
      // What it says may be anybody's secret: the log has only that it was asked.
      if (!body.readOnly)
        await context.transaction(async (tx) => {
          context.audit(tx, { ...subjectOf("database", row, row.name), after: { readOnly: false } });
        });
      const began = performance.now();
      const result = await parts.driver().query(containerOf(row), body.sql, {
        database: row.databaseName,
        user: row.ownerName,
        readOnly: body.readOnly,
        maxRows: body.maxRows,
        timeoutSeconds: body.timeoutSeconds,
        signal: context.signal,
      });
      return { ...result, milliseconds: Math.round(performance.now() - began) };
    },

    async databaseScriptRun(context, { params, body }) {
      const row = await readyDatabase(context, params.database, "query");
      if (!body.readOnly)
        await context.transaction(async (tx) => {
          context.audit(tx, { ...subjectOf("database", row, row.name), after: { readOnly: false } });
        });
      const began = performance.now();
      const result = await parts.driver().script(containerOf(row), body.sql, {
        database: row.databaseName,
        user: row.ownerName,
        readOnly: body.readOnly,
        maxRows: body.maxRows,
        timeoutSeconds: body.timeoutSeconds,
        maxStatements: mostOfScript,
        signal: context.signal,
      });
      return { ...result, milliseconds: Math.round(performance.now() - began) };
    },

    async databaseStatementList(context, { params, query }) {
      const row = await readyDatabase(context, params.database, "query");
      const [from] = decodeCursor(query.cursor, 1) ?? [];
      const begin = from === undefined ? 0 : Math.max(0, Number(from) || 0);
      const all = await parts.driver().statements(containerOf(row), row.databaseName, mostStatements);
      const rows = all.slice(begin, begin + query.limit + 1).map((each, index) => ({ each, position: begin + index + 1 }));
      return toPage(
        rows,
        query.limit,
        ({ each }) => each,
        ({ position }) => [position],
      );
    },

    async databaseMetricsGet(context, { params }) {
      const row = await readyDatabase(context, params.database, "query");
      return parts.driver().metrics(containerOf(row), row.databaseName);
    },
  };

  async function openUser(
    context: Parameters<typeof readyDatabase>[0],
    id: string,
  ): Promise<{ row: DatabaseRow; user: UserRow }> {
    const found = await context.transaction(async (tx) => {
      const user = there(await userStore.find(tx, id), "databaseUser");
      context.authorize(placeOf(user), "databaseUser");
      await checkNotHeld(tx, user);
      return { user, row: there(await databaseStore.find(tx, user.databaseId), "database") };
    });
    parts.driver();
    checkDatabase(found.row, "change_users");
    return found;
  }
}
