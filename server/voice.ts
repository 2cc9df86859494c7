/** The voice process: phones. Calls go on while the control plane restarts. */
import { onStop, readServerConfig, tellReady } from "../kernel/config.ts";
import { openLog } from "../kernel/log.ts";
import { readMasterKey } from "../kernel/secrets.ts";
import { openPhones } from "../services/voice/index.ts";
import { openCore } from "./core.ts";
import { endOnFailure } from "./fatal.ts";
import { openCertificate } from "./voice-certificate.ts";

/** How long calls may go on when the process is to end; the supervisor waits a little longer. */
const drainMs = 20_000;

const config = readServerConfig();
const log = openLog("voice");
endOnFailure(log, { keepOn: true });

const { voice } = config;
if (voice === undefined) throw new Error("This process is started only where there are phones: see --sip-port.");
const core = await openCore({
  ...config,
  masterKey: readMasterKey(config.masterKeyFile),
  log,
  maxConnections: 4,
  migrateFirst: false,
});
const listen = config.listen === "localhost" ? "127.0.0.1" : config.listen;
const certificate = voice.certificateFile === undefined ? undefined : openCertificate(voice.certificateFile, { log });
const phones = await openPhones({
  database: core.database,
  secrets: core.secrets,
  dataDirectory: config.dataDirectory,
  publicUrl: config.publicUrl,
  version: config.version,
  listen: voice.otherAddress === undefined ? listen : "::",
  ...voice,
  sipPort: voice.sipPort === 0 ? undefined : voice.sipPort,
  ...(certificate === undefined ? {} : { certificate: certificate.first }),
  log,
});
certificate?.onChange((renewed) => phones.replaceCertificate(renewed));
// `kill -USR2`: other voice processes of the cloud serve its phone systems from now on, and what runs here goes on to its end.
process.on("SIGUSR2", () => {
  log.info("draining");
  phones.drain().catch((error) => log.error({ err: error }, "draining failed"));
});
onStop(async (reason) => {
  log.info({ reason }, "stopping");
  await phones.close({ drainMs });
  await core.close();
  process.exit(0);
});
tellReady();
