/** The gateway as the applications' service sees it: HAProxy in a folder that one control plane changes at a time. */
import { mkdirSync } from "node:fs";
import { isIP } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Gateway } from "../gateway/gateway.ts";
import { masterPid } from "../gateway/haproxy/process.ts";
import type { GatewayConfig } from "../kernel/config.ts";
import { CloudError } from "../kernel/errors.ts";
import type { GatewayDoor } from "../services/apps/index.ts";
import { lockFile } from "./file-lock.ts";

export interface GatewayDoorOptions {
  /** Of the cloud's doors: the gateway listens as they do. */
  listen: string;
  /** Of the object door. */
  s3Port?: number | undefined;
  /** Of console and API: ACME's challenges and visitors who sign in are answered there. */
  port: number;
  publicUrl: string;
  s3Url: string;
  threads?: number;
}

type CloudDoor = GatewayDoor["doors"][number];

/** Another control plane may be in the middle of a reload. */
const lockMs = 120_000;

export function openGateway(
  config: GatewayConfig,
  { listen, port, s3Port, publicUrl, s3Url, threads }: GatewayDoorOptions,
): { driver: GatewayDoor } | { missing: string } {
  if ("missing" in config) return { missing: config.hint };
  const { folder, httpPort, httpsPort } = config;
  const gateway = new Gateway({ folder, ...(threads === undefined ? {} : { threads }) });
  const addresses = listenAddresses(listen);
  const own = addresses.length > 1 || listen === "0.0.0.0" ? "127.0.0.1" : (addresses[0] as string);
  return {
    driver: {
      httpPort,
      ...(httpsPort === undefined ? {} : { httpsPort }),
      listeners: addresses.flatMap((address) => [
        { protocol: "http" as const, address, port: httpPort },
        ...(httpsPort === undefined ? [] : [{ protocol: "https" as const, address, port: httpsPort }]),
      ]),
      challenges: { address: own, port },
      doors: cloudDoors(own, { port, s3Port, publicUrl, s3Url }),
      ...(s3Port === undefined ? {} : { websites: { address: own, port: s3Port } }),
      consoleUrl: publicUrl,
      reservedHosts: [publicUrl, s3Url]
        .map((url) => new URL(url).hostname)
        .filter((host) => isIP(host.replace(/^\[|\]$/g, "")) === 0),
      addresses: () => (addresses.some((address) => address === "0.0.0.0" || address === "::") ? ownAddresses() : [...addresses]),
      apply: (build) => alone(folder, async () => gateway.apply(await build())),
      // Asked every few seconds: a look at its process costs next to nothing.
      ensureRunning: async () => masterPid(folder) !== undefined || alone(folder, () => gateway.ensureRunning()),
      drain: (route, server, options) => gateway.drain(route, server, options),
      requests: (signal, after) => gateway.requests(signal, after),
    },
  };
}

/** Those whose address is a name, and not the port that they listen on themselves: somebody in front leads there, which may be us. */
function cloudDoors(
  address: string,
  { port, s3Port, publicUrl, s3Url }: Pick<GatewayDoorOptions, "port" | "s3Port" | "publicUrl" | "s3Url">,
): CloudDoor[] {
  const door = (id: string, url: string, at: number | undefined, more: { compress: boolean; wildcard: boolean }): CloudDoor[] => {
    const { hostname, port: shown, protocol } = new URL(url);
    if (at === undefined || isIP(hostname.replace(/^\[|\]$/g, "")) !== 0 || !hostname.includes(".") || shown === String(at))
      return [];
    const hosts = [hostname, ...(more.wildcard ? [`*.${hostname}`] : [])];
    return [{ id, hosts, address, port: at, secure: protocol === "https:", compress: more.compress }];
  };
  const console = door("cloud-console", publicUrl, port, { compress: true, wildcard: false });
  // What was signed and hashed is passed on as it is.
  const s3 = door("cloud-objects", s3Url, s3Port, { compress: false, wildcard: true });
  return [...console, ...s3.filter(({ hosts: [host] }) => host !== console[0]?.hosts[0])];
}

/** HAProxy takes addresses, and each family by itself. */
const listenAddresses = (listen: string): string[] =>
  listen === "localhost" ? ["127.0.0.1"] : listen === "::" ? ["0.0.0.0", "::"] : [listen];

const ownAddresses = (): string[] =>
  Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .filter(({ internal, address }) => !internal && !address.startsWith("fe80:"))
    .map(({ address }) => address);

let queue: Promise<unknown> = Promise.resolve();

/** What is wanted is read inside, so that whoever comes last has the newest; the lock goes with its process. */
function alone<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const result = queue.then(async () => {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const deadline = Date.now() + lockMs;
    for (;;) {
      const lock = lockFile(join(folder, "khmara.lock"));
      if (lock !== undefined) {
        try {
          return await work();
        } finally {
          lock.release();
        }
      }
      if (Date.now() > deadline)
        throw new CloudError("unavailable", "Another process works on the gateway. Try again in a minute.");
      await sleep(50);
    }
  });
  queue = result.catch(() => {});
  return result;
}
