import { CloudError } from "../../../../kernel/errors.ts";
import type { CallOptions, ComputeDriver, EngineMember } from "../../driver.ts";
import { at } from "./client.ts";
import { type EngineInstance, type EngineVolume, isCard, isVolume } from "./configuration.ts";
import { changeInstance, deadlines, type Engine, isAbsent, refused, settings } from "./engine.ts";
import { architectureOf } from "./images.ts";
import { needJoined } from "./overlay.ts";

export type Cluster = Pick<ComputeDriver, "members" | "memberEvacuate" | "memberRestore">;

interface ClusterMember {
  server_name: string;
  url: string;
  status: string;
  message: string;
  architecture: string;
}

interface Resources {
  cpu: { architecture: string; total: number };
  memory: { total: number; used: number };
}

export interface PoolResources {
  space: { used: number; total: number };
}

export function createCluster(engine: Engine): Cluster {
  const { client } = engine;

  async function capacity(target: string | undefined, options?: CallOptions) {
    const query = { target };
    const [resources, pool] = await Promise.all([
      client.get<Resources>("/1.0/resources", { query, project: null, signal: options?.signal }),
      client.get<PoolResources>(at`/1.0/storage-pools/${engine.pool}/resources`, {
        query,
        project: null,
        signal: options?.signal,
      }),
    ]);
    return {
      cpus: resources.cpu.total,
      memoryBytes: resources.memory.total,
      memoryUsedBytes: resources.memory.used,
      pool: { totalBytes: pool.space.total, usedBytes: pool.space.used },
      architecture: architectureOf(resources.cpu.architecture),
    };
  }
  const nothing = { cpus: 0, memoryBytes: 0, memoryUsedBytes: 0, pool: { totalBytes: 0, usedBytes: 0 } };

  async function counts(options?: CallOptions): Promise<Map<string, number>> {
    const all = await client.list<EngineInstance>("/1.0/instances", { signal: options?.signal });
    const byMember = new Map<string, number>();
    for (const { location } of all) byMember.set(location, (byMember.get(location) ?? 0) + 1);
    return byMember;
  }

  async function change(name: string, action: "evacuate" | "restore", options?: CallOptions): Promise<void> {
    await client
      .post(at`/1.0/cluster/members/${name}/state`, { action }, { ...settings(options, deadlines.copy), project: null })
      .catch((error) => {
        if (/already evacuated|not evacuated|isn't evacuated/i.test(String((error as CloudError).cause))) return;
        if (isAbsent(error))
          throw new CloudError("not_found", `The engine has no member ${name}.`, {
            cause: error,
            details: { resource: "member" },
          });
        throw error;
      });
  }

  /**
   * The engine would only stop those whose cards name a bridge, as it takes that for one of the member alone. One with a volume that is on a
   * disk of the member stays what it is: stopped until the member is restored.
   */
  async function letMigrate({ name, devices }: EngineInstance, options?: CallOptions): Promise<void> {
    const volumes = await Promise.all(
      Object.values(devices)
        .filter(isVolume)
        .map(({ pool = engine.pool, source = "" }) =>
          client.find<EngineVolume>(at`/1.0/storage-pools/${pool}/volumes/custom/${source}`, { signal: options?.signal }),
        ),
    );
    // Of a pool that all members share the engine names no place.
    const bound = volumes.some((volume) => volume !== undefined && !["", "none"].includes(volume.location));
    const key = "cluster.evacuate";
    await changeInstance(engine, name, ({ config }) => ({ config: { ...config, [key]: bound ? "" : "migrate" } }), options);
  }

  const needCluster = (): void => {
    if (engine.server.environment.server_clustered !== true)
      throw refused("The engine is on one machine only. Join another one to it first.", "engine_not_clustered");
  };

  return {
    async members(options) {
      const server = await client.readServer({ signal: options?.signal });
      // One machine may have become a cluster since it was opened.
      engine.server = server;
      const perMember = await counts(options);
      const { server_name: name = "", server_clustered: clustered = false } = server.environment;
      if (!clustered) {
        const instances = [...perMember.values()].reduce((sum, count) => sum + count, 0);
        return [{ name, address: "", state: "online", message: "", instances, ...(await capacity(undefined, options)) }];
      }
      const members = await client.list<ClusterMember>("/1.0/cluster/members", { project: null, signal: options?.signal });
      return await Promise.all(
        members.map(async (member): Promise<EngineMember> => {
          const state = memberState(member.status);
          const known = { ...nothing, architecture: architectureOf(member.architecture) };
          const found = state === "offline" ? known : await capacity(member.server_name, options).catch(() => known);
          return {
            name: member.server_name,
            address: new URL(member.url).host,
            state,
            message: member.message,
            instances: perMember.get(member.server_name) ?? 0,
            ...found,
          };
        }),
      );
    },

    async memberEvacuate(name, options) {
      needCluster();
      const instances = await client.list<EngineInstance>("/1.0/instances", { signal: options?.signal });
      const withCards = instances.filter(
        ({ location, devices }) => location === name && Object.values(devices).some((device) => isCard(device)),
      );
      // Else the engine would stop in the middle, at the first one that cannot start where it comes to.
      for (const instance of withCards) await needJoined(engine, instance, options);
      for (const instance of withCards) await letMigrate(instance, options);
      await change(name, "evacuate", options);
    },
    async memberRestore(name, options) {
      needCluster();
      await change(name, "restore", options);
    },
  };
}

function memberState(status: string): EngineMember["state"] {
  switch (status.toLowerCase()) {
    case "online":
      return "online";
    case "evacuated":
      return "evacuated";
    default:
      return "offline";
  }
}
