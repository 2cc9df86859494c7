import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, invalid } from "../../../kernel/errors.ts";
import { type IdKind, idKinds } from "../../../kernel/ids.ts";
import { elementKinds } from "./contract.ts";
import { elementStore, findNumberHolder } from "./store/elements.ts";
import { usesOf } from "./store/uses.ts";

const nouns: Readonly<Record<string, string>> = {
  extension: "extension",
  phoneNumber: "number",
  phoneApplication: "application",
  phoneSystem: "settings of the phone system",
  outboundRoute: "outbound route",
  trunk: "trunk",
  ...Object.fromEntries(Object.values(elementKinds).map(({ kind, noun }) => [kind, noun])),
};
/** As people say it: `ring group` for ringGroup. */
export const nounOf = (kind: string): string => nouns[kind] ?? kind;

const kindsByPrefix = new Map(Object.entries(idKinds).map(([kind, prefix]) => [prefix, kind as IdKind]));
const idPattern = /^([a-z]{3})_[0-9a-f]{32}$/;
const kindOfId = (id: string): string => kindsByPrefix.get((idPattern.exec(id)?.[1] ?? "") as never) ?? "thing";

/** All ids in a value, how deep ever. */
function idsIn(value: unknown): string[] {
  if (typeof value === "string") return idPattern.test(value) ? [value] : [];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(idsIn);
}

/** invalid_argument when a setting (a destination, a member) names something that this phone system does not have; `path` is for `details.fields`. */
export async function checkReferences(
  tx: Tx,
  systemId: string,
  settings: Readonly<Record<string, unknown>>,
  path = "body",
): Promise<void> {
  const [missing] = await elementStore.missing(tx, systemId, [...new Set(idsIn(settings))]);
  if (missing === undefined) return;
  const [field] = Object.entries(settings).find(([, value]) => idsIn(value).includes(missing)) as [string, unknown];
  throw invalid(
    `${path}.${field}`,
    `The phone system has no ${nounOf(kindOfId(missing))} ${missing}. Choose one that is there, or make it first.`,
  );
}

/** failed_precondition, naming the places, while something of the phone system leads to the thing of this id. */
export async function checkUnused(tx: Tx, systemId: string, thing: { kind: string; id: string; name: string }): Promise<void> {
  const uses = await usesOf(tx, systemId, thing.id, 6);
  if (uses.length === 0) return;
  const named = uses
    .slice(0, 5)
    .map(({ kind, name }) => (kind === "phoneSystem" ? `the ${nounOf(kind)}` : `the ${nounOf(kind)} ${name}`));
  const list = uses.length > 5 ? `${named.join(", ")} and others` : named.join(" and ");
  throw new CloudError(
    "failed_precondition",
    `The ${nounOf(thing.kind)} ${thing.name} is used by ${list}. Change ${uses.length > 1 ? "those" : "that"} first, then delete it.`,
    { details: { resource: thing.kind, reason: "used", usedBy: uses.slice(0, 5) } },
  );
}

/** already_exists when one of these internal numbers is somebody's already. It locks the phone system until the commit. */
export async function checkNumbersFree(tx: Tx, systemId: string, numbers: readonly string[], besides?: string): Promise<void> {
  const holder = await findNumberHolder(tx, systemId, numbers, besides);
  if (holder === undefined) return;
  throw new CloudError(
    "already_exists",
    `The number ${holder.number} is that of the ${nounOf(holder.kind)} ${holder.name}. Choose another one.`,
    {
      details: {
        resource: holder.kind,
        reason: "number_taken",
        fields: [{ path: "body.number", message: "This number is taken." }],
      },
    },
  );
}
