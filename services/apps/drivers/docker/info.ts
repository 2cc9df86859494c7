import type { AppEngine, EngineInfo } from "../../driver.ts";
import type { Engine } from "./ownership.ts";

/** `GET /info`: what is used of it. */
interface SystemInfo {
  Architecture: string;
  KernelVersion: string;
  OperatingSystem: string;
  NCPU: number;
  MemTotal: number;
  CgroupDriver?: string;
  CgroupVersion?: string;
  SecurityOptions?: string[] | null;
  Driver: string;
  DockerRootDir: string;
  Swarm?: { LocalNodeState?: string; ControlAvailable?: boolean };
  Warnings?: string[] | null;
}

const architectures: Record<string, string> = { x86_64: "amd64", aarch64: "arm64" };

export function createInfo({ client }: Engine): Pick<AppEngine, "info"> {
  return {
    async info(options) {
      const [{ version, apiVersion }, system] = await Promise.all([
        client.version(),
        client.get<SystemInfo>("/info", { signal: options?.signal }),
      ]);
      const security = system.SecurityOptions ?? [];
      const has = (name: string) => security.some((each) => each.split(",").includes(`name=${name}`));
      const driver = system.CgroupDriver;
      return {
        kind: "docker",
        version,
        apiVersion,
        architecture: architectures[system.Architecture] ?? system.Architecture,
        kernel: system.KernelVersion,
        operatingSystem: system.OperatingSystem,
        cpus: system.NCPU,
        memoryBytes: system.MemTotal,
        cgroupDriver: driver === "systemd" || driver === "cgroupfs" ? driver : "none",
        cgroupVersion: system.CgroupVersion === "2" ? 2 : 1,
        userNamespaces: has("rootless") ? "rootless" : has("userns") ? "remap" : "none",
        seccomp: has("seccomp"),
        storageDriver: system.Driver,
        dataFolder: system.DockerRootDir,
        swarm: system.Swarm?.LocalNodeState !== "active" ? "none" : system.Swarm.ControlAvailable ? "manager" : "node",
        warnings: system.Warnings ?? [],
      } satisfies EngineInfo;
    },
  };
}
