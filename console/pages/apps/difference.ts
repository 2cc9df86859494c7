import type { Release } from "../../../services/apps/deploying/contract.ts";

/** What changes when one release takes the place of another, as far as both tell. */
export function difference(
  from: Release | undefined,
  to: Release,
): { command: string[] | undefined; settingsGone: string[]; settingsBack: string[] } {
  if (from === undefined) return { command: undefined, settingsGone: [], settingsBack: [] };
  const commands = (release: Release) => new Map(release.processes.map(({ name, command }) => [name, command ?? ""]));
  const [before, after] = [commands(from), commands(to)];
  const changed = [...new Set([...before.keys(), ...after.keys()])].filter((name) => before.get(name) !== after.get(name));
  return {
    command: changed.length > 0 ? changed : undefined,
    settingsGone: from.settings.filter((name) => !to.settings.includes(name)),
    settingsBack: to.settings.filter((name) => !from.settings.includes(name)),
  };
}
