import type { Area, ComputeParts, InstancesPart } from "../parts.ts";
import type { instanceRoutes } from "./contract.ts";

export function createInstances(_parts: ComputeParts): Area<typeof instanceRoutes> & { part: InstancesPart } {
  return { handlers: {} as never, part: {} as never };
}
