import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { promisify } from "node:util";
import { silentLog } from "../../../../kernel/log.ts";
import { lxdMissing, testLxd, testProject } from "../../../../testing/lxd.ts";
import type { ConformanceWorld } from "../conformance.suite.ts";
import { computeConformance } from "../conformance.ts";
import { openLxdDriver } from "./index.ts";

const run = promisify(execFile);

async function openWorld(): Promise<ConformanceWorld> {
  const lxd = await testLxd();
  const project = await testProject(lxd, "khdrv", { ownImages: true });
  const bridge = `khb${randomBytes(3).toString("hex")}`;
  // A network that nothing else has: RFC 2544's, by the process.
  const subnet = `198.${18 + (process.pid % 2)}.${process.pid % 256}`;
  await run("ip", ["link", "add", bridge, "type", "bridge"]);
  await run("ip", ["address", "add", `${subnet}.1/24`, "dev", bridge]);
  await run("ip", ["link", "set", bridge, "up"]);
  const dhcp = spawn(
    "dnsmasq",
    [
      "--keep-in-foreground",
      "--conf-file=/dev/null",
      "--port=0",
      `--interface=${bridge}`,
      "--bind-interfaces",
      "--except-interface=lo",
      "--leasefile-ro",
      `--dhcp-range=${subnet}.10,${subnet}.200,1h`,
      "--pid-file=",
    ],
    { stdio: "ignore" },
  );
  return {
    imageFile: lxd.imageFile,
    bridge,
    open: () => openLxdDriver({ endpoint: lxd.socket, pool: lxd.poolName, engineProject: project.name, log: silentLog }),
    async close() {
      dhcp.kill();
      dhcp.unref();
      await project.remove();
      await run("ip", ["link", "delete", bridge]);
    },
  };
}

const missing = lxdMissing();
if (missing === undefined) computeConformance("LXD", openWorld);
else test("compute driver over LXD", { skip: missing }, () => {});
