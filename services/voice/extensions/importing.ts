import { z } from "zod";
import { displayName } from "../../../kernel/contract.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, invalid } from "../../../kernel/errors.ts";
import { outsideNumber } from "../calls/outside.ts";
import { internalNumber, phoneLanguage } from "../destinations/contract.ts";
import type { VoiceParts } from "../parts.ts";
import type { SystemRow } from "../systems/store.ts";
import { atLine, readTable } from "../table.ts";
import { numberStore } from "../trunks/store.ts";
import { insertExtension } from "./changing.ts";
import { deviceKind, deviceMaker, phonePin } from "./contract.ts";
import { insertDevice } from "./devices.ts";
import type { DeviceRow, ExtensionRow } from "./store.ts";

const mostRows = 500;

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
        throw new CloudError(error.code, `Line ${line}: ${error.message}`, {
          cause: error,
          details: { ...error.details, fields: [atLine(line, error.message)] },
        });
      throw error;
    }
  }
  return imported;
}
