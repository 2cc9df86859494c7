import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { silentLog } from "../kernel/log.ts";
import { type AppDrivers, openCloud } from "../server/cloud.ts";
import { openControlPlane } from "../server/control-plane.ts";
import { migratedServices } from "../server/core.ts";
import { dataPaths } from "../server/data-folder.ts";
import { openObjectDoor } from "../server/object-door.ts";
import { ensureSshHostKey } from "../server/ssh-host-key.ts";
import type { Drivers } from "../services/compute/index.ts";
import { testDatabase } from "./postgres.ts";

export const testOwner = { email: "owner@example.org", password: "correct horse battery staple" };

export interface TestCloudOptions {
  /** An engine and what belongs to it; without one there are no virtual servers. */
  computeDrivers?: (cloudId: string) => Promise<Drivers>;
  /** What apps and databases run on, and the gateway before them: `testAppDrivers()` of testing/apps.ts. Without it there is neither. */
  appDrivers?: (cloudId: string) => Promise<AppDrivers>;
  /** With git over SSH. */
  ssh?: boolean;
}

const noAppEngine = { missing: "There is no Docker on this machine. Add it: ./khmara up --install-engines" };
const noEngine = { missing: "There is no engine for virtual servers on this machine. Add one: ./khmara up --install-engines" };

/** The real services in this process, on a throwaway database and folder; ended with the test file. */
export async function startCloud({ computeDrivers, appDrivers, ssh: hasSsh = false }: TestCloudOptions = {}) {
  const { url: databaseUrl, drop } = await testDatabase(migratedServices);
  const dataDirectory = mkdtempSync(join(tmpdir(), "khmara-cloud-"));
  const key = hasSsh ? await ensureSshHostKey(dataPaths(dataDirectory).sshHostKey) : undefined;
  const ssh = key && { host: "127.0.0.1", port: 0, fingerprint: key.fingerprint, hostKey: key.publicKey };
  const options = {
    version: "test",
    databaseUrl,
    dataDirectory,
    masterKey: randomBytes(32),
    publicUrl: "http://127.0.0.1",
    s3Url: "http://127.0.0.1:9000",
    region: "us-east-1",
    log: silentLog,
    ssh,
    // What phones are told: nothing listens there.
    voice: { address: "192.0.2.1", sipPort: 5060 },
  };
  const cloud = await openCloud({
    ...options,
    maxConnections: 8,
    computeDrivers: computeDrivers ?? (async () => ({ engine: noEngine, network: noEngine, imageBuilder: noEngine })),
    appDrivers: appDrivers ?? (async () => ({ engine: noAppEngine, gateway: noAppEngine })),
  });
  await cloud.identity.ensureOwner(testOwner);
  const plane = await openControlPlane(cloud, { ...options, sshHostKey: key?.privateKey });
  const port = await plane.listen("127.0.0.1", 0);
  if (ssh) ssh.port = await plane.listenSsh("127.0.0.1", 0);
  const door = openObjectDoor(cloud, options);
  const s3Port = await door.listen("127.0.0.1", 0);
  after(async () => {
    await Promise.all([plane.close(), door.close()]);
    await cloud.close();
    await drop();
    rmSync(dataDirectory, { recursive: true, force: true });
  });
  return {
    ...{ cloud, http: plane.http, dataDirectory, databaseUrl, masterKey: options.masterKey },
    url: `http://127.0.0.1:${port}`,
    s3Url: `http://127.0.0.1:${s3Port}`,
  };
}
