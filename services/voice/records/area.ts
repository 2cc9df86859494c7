import type { Area } from "../../../kernel/service.ts";
import type { VoiceParts } from "../parts.ts";
import { callHandlers } from "./calls.ts";
import type { recordRoutes } from "./contract.ts";
import { greetingHandlers } from "./greetings.ts";
import { recordingHandlers } from "./recordings.ts";
import { retentionWorker } from "./retention.ts";
import { voicemailHandlers } from "./voicemails.ts";

/** What became of calls. */
export const createRecordArea = (parts: VoiceParts): Area<typeof recordRoutes> => ({
  handlers: { ...callHandlers(), ...voicemailHandlers(), ...recordingHandlers(), ...greetingHandlers() },
  workers: [retentionWorker(parts)],
});
