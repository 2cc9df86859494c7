import { randomBytes } from "node:crypto";
import { isIP } from "node:net";
import { createAuthority, issueCertificate } from "../gateway/certificates/authority.ts";
import type { Database } from "../kernel/db/database.ts";
import { openEventHub } from "../kernel/events.ts";
import type { AnyService } from "../kernel/service.ts";
import { type Apps, type AppsOptions, createApps } from "../services/apps/index.ts";
import { createAudit } from "../services/audit/index.ts";
import { createBilling } from "../services/billing/index.ts";
import { createCompute, type Drivers } from "../services/compute/index.ts";
import { createDatabases } from "../services/databases/index.ts";
import { createOperations } from "../services/operations/index.ts";
import { createVoice, type SipAddress, type Voice } from "../services/voice/index.ts";
import { type CoreOptions, openCore } from "./core.ts";

export interface CloudOptions extends CoreOptions {
  /** What virtual servers run on. */
  computeDrivers: (cloudId: string) => Promise<Drivers>;
  /** What apps and databases run on, and the gateway before them. */
  appDrivers: (cloudId: string) => Promise<AppDrivers>;
  /** The address of this host that ports of databases are at; absent: all of them. */
  listen?: string;
  /** Where it serves S3 there; absent: elsewhere. */
  s3Port?: number;
  /** Where the voice process has phones come in; a port 0: they do not. Absent: there is none. */
  voice?: { address: string; sipPort: number; tlsPort?: number; turn?: { port: number }; sipName?: string };
}

export type AppDrivers = Pick<AppsOptions, "engine" | "gateway" | "templates">;

export type Cloud = Awaited<ReturnType<typeof openCloud>>;

/** All services of the cloud, wired to each other: the one place that knows them all. Of the control plane. */
export async function openCloud(options: CloudOptions) {
  const core = await openCore({ ...options, migrateFirst: true });
  try {
    const { database, secrets, identity, objects } = core;
    const hub = await openEventHub(database);
    core.closeWith(() => hub.close());
    const shared = {
      database,
      secrets,
      log: options.log,
      identity: identity.identity,
      objects: objects.objects,
      dataDirectory: options.dataDirectory,
    };
    const id = await cloudId(database);
    const compute = createCompute({ ...shared, ...(await options.computeDrivers(id)) });
    const appDrivers = await options.appDrivers(id);
    const databases = createDatabases({
      ...shared,
      engine: appDrivers.engine,
      certificates: { createAuthority, issueCertificate },
      publicHost: new URL(options.publicUrl).hostname,
      listenAddress: addressOf(options.listen),
    });
    const { s3Port, s3Url, region } = options;
    const apps: Apps = createApps({
      ...shared,
      ...appDrivers,
      databaseLinks: databases.links,
      catalogueDatabases: databases.forCatalogue,
      mailAccountUsers: (tx, id) => voice.mailAccountUsers(tx, id),
      registryHost: new URL(options.publicUrl).host,
      objectDoor: {
        url: s3Url,
        region,
        ...(s3Port === undefined ? {} : { local: { address: addressOf(options.listen) ?? "0.0.0.0", port: s3Port } }),
      },
    });
    const turn = options.voice?.turn && { host: options.voice.address, port: options.voice.turn.port };
    const voice: Voice = createVoice({
      ...shared,
      mail: apps.mail,
      publicUrl: options.publicUrl,
      sip: sipAddress(options),
      turn,
    });
    const others: AnyService[] = [
      compute.service,
      apps.service,
      databases.service,
      voice.service,
      createOperations({ database, hub }),
      createBilling(),
      createAudit(),
    ];
    for (const service of others) core.add(service);
    const services = [identity.service, objects.service, ...others];
    return { ...core, hub, compute, apps, databases, voice, services };
  } catch (error) {
    await core.close();
    throw error;
  }
}

/** Phones are told the cloud's own name where it has one: a certificate is for that. */
function sipAddress({ voice, publicUrl }: CloudOptions): SipAddress | undefined {
  if (voice === undefined || (voice.sipPort === 0 && voice.tlsPort === undefined)) return undefined;
  const ports = { port: voice.sipPort === 0 ? undefined : voice.sipPort, tlsPort: voice.tlsPort };
  if (voice.sipName !== undefined) return { host: voice.sipName, ...ports, bySrv: true };
  const { hostname } = new URL(publicUrl);
  const host = hostname.includes(".") && isIP(hostname) === 0 ? hostname : voice.address;
  return { host, ...ports };
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
