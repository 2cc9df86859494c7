import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ComputeEngineConfig } from "../../../kernel/config.ts";
import type { Log } from "../../../kernel/log.ts";
import type { ComputeDriver, ImageBuilder, NetworkDriver } from "../driver.ts";
import { reopeningDriver } from "./reopening.ts";

type Available<T> = { driver: T } | { missing: string };

export interface DriverOptions {
  engine: ComputeEngineConfig;
  /** Tells several clouds on one machine apart: each has a project of its own in the engine, and names of its own on the host. */
  cloudId: string;
  /** Below it what the host's network is made from; it may go with a restart of the host. */
  runDirectory: string;
  /** TCP ports of the host that instances may reach, as the world does. */
  openPorts: readonly number[];
  log: Log;
}

export interface Drivers {
  engine: Available<ComputeDriver>;
  network: Available<NetworkDriver>;
  imageBuilder: Available<ImageBuilder>;
}

/** The real drivers, or why there are none. Nothing is waited for: an engine that does not answer now may do so later. */
export async function openDrivers(options: DriverOptions): Promise<Drivers> {
  const { engine, cloudId, log } = options;
  if ("missing" in engine)
    return { engine: { missing: engine.hint }, network: { missing: engine.hint }, imageBuilder: { missing: engine.hint } };
  const [{ openLxdDriver }, { openImageBuilder }] = await Promise.all([
    import("./lxd/index.ts"),
    import("./lxd/imageBuilder.ts"),
  ]);
  const { endpoint, pool, tls } = engine;
  const open = async () =>
    openLxdDriver({
      endpoint,
      pool,
      engineProject: `khmara-${cloudId}`,
      log,
      ...(tls === undefined ? {} : { tls: await readTls(tls) }),
    });
  return {
    engine: { driver: reopeningDriver(open, log) },
    network: await openNetwork(options, endpoint),
    imageBuilder: { driver: openImageBuilder() },
  };
}

async function openNetwork(options: DriverOptions, endpoint: string): Promise<Available<NetworkDriver>> {
  if (!endpoint.startsWith("/")) {
    return {
      missing: `The engine at ${endpoint} is on another machine, and networks are made where the instances are. Run Khmara on that machine.`,
    };
  }
  if (process.getuid?.() !== 0) return { missing: "Networks need the rights of root on this host: start Khmara as root." };
  const [{ openHostNetwork }, { allowForwarding }] = await Promise.all([
    import("./host/network.ts"),
    import("./host/forwarding.ts"),
  ]);
  const { cloudId, runDirectory, openPorts, log } = options;
  return {
    driver: openHostNetwork({
      directory: join(runDirectory, cloudId),
      cloudId,
      openPorts,
      allowForwarding: () => allowForwarding(),
      log,
    }),
  };
}

async function readTls(files: { certificateFile: string; keyFile: string; serverCertificateFile?: string }) {
  const { certificateFile, keyFile, serverCertificateFile } = files;
  return {
    certificate: await readFile(certificateFile, "utf8"),
    key: await readFile(keyFile, "utf8"),
    ...(serverCertificateFile === undefined ? {} : { serverCertificate: await readFile(serverCertificateFile, "utf8") }),
  };
}
