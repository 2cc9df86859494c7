import type { Area, VoiceParts } from "../parts.ts";
import type { trunkRoutes } from "./contract.ts";
import { numberHandlers } from "./numberRoutes.ts";
import { outboundHandlers } from "./outboundRoutes.ts";
import { rateHandlers } from "./rateRoutes.ts";
import { trunkHandlers } from "./trunkRoutes.ts";

/** Numbers, the trunks that they come by, and what calls outside go by and cost. */
export const createTrunkArea = (parts: VoiceParts): Area<typeof trunkRoutes> => ({
  handlers: { ...numberHandlers, ...trunkHandlers(parts), ...outboundHandlers, ...rateHandlers },
});
