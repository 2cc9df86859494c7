import type { Area, VoiceParts } from "../parts.ts";
import type { extensionRoutes } from "./contract.ts";

export function createExtensionArea(_parts: VoiceParts): Area<typeof extensionRoutes> {
  return { handlers: {} };
}
