import { defineService, type ServiceDefinition } from "../../kernel/service.ts";
import { accessHandlers } from "./access/routes.ts";
import { loggingHandlers } from "./accessLogs/routes.ts";
import { backupHandlers } from "./backup/routes.ts";
import { bucketRoutes } from "./bucketRoutes.ts";
import contract from "./contract.ts";
import { lifecycleHandlers } from "./lifecycle/routes.ts";
import { notificationHandlers } from "./notifications/routes.ts";
import { objectRoutes } from "./objectRoutes.ts";
import type { ObjectsParts } from "./parts.ts";
import { quotaHandlers } from "./quota/routes.ts";
import { relocationHandlers } from "./relocation/routes.ts";
import { scrubHandlers } from "./scrub/routes.ts";
import { settingsHandlers } from "./settings/routes.ts";
import { shareRoutes } from "./shareRoutes.ts";
import { trashRoutes } from "./trashRoutes.ts";
import { uploadRoutes } from "./uploadRoutes.ts";
import { versionHandlers } from "./versions/routes.ts";
import { websiteHandlers } from "./websites/routes.ts";

/** All routes of the contract: each authorizes, then asks tables and store, then shows. */
export const objectsService = (
  parts: ObjectsParts,
  rest: Pick<ServiceDefinition, "workers" | "metrics" | "stop">,
): ServiceDefinition<typeof contract> =>
  defineService<typeof contract>({
    contract,
    migrations: new URL("./migrations/", import.meta.url),
    handlers: {
      ...bucketRoutes(parts),
      ...objectRoutes(parts),
      ...uploadRoutes(parts),
      ...trashRoutes(parts),
      ...shareRoutes(parts),
      ...settingsHandlers(parts),
      ...relocationHandlers(parts),
      ...backupHandlers(parts, parts.backups),
      ...versionHandlers(parts),
      ...accessHandlers(),
      ...lifecycleHandlers(parts),
      ...scrubHandlers(),
      ...notificationHandlers(parts),
      ...loggingHandlers(parts),
      ...quotaHandlers(parts),
      ...websiteHandlers(parts),
    },
    operations: [...Object.values(parts.operations), ...Object.values(parts.backups)],
    ...rest,
  });
