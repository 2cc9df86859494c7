import type { Area, ComputeParts } from "../parts.ts";
import type { watchRoutes } from "./contract.ts";

export function createWatch(_parts: ComputeParts): Area<typeof watchRoutes> {
  return { handlers: {} };
}
