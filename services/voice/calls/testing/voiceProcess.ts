/** A voice process of its own, for tests that kill one: its options are JSON in its only word. */
import { openDatabase } from "../../../../kernel/db/database.ts";
import { silentLog } from "../../../../kernel/log.ts";
import { openSecrets } from "../../../../kernel/secrets.ts";
import { openPhones } from "../phones.ts";

export interface VoiceProcessOptions {
  databaseUrl: string;
  /** Base64. */
  masterKey: string;
  dataDirectory: string;
  processId: string;
  rtpPorts: { from: number; to: number };
  /** Of wss, PEM. */
  certificate?: { cert: string; key: string };
}

const { databaseUrl, masterKey, certificate, ...options } = JSON.parse(process.argv[2] ?? "") as VoiceProcessOptions;
const phones = await openPhones({
  ...options,
  database: openDatabase({ url: databaseUrl, maxConnections: 4 }),
  secrets: openSecrets(Buffer.from(masterKey, "base64")),
  publicUrl: "http://127.0.0.1",
  version: "test",
  listen: "127.0.0.1",
  sipPort: 0,
  webSocketPort: 0,
  address: "127.0.0.1",
  workers: 1,
  log: silentLog,
  ...(certificate === undefined
    ? {}
    : { wss: { port: 0 }, certificate: { cert: Buffer.from(certificate.cert), key: Buffer.from(certificate.key) } }),
});
// As the server's own process does.
process.on("SIGUSR2", () => void phones.drain());
process.stdout.write(`${JSON.stringify({ sipPort: phones.sipPort, wssPort: phones.wssPort })}\n`);
