import { CloudError } from "../errors.ts";
import type { Sql } from "./database.ts";

/**
 * Connections for transactions, each a postgres.js client of its own with one connection. That library's own pool takes a connection
 * back when the server ends it in the middle of a transaction, while that transaction still writes to it; a client of its own is thrown
 * away instead, with all that it was doing.
 */
export interface Pool {
  /** Lends a client to `work`. Where that fails for the connection's sake, the client is replaced. */
  use<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

const waitMs = 15_000;
/**
 * A connection costs PostgreSQL a process with 4 MB, and ten milliseconds to begin. Most transactions take less than this, so whoever finds all lent waits for
 * one: where several workers of a quiet cloud wake at once, they share two connections instead of making five.
 */
const patienceMs = 20;
/**
 * PostgreSQL's process behind a connection keeps the plans of all that it was ever asked, 7 MB in the end. A new connection costs some milliseconds, so
 * none is kept for much longer than this, but while others wait for it.
 */
const defaultLongestMs = 60_000;

export interface PoolOptions {
  size: number;
  connect: () => Sql;
  isBroken: (error: unknown) => boolean;
  /** How old a client may be when it is kept for the next one; a minute. */
  longestMs?: number;
}

interface Waiter {
  take: (sql: Sql) => void;
  leave: () => void;
  impatient: NodeJS.Timeout;
  late: NodeJS.Timeout;
}

export function openPool(options: PoolOptions): Pool {
  const { longestMs = defaultLongestMs } = options;
  const idle: Sql[] = [];
  const madeAt = new WeakMap<Sql, number>();
  const ending = new Set<Promise<void>>();
  const lent = new Set<Sql>();
  const waiting: Waiter[] = [];
  let closed = false;

  function connect(): Sql {
    const sql = options.connect();
    madeAt.set(sql, performance.now());
    return sql;
  }

  function retire(sql: Sql): void {
    const ended: Promise<void> = sql
      .end({ timeout: 5 })
      .catch(() => {})
      .finally(() => ending.delete(ended));
    ending.add(ended);
  }

  async function take(): Promise<Sql> {
    if (closed) throw new CloudError("unavailable", "The cloud is stopping.");
    const free = idle.pop() ?? (lent.size === 0 ? connect() : undefined);
    if (free) {
      // At once, not after the await of whoever asked: a thousand who ask in one go must not each find room for one more.
      lent.add(free);
      return free;
    }
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        clearTimeout(waiter.impatient);
        clearTimeout(waiter.late);
        const place = waiting.indexOf(waiter);
        if (place !== -1) waiting.splice(place, 1);
      };
      const waiter: Waiter = {
        leave,
        take: resolve,
        impatient: setTimeout(() => {
          if (lent.size >= options.size) return;
          leave();
          const sql = connect();
          lent.add(sql);
          resolve(sql);
        }, patienceMs),
        late: setTimeout(() => {
          leave();
          reject(
            new CloudError("unavailable", "The database is too busy at the moment. Try again.", {
              details: { retryAfterSeconds: 2 },
            }),
          );
        }, waitMs),
      };
      waiting.push(waiter);
    });
  }

  function give(sql: Sql): void {
    const next = closed ? undefined : waiting[0];
    if (!next) {
      if (!closed && performance.now() - (madeAt.get(sql) ?? 0) >= longestMs) retire(sql);
      else idle.push(sql);
      return;
    }
    next.leave();
    // Held from now on, so that nobody else makes one more meanwhile.
    lent.add(sql);
    next.take(sql);
  }

  return {
    async use(work) {
      const sql = await take();
      let broken = false;
      try {
        return await work(sql);
      } catch (error) {
        broken = options.isBroken(error);
        throw error;
      } finally {
        lent.delete(sql);
        if (broken) {
          sql.end({ timeout: 0 }).catch(() => {});
          give(connect());
        } else give(sql);
      }
    },
    async close() {
      closed = true;
      for (const { leave } of [...waiting]) leave();
      await Promise.all([...ending, ...[...idle, ...lent].map((sql) => sql.end({ timeout: 5 }).catch(() => {}))]);
    },
  };
}
