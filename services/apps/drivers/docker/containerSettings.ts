/** A container's specification in Docker's words. */
import { isIP } from "node:net";
import { invalid } from "../../../../kernel/errors.ts";
import type { ContainerSpec } from "../../driver.ts";
import { endpointOf } from "./networks.ts";
import type { Ownership } from "./ownership.ts";

const sharedMemoryBytes = 64 * 1024 ** 2;
const leastMemoryBytes = 6 * 1024 ** 2;

export interface StreamSettings {
  /** Its streams are somebody's, from the start to the end. */
  attached: boolean;
  terminal: boolean;
}

export function containerSettings(spec: ContainerSpec, ownership: Ownership, streams: StreamSettings): object {
  check(spec);
  const { limits, log, stop, restart } = spec;
  const [first] = spec.networks;
  const { attached, terminal } = streams;
  return {
    Image: spec.image,
    Hostname: spec.hostName,
    Entrypoint: spec.entrypoint,
    Cmd: spec.command,
    Env: environmentOf(spec.environment),
    User: spec.user,
    WorkingDir: spec.workingDirectory,
    ExposedPorts: Object.fromEntries((spec.ports ?? []).map(({ containerPort }) => [`${containerPort}/tcp`, {}])),
    Labels: ownership.labelsFor(spec.name, spec.labels, { ...spec, streams }),
    StopSignal: stop.signal,
    StopTimeout: stop.timeoutSeconds,
    Tty: terminal,
    AttachStdin: attached,
    AttachStdout: attached,
    AttachStderr: attached,
    OpenStdin: attached,
    // Its input ends with whoever gave it.
    StdinOnce: attached,
    HostConfig: {
      AutoRemove: attached,
      Init: spec.init,
      ReadonlyRootfs: spec.readOnlyRoot,
      CapDrop: ["ALL"],
      CapAdd: spec.capabilities,
      Privileged: false,
      // Seccomp and AppArmor are the engine's own profiles, which hold unless they are named here.
      SecurityOpt: ["no-new-privileges"],
      IpcMode: "private",
      CgroupnsMode: "private",
      PublishAllPorts: false,
      PortBindings: portBindings(spec),
      NetworkMode: first === undefined ? "none" : ownership.engineName(first.name),
      Memory: limits.memoryBytes,
      MemorySwap: limits.memoryBytes,
      NanoCpus: Math.round(limits.cpus * 1e9),
      PidsLimit: limits.processes,
      ShmSize: limits.sharedMemoryBytes ?? sharedMemoryBytes,
      Ulimits: [
        ...(limits.openFiles === undefined ? [] : [{ Name: "nofile", Soft: limits.openFiles, Hard: limits.openFiles }]),
        // A dump of memory may hold secrets, and fills the disk.
        { Name: "core", Soft: 0, Hard: 0 },
      ],
      Mounts: spec.mounts.map(({ volume, path, readOnly }) => ({
        Type: "volume",
        Source: ownership.engineName(volume),
        Target: path,
        ReadOnly: readOnly,
      })),
      Tmpfs: Object.fromEntries(
        spec.temporaryFolders.map(({ path, sizeBytes, executable }) => [
          path,
          `rw,nosuid,nodev,${executable ? "exec" : "noexec"},size=${sizeBytes},mode=1777`,
        ]),
      ),
      LogConfig: { Type: "json-file", Config: { "max-size": String(log.fileBytes), "max-file": String(log.files) } },
      RestartPolicy: {
        Name: { never: "no", always: "unless-stopped", on_failure: "on-failure" }[restart.policy],
        ...(restart.policy === "on_failure" ? { MaximumRetryCount: restart.attempts ?? 0 } : {}),
      },
    },
    // Only one may be named here before API 1.44; the others are connected afterwards.
    NetworkingConfig:
      first === undefined ? undefined : { EndpointsConfig: { [ownership.engineName(first.name)]: endpointOf(first) } },
  };
}

/** One port of a container may have several on the host. */
function portBindings({ ports = [] }: ContainerSpec): Record<string, { HostIp: string; HostPort: string }[]> {
  const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const { address, port, containerPort } of ports) {
    const key = `${containerPort}/tcp`;
    bindings[key] = [...(bindings[key] ?? []), { HostIp: address, HostPort: String(port) }];
  }
  return bindings;
}

/** What the engine would take, and do something else, or refuse in words that nobody understands. */
function check({ image, limits, mounts, temporaryFolders, environment, networks, ports = [], log }: ContainerSpec): void {
  if (!/^sha256:[0-9a-f]{64}$/.test(image)) throw invalid("image", "An image is named by its id here (sha256:…).");
  if (limits.memoryBytes < leastMemoryBytes) throw invalid("limits.memoryBytes", "A container needs 6 MiB of memory at least.");
  if (!(limits.cpus >= 0.01)) throw invalid("limits.cpus", "A container needs a hundredth of a processor at least.");
  if (!(limits.processes >= 1)) throw invalid("limits.processes", "A container has one process at least.");
  if (log.fileBytes < 1024 || log.files < 1) throw invalid("log", "A log needs one file of 1024 bytes at least.");
  for (const { path } of [...mounts, ...temporaryFolders])
    if (!path.startsWith("/") || path === "/" || path.includes("/..") || path.includes(":"))
      throw invalid("mounts", `${path} is no folder of a container: it begins with / and is not / itself.`);
  for (const name of Object.keys(environment ?? {}))
    if (name === "" || /[=\0]/.test(name))
      throw invalid("environment", "The name of a variable has no = in it, and is not empty.");
  if (new Set(networks.map(({ name }) => name)).size < networks.length) throw invalid("networks", "A network is named twice.");
  for (const { address, port, containerPort } of ports)
    if (isIP(address) === 0 || [port, containerPort].some((each) => !Number.isInteger(each) || each < 1 || each > 65_535))
      throw invalid("ports", "A port is published at an address of the host, and is a number from 1 to 65535.");
  if (ports.length > 0 && networks.length === 0) throw invalid("ports", "A container without a network has no ports to publish.");
}

export const environmentOf = (environment: Readonly<Record<string, string>> | undefined): string[] | undefined =>
  environment === undefined ? undefined : Object.entries(environment).map(([name, value]) => `${name}=${value}`);
