import { after } from "node:test";
import { openMediaEngine } from "./openEngine.ts";
import { conformance } from "./testing/conformance.ts";
import { startRtpengine } from "./testing/rtpengine.ts";

let stop = async (): Promise<void> => {};
after(() => stop());

conformance(async () => {
  const rtpengine = await startRtpengine([33_000, 33_399]);
  stop = rtpengine.stop;
  const embedded = { kind: "embedded", workers: 2, ports: [32_500, 32_899], advertised: ["127.0.0.1"] } as const;
  return await openMediaEngine({ kind: "rtpengine", hosts: [rtpengine], embedded });
});
