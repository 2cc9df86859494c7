import type { Area, VoiceParts } from "../parts.ts";
import type { systemRoutes } from "./contract.ts";

export function createSystemArea(_parts: VoiceParts): Area<typeof systemRoutes> {
  return { handlers: {} };
}
