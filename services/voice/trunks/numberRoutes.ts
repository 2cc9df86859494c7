import { isoTime } from "../../../kernel/clock.ts";
import { CloudError, checkRevision, invalid, there } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { newId } from "../../../kernel/ids.ts";
import { reserveQuota } from "../../../kernel/quota.ts";
import type { Area, RequestContext } from "../../../kernel/service.ts";
import { outsideNumber } from "../calls/outside.ts";
import { checkReferences, checkUnused } from "../elements/references.ts";
import { extensionStore } from "../extensions/store.ts";
import { given } from "../given.ts";
import { placeOf, subjectOf } from "../parts.ts";
import { openSystem } from "../systems/openSystem.ts";
import { systemStore } from "../systems/store.ts";
import { checkTrunks } from "./checks.ts";
import type { PhoneNumber, trunkRoutes } from "./contract.ts";
import { withNumberDefaults } from "./defaults.ts";
import { type NumberRow, numberStore } from "./store.ts";

const view = (row: NumberRow): PhoneNumber => ({
  ...row.settings,
  id: row.id,
  phoneSystemId: row.systemId,
  number: row.number,
  createdAt: isoTime(row.createdAt),
  revision: row.revision,
});

/** The number of a route, its phone system locked. */
async function openNumber(context: Pick<RequestContext, "tx" | "authorize">, id: string): Promise<NumberRow> {
  const found = there(await numberStore.find(context.tx, id), "phoneNumber");
  context.authorize(placeOf(found), "phoneNumber");
  await systemStore.find(context.tx, found.systemId, { lock: true });
  return there(await numberStore.find(context.tx, id), "phoneNumber");
}

/** Numbers that follow each other. @throws CloudError invalid_argument */
function blockOf(written: string, count: number, country: string): string[] {
  const first = outsideNumber(written, country)?.e164;
  if (first === undefined)
    throw invalid("body.first", `${written} is no number that exists. Give it with + and country code: +380441234500.`);
  const numbers = Array.from({ length: count }, (_, index) => `+${BigInt(first.slice(1)) + BigInt(index)}`);
  const last = numbers.at(-1) as string;
  const countryOf = (number: string) => outsideNumber(number, country)?.country;
  // One that is counted too far is another country's.
  if (last.length !== first.length || countryOf(last) !== countryOf(first))
    throw invalid("body.count", `${count} numbers from ${first} on end at ${last}, which is no number that exists. Give fewer.`);
  return numbers;
}

type Handlers = Pick<
  Area<typeof trunkRoutes>["handlers"],
  "phoneNumberList" | "phoneNumberCreate" | "phoneNumberBlockCreate" | "phoneNumberUpdate" | "phoneNumberDelete"
>;

export const numberHandlers: Handlers = {
  async phoneNumberList(context, { params, query }) {
    const system = await openSystem(context, params.phoneSystem);
    const [after] = decodeCursor(query.cursor, 1) ?? [];
    const rows = await numberStore.page(context.tx, system.id, {
      after: after === undefined ? undefined : String(after),
      limit: query.limit + 1,
    });
    return toPage(rows, query.limit, view, ({ number }) => [number]);
  },

  async phoneNumberCreate(context, { params, body }) {
    const system = await openSystem(context, params.phoneSystem, { lock: true });
    const { number: written, ...settings } = body;
    const number = outsideNumber(written, system.settings.country)?.e164;
    if (number === undefined)
      throw invalid("body.number", `${written} is no number that exists. Give it with + and country code: +380441234567.`);
    const { trunkId, ...references } = settings;
    await checkReferences(context.tx, system.id, references);
    await checkTrunks(context.tx, system.id, trunkId ? [trunkId] : [], "body.trunkId");
    await reserveQuota(context.tx, system, "voice.numbers", 1);
    const row: NumberRow = {
      id: newId("phoneNumber"),
      systemId: system.id,
      organisationId: system.organisationId,
      projectId: system.projectId,
      number,
      settings: withNumberDefaults(settings),
      createdAt: new Date(),
      revision: 1,
    };
    if (!(await numberStore.insert(context.tx, row)))
      throw new CloudError("already_exists", `The phone system has the number ${number} already. Change that one.`, {
        details: {
          resource: "phoneNumber",
          reason: "number_taken",
          fields: [{ path: "body.number", message: "This number is there already." }],
        },
      });
    context.audit({ ...subjectOf("phoneNumber", row, number), after: { number, ...row.settings } });
    return view(row);
  },

  async phoneNumberBlockCreate(context, { params, body }) {
    const system = await openSystem(context, params.phoneSystem, { lock: true });
    const { first, count, extensionDigits, ...settings } = body;
    const numbers = blockOf(first, count, system.settings.country);
    const { trunkId, ...references } = settings;
    await checkReferences(context.tx, system.id, references);
    await checkTrunks(context.tx, system.id, trunkId ? [trunkId] : [], "body.trunkId");
    const known = new Set((await numberStore.page(context.tx, system.id)).map(({ number }) => number));
    const extensions = new Map(
      extensionDigits === undefined
        ? []
        : (await extensionStore.all(context.tx, system.id)).map(({ id, number }) => [number, id]),
    );
    const rows = numbers
      .filter((number) => !known.has(number))
      .map((number): NumberRow => {
        const extension = extensionDigits === undefined ? undefined : extensions.get(number.slice(-extensionDigits));
        const destination = extension === undefined ? body.destination : ({ kind: "extension", id: extension } as const);
        return {
          id: newId("phoneNumber"),
          systemId: system.id,
          organisationId: system.organisationId,
          projectId: system.projectId,
          number,
          settings: withNumberDefaults({ ...settings, destination }),
          createdAt: new Date(),
          revision: 1,
        };
      });
    await reserveQuota(context.tx, system, "voice.numbers", rows.length);
    await numberStore.insertAll(context.tx, rows);
    const made = {
      first: numbers[0] as string,
      last: numbers.at(-1) as string,
      created: rows.length,
      toExtensions: rows.filter(({ number }) => extensionDigits !== undefined && extensions.has(number.slice(-extensionDigits)))
        .length,
    };
    context.audit({ ...subjectOf("phoneSystem", system, system.name), after: { ...made, ...settings, extensionDigits } });
    return made;
  },

  async phoneNumberUpdate(context, { params, body }) {
    const row = await openNumber(context, params.phoneNumber);
    checkRevision(context.ifMatch, row, "phoneNumber");
    const { trunkId, ...references } = body;
    await checkReferences(context.tx, row.systemId, references);
    await checkTrunks(context.tx, row.systemId, trunkId ? [trunkId] : [], "body.trunkId");
    const after = await numberStore.update(context.tx, { ...row, settings: { ...row.settings, ...given(body) } });
    context.audit({ ...subjectOf("phoneNumber", row, row.number), before: row.settings, after: after.settings });
    return view(after);
  },

  async phoneNumberDelete(context, { params }) {
    const row = await openNumber(context, params.phoneNumber);
    await checkUnused(context.tx, row.systemId, { kind: "phoneNumber", id: row.id, name: row.number });
    await numberStore.delete(context.tx, row);
    await reserveQuota(context.tx, row, "voice.numbers", -1);
    context.audit({ ...subjectOf("phoneNumber", row, row.number), before: { number: row.number, ...row.settings } });
    return undefined;
  },
};
