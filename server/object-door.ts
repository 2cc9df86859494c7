import type { Server } from "node:http";
import type { Log } from "../kernel/log.ts";
import { s3Server } from "../services/objects/index.ts";
import type { Core } from "./core.ts";
import { drain } from "./drain.ts";
import { type Metrics, openMetrics } from "./metrics.ts";

/** A long upload may end; the supervisor waits a little longer. */
const patienceMs = 20_000;

export interface ObjectDoor {
  /** Resolves with the port, which is another than asked for when that is 0. */
  listen(address: string, port: number): Promise<number>;
  /** Takes no new requests, lets running ones end. */
  close(): Promise<void>;
  /** What it has measured since it began. */
  measured: Metrics["snapshot"];
}

export function openObjectDoor(core: Pick<Core, "objects">, options: { s3Url: string; region: string; log: Log }): ObjectDoor {
  const metrics = openMetrics("objects", [
    {
      metrics: async () => [
        { name: "khmara_object_processes", help: "Processes that serve S3.", value: 1 },
        { name: "khmara_object_connections", help: "Connections of S3 clients.", value: await connectionsOf(server) },
      ],
    },
  ]);
  const server = s3Server({
    backend: core.objects.s3Backend,
    credentials: core.objects.s3Credentials,
    region: options.region,
    hosts: [...new Set(["localhost", new URL(options.s3Url).hostname])],
    log: options.log,
    onAnswer: metrics.observe,
  });
  return {
    measured: metrics.snapshot,
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
