import type { Area, ComputeParts, NetworksPart } from "../parts.ts";
import { createApplying } from "./applying.ts";
import type { networkRoutes } from "./contract.ts";
import { addressHandlers } from "./edge/addressRoutes.ts";
import { balancerHandlers } from "./edge/balancerRoutes.ts";
import { forwardHandlers } from "./edge/forwardRoutes.ts";
import { poolHandlers } from "./edge/poolRoutes.ts";
import { groupHandlers } from "./groupRoutes.ts";
import { networkHandlers } from "./networkRoutes.ts";
import { defineNetworkOperations } from "./operations.ts";
import { networksPart } from "./part.ts";
import { portHandlers } from "./portRoutes.ts";
import { networkWorkers } from "./upkeep.ts";

/** Networks of projects, and where they meet the world. */
export function createNetworks(parts: ComputeParts): Area<typeof networkRoutes> & { part: NetworksPart } {
  const applying = createApplying(parts);
  const operations = defineNetworkOperations(parts, applying);
  return {
    handlers: {
      ...networkHandlers(parts, operations),
      ...portHandlers(parts, operations),
      ...groupHandlers(parts, operations),
      ...poolHandlers(parts, operations),
      ...addressHandlers(parts, operations),
      ...forwardHandlers(parts, operations),
      ...balancerHandlers(parts, operations),
    },
    operations: operations.all,
    workers: networkWorkers(parts, applying),
    part: networksPart(parts, applying),
  };
}
