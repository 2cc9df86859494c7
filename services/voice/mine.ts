import { covers } from "../../kernel/auth/authorize.ts";
import type { Principal } from "../../kernel/auth/principal.ts";
import type { Tx } from "../../kernel/db/database.ts";
import { notFound } from "../../kernel/errors.ts";
import { type ExtensionRow, extensionStore } from "./extensions/store.ts";
import { placeOf } from "./parts.ts";

/** The extensions of the person who asks, in projects where they have a role still; only the one asked for, when one is. not_found when that is not theirs. */
export async function myExtensions(tx: Tx, principal: Principal, wanted?: string): Promise<ExtensionRow[]> {
  const all = principal.kind === "user" ? await extensionStore.ofUser(tx, principal.id) : [];
  const mine = all.filter(
    (row) =>
      (wanted === undefined || row.id === wanted) &&
      principal.bindings.some((binding) => binding.suspendedReason === undefined && covers(binding, placeOf(row))),
  );
  if (wanted !== undefined && mine.length === 0) throw notFound("extension");
  return mine;
}
