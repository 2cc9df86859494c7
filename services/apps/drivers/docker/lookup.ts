import type { CallOptions } from "../../driver.ts";
import { at } from "./client.ts";
import { absent, type Engine, type EngineLabels } from "./ownership.ts";

/** `GET /containers/{id}/json`: what is used of it. */
export interface EngineContainer {
  Id: string;
  Name: string;
  Created: string;
  Image: string;
  RestartCount: number;
  State: {
    Status: string;
    OOMKilled: boolean;
    Error: string;
    ExitCode: number;
    Pid: number;
    StartedAt: string;
    FinishedAt: string;
    Health?: { Status: string } | null;
  };
  Config: { Labels: EngineLabels; Tty: boolean; Image: string };
  HostConfig: { CgroupParent: string; RestartPolicy: { Name: string } };
  NetworkSettings: { Networks: Record<string, { NetworkID: string; IPAddress: string }> };
}

/** By the engine's name or id; undefined of one that is not ours. */
export async function findContainer(engine: Engine, key: string, options?: CallOptions): Promise<EngineContainer | undefined> {
  const found = await engine.client.find<EngineContainer>(at`/containers/${key}/json`, { signal: options?.signal });
  return found !== undefined && engine.ownership.isOurs(found.Config.Labels) ? found : undefined;
}

/** By our name. What follows uses its id: the name might be another container's by then. */
export async function needContainer(engine: Engine, name: string, options?: CallOptions): Promise<EngineContainer> {
  return (await findContainer(engine, engine.ownership.engineName(name), options)) ?? Promise.reject(absent("container", name));
}
