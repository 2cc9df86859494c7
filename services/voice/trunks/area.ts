import type { Area, VoiceParts } from "../parts.ts";
import type { trunkRoutes } from "./contract.ts";

export function createTrunkArea(_parts: VoiceParts): Area<typeof trunkRoutes> {
  return { handlers: {} };
}
