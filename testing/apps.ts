/** What apps run on in tests: the Docker of testing/docker.ts, and an HAProxy of the test's own. */
import { existsSync, globSync, mkdtempSync, rmSync } from "node:fs";
import { haproxyProgram } from "../gateway/haproxy/process.ts";
import type { AppDrivers } from "../server/cloud.ts";
import { openGateway } from "../server/gateway.ts";
import { gatewayProcesses, stopGateway } from "../server/gateway-process.ts";
import { isAlive } from "../server/processes.ts";
import type { AppEngine } from "../services/apps/driver.ts";
import { type GatewayDoor, openAppEngine } from "../services/apps/index.ts";
import { installTestTools } from "../tools/test-tools.ts";
import { removeCloud, testCloudId, testDocker } from "./docker.ts";
import { freePort } from "./ports.ts";

export interface TestAppDrivers {
  /** For `startCloud({ appDrivers })`. */
  appDrivers: () => Promise<AppDrivers>;
  /** What the engine's things carry: `testCloudId()`. */
  cloudId: string;
  httpPort: number;
  httpsPort: number;
  gatewayFolder: string;
  /** Takes everything of it away, whether the cloud has ended or not. */
  remove(): Promise<void>;
}

export interface TestAppOptions {
  /** Without an engine: what leads where is tested with applications of the test's own. */
  engine?: boolean;
  /** An engine of the test's own in the place of the shared Docker: whoever made it takes its things away. */
  engineOf?: (cloudId: string) => AppEngine;
  /** Of the control plane, for the challenges of ACME. */
  port?: number;
  /** PEM: see GatewayDoor. */
  trust?: string;
}

/** `after(() => drivers.remove())`, and `startCloud({ appDrivers: drivers.appDrivers })`. */
export async function testAppDrivers({ engine = true, engineOf, port = 1, trust }: TestAppOptions = {}): Promise<TestAppDrivers> {
  await sweep();
  await installTestTools({ [haproxyProgram]: "haproxy" });
  const docker = engine && engineOf === undefined ? await testDocker() : undefined;
  const cloudId = testCloudId();
  // Short: the path of a socket holds 107 bytes.
  const gatewayFolder = mkdtempSync(`/tmp/khag-${process.pid}-`);
  const [httpPort, httpsPort] = [await freePort(), await freePort()];
  const publicUrl = "http://console.khmara.test";
  let ended = false;
  let door: GatewayDoor | undefined;
  const untilEnd = (driver: GatewayDoor): GatewayDoor => {
    door = driver;
    return {
      ...driver,
      ...(trust === undefined ? {} : { trust }),
      apply: async (build) => (ended ? { how: "nothing" } : driver.apply(build)),
      ensureRunning: async () => ended || driver.ensureRunning(),
    };
  };
  return {
    cloudId,
    httpPort,
    httpsPort,
    gatewayFolder,
    async remove() {
      ended = true;
      // What is under way in it has ended then, and nothing starts it again.
      await door?.ensureRunning().catch(() => {});
      await stopGateway(gatewayFolder, 0);
      if (docker !== undefined) await removeCloud(docker.socket, cloudId);
      rmSync(gatewayFolder, { recursive: true, force: true });
    },
    appDrivers: async () => {
      const opened = openGateway(
        { folder: gatewayFolder, httpPort, httpsPort },
        { listen: "127.0.0.1", port, publicUrl, s3Url: publicUrl, threads: 2 },
      );
      if (engineOf !== undefined)
        return {
          engine: { driver: engineOf(cloudId) },
          gateway: "driver" in opened ? { driver: untilEnd(opened.driver) } : opened,
        };
      return {
        engine:
          docker === undefined
            ? { missing: "There is no Docker in this test." }
            : await openAppEngine({ kind: "docker", endpoint: docker.socket }, cloudId),
        gateway: "driver" in opened ? { driver: untilEnd(opened.driver) } : opened,
      };
    },
  };
}

/** What tests left that were killed. */
async function sweep(): Promise<void> {
  for (const folder of globSync("/tmp/khag-*-*")) {
    if (isAlive(Number(/khag-(\d+)-/.exec(folder)?.[1]))) continue;
    if (existsSync(folder) && gatewayProcesses(folder).length > 0) await stopGateway(folder, 0);
    rmSync(folder, { recursive: true, force: true });
  }
}
