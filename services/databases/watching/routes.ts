/** Who is connected, and how a database did. */
import { isoTime } from "../../../kernel/clock.ts";
import { invalid, there } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { readyDatabase } from "../databaseRoutes.ts";
import { containerOf, type DatabasesParts, placeOf, type RouteHandlers, subjectOf } from "../parts.ts";
import { databaseStore } from "../store.ts";
import { mostSessions, type watchingRoutes } from "./contract.ts";
import { coarseStep, fineStep, keptDays } from "./sampling.ts";
import { sampleStore } from "./store.ts";

const hourMs = 3_600_000;
/** Steps that people read well, in seconds. */
const steps = [30, 60, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400];
const optional = (value: number | null, digits: number): number | undefined =>
  value === null ? undefined : Math.round(value * 10 ** digits) / 10 ** digits;

export function watchingHandlers(parts: DatabasesParts): RouteHandlers<typeof watchingRoutes> {
  return {
    async databaseSessionList(context, { params, query }) {
      const row = await readyDatabase(context, params.database, "query");
      const [from] = decodeCursor(query.cursor, 1) ?? [];
      const begin = from === undefined ? 0 : Math.max(0, Number(from) || 0);
      const all = await parts.driver().sessions(containerOf(row), row.databaseName, mostSessions);
      const rows = all.slice(begin, begin + query.limit + 1).map((each, index) => ({ each, position: begin + index + 1 }));
      return toPage(
        rows,
        query.limit,
        ({ each: { startedAt, queryStartedAt, transactionStartedAt, ...each } }) => ({
          ...each,
          startedAt: isoTime(startedAt),
          queryStartedAt: queryStartedAt && isoTime(queryStartedAt),
          transactionStartedAt: transactionStartedAt && isoTime(transactionStartedAt),
        }),
        ({ position }) => [position],
      );
    },

    async databaseSessionTerminate(context, { params }) {
      const row = await readyDatabase(context, params.database, "query");
      await context.transaction(async (tx) => {
        context.audit(tx, { ...subjectOf("database", row, row.name), after: { session: params.pid } });
      });
      await parts.driver().sessionEnd(containerOf(row), row.databaseName, params.pid);
      return undefined;
    },

    async databaseHistoryGet(context, { params, query }) {
      const row = there(await databaseStore.find(context.tx, params.database), "database");
      context.authorize(placeOf(row), "database");
      const now = Date.now();
      const to = Math.min(now, query.to === undefined ? now : Date.parse(query.to));
      const from = Math.max(now - keptDays * 24 * hourMs, query.from === undefined ? to - hourMs : Date.parse(query.from));
      if (from >= to)
        throw invalid("query.from", `It must be before \`to\`, and not in the future; figures are kept for ${keptDays} days.`);
      // Older than a day there are only averages of five minutes.
      const isFine = now - from <= 24 * hourMs + 60_000;
      const sampleStep = isFine ? fineStep : coarseStep;
      const atLeast = Math.max((to - from) / 1000 / query.points, sampleStep);
      const stepSeconds = steps.find((step) => step >= atLeast) ?? Math.ceil(atLeast / 86_400) * 86_400;
      const span = { databaseId: row.id, from: new Date(from), to: new Date(to), stepSeconds };
      const fine = await sampleStore.averages(context.tx, { ...span, sampleStep });
      // What is newer than a day is not among the coarse ones yet.
      const newer = isFine ? [] : await sampleStore.averages(context.tx, { ...span, sampleStep: fineStep });
      const points = [...fine, ...newer.filter(({ at }) => !fine.some((one) => one.at.getTime() === at.getTime()))];
      return {
        stepSeconds,
        points: points.map((one) => ({
          at: isoTime(one.at),
          cpuPercent: optional(one.cpuPercent, 2),
          memoryBytes: Math.round(one.memoryBytes),
          diskBytes: optional(one.diskBytes, 0),
          connections: optional(one.connections, 1) ?? 0,
          transactionsPerSecond: optional(one.transactionsPerSecond, 2),
        })),
      };
    },
  };
}
