import { hasActiveOperation } from "../../../kernel/operations/store.ts";
import type { ComputeParts, ImageDifferences } from "../parts.ts";
import { becomeFound, becomeGone, isGone } from "./records.ts";
import { type ImageRow, imageStore } from "./store.ts";

/** Compares the records of images with the engine; see ImagesPart.reconcile. */
export async function reconcileImages(
  parts: Pick<ComputeParts, "database" | "engine" | "log">,
  signal?: AbortSignal,
): Promise<ImageDifferences> {
  const { database } = parts;
  const list = () => parts.engine().imageList(signal ? { signal } : {});
  const before = await list();
  const rows = await database.transaction("system", (tx) => imageStore.all(tx));
  const there = new Set(before.map(({ name }) => name));
  const known = new Set(rows.map(({ engineName }) => engineName));
  const strangers = before.filter(({ name, labels }) => labels["image"] !== undefined && !known.has(name));
  const odd = rows.filter((row) => (row.state === "ready" ? !there.has(row.engineName) : isGone(row)));
  if (strangers.length === 0 && odd.length === 0) return { missing: [], orphans: [] };

  // Once more: between the two looks something may have been made or deleted.
  const now = new Set((await list()).map(({ name }) => name));
  const missing: ImageDifferences["missing"] = [];
  for (const row of odd) {
    signal?.throwIfAborted();
    if (await settle(row, now.has(row.engineName))) missing.push(view(row));
  }
  const orphans: ImageDifferences["orphans"] = [];
  for (const { name, labels, sizeBytes } of strangers) {
    const row = await database.transaction("system", (tx) => imageStore.find(tx, labels["image"] as string));
    if (!row && now.has(name)) orphans.push({ name, labels, sizeBytes });
  }
  return { missing, orphans };

  /** Whether it is gone, which is written down when it is new. */
  async function settle(row: ImageRow, isThere: boolean): Promise<boolean> {
    return database.transaction("system", async (tx) => {
      const locked = await imageStore.find(tx, row.id, { lock: true });
      if (!locked || (await hasActiveOperation(tx, row.id))) return false;
      const gone = isGone(locked);
      if (gone && isThere) await becomeFound(tx, locked);
      else if (locked.state === "ready" && !isThere) await becomeGone(tx, locked);
      return !isThere && (gone || locked.state === "ready");
    });
  }
}

const view = ({ id, name, organisationId, projectId }: ImageRow): ImageDifferences["missing"][number] => ({
  id,
  name,
  ...(organisationId !== null && projectId !== null ? { organisationId, projectId } : {}),
});
