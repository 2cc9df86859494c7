import type postgresTypes from "postgres";
import { databaseHost } from "../config.ts";
import { CloudError } from "../errors.ts";
import { openPool } from "./pool.ts";
import { postgres } from "./postgres-client.ts";
import { see, type Visibility } from "./visibility.ts";

export type Sql = postgresTypes.Sql;

/**
 * One transaction. What is to happen last inside it (audit rows, whose chain is locked until the commit) goes through
 * beforeCommit; what may only happen once it is durable goes through afterCommit.
 */
export interface Tx {
  sql: postgresTypes.TransactionSql;
  beforeCommit(run: () => Promise<void>): void;
  afterCommit(run: () => void): void;
}

export interface Database {
  /**
   * Runs `work` in one transaction. Serialization failures and deadlocks are retried, so `work` must have no effect outside it.
   * unavailable when the database cannot be reached; deadline_exceeded after the statement timeout.
   */
  transaction<T>(visibility: Visibility, work: (tx: Tx) => Promise<T>): Promise<T>;
  /** Outside any transaction and any tenant: for the kernel's own mechanisms. */
  sql: Sql;
  /** One connection to itself, for what belongs to the connection, as an advisory lock does. */
  exclusive<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
  /**
   * Runs `work` while this process holds a lock of the whole database, and answers true; false at once when somebody has it. All such locks are in one
   * connection of their own, so that long work takes none from transactions, and go with it: a killed process leaves none.
   */
  whileLocked(name: string, work: () => Promise<void>): Promise<boolean>;
  /** One statement outside any transaction and any tenant; it fails as `transaction` does. */
  statement<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
  /** Calls back for each NOTIFY on the channel; listening goes on by itself after a reconnect (`onReady` each time). */
  listen(channel: string, onNotify: (payload: string) => void, onReady?: () => void): Promise<{ close(): Promise<void> }>;
  ping(): Promise<void>;
  close(): Promise<void>;
}

export interface DatabaseOptions {
  /** postgres://user:password@host:port/database, or with ?host=/socket/folder for a Unix socket. */
  url: string;
  maxConnections?: number;
  statementTimeoutMs?: number;
}

const retried = new Set(["40001", "40P01"]);
const attempts = 5;

/** How long a server may take to begin a transaction; then it is held for gone. */
const beginMs = 8000;

export function openDatabase(options: DatabaseOptions): Database {
  const settings = {
    ...databaseHost(options.url),
    idle_timeout: 10,
    connect_timeout: 3,
    // A database that restarts is back in a second: look often.
    backoff: () => 0.2,
    onnotice: () => {},
    // bigint counters fit a double here; numeric stays a string, exact.
    types: { bigint: { to: 20, from: [20], parse: Number, serialize: String } },
    connection: {
      application_name: "khmara",
      statement_timeout: options.statementTimeoutMs ?? 30_000,
      idle_in_transaction_session_timeout: 60_000,
    },
  };
  // Single statements and LISTEN; transactions have connections of their own.
  const sql = postgres(options.url, { ...settings, max: 2 });
  const pool = openPool({
    size: options.maxConnections ?? 10,
    connect: () => postgres(options.url, { ...settings, max: 1, max_lifetime: null }),
    isBroken,
  });

  let locks: Sql | undefined;
  const held = new Set<string>();

  async function once<T>(visibility: Visibility, work: (tx: Tx) => Promise<T>): Promise<T> {
    const before: (() => Promise<void>)[] = [];
    const after: (() => void)[] = [];
    let over = false;
    const result = await pool.use(async (client) => {
      let begun = false;
      const late = Promise.withResolvers<never>();
      const timer = setTimeout(() => begun || late.reject(unreachable()), beginMs);
      const running = client.begin(async (transaction) => {
        begun = true;
        const tx: Tx = {
          sql: whileOpen(transaction, () => over),
          beforeCommit: (run) => void before.push(run),
          afterCommit: (run) => void after.push(run),
        };
        if (visibility !== "system") await see(tx, visibility);
        const value = await work(tx);
        // By index: a hook may add another one.
        for (let i = 0; i < before.length; i++) await before[i]?.();
        return value;
      });
      return Promise.race([running, late.promise]).finally(() => {
        over = true;
        clearTimeout(timer);
        running.catch(() => {});
      });
    });
    for (const run of after) run();
    return result as T;
  }

  return {
    sql,
    async transaction(visibility, work) {
      for (let attempt = 1; ; attempt++) {
        try {
          return await once(visibility, work);
        } catch (error) {
          const code = (error as { code?: string }).code ?? "";
          if (retried.has(code) && attempt < attempts) {
            await new Promise((resolve) => setTimeout(resolve, 2 ** attempt * 5 * (1 + Math.random())));
            continue;
          }
          throw translated(error);
        }
      }
    },
    async exclusive(work) {
      try {
        return await pool.use(work);
      } catch (error) {
        throw translated(error);
      }
    },
    async whileLocked(name, work) {
      // The server gives a connection a lock that it has already.
      if (held.has(name)) return false;
      held.add(name);
      try {
        locks ??= postgres(options.url, { ...settings, idle_timeout: 0, max: 1, max_lifetime: null });
        const [row] = await locks<{ locked: boolean }[]>`select pg_try_advisory_lock(hashtextextended(${name}, 0)) as locked`;
        if (!row?.locked) return false;
        try {
          await work();
        } finally {
          await locks`select pg_advisory_unlock(hashtextextended(${name}, 0))`;
        }
        return true;
      } catch (error) {
        throw translated(error);
      } finally {
        held.delete(name);
      }
    },
    async statement(work) {
      try {
        return await work(sql);
      } catch (error) {
        throw translated(error);
      }
    },
    async listen(channel, onNotify, onReady) {
      const subscription = await sql.listen(channel, onNotify, onReady);
      return { close: () => subscription.unlisten() };
    },
    async ping() {
      try {
        await sql`select 1`;
      } catch (error) {
        throw translated(error);
      }
    },
    async close() {
      await Promise.all([sql.end({ timeout: 5 }), locks?.end({ timeout: 5 }), pool.close()]);
    },
  };
}

/**
 * When the server ends a connection in the middle of a transaction, postgres.js fails the transaction and takes the connection back
 * into its pool, while the work may still be under way: what it then writes would be committed on its own. So it is refused.
 */
function whileOpen(sql: postgresTypes.TransactionSql, isOver: () => boolean): postgresTypes.TransactionSql {
  const check = () => {
    if (isOver())
      throw new CloudError("unavailable", "The connection to the database was lost. Nothing was changed; try again.", {
        details: { retryAfterSeconds: 2 },
      });
  };
  return new Proxy(sql, {
    apply(target, self, args) {
      check();
      return Reflect.apply(target, self, args);
    },
    get(target, name) {
      check();
      return Reflect.get(target, name);
    },
  });
}

const unreachable = (cause?: unknown): CloudError =>
  new CloudError("unavailable", "The database cannot be reached at the moment. Try again in a few seconds.", {
    cause,
    details: { retryAfterSeconds: 2 },
  });

/** Whether an error says that the connection is gone, or cannot be trusted any more. */
const isBroken = (error: unknown): boolean => {
  if (CloudError.is(error, "unavailable")) return true;
  const { code = "", syscall } = (error ?? {}) as { code?: string; syscall?: string };
  // None could be made: the socket's queue is full, the host is away or has no name at the moment, or this process has too much open.
  if (syscall === "connect" || syscall === "getaddrinfo") return true;
  return /^(08|57P0)|^(ECONN|ENOENT|EPIPE|CONNECT|CONNECTION_)/.test(code);
};

/** PostgreSQL's error class (Appendix A of its manual) as one of ours; what is none of the known ones stays as it is. */
function translated(error: unknown): unknown {
  if (error instanceof CloudError) return error;
  const code = (error as { code?: string }).code ?? "";
  if (isBroken(error)) return unreachable(error);
  if (retried.has(code))
    return new CloudError("unavailable", "Others change the same things at the moment. Try again in a few seconds.", {
      cause: error,
      details: { retryAfterSeconds: 2 },
    });
  if (code === "57014")
    return new CloudError("deadline_exceeded", "The database took too long. Ask for less at once, or try again.", {
      cause: error,
    });
  if (code === "53100")
    return new CloudError("storage_full", "The disk of the cloud's database is full. Nothing was changed.", { cause: error });
  if (code === "53300")
    return new CloudError("unavailable", "The database has too many connections at the moment. Try again.", {
      cause: error,
      details: { retryAfterSeconds: 2 },
    });
  return error;
}

/** The name of the unique constraint that an insert or update broke, if that is what went wrong. */
export function brokenConstraint(error: unknown): string | undefined {
  const { code, constraint_name } = error as { code?: string; constraint_name?: string };
  return code === "23505" || code === "23503" ? constraint_name : undefined;
}
