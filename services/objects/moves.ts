import { CloudError, invalid, notFound } from "../../kernel/errors.ts";
import type { Id } from "../../kernel/ids.ts";
import type { ObjectStore } from "./driver.ts";
import { nameOf } from "./entries.ts";
import { taken } from "./transfer.ts";
import { type Selection, withoutNested } from "./walk.ts";

export interface MoveRequest extends Selection {
  targetPrefix: string;
  rename?: string | undefined;
  overwrite: boolean;
}

/** Where each thing of a selection goes. */
export interface MovePlan {
  keys: { from: string; to: string }[];
  /** Both with their slash. */
  folders: { from: string; to: string }[];
}

/** Folders are named with their slash, so that "photo" does not take "photos/" along. */
export function checkSelection(selection: Selection): Selection {
  const clean = withoutNested(selection);
  if (clean.keys.length + clean.prefixes.length === 0) throw invalid("body.keys", "Name at least one object or folder.");
  const bare = clean.prefixes.find((prefix) => !prefix.endsWith("/"));
  if (bare !== undefined) throw invalid("body.prefixes", `A folder is named with its slash: ${bare}/`);
  return clean;
}

/** not_found when something that was named is not there. */
export async function checkExists(store: ObjectStore, bucketId: Id<"bucket">, { keys, prefixes }: Selection): Promise<void> {
  const found = await Promise.all([
    ...keys.map((key) => store.head(bucketId, key)),
    ...prefixes.map((prefix) => store.list(bucketId, { prefix, limit: 1 }).then((list) => list.objects[0])),
  ]);
  const missing = [...keys, ...prefixes].find((_, index) => found[index] === undefined);
  if (missing !== undefined) {
    throw new CloudError("not_found", `There is no ${missing} in this bucket.`, {
      details: { ...notFound("object").details, key: missing },
    });
  }
}

export function planMove(request: MoveRequest): MovePlan {
  const { keys, prefixes } = checkSelection(request);
  const { targetPrefix, rename } = request;
  if (targetPrefix !== "" && !targetPrefix.endsWith("/"))
    throw invalid("body.targetPrefix", `A folder is named with its slash: ${targetPrefix}/`);
  if (rename !== undefined) {
    if (keys.length + prefixes.length !== 1) throw invalid("body.rename", "Only one thing at a time gets a new name.");
    if (rename.includes("/") || rename === "." || rename === "..") throw invalid("body.rename", "A name has no slash.");
  }
  const plan: MovePlan = {
    // The mark of an empty folder keeps the slash by which it is one.
    keys: keys.map((from) => ({ from, to: targetPrefix + (rename ?? nameOf(from)) + (from.endsWith("/") ? "/" : "") })),
    folders: prefixes.map((from) => ({ from, to: `${targetPrefix}${rename ?? nameOf(from)}/` })),
  };
  const targets = new Set<string>();
  for (const { from, to } of [...plan.keys, ...plan.folders]) {
    if (to === from) throw invalid("body.targetPrefix", `${from} is there already.`);
    if (targets.has(to)) throw invalid("body.keys", `Two of them would both become ${to}.`);
    if (Buffer.byteLength(to) > 1024)
      throw invalid("body.targetPrefix", "A key has at most 1024 bytes; this one would be longer.");
    targets.add(to);
  }
  const inside = plan.folders.find(({ from, to }) => to.startsWith(from));
  if (inside) throw invalid("body.targetPrefix", `The folder ${inside.from} cannot go into itself.`);
  return plan;
}

/** already_exists when a target is taken: a key by an object, a folder by anything that lies in it. */
export async function checkTargets(store: ObjectStore, bucketId: Id<"bucket">, plan: MovePlan): Promise<void> {
  await Promise.all([
    ...plan.keys.map(async ({ to }) => {
      if (await store.head(bucketId, to)) throw taken(to);
    }),
    ...plan.folders.map(async ({ to }) => {
      const { objects } = await store.list(bucketId, { prefix: to, limit: 1 });
      if (objects.length > 0) throw taken(to);
    }),
  ]);
}

/** The target of one key of the plan's selection. */
export function targetOf(plan: MovePlan, key: string): string | undefined {
  const single = plan.keys.find(({ from }) => from === key);
  if (single) return single.to;
  const folder = plan.folders.find(({ from }) => key.startsWith(from));
  return folder && folder.to + key.slice(folder.from.length);
}

export const sourcesOf = (plan: MovePlan): Selection => ({
  keys: plan.keys.map(({ from }) => from),
  prefixes: plan.folders.map(({ from }) => from),
});

/** The way back. */
export const reversed = (plan: MovePlan): MovePlan => ({
  keys: plan.keys.map(({ from, to }) => ({ from: to, to: from })),
  folders: plan.folders.map(({ from, to }) => ({ from: to, to: from })),
});
