import type { Area, ComputeParts, ImagesPart } from "../parts.ts";
import type { imageRoutes } from "./contract.ts";

export function createImages(_parts: ComputeParts): Area<typeof imageRoutes> & { part: ImagesPart } {
  return { handlers: {}, part: {} as never };
}
