import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { createAuthority, issueCertificate } from "../gateway/certificates/authority.ts";
import { type Database, openDatabase } from "../kernel/db/database.ts";
import { awaitMigrations, kernelMigrations, migrate } from "../kernel/db/migrate.ts";
import { CloudError } from "../kernel/errors.ts";
import { type EventHub, openEventHub } from "../kernel/events.ts";
import type { Log } from "../kernel/log.ts";
import { registerQuotas } from "../kernel/quota.ts";
import { openSecrets, type Secrets } from "../kernel/secrets.ts";
import type { AnyService } from "../kernel/service.ts";
import { type Apps, type AppsOptions, createApps } from "../services/apps/index.ts";
import { createAudit } from "../services/audit/index.ts";
import { createBilling } from "../services/billing/index.ts";
import { createCompute, type Drivers } from "../services/compute/index.ts";
import { createDatabases } from "../services/databases/index.ts";
import { createIdentity } from "../services/identity/index.ts";
import { createObjects, openLocalStore } from "../services/objects/index.ts";
import { createOperations } from "../services/operations/index.ts";

export interface CloudOptions {
  version: string;
  databaseUrl: string;
  dataDirectory: string;
  masterKey: Uint8Array;
  publicUrl: string;
  s3Url: string;
  region: string;
  log: Log;
  maxConnections: number;
  /** What virtual servers run on, in the process that manages them; the others leave the engine alone. */
  computeDrivers?: (cloudId: string) => Promise<Drivers>;
  /** The same for what apps and databases run on, and the gateway before them. */
  appDrivers?: (cloudId: string) => Promise<AppDrivers>;
  /** The address of this host that ports of databases are at; absent: all of them. */
  listen?: string;
}

export type AppDrivers = Pick<AppsOptions, "engine" | "gateway">;

const noAppDriver = { missing: "Apps are managed by the control plane, not by this process." };
const noDrivers = { missing: "Virtual servers are managed by the control plane, not by this process." };

export type Cloud = Awaited<ReturnType<typeof openCloud>>;

/**
 * All services of the cloud, wired to each other: the one place that knows them all. Every process that serves something makes its
 * own over the same database and folders; `migrateFirst` is for the control plane; the others, which start beside it, wait for that.
 */
export async function openCloud(options: CloudOptions & { migrateFirst: boolean }) {
  const { log } = options;
  const database: Database = openDatabase({ url: options.databaseUrl, maxConnections: options.maxConnections });
  const closers: (() => Promise<void>)[] = [() => database.close()];
  const close = async () => {
    for (const each of closers.splice(0).reverse()) await each().catch((error) => log.warn({ err: error }, "closing failed"));
  };
  try {
    const secrets: Secrets = openSecrets(options.masterKey);
    if (options.migrateFirst) await migrate(database, migrationSources());
    else await awaitMigrations(database, migrationSources());
    await checkMasterKey(database, secrets);
    const hub: EventHub = await openEventHub(database);
    closers.push(() => hub.close());
    const identity = await createIdentity({
      database,
      secrets,
      log,
      publicUrl: options.publicUrl,
      s3Url: options.s3Url,
      region: options.region,
      version: options.version,
    });
    const store = await openLocalStore({ directory: join(options.dataDirectory, "objects") });
    closers.push(() => store.close());
    const objects = await createObjects({
      database,
      secrets,
      log,
      identity: identity.identity,
      store,
      publicUrl: options.publicUrl,
      s3Url: options.s3Url,
      region: options.region,
    });
    const drivers = (await options.computeDrivers?.(await cloudId(database))) ?? {
      engine: noDrivers,
      network: noDrivers,
      imageBuilder: noDrivers,
    };
    const compute = createCompute({
      database,
      secrets,
      log,
      identity: identity.identity,
      objects: objects.objects,
      dataDirectory: options.dataDirectory,
      ...drivers,
    });
    const appDrivers = (await options.appDrivers?.(await cloudId(database))) ?? { engine: noAppDriver, gateway: noAppDriver };
    const apps: Apps = createApps({
      database,
      secrets,
      log,
      identity: identity.identity,
      objects: objects.objects,
      dataDirectory: options.dataDirectory,
      ...appDrivers,
    });
    const databases = createDatabases({
      database,
      secrets,
      log,
      identity: identity.identity,
      objects: objects.objects,
      dataDirectory: options.dataDirectory,
      engine: appDrivers.engine,
      certificates: { createAuthority, issueCertificate },
      publicHost: new URL(options.publicUrl).hostname,
      listenAddress: addressOf(options.listen),
    });
    const services: AnyService[] = [
      identity.service,
      compute.service,
      apps.service,
      databases.service,
      createOperations({ database, hub }),
      objects.service,
      createBilling(),
      createAudit(),
    ];
    for (const service of services) {
      registerQuotas(service.contract.quotas ?? {});
      closers.push(async () => service.stop?.());
    }
    return { database, secrets, hub, identity, objects, compute, apps, databases, services, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The database remembers which master key its secrets were made with: with another one they would be lost, one by one, unnoticed. */
async function checkMasterKey(database: Database, secrets: Secrets): Promise<void> {
  const mark = secrets.fingerprint("kernel.master_key", "check");
  const [row] = await database.sql<{ value: string }[]>`
    insert into kernel.settings (name, value) values ('kernel.master_key', ${database.sql.json(mark)})
    on conflict (name) do update set name = excluded.name returning value`;
  if (row?.value === mark) return;
  throw new CloudError(
    "failed_precondition",
    "The secrets in this database were made with another master key. Put the secrets/master.key that belongs to it into the data folder, then start again.",
  );
}

/** The engine takes no names. */
const addressOf = (listen: string | undefined): string | undefined => (listen === "localhost" ? "127.0.0.1" : listen);

/** Made once: it tells apart the clouds of one machine, and stays when the data are put back from a backup. */
async function cloudId(database: Database): Promise<string> {
  const [row] = await database.sql<{ value: string }[]>`
    insert into kernel.settings (name, value) values ('kernel.cloud_id', ${database.sql.json(randomBytes(4).toString("hex"))})
    on conflict (name) do update set name = excluded.name returning value`;
  return row?.value as string;
}

/** In the order in which their tables refer to each other. */
const migrationSources = () => [
  kernelMigrations,
  ...["identity", "objects", "compute", "apps", "databases"].map((service) => ({
    service,
    directory: new URL(`../services/${service}/migrations/`, import.meta.url),
  })),
];
