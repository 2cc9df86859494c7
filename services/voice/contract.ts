import { contract } from "../../kernel/contract.ts";
import { extensionRoutes } from "./extensions/contract.ts";
import { provisioningRoutes } from "./provisioning/contract.ts";
import { systemRoutes } from "./systems/contract.ts";
import { trunkRoutes } from "./trunks/contract.ts";

/** The parts of this service, each in a folder of its own, put together. */
export default contract({
  name: "voice",
  title: "Phone",
  routes: {
    ...systemRoutes,
    ...extensionRoutes,
    ...trunkRoutes,
    ...provisioningRoutes,
  },
});
