import type { Clock } from "../../kernel/clock.ts";
import type { Database } from "../../kernel/db/database.ts";
import { CloudError, type ErrorCode } from "../../kernel/errors.ts";
import { subscriberOf } from "../../kernel/peerAddress.ts";
import type { Secrets } from "../../kernel/secrets.ts";
import { type Attempts, attemptStore } from "./store/attempts.ts";
import { cloudStore } from "./store/cloud.ts";

/** Somebody tried to prove something and could not: this counts against them. Any other error does not. */
export class WrongProof extends CloudError {
  constructor(code: ErrorCode, reason: string, message: string, fieldPath?: string) {
    super(code, message, { details: { reason, ...(fieldPath ? { fields: [{ path: fieldPath, message }] } : {}) } });
  }
}

/** How often each may fail before waiting begins. Behind one address there can be a whole school. */
const allowances = { account: 5, address: 50, link: 20, signUp: 10, challenge: 300 };
type Subject = keyof typeof allowances;

export type Subjects = { [S in Subject]?: string };

const firstWaitMs = 1000;
const longestWaitMs = 15 * 60_000;
/** After an hour without a failure all is forgotten. */
export const attemptMemoryMs = 60 * 60_000;

export interface Throttle {
  /**
   * Lets `work` run unless one of the subjects has to wait (rate_limited). The attempt is counted before the work begins, so that
   * guesses sent at the same moment are not all let through; it is taken back unless the work ends with WrongProof.
   */
  attempt<T>(subjects: Subjects, work: () => Promise<T>): Promise<T>;
  /** As `attempt`, for what may not be done often even when it succeeds. */
  count<T>(subjects: Subjects, work: () => Promise<T>): Promise<T>;
}

export function createThrottle(parts: { database: Database; secrets: Secrets; clock: Clock }): Throttle {
  const { database, secrets, clock } = parts;

  async function begin(subjects: Subjects): Promise<{ account: string | undefined; rows: Attempts[] }> {
    const named = Object.entries(subjects).map(([kind, value]) => ({
      kind: kind as Subject,
      // Nobody who reads the table learns who tried to sign in from where.
      key: `${kind}:${secrets.fingerprint(`identity.${kind}`, kind === "account" ? value : subscriberOf(value))}`,
    }));
    const now = new Date(clock.nowMs());
    return cloudStore.asSystem(database, async (tx) => {
      const rows = await attemptStore.lock(
        tx,
        named.map((each) => each.key),
        now,
      );
      const blocked = Math.max(...rows.map((row) => (row.blockedUntil?.getTime() ?? 0) - now.getTime()));
      if (blocked > 0) throw tooOften(Math.ceil(blocked / 1000));
      for (const row of rows) {
        const kind = named.find((each) => each.key === row.subject)?.kind as Subject;
        row.failures = now.getTime() - row.lastAt.getTime() > attemptMemoryMs ? 1 : row.failures + 1;
        row.lastAt = now;
        const excess = row.failures - allowances[kind];
        row.blockedUntil = excess < 0 ? null : new Date(now.getTime() + Math.min(firstWaitMs * 2 ** excess, longestWaitMs));
        await attemptStore.save(tx, row);
      }
      return { account: named.find((each) => each.kind === "account")?.key, rows };
    });
  }

  return {
    async attempt(subjects, work) {
      const { account, rows } = await begin(subjects);
      try {
        const result = await work();
        await cloudStore.asSystem(database, async (tx) => {
          for (const row of rows) {
            if (row.subject === account) await attemptStore.forget(tx, row.subject);
            else await attemptStore.takeBack(tx, row);
          }
        });
        return result;
      } catch (error) {
        if (!(error instanceof WrongProof)) {
          await cloudStore.asSystem(database, async (tx) => {
            for (const row of rows) await attemptStore.takeBack(tx, row);
          });
        }
        throw error;
      }
    },
    async count(subjects, work) {
      await begin(subjects);
      return work();
    },
  };
}

const tooOften = (seconds: number): CloudError =>
  new CloudError(
    "rate_limited",
    `That was tried too often. Try again in ${seconds < 120 ? `${seconds} seconds` : `${Math.ceil(seconds / 60)} minutes`}.`,
    {
      details: { retryAfterSeconds: seconds },
    },
  );
