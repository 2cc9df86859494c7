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

export function openPool(options: { size: number; connect: () => Sql; isBroken: (error: unknown) => boolean }): Pool {
  const idle: Sql[] = [];
  const lent = new Set<Sql>();
  const waiting: { take: (sql: Sql) => void; timer: NodeJS.Timeout }[] = [];
  let closed = false;

  async function take(): Promise<Sql> {
    if (closed) throw new CloudError("unavailable", "The cloud is stopping.");
    const free = idle.pop() ?? (lent.size < options.size ? options.connect() : undefined);
    if (free) {
      // At once, not after the await of whoever asked: a thousand who ask in one go must not each find room for one more.
      lent.add(free);
      return free;
    }
    return new Promise((resolve, reject) => {
      const waiter = {
        take: resolve,
        timer: setTimeout(() => {
          waiting.splice(waiting.indexOf(waiter), 1);
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
    const next = closed ? undefined : waiting.shift();
    if (!next) {
      idle.push(sql);
      return;
    }
    clearTimeout(next.timer);
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
          give(options.connect());
        } else give(sql);
      }
    },
    async close() {
      closed = true;
      for (const { timer } of waiting.splice(0)) clearTimeout(timer);
      await Promise.all([...idle, ...lent].map((sql) => sql.end({ timeout: 5 }).catch(() => {})));
    },
  };
}
