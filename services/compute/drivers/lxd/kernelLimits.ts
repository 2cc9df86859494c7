import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * What a kernel allows all containers of a host together, as it counts them as root's: with the usual 128 inotify instances the
 * thirteenth Debian has none left for its systemd, and stops. As the engines' own documentation advises:
 * https://documentation.ubuntu.com/lxd/stable-5.0/reference/server_settings/. The engine's package brings some of it, from the next
 * restart of the host on.
 */
const least: Record<string, number> = {
  "fs/inotify/max_user_instances": 1_048_576,
  "fs/inotify/max_user_watches": 1_048_576,
  "fs/inotify/max_queued_events": 1_048_576,
  // Of containers that share a range of user ids.
  "kernel/keys/maxkeys": 2000,
  "kernel/keys/maxbytes": 2_000_000,
};

/** Raises what is lower. Answers what it has raised, from and to. */
export async function raiseKernelLimits(folder = "/proc/sys"): Promise<Record<string, [from: number, to: number]>> {
  const raised: Record<string, [number, number]> = {};
  for (const [name, wanted] of Object.entries(least)) {
    const file = join(folder, name);
    // A kernel without it has no such limit.
    const now = Number(await readFile(file, "utf8").catch(() => Number.NaN));
    if (!(now < wanted)) continue;
    await writeFile(file, String(wanted));
    raised[name] = [now, wanted];
  }
  return raised;
}
