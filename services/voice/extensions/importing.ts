import { type Info, parse } from "csv-parse/sync";
import { z } from "zod";
import { displayName } from "../../../kernel/contract.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, invalid } from "../../../kernel/errors.ts";
import { outsideNumber } from "../calls/outside.ts";
import { internalNumber, phoneLanguage } from "../destinations/contract.ts";
import type { VoiceParts } from "../parts.ts";
import type { SystemRow } from "../systems/store.ts";
import { numberStore } from "../trunks/store.ts";
import { insertExtension } from "./changing.ts";
import { deviceKind, deviceMaker, phonePin } from "./contract.ts";
import { insertDevice } from "./devices.ts";
import type { DeviceRow, ExtensionRow } from "./store.ts";

const mostRows = 500;

/** Rows of a table whose first line names the columns; an unknown column is a misspelt one. `line` is as an editor counts. */
export function readTable<S extends z.ZodObject>(csv: string, row: S): { line: number; values: z.output<S> }[] {
  const known = Object.keys(row.shape);
  let parsed: { record: Record<string, string>; info: Info }[];
  try {
    parsed = parse(csv, {
      bom: true,
      columns: (names: string[]) => names.map((name) => name.trim().toLowerCase()),
      delimiter: [",", ";", "\t"],
      info: true,
      skip_empty_lines: true,
      trim: true,
    }) as unknown as typeof parsed;
  } catch (error) {
    throw invalid("body.csv", `This is no CSV table: ${(error as Error).message}`);
  }
  const unknown = Object.keys(parsed[0]?.record ?? {}).find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw invalid("body.csv", `There is no column ${unknown}. The first line names the columns: ${known.join(", ")}.`);
  if (parsed.length === 0) throw invalid("body.csv", "The table has no line below the names of its columns.");
  return parsed.map(({ record, info }) => {
    const filled = Object.fromEntries(Object.entries(record).filter(([, value]) => value !== ""));
    const result = row.safeParse(filled);
    if (result.success) return { line: info.lines, values: result.data };
    const [issue] = result.error.issues;
    const column = String(issue?.path[0]);
    throw invalid(
      "body.csv",
      `Line ${info.lines}, ${column}: ${filled[column] === undefined ? "This column is needed." : issue?.message}`,
    );
  });
}

const row = z.object({
  number: internalNumber.optional(),
  name: displayName,
  email: z.email().max(254).optional(),
  language: phoneLanguage.optional(),
  caller_number: z.string().max(30).optional(),
  pickup_group: z
    .string()
    .regex(/^[a-z0-9-]{1,20}$/, "Use small letters, digits and hyphens.")
    .optional(),
  voicemail: z.enum(["yes", "no"]).default("yes"),
  voicemail_pin: phonePin.optional(),
  device: deviceKind.exclude(["browser"]).optional(),
  maker: deviceMaker.default("other"),
  mac_address: z
    .string()
    .regex(/^([0-9a-fA-F]{2}[:-]?){5}[0-9a-fA-F]{2}$/, "Give it as it stands on the phone: 00:15:65:12:34:56.")
    .optional(),
});

export interface Imported {
  extension: ExtensionRow;
  device: { row: DeviceRow; password: string } | undefined;
}

/** All of a table, or none: in the transaction that holds the phone system. Errors name the line. */
export async function importExtensions(parts: VoiceParts, tx: Tx, system: SystemRow, csv: string): Promise<Imported[]> {
  const rows = readTable(csv, row);
  if (rows.length > mostRows)
    throw invalid("body.csv", `The table has ${rows.length} lines. Give at most ${mostRows} at a time.`);
  const numbers = await numberStore.page(tx, system.id);
  const callerNumber = (text: string | undefined) => {
    if (text === undefined) return null;
    const e164 = outsideNumber(text, system.settings.country)?.e164;
    const found = numbers.find(({ number }) => number === e164);
    if (found) return found.id;
    throw invalid("body.csv", `The phone system has no number ${text}. Add it first.`);
  };
  const imported: Imported[] = [];
  for (const { line, values } of rows) {
    const { email, device } = values;
    try {
      const extension = await insertExtension(parts, tx, system, {
        number: values.number,
        name: values.name,
        language: values.language ?? null,
        callerNumber: callerNumber(values.caller_number),
        pickupGroup: values.pickup_group ?? null,
        voicemail: { enabled: values.voicemail === "yes", email: email ?? null },
        ...(values.voicemail_pin === undefined ? {} : { voicemailPin: values.voicemail_pin }),
      });
      const label = values.maker === "other" ? values.name : `${values.maker[0]?.toUpperCase()}${values.maker.slice(1)}`;
      imported.push({
        extension,
        device:
          device === undefined
            ? undefined
            : await insertDevice(parts, tx, extension, {
                kind: device,
                label,
                maker: values.maker,
                macAddress: values.mac_address,
              }),
      });
    } catch (error) {
      if (error instanceof CloudError && error.code !== "internal")
        throw new CloudError(error.code, `Line ${line}: ${error.message}`, { cause: error, details: error.details });
      throw error;
    }
  }
  return imported;
}
