import { contract } from "../../kernel/contract.ts";
import { backupRoutes } from "./backups/contract.ts";
import { catalogueEvents, catalogueRoutes } from "./catalogue/contract.ts";
import { cronRoutes } from "./cron/contract.ts";
import { deployingEvents, deployingMeters, deployingQuotas, deployingRoutes } from "./deploying/contract.ts";
import { linkingRoutes } from "./linking/contract.ts";
import { mailAccountEvents, mailAccountQuotas, mailAccountRoutes } from "./mailAccounts/contract.ts";
import { nodeRoutes } from "./nodes/contract.ts";
import { previewRoutes } from "./previews/contract.ts";
import { registryRoutes } from "./registry/contract.ts";
import { routingMeters, routingRoutes } from "./routing/contract.ts";
import { runningMeters, runningQuotas, runningRoutes } from "./running/contract.ts";

/** The parts of this service, each in a folder of its own, put together. */
export default contract({
  name: "apps",
  title: "Applications",
  routes: {
    ...deployingRoutes,
    ...runningRoutes,
    ...routingRoutes,
    ...linkingRoutes,
    ...mailAccountRoutes,
    ...cronRoutes,
    ...backupRoutes,
    ...catalogueRoutes,
    ...previewRoutes,
    ...registryRoutes,
    ...nodeRoutes,
  },
  events: { ...deployingEvents, ...catalogueEvents, ...mailAccountEvents },
  quotas: { ...deployingQuotas, ...runningQuotas, ...mailAccountQuotas },
  meters: { ...deployingMeters, ...runningMeters, ...routingMeters },
});
