import type { Area, VoiceParts } from "../parts.ts";
import type { provisioningRoutes } from "./contract.ts";

export function createProvisioningArea(_parts: VoiceParts): Area<typeof provisioningRoutes> {
  return { handlers: {} };
}
