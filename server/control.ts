/** The control plane: API and console. Started by the supervisor; any number of them may run on one database. */
import { onStop, onSupervisor, readServerConfig, tellReady, tellSupervisor } from "../kernel/config.ts";
import { openLog } from "../kernel/log.ts";
import { readMasterKey } from "../kernel/secrets.ts";
import { openAppEngine } from "../services/apps/index.ts";
import { openDrivers } from "../services/compute/index.ts";
import { openCloud } from "./cloud.ts";
import { openControlPlane } from "./control-plane.ts";
import { dataPaths } from "./data-folder.ts";
import { endOnFailure } from "./fatal.ts";
import { openGateway } from "./gateway.ts";
import { collectWhenIdle } from "./idle-memory.ts";
import { ensureSshHostKey } from "./ssh-host-key.ts";
import type { Snapshot } from "./told-metrics.ts";

const isLoopback = (address: string) => address === "::1" || address === "localhost" || address.startsWith("127.");

const config = readServerConfig();
const log = openLog("control");
endOnFailure(log);

tellSupervisor({ type: "progress", step: "Control plane", message: "preparing the database" });
const sshHostKey = config.sshPort === undefined ? undefined : await ensureSshHostKey(dataPaths(config.dataDirectory).sshHostKey);
const cloud = await openCloud({
  ...config,
  ssh:
    config.sshPort === undefined || sshHostKey === undefined
      ? undefined
      : {
          host: new URL(config.publicUrl).hostname,
          port: config.sshPort,
          fingerprint: sshHostKey.fingerprint,
          hostKey: sshHostKey.publicKey,
        },
  masterKey: readMasterKey(config.masterKeyFile),
  log,
  maxConnections: 10,
  computeDrivers: (cloudId) =>
    openDrivers({
      engine: config.computeEngine,
      cloudId,
      runDirectory: "/run/khmara",
      // Instances reach our doors as the world does; what listens on loopback alone is not for them.
      openPorts: isLoopback(config.listen)
        ? []
        : [config.port, config.s3Port, ...(config.sshPort === undefined ? [] : [config.sshPort])],
      log,
    }),
  appDrivers: async (cloudId) => ({
    engine: await openAppEngine(config.appEngine, cloudId),
    gateway: openGateway(config.gateway, config),
  }),
});
const notice = await cloud.identity.firstStart(config.owner);
const plane = await openControlPlane(cloud, {
  ...config,
  log,
  sshHostKey: sshHostKey?.privateKey,
  phonePort: config.voice?.webSocketPort,
});
onStop(async (reason) => {
  log.info({ reason }, "stopping");
  await plane.close();
  await cloud.close();
  process.exit(0);
});
onSupervisor(({ pid, snapshot }) => plane.takeMetrics(pid, snapshot as Snapshot));
await plane.listen(config.listen, config.port);
if (config.sshPort !== undefined)
  // Whatever took the port meanwhile must not keep the rest of the cloud from being served.
  await plane
    .listenSsh(config.listen, config.sshPort)
    .catch((error) => log.error({ err: error }, "git over SSH cannot be served: its port is taken"));
tellReady(notice);
collectWhenIdle();
if (config.voice !== undefined)
  cloud.voice
    .whenNeeded(() => tellSupervisor({ type: "phones" }))
    .catch((error) => log.error({ err: error }, "whether phones are needed cannot be seen"));
if (config.buildFirstImage) {
  // Seen in the console as any other operation; whether it works is not what a start waits for.
  cloud.compute.parts.images
    .buildFirst()
    .then((operation) => operation && log.info({ operation }, "building the first image"))
    .catch((error) => log.warn({ err: error }, "the first image is not built"));
}
