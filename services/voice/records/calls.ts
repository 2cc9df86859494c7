import { Readable } from "node:stream";
import type { Tx } from "../../../kernel/db/database.ts";
import { invalid, there } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import type { Area } from "../../../kernel/service.ts";
import { myExtensions } from "../mine.ts";
import { placeOf } from "../parts.ts";
import { openSystem } from "../systems/openSystem.ts";
import type { recordRoutes } from "./contract.ts";
import { csvHead, csvLine } from "./csv.ts";
import { type CallFilter, callStore } from "./store/calls.ts";
import { reportLines, reportTotal } from "./store/report.ts";
import { viewCall, viewReportLine, viewSums } from "./views.ts";

type CallRoutes = Pick<
  typeof recordRoutes,
  "phoneCallList" | "phoneCallGet" | "phoneCallExport" | "phoneReportGet" | "myPhoneCallList"
>;

const exportedAtOnce = 500;
const maxReportLines = 1000;

interface Query {
  direction?: string | undefined;
  outcome?: string | undefined;
  number?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
  extension?: string | undefined;
  trunk?: string | undefined;
  queue?: string | undefined;
}
const filterOf = (query: Query): CallFilter => ({
  direction: query.direction,
  outcome: query.outcome,
  number: query.number,
  from: query.from,
  to: query.to,
  extensionIds: query.extension === undefined ? undefined : [query.extension],
  trunkId: query.trunk,
  queueId: query.queue,
});
export const belowOf = (cursor: string | undefined): string | undefined => {
  const [below] = decodeCursor(cursor, 1) ?? [];
  return below === undefined ? undefined : String(below);
};

async function* csv(transaction: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>, filter: CallFilter): AsyncGenerator<string> {
  yield csvHead();
  for (let above: string | undefined; ; ) {
    const rows = await transaction((tx) => callStore.pageUpward(tx, filter, above, exportedAtOnce));
    if (rows.length > 0) yield rows.map((row) => csvLine(viewCall(row))).join("");
    if (rows.length < exportedAtOnce) return;
    above = rows.at(-1)?.id;
  }
}

/** What became of calls, and its sums. */
export const callHandlers = (): Area<CallRoutes>["handlers"] => ({
  async phoneCallList(context, { params, query }) {
    const system = await openSystem(context, params.phoneSystem);
    const filter = { ...filterOf(query), systemId: system.id };
    const rows = await callStore.page(context.tx, filter, belowOf(query.cursor), query.limit + 1);
    return toPage(rows, query.limit, viewCall, ({ id }) => [id]);
  },

  async phoneCallGet(context, { params }) {
    const row = there(await callStore.find(context.tx, params.call), "call");
    context.authorize(placeOf(row), "call");
    return { ...viewCall(row), legs: row.legs };
  },

  async phoneCallExport(context, { params, query }) {
    const system = await context.transaction((tx) => openSystem({ ...context, tx }, params.phoneSystem));
    return {
      status: 200,
      headers: {
        "content-type": "text/csv; charset=utf-8; header=present",
        "content-disposition": 'attachment; filename="calls.csv"',
        "cache-control": "no-store",
      },
      body: Readable.from(csv(context.transaction, { ...filterOf(query), systemId: system.id }), { objectMode: false }),
    };
  },

  async phoneReportGet(context, { params, query }) {
    const system = await openSystem(context, params.phoneSystem);
    if (query.from >= query.to) throw invalid("query.to", "The end has to be after the beginning.");
    const filter = { ...filterOf(query), systemId: system.id };
    const lines = await reportLines(context.tx, filter, query.by, system.settings.timeZone, maxReportLines);
    return { total: viewSums(await reportTotal(context.tx, filter)), lines: lines.map(viewReportLine) };
  },

  async myPhoneCallList(context, { query }) {
    const mine = await myExtensions(context.tx, context.principal, query.extension);
    const filter = { ...filterOf(query), extensionIds: mine.map(({ id }) => id) };
    const rows = await callStore.page(context.tx, filter, belowOf(query.cursor), query.limit + 1);
    return toPage(rows, query.limit, viewCall, ({ id }) => [id]);
  },
});
