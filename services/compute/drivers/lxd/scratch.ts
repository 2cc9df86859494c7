/**
 * Instances that a rebuild or an export needs for a moment, beside the one that it is about; and those that a clone or an import
 * has not finished. All are marked, and in no list.
 */
import type { CallOptions } from "../../driver.ts";
import { at } from "./client.ts";
import { type Configuration, type EngineInstance, ownPrefix } from "./configuration.ts";
import { deadlines, type Engine, findInstance, settings, whenFree } from "./engine.ts";

export type Purpose = "rebuild" | "export";
const purposes: readonly Purpose[] = ["rebuild", "export"];
const markKey = `${ownPrefix}for`;

export const scratchName = (name: string, purpose: Purpose): string => `${name}-${purpose}`;
export const scratchMark = (name: string): Configuration => ({ [markKey]: name });
export const isScratchMark = (key: string): boolean => key === markKey;
export const isMarked = (instance: Pick<EngineInstance, "config">): boolean => instance.config[markKey] !== undefined;

/** What there is to see: an instance whose rebuild was interrupted after the old one went is its new one. */
export function visible(all: EngineInstance[]): EngineInstance[] {
  const names = new Set(all.map(({ name }) => name));
  return all.flatMap((instance) => {
    const of = instance.config[markKey];
    if (of === undefined || of === instance.name) return [instance];
    return instance.name === scratchName(of, "rebuild") && !names.has(of) ? [{ ...instance, name: of }] : [];
  });
}

export async function deleteScratch(engine: Engine, name: string, purpose: Purpose, options?: CallOptions): Promise<void> {
  await whenFree(
    () => engine.client.delete(at`/1.0/instances/${scratchName(name, purpose)}`, settings(options, deadlines.change)),
    options,
  );
}

export async function deleteAllScratch(engine: Engine, name: string, options?: CallOptions): Promise<void> {
  await Promise.all(purposes.map((purpose) => deleteScratch(engine, name, purpose, options)));
}

/** The instance itself; or what an interrupted rebuild would have renamed to it. */
export async function findVisible(engine: Engine, name: string, options?: CallOptions): Promise<EngineInstance | undefined> {
  const instance = await findInstance(engine, name, options);
  if (instance !== undefined) return instance;
  const rebuilt = await findInstance(engine, scratchName(name, "rebuild"), options);
  return rebuilt?.config[markKey] === name ? { ...rebuilt, name } : undefined;
}
