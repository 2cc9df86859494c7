/** The object data plane: the S3 door. It goes on serving while the control plane restarts. */
import { onStop, readServerConfig, tellReady, tellSupervisor } from "../kernel/config.ts";
import { openLog } from "../kernel/log.ts";
import { readMasterKey } from "../kernel/secrets.ts";
import { openCore } from "./core.ts";
import { endOnFailure } from "./fatal.ts";
import { collectWhenIdle } from "./idle-memory.ts";
import { watchLoad } from "./load.ts";
import { openObjectDoor } from "./object-door.ts";
import { toldEveryMs } from "./told-metrics.ts";

const config = readServerConfig();
const log = openLog("objects");
endOnFailure(log);

const core = await openCore({
  ...config,
  masterKey: readMasterKey(config.masterKeyFile),
  log,
  maxConnections: 4,
  migrateFirst: false,
});
const door = openObjectDoor(core, { ...config, log });
onStop(async (reason) => {
  log.info({ reason }, "stopping");
  clearInterval(tellingMetrics);
  await door.close();
  await core.close();
  process.exit(0);
});
await door.listen(config.listen, config.s3Port);
tellReady();
collectWhenIdle();
watchLoad(() => tellSupervisor({ type: "busy" }));
const tellMetrics = async () => tellSupervisor({ type: "metrics", snapshot: await door.measured() });
const tellingMetrics = setInterval(
  () => void tellMetrics().catch((error) => log.warn({ err: error }, "metrics are not told")),
  toldEveryMs,
);
