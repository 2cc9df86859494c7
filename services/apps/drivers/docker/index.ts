/** The port over Docker Engine (docs/decisions/0007-apps-engine.md). */
import type { AppEngine, AppFirewall, EngineInfo } from "../../driver.ts";
import { createBuilds } from "./builds.ts";
import { DockerClient, type EngineAddress } from "./client.ts";
import { createContainers } from "./containers.ts";
import { followEvents } from "./events.ts";
import { createImages } from "./images.ts";
import { createInfo } from "./info.ts";
import { createLogs } from "./logs.ts";
import { createMetrics } from "./metrics.ts";
import { createNetworks } from "./networks.ts";
import { type Engine, Ownership } from "./ownership.ts";
import { createSessions } from "./sessions.ts";
import { createVolumes } from "./volumes.ts";

export interface DockerEngineOptions {
  address: EngineAddress;
  /** Tells several clouds on one engine apart. */
  cloudId: string;
  /** Guards the host against containers; absent: nothing does but Docker itself. */
  firewall?: AppFirewall | undefined;
}

/** Nothing is asked yet: an engine that does not answer now may do so later. */
export function openDockerEngine({ address, cloudId, firewall }: DockerEngineOptions): AppEngine {
  const client = new DockerClient(address);
  const engine: Engine = { client, ownership: new Ownership(cloudId) };
  const { info } = createInfo(engine);
  return {
    info,
    ...createImages(engine),
    ...createBuilds(engine, (): Promise<EngineInfo> => info()),
    ...createNetworks(engine, firewall),
    ...createVolumes(engine),
    ...createContainers(engine),
    ...createMetrics(engine),
    ...createLogs(engine),
    ...createSessions(engine),
    watch: (watcher, signal) => void followEvents(engine, watcher, signal),
    close: () => client.close(),
  };
}
