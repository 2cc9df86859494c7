import { Readable } from "node:stream";
import { z } from "zod";
import { isoTime } from "../../../kernel/clock.ts";
import { displayName } from "../../../kernel/contract.ts";
import { checkRevision, type FieldProblem, invalid, there } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { newId } from "../../../kernel/ids.ts";
import { reserveQuota } from "../../../kernel/quota.ts";
import { outsideNumber } from "../calls/outside.ts";
import { given } from "../given.ts";
import { type Area, placeOf, subjectOf } from "../parts.ts";
import { csvLineOf } from "../records/csv.ts";
import { openSystem } from "../systems/openSystem.ts";
import { type SystemRow, systemStore } from "../systems/store.ts";
import { atLine, readTable, refuseTable } from "../table.ts";
import { contactNumberKinds, type contactRoutes, type PhoneContact } from "./contract.ts";
import { type ContactRow, contactStore } from "./store.ts";

const view = ({ systemId, organisationId: _, projectId: __, ...row }: ContactRow): PhoneContact => ({
  ...row,
  phoneSystemId: systemId,
  createdAt: isoTime(row.createdAt),
});

const number = z.string().max(30).optional();
const line = z.object({
  name: displayName,
  company: z.string().max(100).default(""),
  mobile: number,
  work: number,
  home: number,
  other: number,
  note: z.string().max(1000).default(""),
});
const columns = Object.keys(line.shape);

type Fields = Pick<ContactRow, "name" | "company" | "note" | "numbers">;

const newRow = (system: SystemRow, fields: Fields): ContactRow => ({
  id: newId("phoneContact"),
  organisationId: system.organisationId,
  projectId: system.projectId,
  systemId: system.id,
  ...fields,
  createdAt: new Date(),
  revision: 1,
});

/** As E.164, whatever the writing. @throws CloudError invalid_argument */
function normal(
  country: string,
  numbers: readonly { kind: PhoneContact["numbers"][number]["kind"]; number: string }[],
  at: string,
) {
  return numbers.map(({ kind, number }) => {
    const e164 = outsideNumber(number, country)?.e164;
    if (e164 === undefined)
      throw invalid(at, `${number} is no number that exists. Give it with + and country code: +380441234567.`);
    return { kind, number: e164 };
  });
}

/** People outside, whom all of the phone system know. */
export function createContactArea(): Area<typeof contactRoutes> {
  return {
    handlers: {
      async phoneContactList(context, { params, query }) {
        const system = await openSystem(context, params.phoneSystem);
        const [name, id] = decodeCursor(query.cursor, 2) ?? [];
        const rows = await contactStore.page(context.tx, {
          systemId: system.id,
          search: query.search,
          after: id === undefined ? undefined : { name: String(name), id: String(id) },
          limit: query.limit + 1,
        });
        return toPage(rows, query.limit, view, (row) => [row.name, row.id]);
      },

      async phoneContactCreate(context, { params, body }) {
        const system = await openSystem(context, params.phoneSystem, { lock: true });
        const numbers = normal(system.settings.country, body.numbers, "body.numbers");
        await reserveQuota(context.tx, system, "voice.contacts", 1);
        const row = newRow(system, { ...body, numbers });
        await contactStore.put(context.tx, row);
        await contactStore.tell(context.tx, row);
        context.audit({ ...subjectOf("phoneContact", row, row.name), after: { ...body, numbers } });
        return view(row);
      },

      async phoneContactUpdate(context, { params, body }) {
        const found = there(await contactStore.find(context.tx, params.phoneContact), "phoneContact");
        context.authorize(placeOf(found), "phoneContact");
        const system = there(await systemStore.find(context.tx, found.systemId, { lock: true }), "phoneSystem");
        const before = there(await contactStore.find(context.tx, params.phoneContact), "phoneContact");
        checkRevision(context.ifMatch, before, "phoneContact");
        const { numbers, ...rest } = body;
        const change = numbers ? { numbers: normal(system.settings.country, numbers, "body.numbers") } : {};
        const after: ContactRow = { ...before, ...given(rest), ...change, revision: before.revision + 1 };
        await contactStore.put(context.tx, after);
        await contactStore.tell(context.tx, after);
        context.audit({ ...subjectOf("phoneContact", after, after.name), before: fieldsOf(before), after: fieldsOf(after) });
        return view(after);
      },

      async phoneContactDelete(context, { params }) {
        const row = there(await contactStore.find(context.tx, params.phoneContact), "phoneContact");
        context.authorize(placeOf(row), "phoneContact");
        await contactStore.remove(context.tx, row.id);
        await reserveQuota(context.tx, row, "voice.contacts", -1);
        await contactStore.tell(context.tx, row);
        context.audit({ ...subjectOf("phoneContact", row, row.name), before: fieldsOf(row) });
        return undefined;
      },

      async phoneContactImport(context, { params, body }) {
        const system = await openSystem(context, params.phoneSystem, { lock: true });
        const keyOf = ({ name, company }: Pick<ContactRow, "name" | "company">) => JSON.stringify([name, company]).toLowerCase();
        const known = new Map((await contactStore.page(context.tx, { systemId: system.id })).map((row) => [keyOf(row), row]));
        const rows = new Map<string, ContactRow>();
        const problems: FieldProblem[] = [];
        let created = 0;
        for (const { line: at, values } of readTable(body.csv, line)) {
          const written = contactNumberKinds.flatMap((kind) => {
            const text = values[kind];
            return text === undefined ? [] : [{ kind, number: text }];
          });
          const bad = written.find(({ number }) => outsideNumber(number, system.settings.country) === undefined);
          if (bad) {
            problems.push(atLine(at, `${bad.number} is no number that exists.`, bad.kind));
            continue;
          }
          const numbers = normal(system.settings.country, written, "body.csv");
          const fields = { name: values.name, company: values.company, note: values.note, numbers };
          const key = keyOf(fields);
          if (rows.has(key)) problems.push(atLine(at, `${fields.name} stands there twice.`));
          const before = known.get(key);
          if (!before) created++;
          rows.set(key, before ? { ...before, ...fields, revision: before.revision + 1 } : newRow(system, fields));
        }
        refuseTable(problems);
        await reserveQuota(context.tx, system, "voice.contacts", created);
        for (const row of rows.values()) await contactStore.put(context.tx, row);
        await contactStore.tell(context.tx, { ...placeOf(system), systemId: system.id } as never);
        const result = { created, changed: rows.size - created };
        context.audit({ ...subjectOf("phoneSystem", system, system.name), after: result });
        return result;
      },

      async phoneContactExport(context, { params }) {
        const rows = await context.transaction(async (tx) => {
          const system = await openSystem({ ...context, tx }, params.phoneSystem);
          return await contactStore.page(tx, { systemId: system.id });
        });
        const numberOf = (row: ContactRow, kind: string) => row.numbers.find((each) => each.kind === kind)?.number;
        const lines = rows.map((row) =>
          csvLineOf(
            columns.map((name) =>
              name === "name" || name === "company" || name === "note" ? row[name] || undefined : numberOf(row, name),
            ),
          ),
        );
        return {
          status: 200,
          headers: {
            "content-type": "text/csv; charset=utf-8; header=present",
            "content-disposition": 'attachment; filename="contacts.csv"',
            "cache-control": "no-store",
          },
          body: Readable.from([csvLineOf(columns), ...lines], { objectMode: false }),
        };
      },
    },
  };
}

const fieldsOf = ({ name, company, note, numbers }: ContactRow) => ({ name, company, note, numbers });
