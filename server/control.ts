/** The control plane: API and console. Started by the supervisor; any number of them may run on one database. */
import { onStop, readServerConfig, tellSupervisor } from "../kernel/config.ts";
import { openLog } from "../kernel/log.ts";
import { readMasterKey } from "../kernel/secrets.ts";
import { openAppEngine } from "../services/apps/index.ts";
import { openDrivers } from "../services/compute/index.ts";
import { openCloud } from "./cloud.ts";
import { openControlPlane } from "./control-plane.ts";
import { endOnFailure } from "./fatal.ts";
import { openGateway } from "./gateway.ts";

const isLoopback = (address: string) => address === "::1" || address === "localhost" || address.startsWith("127.");

const config = readServerConfig();
const log = openLog("control");
endOnFailure(log);

tellSupervisor({ type: "progress", step: "Control plane", message: "preparing the database" });
const cloud = await openCloud({
  ...config,
  masterKey: readMasterKey(config.masterKeyFile),
  log,
  maxConnections: 10,
  computeDrivers: (cloudId) =>
    openDrivers({
      engine: config.computeEngine,
      cloudId,
      runDirectory: "/run/khmara",
      // Instances reach our doors as the world does; what listens on loopback alone is not for them.
      openPorts: isLoopback(config.listen) ? [] : [config.port, config.s3Port],
      log,
    }),
  appDrivers: async (cloudId) => ({
    engine: await openAppEngine(config.appEngine, cloudId),
    gateway: openGateway(config.gateway, config),
  }),
});
const notice = await cloud.identity.firstStart(config.owner);
const plane = await openControlPlane(cloud, { ...config, log });
onStop(async (reason) => {
  log.info({ reason }, "stopping");
  await plane.close();
  await cloud.close();
  process.exit(0);
});
await plane.listen(config.listen, config.port);
tellSupervisor({ type: "ready", notice });
if (config.buildFirstImage) {
  // Seen in the console as any other operation; whether it works is not what a start waits for.
  cloud.compute.parts.images
    .buildFirst()
    .then((operation) => operation && log.info({ operation }, "building the first image"))
    .catch((error) => log.warn({ err: error }, "the first image is not built"));
}
