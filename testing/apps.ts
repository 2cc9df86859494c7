/** What apps run on in tests: the Docker of testing/docker.ts, and an HAProxy of the test's own. */
import { existsSync, globSync, mkdtempSync, rmSync } from "node:fs";
import { after } from "node:test";
import { haproxyProgram } from "../gateway/haproxy/process.ts";
import type { AppDrivers } from "../server/cloud.ts";
import { openGateway } from "../server/gateway.ts";
import { gatewayProcesses, stopGateway } from "../server/gateway-process.ts";
import { isAlive } from "../server/processes.ts";
import { openAppEngine } from "../services/apps/index.ts";
import { installTestTools } from "../tools/test-tools.ts";
import { removeCloud, testCloudId, testDocker } from "./docker.ts";
import { freePort } from "./launcher.ts";

export interface TestAppDrivers {
  /** For `startCloud({ appDrivers })`. */
  appDrivers: () => Promise<AppDrivers>;
  /** What the engine's things carry: `testCloudId()`. */
  cloudId: string;
  httpPort: number;
  httpsPort: number;
  gatewayFolder: string;
}

export interface TestAppOptions {
  /** Without an engine: what leads where is tested with applications of the test's own. */
  engine?: boolean;
  /** Of the control plane, for the challenges of ACME. */
  port?: number;
  /** PEM: see GatewayDoor. */
  trust?: string;
}

/** Everything of it is taken away when the test file ends; call it before `startCloud`, whose end comes before that. */
export async function testAppDrivers({ engine = true, port = 1, trust }: TestAppOptions = {}): Promise<TestAppDrivers> {
  await sweep();
  await installTestTools({ [haproxyProgram]: "haproxy" });
  const docker = engine ? await testDocker() : undefined;
  const cloudId = testCloudId();
  // Short: the path of a socket holds 107 bytes.
  const gatewayFolder = mkdtempSync(`/tmp/khag-${process.pid}-`);
  const [httpPort, httpsPort] = [await freePort(), await freePort()];
  const publicUrl = "http://console.khmara.test";
  after(async () => {
    await stopGateway(gatewayFolder, 0);
    if (docker !== undefined) await removeCloud(docker.socket, cloudId);
    rmSync(gatewayFolder, { recursive: true, force: true });
  });
  return {
    cloudId,
    httpPort,
    httpsPort,
    gatewayFolder,
    appDrivers: async () => {
      const opened = openGateway(
        { folder: gatewayFolder, httpPort, httpsPort },
        { listen: "127.0.0.1", port, publicUrl, s3Url: publicUrl, threads: 2 },
      );
      return {
        engine:
          docker === undefined
            ? { missing: "There is no Docker in this test." }
            : await openAppEngine({ kind: "docker", endpoint: docker.socket }, cloudId),
        gateway: "driver" in opened && trust !== undefined ? { driver: { ...opened.driver, trust } } : opened,
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
