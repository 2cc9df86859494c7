import { z } from "zod";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, type FieldProblem, there } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import type { Area } from "../../../kernel/service.ts";
import { placeOf, subjectOf } from "../parts.ts";
import { amount } from "../systems/contract.ts";
import { openSystem } from "../systems/openSystem.ts";
import type { SystemRow } from "../systems/store.ts";
import { atLine, readTable, refuseTable } from "../table.ts";
import { checkTrunks } from "./checks.ts";
import type { PhoneRate, trunkRoutes } from "./contract.ts";
import { prefixOf } from "./prefixes.ts";
import { type RateRow, rateStore } from "./store.ts";

/** Of a phone system, with those of its trunks: its plan has all of them. */
const most = 100_000;

const view = (row: RateRow): PhoneRate => ({
  id: row.id,
  ...(row.trunkId === null ? {} : { trunkId: row.trunkId }),
  prefix: row.prefix,
  label: row.label,
  perMinute: row.perMinute,
  connectionFee: row.connectionFee,
  firstSeconds: row.firstSeconds,
  stepSeconds: row.stepSeconds,
});

const seconds = z.coerce.number().int().min(1).max(3600);
const line = z.object({
  prefix: z.string(),
  per_minute: z
    .string()
    .transform((text) => text.replace(",", "."))
    .pipe(amount),
  connection_fee: z
    .string()
    .transform((text) => text.replace(",", "."))
    .pipe(amount)
    .default("0"),
  first_seconds: seconds.default(60),
  step_seconds: seconds.default(60),
  label: z.string().max(100).default(""),
});

const howToWrite = "Give its beginning with country code (+380, 00380, 380) or as it is dialled in the country (044).";

const where = (system: SystemRow) => ({
  systemId: system.id,
  organisationId: system.organisationId,
  projectId: system.projectId,
});

async function checkRoom(tx: Tx, systemId: string): Promise<void> {
  if ((await rateStore.count(tx, systemId)) <= most) return;
  throw new CloudError(
    "failed_precondition",
    `A phone system has at most ${most} rates. Leave out prefixes that cost the same as a shorter one.`,
    {
      details: { resource: "phoneRate", reason: "too_many_rates" },
    },
  );
}

type Handlers = Pick<
  Area<typeof trunkRoutes>["handlers"],
  "phoneRateList" | "phoneRateSet" | "phoneRateImport" | "phoneRateDelete"
>;

export const rateHandlers: Handlers = {
  async phoneRateList(context, { params, query }) {
    const system = await openSystem(context, params.phoneSystem);
    const [after] = decodeCursor(query.cursor, 1) ?? [];
    const rows = await rateStore.page(context.tx, {
      systemId: system.id,
      trunkId: query.trunk ?? null,
      after: after === undefined ? undefined : String(after),
      limit: query.limit + 1,
    });
    return toPage(rows, query.limit, view, ({ prefix }) => [prefix]);
  },

  async phoneRateSet(context, { params, body }) {
    const system = await openSystem(context, params.phoneSystem, { lock: true });
    const { trunk, ...rate } = body;
    if (trunk !== undefined) await checkTrunks(context.tx, system.id, [trunk], "body.trunk");
    await rateStore.set(context.tx, where(system), trunk ?? null, [rate]);
    await checkRoom(context.tx, system.id);
    const row = there(await rateStore.ofPrefix(context.tx, system.id, trunk ?? null, rate.prefix), "phoneRate");
    context.audit({ ...subjectOf("phoneSystem", system, system.name), after: { trunk, ...rate } });
    return view(row);
  },

  async phoneRateImport(context, { params, body }) {
    const system = await openSystem(context, params.phoneSystem, { lock: true });
    const trunk = body.trunk ?? null;
    if (trunk !== null) await checkTrunks(context.tx, system.id, [trunk], "body.trunk");
    const rates = new Map<string, Parameters<typeof rateStore.set>[3][number]>();
    const problems: FieldProblem[] = [];
    for (const { line: number, values } of readTable(body.csv, line)) {
      const prefix = prefixOf(values.prefix, system.settings.country, body.bareDigits);
      if (prefix === undefined) {
        problems.push(atLine(number, `No number begins with ${values.prefix}. ${howToWrite}`, "prefix"));
        continue;
      }
      if (rates.has(prefix)) problems.push(atLine(number, `The prefix ${prefix} stands there twice.`));
      rates.set(prefix, {
        prefix,
        label: values.label,
        perMinute: values.per_minute,
        connectionFee: values.connection_fee,
        firstSeconds: values.first_seconds,
        stepSeconds: values.step_seconds,
      });
    }
    refuseTable(problems);
    const removed =
      body.mode === "replace" ? await rateStore.deleteOthers(context.tx, where(system), trunk, [...rates.keys()]) : 0;
    await rateStore.set(context.tx, where(system), trunk, [...rates.values()]);
    await checkRoom(context.tx, system.id);
    context.audit({ ...subjectOf("phoneSystem", system, system.name), after: { trunk, rates: rates.size, removed } });
    return { set: rates.size, removed };
  },

  async phoneRateDelete(context, { params }) {
    const row = there(await rateStore.find(context.tx, params.phoneRate), "phoneRate");
    context.authorize(placeOf(row), "phoneRate");
    await rateStore.delete(context.tx, row);
    context.audit({ ...subjectOf("phoneRate", row, row.prefix), before: { trunk: row.trunkId, ...view(row) } });
    return undefined;
  },
};
