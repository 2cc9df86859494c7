/** The container of a server: made, started, set up, stopped; and the one-off containers that work on its volume while it does not run. */
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { pack } from "tar-stream";
import { CloudError } from "../../../../kernel/errors.ts";
import type { CallOptions, ContainerHost, HostContainerSpec, Progress, ServerSpec, ServerState } from "../../driver.ts";
import { findImage, programs } from "./image.ts";
import { accessRules, paths, serverSettings, sharedMemoryBytes } from "./settings.ts";

const MiB = 1024 ** 2;
/** After a crash the log is replayed, and a recovery replays days of it. */
const longestStartMs = 6 * 3600_000;
const lastWords = 4000;

export async function needImage(host: ContainerHost, version: string, options?: CallOptions): Promise<string> {
  const image = await findImage(host, version, options);
  if (image !== undefined) return image;
  throw new CloudError("failed_precondition", `PostgreSQL ${version} is not prepared on this engine yet. Try again.`, {
    details: { reason: "image_missing" },
  });
}

const containerOf = (spec: ServerSpec, image: string): HostContainerSpec => ({
  name: spec.name,
  image,
  labels: spec.labels,
  hostName: spec.network?.alias ?? "postgres",
  command: [`${programs(spec.version)}/postgres`, `--config-file=${paths.settings}/postgresql.conf`],
  workingDirectory: paths.volume,
  networks: spec.network === undefined ? [] : [{ name: spec.network.name, aliases: [spec.network.alias] }],
  ...(spec.port === undefined ? {} : { ports: [{ ...spec.port, containerPort: 5432 }] }),
  mounts: [{ volume: spec.volume, path: paths.volume, readOnly: false }],
  temporaryFolders: [{ path: paths.socket, sizeBytes: 64 * MiB }],
  readOnlyRoot: true,
  limits: {
    memoryBytes: spec.memoryBytes,
    cpus: spec.cpus,
    processes: 1000,
    sharedMemoryBytes: sharedMemoryBytes(spec.memoryBytes),
  },
  capabilities: [],
  restart: { policy: "always" },
  // Fast: connections are ended, and what is in memory is written.
  stop: { signal: "SIGINT", timeoutSeconds: 120 },
  log: { fileBytes: 10 * MiB, files: 3 },
  init: false,
});

/** Settings, and the certificate where there is one, for the folder of settings. */
export const settingsFiles = (spec: ServerSpec): { name: string; content: string }[] => [
  { name: "postgresql.conf", content: serverSettings(spec) },
  { name: "pg_hba.conf", content: accessRules },
  { name: "pg_ident.conf", content: "" },
  ...(spec.certificate === undefined
    ? []
    : [
        { name: "server.crt", content: spec.certificate.certificate },
        { name: "server.key", content: spec.certificate.key },
      ]),
];

function settingsTar(spec: ServerSpec): Readable {
  const tar = pack();
  for (const { name, content } of settingsFiles(spec)) tar.entry({ name, mode: 0o600 }, content);
  tar.finalize();
  return Readable.from(tar);
}

/** Runs a script beside the volume, as the server's user, without a network; fails with its last words. */
export async function runBeside(
  host: ContainerHost,
  spec: ServerSpec,
  purpose: string,
  script: string,
  input: Readable | undefined,
  { signal }: CallOptions = {},
): Promise<void> {
  const name = `${spec.name}-${purpose}`;
  const image = await needImage(host, spec.version, { signal });
  await host.containerRemove(name, { signal });
  const session = await host.containerRun(
    {
      ...containerOf({ ...spec, network: undefined, port: undefined }, image),
      name,
      command: ["/bin/bash", "-c", `set -euo pipefail; umask 077\n${script}`],
      limits: { memoryBytes: Math.max(spec.memoryBytes, 256 * MiB), cpus: Math.max(spec.cpus, 1), processes: 200 },
      restart: { policy: "never" },
      stop: { signal: "SIGKILL", timeoutSeconds: 1 },
    },
    { signal },
  );
  let words = "";
  for (const stream of [session.stdout, session.stderr])
    stream.on("data", (piece: Buffer) => {
      words = `${words}${piece}`.slice(-lastWords);
    });
  session.stdin.on("error", () => {});
  try {
    if (input === undefined) session.stdin.end();
    // A script that ends early closes its input: its words say more than that.
    else
      await pipeline(input, session.stdin, signal ? { signal } : {}).catch((error) => {
        if (!/^(EPIPE|ECONNRESET|ERR_STREAM_PREMATURE_CLOSE)$/.test((error as { code?: string }).code ?? "")) throw error;
      });
    const code = await session.exited;
    if (code !== 0)
      throw new CloudError("internal", `The step ${purpose} of the database failed (exit code ${code}).`, {
        cause: new Error(words),
        details: { reason: "database_failed", step: purpose },
      });
  } finally {
    session.close();
  }
}

const folders = `mkdir -p ${paths.settings} ${paths.spool} ${paths.recovery}`;

/** Its data as `initdb` makes them; a mark says that it came to its end. */
export function initialise(host: ContainerHost, spec: ServerSpec, options?: CallOptions): Promise<void> {
  const script = `${folders}
tar -xf - -C ${paths.settings}
if [ -e ${paths.volume}/initialised ]; then exit 0; fi
rm -rf ${paths.data}
${programs(spec.version)}/initdb --pgdata=${paths.data} --username=postgres --encoding=UTF8 --locale=C.UTF-8 --data-checksums --auth-local=trust --auth-host=scram-sha-256 --no-instructions
sync
touch ${paths.volume}/initialised
sync ${paths.volume}`;
  return runBeside(host, spec, "initialise", script, settingsTar(spec), options);
}

/** Settings of one that runs; those that need a restart wait for it. */
export async function configure(host: ContainerHost, spec: ServerSpec, { signal }: CallOptions = {}): Promise<void> {
  const pieces: Buffer[] = [];
  for await (const piece of settingsTar(spec)) pieces.push(piece as Buffer);
  const script = `umask 077; mkdir -p ${paths.settings}.new && tar -xf - -C ${paths.settings}.new && mv -f ${paths.settings}.new/* ${paths.settings}/ && kill -HUP 1`;
  await inside(host, spec.name, script, { input: Buffer.concat(pieces), signal });
}

/** A script in the container of a server; answers its output. */
export async function inside(
  host: ContainerHost,
  name: string,
  script: string,
  options: CallOptions & { input?: Uint8Array; maxOutputBytes?: number } = {},
): Promise<string> {
  const { exitCode, stdout, stderr, truncated } = await host.containerExec(name, {
    command: ["/bin/bash", "-c", `set -euo pipefail\n${script}`],
    input: options.input,
    maxOutputBytes: options.maxOutputBytes ?? 16 * MiB,
    signal: options.signal,
  });
  if (exitCode !== 0)
    throw new CloudError("internal", `A command in the database's container failed (exit code ${exitCode}).`, {
      cause: new Error(Buffer.from(stderr).toString().slice(-lastWords)),
    });
  if (truncated) throw new CloudError("internal", "A command in the database's container said more than expected.");
  return Buffer.from(stdout).toString();
}

/** As the specification says, anew where it runs otherwise; until it takes connections. */
export async function start(
  host: ContainerHost,
  spec: ServerSpec,
  { signal, progress = () => {} }: CallOptions & { progress?: Progress } = {},
): Promise<void> {
  const { network } = spec;
  if (network !== undefined) {
    const { alias: _alias, ...place } = network;
    await host.networkCreate(place, { signal });
  }
  const before = await host.containerGet(spec.name, { signal });
  // One that was made goes on with the image that it has: another one comes with an upgrade, not by the way.
  const image = before?.image ?? (await needImage(host, spec.version, { signal }));
  try {
    await host.containerCreate(containerOf(spec, image), { signal });
  } catch (error) {
    if (!CloudError.is(error, "already_exists")) throw error;
    await stop(host, spec.name, { signal });
    await host.containerRemove(spec.name, { signal });
    await host.containerCreate(containerOf(spec, await needImage(host, spec.version, { signal })), { signal });
  }
  try {
    await host.containerStart(spec.name, { signal });
  } catch (error) {
    if (signal?.aborted || (CloudError.is(error) && error.details.reason === "engine_port_taken")) throw error;
    // Made for a network that was taken away and made again in the meantime, say: one that is new knows the new one.
    await host.containerRemove(spec.name, { signal });
    await host.containerCreate(containerOf(spec, image), { signal });
    await host.containerStart(spec.name, { signal });
  }
  const deadline = Date.now() + longestStartMs;
  let seenStopped = 0;
  for (let round = 0; ; round++) {
    const now = await state(host, spec.name, { signal });
    if (now.state === "ready") return;
    // The engine starts it again and again; what ends so often does not come up.
    if (now.state === "stopped") seenStopped++;
    if (now.state === "missing" || seenStopped > 4 || Date.now() > deadline) {
      const output = await lastLines(host, spec.name, { signal });
      throw new CloudError("failed_precondition", `The database does not start. ${output}`.trim(), {
        details: { reason: "database_not_starting", output },
      });
    }
    progress(0.5, "waiting until it takes connections");
    await sleep(Math.min(100 * 2 ** round, 1000), undefined, signal ? { signal } : {});
  }
}

export async function stop(host: ContainerHost, name: string, { signal }: CallOptions = {}): Promise<void> {
  const container = await host.containerGet(name, { signal });
  if (container !== undefined) await host.containerStop(name, { signal });
}

export async function state(host: ContainerHost, name: string, { signal }: CallOptions = {}): Promise<ServerState> {
  const container = await host.containerGet(name, { signal });
  if (container === undefined) return { state: "missing" };
  if (container.state !== "running") {
    const reason = container.outOfMemory
      ? "It used more memory than it has. Give it more."
      : (container.problem ?? (container.exitCode === undefined ? undefined : `It ended with exit code ${container.exitCode}.`));
    return { state: "stopped", reason };
  }
  try {
    // The file says when a recovery is over, and may be one of a server that was killed; so the server is asked too.
    const { exitCode } = await host.containerExec(name, {
      command: [
        "/bin/bash",
        "-c",
        `/usr/lib/postgresql/15/bin/pg_isready --quiet --host=${paths.socket} && sed -n 8p ${paths.data}/postmaster.pid | grep -q '^ready'`,
      ],
      maxOutputBytes: 1000,
      signal,
    });
    return exitCode === 0 ? { state: "ready" } : { state: "starting" };
  } catch (error) {
    // It ended in between.
    if (CloudError.is(error, "failed_precondition") || CloudError.is(error, "conflict")) return { state: "stopped" };
    throw error;
  }
}

/** What a server said last; without what people sent to it. */
async function lastLines(host: ContainerHost, name: string, { signal }: CallOptions): Promise<string> {
  const lines: string[] = [];
  try {
    for await (const { text } of host.containerLogs(name, { tail: 40, signal }))
      if (/(FATAL|PANIC|ERROR|LOG): /.test(text)) lines.push(text.replace(/^.*?(FATAL|PANIC|ERROR|LOG): +/, "$1: "));
  } catch {
    return "";
  }
  return lines
    .filter((line) => /^(FATAL|PANIC)/.test(line))
    .concat(lines.slice(-1))
    .slice(0, 3)
    .join(" ")
    .slice(0, 800);
}
