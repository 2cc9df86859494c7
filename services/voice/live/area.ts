import type { Area, VoiceParts } from "../parts.ts";
import { createCallsNow } from "./calls.ts";
import { openCommandLine } from "./commands.ts";
import { createConferencesNow } from "./conferences.ts";
import type { liveRoutes } from "./contract.ts";
import { createPrograms } from "./programs.ts";

/** What goes on now, and the programs that are told of calls or decide about them. */
export function createLiveArea(parts: VoiceParts): Area<typeof liveRoutes> {
  const commands = openCommandLine(parts.database);
  const calls = createCallsNow(parts, commands);
  const conferences = createConferencesNow(commands);
  const programs = createPrograms(parts);
  return {
    handlers: { ...calls.handlers, ...conferences.handlers, ...programs.handlers },
    workers: [...(calls.workers ?? []), ...(programs.workers ?? [])],
    async stop() {
      await calls.stop?.();
    },
  };
}
