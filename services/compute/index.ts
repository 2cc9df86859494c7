import type { Database } from "../../kernel/db/database.ts";
import { CloudError } from "../../kernel/errors.ts";
import type { Log } from "../../kernel/log.ts";
import type { Secrets } from "../../kernel/secrets.ts";
import { defineService, type ServiceDefinition } from "../../kernel/service.ts";
import type { IdentityService } from "../identity/contract.ts";
import type { ObjectsService } from "../objects/contract.ts";
import { createAccess } from "./access/area.ts";
import contract from "./contract.ts";
import type { ComputeDriver, ImageBuilder, NetworkDriver } from "./driver.ts";
import { createEngine } from "./engine/area.ts";
import { createImages } from "./images/area.ts";
import { createInstances } from "./instances/area.ts";
import { createJobs } from "./jobs/area.ts";
import { createNetworks } from "./networks/area.ts";
import type { ComputeParts } from "./parts.ts";
import { createVolumes } from "./volumes/area.ts";
import { createWatch } from "./watch/area.ts";

export { type Drivers, openDrivers } from "./drivers/open.ts";

/** A port, or why there is none: what is missing, and the command that adds it. */
export type Available<T> = { driver: T } | { missing: string };

export interface ComputeOptions {
  database: Database;
  identity: IdentityService;
  objects: ObjectsService;
  secrets: Secrets;
  log: Log;
  dataDirectory: string;
  engine: Available<ComputeDriver>;
  network: Available<NetworkDriver>;
  imageBuilder: Available<ImageBuilder>;
}

export interface Compute {
  service: ServiceDefinition<typeof contract>;
  /** For other services of this process, and for tests. */
  parts: ComputeParts;
}

export function createCompute(options: ComputeOptions): Compute {
  const { engine, network, imageBuilder, ...shared } = options;
  const parts: ComputeParts = {
    ...shared,
    engine: () => available(engine, "engine_missing"),
    network: () => available(network, "network_missing"),
    imageBuilder: () => available(imageBuilder, "image_builder_missing"),
    instances: undefined as never,
    images: undefined as never,
    networks: undefined as never,
    volumes: undefined as never,
  };
  const instances = createInstances(parts);
  const images = createImages(parts);
  const networks = createNetworks(parts);
  const volumes = createVolumes(parts);
  Object.assign(parts, { instances: instances.part, images: images.part, networks: networks.part, volumes: volumes.part });
  const areas = [
    instances,
    createAccess(parts),
    images,
    volumes,
    networks,
    createJobs(parts),
    createWatch(parts),
    createEngine(parts),
  ];
  return {
    parts,
    service: defineService<typeof contract>({
      contract,
      migrations: new URL("./migrations/", import.meta.url),
      handlers: Object.assign({}, ...areas.map(({ handlers }) => handlers)),
      operations: areas.flatMap(({ operations }) => operations ?? []),
      workers: areas.flatMap(({ workers }) => workers ?? []),
      metrics: async () => (await Promise.all(areas.map(({ metrics }) => metrics?.() ?? []))).flat(),
      async stop() {
        for (const { stop } of areas.toReversed()) await stop?.();
        if ("driver" in engine) await engine.driver.close();
        if ("driver" in network) await network.driver.close();
      },
    }),
  };
}

function available<T>(port: Available<T>, reason: string): T {
  if ("driver" in port) return port.driver;
  throw new CloudError("failed_precondition", port.missing, { details: { reason } });
}
