import type { Area, VoiceParts } from "../parts.ts";
import { createCallsNow } from "./calls.ts";
import { openCommandLine } from "./commands.ts";
import type { liveRoutes } from "./contract.ts";
import { createPrograms } from "./programs.ts";

/** What goes on now, and the programs that are told of calls or decide about them. */
export function createLiveArea(parts: VoiceParts): Area<typeof liveRoutes> {
  const calls = createCallsNow(parts, openCommandLine(parts.database));
  const programs = createPrograms(parts);
  return {
    handlers: { ...calls.handlers, ...programs.handlers },
    workers: [...(calls.workers ?? []), ...(programs.workers ?? [])],
    async stop() {
      await calls.stop?.();
    },
  };
}
