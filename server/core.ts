import { join } from "node:path";
import type { ObjectClusterConfig } from "../kernel/config.ts";
import { type Database, openDatabase } from "../kernel/db/database.ts";
import { awaitMigrations, kernelMigrations, migrate } from "../kernel/db/migrate.ts";
import { CloudError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import { registerQuotas } from "../kernel/quota.ts";
import { openSecrets, type Secrets } from "../kernel/secrets.ts";
import type { AnyService } from "../kernel/service.ts";
import { createIdentity, type SshAddress } from "../services/identity/index.ts";
import { createObjects, openClusterContents, openLocalStore } from "../services/objects/index.ts";
import { readClusterKeys } from "./object-options.ts";

export interface CoreOptions {
  version: string;
  databaseUrl: string;
  dataDirectory: string;
  masterKey: Uint8Array;
  publicUrl: string;
  s3Url: string;
  region: string;
  objectCluster?: ObjectClusterConfig | undefined;
  /** Where git is spoken over SSH. */
  ssh?: SshAddress | undefined;
  log: Log;
  maxConnections: number;
}

export type Core = Awaited<ReturnType<typeof openCore>>;

/**
 * What every process that serves something has: the database, who may do what, and the object store. `migrateFirst` is for the
 * control plane; the others, which start beside it, wait for that.
 */
export async function openCore(options: CoreOptions & { migrateFirst: boolean }) {
  const { log, dataDirectory, publicUrl, s3Url, region, ssh, version } = options;
  const database: Database = openDatabase({ url: options.databaseUrl, maxConnections: options.maxConnections });
  const closers: (() => Promise<void>)[] = [() => database.close()];
  /** The last that was added is closed first. */
  const closeWith = (closer: () => Promise<void>) => void closers.push(closer);
  const close = async () => {
    for (const each of closers.splice(0).reverse()) await each().catch((error) => log.warn({ err: error }, "closing failed"));
  };
  const add = (service: AnyService) => {
    registerQuotas(service.contract.quotas ?? {});
    closeWith(async () => service.stop?.());
  };
  try {
    const secrets: Secrets = openSecrets(options.masterKey);
    if (options.migrateFirst) await migrate(database, migrationSources());
    else await awaitMigrations(database, migrationSources());
    await checkMasterKey(database, secrets);
    const identity = await createIdentity({ database, secrets, log, publicUrl, s3Url, region, ssh, version });
    const { objectCluster } = options;
    const cluster = objectCluster && (await openCluster(objectCluster, log));
    const engine = objectCluster?.engine ?? "local";
    const store = await openLocalStore({ directory: join(dataDirectory, "objects"), secrets, cluster, engine });
    closeWith(() => store.close());
    const objects = await createObjects({ database, secrets, log, identity: identity.identity, store, publicUrl, s3Url, region });
    add(identity.service);
    add(objects.service);
    return { database, secrets, identity, objects, add, closeWith, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Buckets of this machine work without it: that it does not answer is told, and ends nothing. */
async function openCluster(config: ObjectClusterConfig, log: Log) {
  const cluster = await openClusterContents({ ...config, ...readClusterKeys(config.keysFile) });
  cluster
    .check()
    .catch((error) => log.error({ err: error, endpoint: config.endpoint, bucket: config.bucket }, "the storage cluster"));
  return cluster;
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

/** In the order in which their tables refer to each other. */
export const migratedServices = ["identity", "objects", "compute", "apps", "databases", "voice"] as const;

const migrationSources = () => [
  kernelMigrations,
  ...migratedServices.map((service) => ({
    service,
    directory: new URL(`../services/${service}/migrations/`, import.meta.url),
  })),
];
