import type { Area, ComputeParts } from "../parts.ts";
import type { jobRoutes } from "./contract.ts";

export function createJobs(_parts: ComputeParts): Area<typeof jobRoutes> {
  return { handlers: {} };
}
