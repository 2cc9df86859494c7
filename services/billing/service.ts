import { isoTime } from "../../kernel/clock.ts";
import { invalid } from "../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../kernel/http/cursor.ts";
import { defineService, type ServiceDefinition } from "../../kernel/service.ts";
import contract, { type UsageRecord } from "./contract.ts";
import { type UsageFilter, type UsageRow, usageStore } from "./store.ts";

const mostResources = 200;
/** So that a chart has points that can be seen, and an answer has a bound. */
const mostSteps = 1000;
const stepMs = { hour: 3_600_000, day: 86_400_000, month: 28 * 86_400_000 };

export const createBilling = (): ServiceDefinition<typeof contract> =>
  defineService<typeof contract>({
    contract,
    handlers: {
      async usageRecordList(context, { query }) {
        context.authorize(
          { organisationId: query.organisation, projectId: query.project },
          query.project ? "project" : "organisation",
        );
        const cursor = decodeCursor(query.cursor, 2);
        const rows = await usageStore.list(context.tx, {
          ...filterOf(query),
          meter: query.meter,
          before: cursor && { at: String(cursor[0]), id: String(cursor[1]) },
          limit: query.limit + 1,
        });
        return toPage(rows, query.limit, view, (row) => [isoTime(row.fromAt), row.id]);
      },
      async usageSummarize(context, { query }) {
        context.authorize(
          { organisationId: query.organisation, projectId: query.project },
          query.project ? "project" : "organisation",
        );
        const filter = filterOf(query);
        const [from, to] = [Date.parse(filter.from), Date.parse(filter.to)];
        if ((to - from) / stepMs[query.step] > mostSteps)
          throw invalid("query.step", `That is more than ${mostSteps} steps: ask for a shorter time or a longer step.`);
        const buckets = stepStarts(from, to, query.step);
        const before = { ...filter, from: isoTime(from - (to - from)), to: filter.from };
        // One connection, so one after the other.
        const points = await usageStore.series(context.tx, filter, query.step);
        const totals = await usageStore.totals(context.tx, filter);
        const previous = await usageStore.totals(context.tx, before);
        const resources = await usageStore.byResource(context.tx, filter, mostResources);
        return {
          from: filter.from,
          to: filter.to,
          step: query.step,
          buckets,
          series: totals.map(({ meter, unit, total }) => {
            const values = new Map(
              points
                .filter((point) => point.meter === meter && point.unit === unit)
                .map((point) => [isoTime(point.at), point.total]),
            );
            return { meter, unit, total, values: buckets.map((at) => values.get(at) ?? "0") };
          }),
          previous: Object.fromEntries(previous.map(({ meter, total }) => [meter, total])),
          byResource: resources.map(({ meter, unit, kind, id, name, total }) => ({
            meter,
            unit,
            resource: { kind, id, ...(name ? { name } : {}) },
            total,
          })),
        };
      },
    },
  });

function filterOf(query: {
  organisation: string;
  project?: string | undefined;
  resource?: string | undefined;
  from: string;
  to: string;
}): UsageFilter {
  if (Date.parse(query.to) <= Date.parse(query.from)) throw invalid("query.to", "The end must be after the beginning.");
  return {
    organisationId: query.organisation,
    projectId: query.project,
    resourceId: query.resource,
    from: query.from,
    to: query.to,
  };
}

/** The beginnings of the steps that [from, to) touches, in UTC. */
function stepStarts(fromMs: number, toMs: number, step: "hour" | "day" | "month"): string[] {
  const at = new Date(fromMs);
  at.setUTCMinutes(0, 0, 0);
  if (step !== "hour") at.setUTCHours(0);
  if (step === "month") at.setUTCDate(1);
  const starts: string[] = [];
  while (at.getTime() < toMs) {
    starts.push(isoTime(at));
    if (step === "hour") at.setUTCHours(at.getUTCHours() + 1);
    else if (step === "day") at.setUTCDate(at.getUTCDate() + 1);
    else at.setUTCMonth(at.getUTCMonth() + 1);
  }
  return starts;
}

const view = (row: UsageRow): UsageRecord => ({
  id: row.id,
  organisationId: row.organisationId as UsageRecord["organisationId"],
  projectId: (row.projectId ?? undefined) as UsageRecord["projectId"],
  meter: row.meter,
  unit: row.unit,
  resource: { kind: row.resourceKind, id: row.resourceId, ...(row.resourceName ? { name: row.resourceName } : {}) },
  from: isoTime(row.fromAt),
  to: isoTime(row.toAt),
  quantity: row.quantity,
});
