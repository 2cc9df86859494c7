import { covers } from "../../../kernel/auth/authorize.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, invalid, there } from "../../../kernel/errors.ts";
import { newId } from "../../../kernel/ids.ts";
import { reserveQuota } from "../../../kernel/quota.ts";
import type { RequestContext } from "../../../kernel/service.ts";
import { checkNumbersFree, checkReferences } from "../elements/references.ts";
import { placeOf, type VoiceParts } from "../parts.ts";
import { type SystemRow, systemStore } from "../systems/store.ts";
import { changedExtension, type ExtensionChange, withExtensionDefaults } from "./defaults.ts";
import { hashPin } from "./pins.ts";
import { type ExtensionRow, extensionStore } from "./store.ts";

export interface Pins {
  voicemailPin?: string | null | undefined;
  hotDeskPin?: string | null | undefined;
}
export type PersonalChange = ExtensionChange & Pins;
export interface NewExtension extends PersonalChange {
  number?: string | undefined;
  name: string;
  user?: string | undefined;
}

/** The extension of a route with its phone system, which stays locked: changes of one system wait for each other. */
export async function openExtension(
  context: Pick<RequestContext, "tx" | "authorize">,
  id: string,
): Promise<{ system: SystemRow; row: ExtensionRow }> {
  const found = there(await extensionStore.find(context.tx, id), "extension");
  context.authorize(placeOf(found), "extension");
  return lockExtension(context.tx, found);
}

export async function lockExtension(tx: Tx, found: ExtensionRow): Promise<{ system: SystemRow; row: ExtensionRow }> {
  const system = there(await systemStore.find(tx, found.systemId, { lock: true }), "phoneSystem");
  return { system, row: there(await extensionStore.find(tx, found.id), "extension") };
}

/** What everybody tries first opens no mailbox. */
function checkPin(pin: string | null | undefined, field: string, number: string): void {
  if (typeof pin !== "string") return;
  const steps = new Set([...pin].slice(1).map((digit, index) => (Number(digit) - Number(pin[index]) + 10) % 10));
  const isRow = steps.size === 1 && [0, 1, 9].includes([...steps][0] as number);
  if (isRow || pin === number)
    throw invalid(`body.${field}`, "This PIN is guessed at once. Choose one that is no row of digits and not the number itself.");
}

export async function changedPins(row: Pick<ExtensionRow, "number" | "voicemailPin" | "hotDeskPin">, change: Pins) {
  const hashed = async (pin: string | null | undefined, before: string | null) =>
    pin === undefined ? before : pin === null ? null : hashPin(pin);
  for (const field of ["voicemailPin", "hotDeskPin"] as const) checkPin(change[field], field, row.number);
  return {
    voicemailPin: await hashed(change.voicemailPin, row.voicemailPin),
    hotDeskPin: await hashed(change.hotDeskPin, row.hotDeskPin),
  };
}

/** For the audit: that a PIN was set, not which. */
export const auditOfPins = ({ voicemailPin, hotDeskPin }: Pins) => ({
  ...(voicemailPin === undefined ? {} : { voicemailPin: voicemailPin === null ? "removed" : "set" }),
  ...(hotDeskPin === undefined ? {} : { hotDeskPin: hotDeskPin === null ? "removed" : "set" }),
});

const reservedNumbers = ({ settings }: SystemRow): Set<string> =>
  new Set([...settings.emergency.numbers, ...Object.values(settings.featureCodes).filter((code) => code !== null)]);

export async function checkNumber(tx: Tx, system: SystemRow, number: string, besides?: string): Promise<void> {
  const { extensionDigits, emergency } = system.settings;
  if (number.length !== extensionDigits)
    throw invalid(
      "body.number",
      `Extensions of this phone system have ${extensionDigits} digits. Give as many, or change that in its settings.`,
    );
  if (emergency.numbers.includes(number))
    throw invalid("body.number", `${number} calls for help here, whoever dials it. Choose another number.`);
  if (reservedNumbers(system).has(number)) throw invalid("body.number", `${number} is a feature code. Choose another number.`);
  await checkNumbersFree(tx, system.id, [number], besides);
}

/** From 200 on (of three digits): what begins with 1 is short numbers of most countries. */
async function nextNumber(tx: Tx, system: SystemRow): Promise<string> {
  const digits = system.settings.extensionDigits;
  const taken = new Set([...(await extensionStore.numbers(tx, system.id)), ...reservedNumbers(system)]);
  for (let number = 2 * 10 ** (digits - 1); number < 10 ** digits; number++) {
    if (taken.has(String(number))) continue;
    const isFree = await checkNumbersFree(tx, system.id, [String(number)]).then(
      () => true,
      (error) => {
        if (CloudError.is(error, "already_exists")) return false;
        throw error;
      },
    );
    if (isFree) return String(number);
  }
  throw new CloudError(
    "failed_precondition",
    `All numbers of ${digits} digits are used. Give extensions more digits in the settings.`,
    {
      details: { resource: "extension", reason: "numbers_used_up", digits },
    },
  );
}

/** An extension is given to people of its project alone: they reach it by their own rights. */
export async function checkPerson(
  parts: Pick<VoiceParts, "identity">,
  system: SystemRow,
  userId: string,
  path: string,
): Promise<void> {
  const principal = await parts.identity.principalOf({ kind: "user", id: userId, name: "" });
  if (principal.bindings.some((binding) => covers(binding, placeOf(system)))) return;
  throw invalid(path, "This person has no role in the project. Give them one first; that of a viewer is enough.");
}

/** In the transaction that holds the phone system. */
export async function insertExtension(
  parts: Pick<VoiceParts, "identity">,
  tx: Tx,
  system: SystemRow,
  wanted: NewExtension,
): Promise<ExtensionRow> {
  const { number: given, name, user, voicemailPin, hotDeskPin, ...change } = wanted;
  const number = given ?? (await nextNumber(tx, system));
  await checkNumber(tx, system, number);
  await checkReferences(tx, system.id, change);
  if (user !== undefined) await checkPerson(parts, system, user, "body.user");
  await reserveQuota(tx, system, "voice.extensions", 1);
  const row: ExtensionRow = {
    id: newId("extension"),
    systemId: system.id,
    organisationId: system.organisationId,
    projectId: system.projectId,
    number,
    name,
    userId: (user ?? null) as ExtensionRow["userId"],
    settings: withExtensionDefaults(change),
    ...(await changedPins({ number, voicemailPin: null, hotDeskPin: null }, { voicemailPin, hotDeskPin })),
    createdAt: new Date(),
    revision: 1,
    isRegistered: false,
  };
  await extensionStore.insert(tx, row);
  return row;
}

/** What a person may change of their own extension, and what others may. */
export async function changeExtension(tx: Tx, row: ExtensionRow, change: PersonalChange): Promise<ExtensionRow> {
  const { voicemailPin, hotDeskPin, ...settings } = change;
  await checkReferences(tx, row.systemId, settings);
  return {
    ...row,
    settings: changedExtension(row.settings, settings),
    ...(await changedPins(row, { voicemailPin, hotDeskPin })),
  };
}
