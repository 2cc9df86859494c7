import { join } from "node:path";
import type { Database } from "../../kernel/db/database.ts";
import { CloudError } from "../../kernel/errors.ts";
import type { Log } from "../../kernel/log.ts";
import type { Secrets } from "../../kernel/secrets.ts";
import { defineService, type ServiceDefinition } from "../../kernel/service.ts";
import type { IdentityService } from "../identity/contract.ts";
import type { ObjectsService } from "../objects/contract.ts";
import { defineBackupOperations } from "./backupOperations.ts";
import { backupHandlers } from "./backupRoutes.ts";
import { contentHandlers } from "./contentRoutes.ts";
import contract, { type DatabaseLinks } from "./contract.ts";
import { databaseHandlers } from "./databaseRoutes.ts";
import type { ContainerHost } from "./driver.ts";
import { openPostgres } from "./drivers/postgres/index.ts";
import { createDatabasesForCatalogue, type DatabasesForCatalogue } from "./forCatalogue.ts";
import { createDatabaseLinks } from "./links/links.ts";
import { defineDatabaseOperations } from "./operations.ts";
import type { CertificateMaker, DatabasesParts } from "./parts.ts";
import { databaseStore } from "./store.ts";
import { watchingHandlers } from "./watching/routes.ts";
import { createSampler } from "./watching/sampling.ts";
import { databaseWorkers } from "./workers.ts";

export type { ContainerHost } from "./driver.ts";
export type { CertificateMaker } from "./parts.ts";

export interface DatabasesOptions {
  database: Database;
  identity: IdentityService;
  objects: ObjectsService;
  secrets: Secrets;
  log: Log;
  dataDirectory: string;
  /** What servers run in, or why there is none and how to add it. It is not closed here: it is not ours alone. */
  engine: { driver: ContainerHost } | { missing: string };
  certificates: CertificateMaker;
  /** The name or address at which people reach this host. */
  publicHost: string;
  /** Where ports of databases are listened on; absent: everywhere. */
  listenAddress?: string | undefined;
  /** Absent: 5500 to 5999. */
  ports?: { first: number; last: number } | undefined;
  /** Where root file systems are kept; absent: in the data folder. */
  imageFolder?: string | undefined;
}

export interface Databases {
  /** For apps of this process. */
  links: DatabaseLinks;
  /** For apps of the catalogue, which have one of their own. */
  forCatalogue: DatabasesForCatalogue;
  service: ServiceDefinition<typeof contract>;
  parts: DatabasesParts;
}

export function createDatabases(options: DatabasesOptions): Databases {
  const {
    engine,
    dataDirectory,
    imageFolder,
    listenAddress = "0.0.0.0",
    ports = { first: 5500, last: 5999 },
    ...shared
  } = options;
  const folder = imageFolder ?? join(dataDirectory, "databases", "images");
  const driver = "driver" in engine ? openPostgres({ host: engine.driver, folder }) : undefined;
  const parts: DatabasesParts = {
    ...shared,
    listenAddress,
    ports,
    driver() {
      if (driver !== undefined) return driver;
      const message = "missing" in engine ? engine.missing : "";
      throw new CloudError("failed_precondition", message, { details: { reason: "engine_missing" } });
    },
  };
  const operations = defineDatabaseOperations(parts);
  const backups = defineBackupOperations(parts);
  return {
    parts,
    links: createDatabaseLinks(parts),
    forCatalogue: createDatabasesForCatalogue(parts, operations, backups),
    service: defineService<typeof contract>({
      contract,
      migrations: new URL("./migrations/", import.meta.url),
      handlers: {
        ...databaseHandlers(parts, operations),
        ...contentHandlers(parts),
        ...watchingHandlers(parts),
        ...backupHandlers(parts, backups),
      },
      operations: [...Object.values(operations), ...Object.values(backups)],
      workers: databaseWorkers(parts, backups, createSampler(parts)),
      async metrics() {
        const counts = await parts.database.transaction("system", (tx) => databaseStore.counts(tx));
        return counts.map(({ state, count }) => ({
          name: "khmara_databases",
          help: "Databases by state.",
          value: count,
          labels: { state },
        }));
      },
    }),
  };
}
