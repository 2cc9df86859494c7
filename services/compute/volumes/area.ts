import type { Area, ComputeParts, VolumesPart } from "../parts.ts";
import type { volumeRoutes } from "./contract.ts";

export function createVolumes(_parts: ComputeParts): Area<typeof volumeRoutes> & { part: VolumesPart } {
  return { handlers: {}, part: {} as never };
}
