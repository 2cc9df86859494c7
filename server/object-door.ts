import type { Server } from "node:http";
import type { Log } from "../kernel/log.ts";
import { s3Server } from "../services/objects/index.ts";
import type { Core } from "./core.ts";
import { DoorMetrics } from "./door-metrics.ts";
import { drain } from "./drain.ts";
import type { Snapshot } from "./told-metrics.ts";

/** A long upload may end; the supervisor waits a little longer. */
const patienceMs = 20_000;

export interface ObjectDoor {
  /** Resolves with the port, which is another than asked for when that is 0. */
  listen(address: string, port: number): Promise<number>;
  /** Takes no new requests, lets running ones end. */
  close(): Promise<void>;
  /** What it has measured since it began. */
  measured(): Promise<Snapshot>;
}

export function openObjectDoor(core: Pick<Core, "objects">, options: { s3Url: string; region: string; log: Log }): ObjectDoor {
  const metrics = new DoorMetrics();
  const server = s3Server({
    backend: core.objects.s3Backend,
    credentials: core.objects.s3Credentials,
    region: options.region,
    hosts: [...new Set(["localhost", new URL(options.s3Url).hostname])],
    log: options.log,
    onAnswer: metrics.observe,
  });
  return {
    measured: async () => metrics.snapshot(await connectionsOf(server)),
    listen: (address, port) =>
      new Promise((resolve, reject) => {
        server.once("error", reject);
        // Several processes listen there; the kernel shares out the connections among them.
        server.listen({ port, host: address, reusePort: true }, () => {
          server.off("error", reject);
          resolve((server.address() as { port: number }).port);
        });
      }),
    close: () => drain(server, patienceMs, () => new Promise((resolve) => server.close(resolve))),
  };
}

const connectionsOf = (server: Server): Promise<number> =>
  new Promise((resolve, reject) => server.getConnections((error, count) => (error ? reject(error) : resolve(count))));
