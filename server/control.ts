/** The control plane: API and console. Started by the supervisor; any number of them may run on one database. */
import { onStop, readServerConfig, tellSupervisor } from "../kernel/config.ts";
import { openLog } from "../kernel/log.ts";
import { readMasterKey } from "../kernel/secrets.ts";
import { openCloud } from "./cloud.ts";
import { openControlPlane } from "./control-plane.ts";
import { endOnFailure } from "./fatal.ts";

const config = readServerConfig();
const log = openLog("control");
endOnFailure(log);

tellSupervisor({ type: "progress", step: "Control plane", message: "preparing the database" });
const cloud = await openCloud({
  ...config,
  masterKey: readMasterKey(config.masterKeyFile),
  log,
  maxConnections: 10,
  migrateFirst: true,
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
