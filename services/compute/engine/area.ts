import type { Area, ComputeParts } from "../parts.ts";
import type { engineRoutes } from "./contract.ts";

export function createEngine(_parts: ComputeParts): Area<typeof engineRoutes> {
  return { handlers: {} };
}
