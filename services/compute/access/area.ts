import type { Area, ComputeParts } from "../parts.ts";
import type { accessRoutes } from "./contract.ts";

export function createAccess(_parts: ComputeParts): Area<typeof accessRoutes> {
  return { handlers: {} as never };
}
