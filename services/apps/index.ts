import type { Database } from "../../kernel/db/database.ts";
import { CloudError } from "../../kernel/errors.ts";
import type { Log } from "../../kernel/log.ts";
import type { Secrets } from "../../kernel/secrets.ts";
import { defineService, type ServiceDefinition } from "../../kernel/service.ts";
import type { DatabaseLinks } from "../databases/contract.ts";
import type { IdentityService } from "../identity/contract.ts";
import type { ObjectsService } from "../objects/contract.ts";
import { createBackups } from "./backups/area.ts";
import { createCatalogue } from "./catalogue/area.ts";
import type { CatalogueDatabases } from "./catalogue/databases.ts";
import contract from "./contract.ts";
import { createCron } from "./cron/area.ts";
import { createDeploying } from "./deploying/area.ts";
import type { AppEngine } from "./driver.ts";
import { createLinkingArea } from "./linking/area.ts";
import { createMailSending } from "./mailAccounts/accounts.ts";
import { createMailAccounts } from "./mailAccounts/area.ts";
import type { MailAccountUsers, MailSending } from "./mailAccounts/contract.ts";
import { createNodesArea } from "./nodes/area.ts";
import type { AppsParts, ObjectDoorAddress } from "./parts.ts";
import { createPreviews, type PreviewsPart } from "./previews/area.ts";
import { createRegistry } from "./registry/area.ts";
import { createRouting, type GatewayDoor } from "./routing/area.ts";
import { createRunning } from "./running/area.ts";

export { devicesOf, firewallOf } from "./drivers/docker/firewall.ts";
export { openAppEngine } from "./drivers/open.ts";
export { enginePort, managerPort, nodeLabel, registryAt, registryPort } from "./drivers/swarm/names.ts";
export { type GitDoor, openGitDoor } from "./git/door.ts";
export { openGit } from "./git/git.ts";
export { openSshDoor } from "./git/sshDoor.ts";
export { decodeInvitation, type Invitation } from "./nodes/invitation.ts";
export { openRegistryDoor, type RegistryDoor } from "./registry/door.ts";
export type { GatewayDoor } from "./routing/area.ts";

/** A port, or why there is none: what is missing, and the command that adds it. */
export type Available<T> = { driver: T } | { missing: string };

export interface AppsOptions {
  database: Database;
  identity: IdentityService;
  objects: ObjectsService;
  /** Absent: there are no databases that apps could use. */
  databaseLinks?: DatabaseLinks | undefined;
  /** Where this host serves S3, for apps that use buckets. */
  objectDoor?: ObjectDoorAddress | undefined;
  /** The address of the cloud's own registry, as `docker login` takes it. */
  registryHost?: string | undefined;
  secrets: Secrets;
  log: Log;
  dataDirectory: string;
  engine: Available<AppEngine>;
  gateway: Available<GatewayDoor>;
  /** A folder of other templates than those of the catalogue: for tests. */
  templates?: string | undefined;
  /** Absent: templates that need one cannot be installed. */
  catalogueDatabases?: CatalogueDatabases | undefined;
  /** Who beside apps sends mail with an account. */
  mailAccountUsers?: MailAccountUsers | undefined;
}

export interface Apps {
  service: ServiceDefinition<typeof contract>;
  /** For other services of this process, and for tests. */
  parts: AppsParts;
  previews: PreviewsPart;
  mail: MailSending;
}

export function createApps(options: AppsOptions): Apps {
  const { engine, gateway, templates, catalogueDatabases, mailAccountUsers, ...shared } = options;
  const parts: AppsParts = {
    ...shared,
    engine: () => {
      if ("driver" in engine) return engine.driver;
      throw new CloudError("failed_precondition", engine.missing, { details: { reason: "engine_missing" } });
    },
    deploying: undefined as never,
    running: undefined as never,
    routing: undefined as never,
    linking: undefined as never,
    cron: undefined as never,
  };
  const backups = createBackups(parts);
  const deploying = createDeploying(parts, { copying: backups.copying });
  const running = createRunning(parts);
  const routing = createRouting(parts, gateway);
  const linking = createLinkingArea(parts);
  const mailAccounts = createMailAccounts(parts, mailAccountUsers);
  const cron = createCron(parts);
  Object.assign(parts, {
    deploying: deploying.part,
    running: running.part,
    routing: routing.part,
    linking: linking.part,
    cron: cron.part,
  });
  const catalogue = createCatalogue(parts, deploying.lifecycle, backups, { folder: templates, databases: catalogueDatabases });
  const previews = createPreviews(parts, deploying.lifecycle);
  const registry = createRegistry(parts);
  const nodes = createNodesArea(parts, "driver" in engine ? engine.driver : undefined);
  const areas = [deploying, running, routing, linking, cron, backups, catalogue, previews, registry, nodes];
  return {
    parts,
    previews: previews.part,
    mail: createMailSending(parts),
    service: defineService<typeof contract>({
      contract,
      migrations: new URL("./migrations/", import.meta.url),
      handlers: {
        ...deploying.handlers,
        ...running.handlers,
        ...routing.handlers,
        ...linking.handlers,
        ...mailAccounts.handlers,
        ...cron.handlers,
        ...backups.handlers,
        ...catalogue.handlers,
        ...previews.handlers,
        ...registry.handlers,
        ...nodes.handlers,
      },
      operations: areas.flatMap(({ operations }) => operations ?? []),
      workers: areas.flatMap(({ workers }) => workers ?? []),
      metrics: async () => (await Promise.all(areas.map(({ metrics }) => metrics?.() ?? []))).flat(),
      async stop() {
        for (const { stop } of areas.toReversed()) await stop?.();
        if ("driver" in engine) engine.driver.close();
      },
    }),
  };
}
