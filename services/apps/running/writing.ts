import { eachOf, type Runtime } from "./runtime.ts";
import { kinds } from "./spec.ts";

/** What a container may write beside its disks, in bytes: to its own file system, which is on the disk that the whole host shares. */
export const mostWrittenBytes = 2 * 1024 ** 3;
const measureMs = 60_000;
const atOnce = 4;

/**
 * Keeps what apps write outside their disks within bounds. Engines have no such limit on the usual file systems, so it is measured; between two
 * looks more may be written. What a release keeps running is taken away for `removed` to tell why, and made anew; a command is ended.
 */
export function createWritingLimit(runtime: Runtime, removed: (engineName: string, reason: string) => void) {
  const { log } = runtime.parts;
  return async (outer: AbortSignal): Promise<void> => {
    const engine = runtime.engine();
    const listed = (await engine.containerList({ signal: outer })).filter(
      ({ state, labels }) => state === "running" && (labels["kind"] === kinds.process || labels["kind"] === kinds.run),
    );
    await eachOf(listed, atOnce, async ({ name, labels }) => {
      const signal = AbortSignal.any([outer, AbortSignal.timeout(measureMs)]);
      const bytes = await engine.containerWritten(name, { signal });
      if (bytes === undefined || bytes <= mostWrittenBytes) return;
      log.warn({ app: labels["app"], container: name, bytes }, "a container of an app wrote too much beside its disks");
      if (labels["kind"] === kinds.run) return engine.containerKill(name, { signal });
      removed(
        name,
        `It wrote ${(bytes / 1024 ** 3).toFixed(1)} GiB beside its disks, where 2 GiB have room, and was made anew without them. Give the app a disk for what it keeps.`,
      );
      await engine.containerRemove(name, { signal });
    });
  };
}
