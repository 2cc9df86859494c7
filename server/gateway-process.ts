/**
 * What the supervisor has to do with the gateway: say where it is, and end it. The control plane starts and drives it (server/gateway.ts),
 * and it goes on while that restarts, so it is no child; its processes are told by the configuration that they name.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { AppEngineConfig, GatewayConfig } from "../kernel/config.ts";
import { gatewayProgram } from "./engines/docker.ts";
import { commandLine, processIds, signal, waitForEnd } from "./processes.ts";

export interface GatewayPlace {
  folder: string;
  httpPort?: number | undefined;
  httpsPort?: number | undefined;
}

/** Without an engine there is nothing that it could lead to. */
export function planGateway(engine: AppEngineConfig, { folder, httpPort, httpsPort }: GatewayPlace): GatewayConfig {
  if (httpPort === undefined) return { missing: "disabled", hint: "The gateway is turned off (--http-port none)." };
  if ("missing" in engine) return engine;
  if (!engine.endpoint.startsWith("/"))
    return {
      missing: "unsupported",
      hint: `Docker at ${engine.endpoint} is on another machine, and its containers are reached there alone. Run Khmara on that machine.`,
    };
  if (!existsSync(gatewayProgram))
    return {
      missing: "not_installed",
      hint: "HAProxy is missing, the gateway of the apps. Add it: ./khmara up --install-engines",
    };
  return { folder, httpPort, ...(httpsPort === undefined ? {} : { httpsPort }) };
}

/** Master and workers, the master first: the others are its children, and younger. */
export function gatewayProcesses(folder: string): number[] {
  const config = join(folder, "haproxy.cfg");
  return processIds()
    .filter((pid) => commandLine(pid).includes(config))
    .sort((one, other) => one - other);
}

/** Lets what is under way end for so long, takes nothing new meanwhile, and then ends it. */
export async function stopGateway(folder: string, graceMs: number): Promise<void> {
  const pids = existsSync(folder) ? gatewayProcesses(folder) : [];
  if (pids.length === 0) return;
  // HAProxy's management guide, chapter 4: SIGUSR1 ends softly, SIGTERM at once; the master passes both on.
  if (graceMs > 0) {
    for (const pid of pids) signal(pid, "SIGUSR1");
    if (await waitForEnd(pids, graceMs)) return;
  }
  for (const pid of pids) signal(pid, "SIGTERM");
  if (await waitForEnd(pids, 5_000)) return;
  for (const pid of gatewayProcesses(folder)) signal(pid, "SIGKILL");
  await waitForEnd(pids, 5_000);
}
