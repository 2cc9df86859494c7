import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, openAsBlob, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createClient } from "../client/client.ts";
import { stopGateway } from "../server/gateway-process.ts";
import { type TestDocker, testDocker } from "../testing/docker.ts";
import { type TestLxd, testLxd } from "../testing/lxd.ts";
import { freePort } from "../testing/ports.ts";

export const repository = resolve(import.meta.dirname, "..");
export const owner = { email: "owner@example.org", password: "correct horse battery staple" };

export type Client = ReturnType<typeof createClient>;

/** A whole cloud, started as its owner would: `./khmara up`, with a folder of its own. */
export class TestCloud {
  readonly folder = mkdtempSync(join(tmpdir(), "khmara-e2e-"));
  readonly dataDirectory = join(this.folder, "data");
  readonly port: number;
  readonly s3Port: number;
  output = "";
  #supervisor: ChildProcess | undefined;

  readonly #owned: boolean;
  /** The engine of virtual servers that it uses. */
  readonly lxd: TestLxd | undefined;
  /** What its apps run on, and where their gateway listens. */
  readonly apps: { docker: TestDocker; httpPort: number; httpsPort: number; sshPort: number } | undefined;
  /** Where its phones come in. */
  readonly phones: { sipPort: number; webSocketPort: number; rtpPorts: string } | undefined;
  /** Where its doors are reached. */
  readonly address: string;
  readonly #beside: boolean;

  /**
   * `owned: false`: nobody's yet, its first person becomes the owner by the link that it prints. `besideApps`: on the machine of its apps, as
   * that of every real cloud is: in the network namespace of their engine, at all addresses there.
   */
  constructor(
    port: number,
    s3Port: number,
    {
      owned = true,
      besideApps = false,
      lxd,
      apps,
      phones,
    }: Pick<Partial<TestCloud>, "lxd" | "apps" | "phones"> & { owned?: boolean; besideApps?: boolean } = {},
  ) {
    this.port = port;
    this.s3Port = s3Port;
    this.#owned = owned;
    this.lxd = lxd;
    this.apps = apps;
    this.phones = phones;
    this.#beside = besideApps && apps?.docker.network !== undefined;
    this.address = this.#beside ? String(apps?.docker.address) : "127.0.0.1";
  }

  get url(): string {
    return `http://${this.address}:${this.port}`;
  }
  get s3Url(): string {
    return `http://${this.address}:${this.s3Port}`;
  }
  get pid(): number {
    return this.#supervisor?.pid as number;
  }

  /** Resolves when it says that it is ready; rejects with what it printed when it ends before. */
  async start(): Promise<void> {
    const passwordFile = join(this.folder, "owner-password");
    writeFileSync(passwordFile, owner.password, { mode: 0o600 });
    const [program = "", ...before] = [
      ...(this.#beside ? inNetwork(String(this.apps?.docker.network)) : []),
      join(repository, "khmara"),
    ];
    const child = spawn(
      program,
      [
        ...before,
        "up",
        ...(this.#beside ? ["--listen", "::"] : []),
        "--data",
        this.dataDirectory,
        "--port",
        String(this.port),
        "--s3-port",
        String(this.s3Port),
        ...(this.lxd ? ["--engine-socket", this.lxd.socket, "--engine-pool", this.lxd.poolName] : []),
        ...(this.apps
          ? [
              "--docker-socket",
              this.apps.docker.socket,
              "--http-port",
              String(this.apps.httpPort),
              "--https-port",
              String(this.apps.httpsPort),
              "--ssh-port",
              String(this.apps.sshPort),
            ]
          : []),
        ...(this.#owned ? ["--owner-email", owner.email, "--owner-password-file", passwordFile] : []),
      ],
      {
        stdio: ["ignore", "pipe", "pipe"],
        // An engine that this machine may have for something real is left alone.
        env: {
          ...process.env,
          KHMARA_NODE: process.execPath,
          ...(this.lxd ? {} : { KHMARA_ENGINE_SOCKET: "none" }),
          ...(this.phones
            ? {
                KHMARA_SIP_PORT: String(this.phones.sipPort),
                KHMARA_SIP_WEB_SOCKET_PORT: String(this.phones.webSocketPort),
                KHMARA_RTP_PORTS: this.phones.rtpPorts,
              }
            : { KHMARA_SIP_PORT: "none" }),
          ...(this.apps ? {} : { KHMARA_DOCKER_SOCKET: "none", KHMARA_HTTP_PORT: "none", KHMARA_SSH_PORT: "none" }),
        },
      },
    );
    this.#supervisor = child;
    this.output = "";
    await new Promise<void>((ready, failed) => {
      for (const stream of [child.stdout, child.stderr]) {
        stream.on("data", (chunk) => {
          this.output += chunk;
          if (this.output.includes("Khmara is ready:")) ready();
        });
      }
      child.once("close", (code) => failed(new Error(`khmara up ended with ${code}:\n${this.output}`)));
    });
  }

  async stop(): Promise<void> {
    const child = this.#supervisor;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGTERM");
    await once(child, "close");
  }

  async kill(): Promise<void> {
    const child = this.#supervisor;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const closed = once(child, "exit");
    child.kill("SIGKILL");
    await closed;
  }

  async remove(): Promise<void> {
    await this.stop();
    // One whose cloud was killed goes on.
    await stopGateway(join(this.dataDirectory, "gateway"), 0);
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** A client of the API with a token of the owner's. */
  async signIn(): Promise<{ client: Client; organisationId: string; projectId: string; token: string }> {
    const session = await fetch(`${this.url}/api/v1/sessions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(owner),
    });
    if (session.status !== 201) throw new Error(`sign-in: ${session.status} ${await session.text()}`);
    const cookie = session.headers.get("set-cookie")?.split(";")[0] as string;
    const identity = (await session.json()) as { organisations: { id: string; projects: { id: string }[] }[] };
    const created = await fetch(`${this.url}/api/v1/api-tokens`, {
      method: "POST",
      headers: { "content-type": "application/json", cookie, "x-khmara-csrf": "1" },
      body: JSON.stringify({ name: "e2e" }),
    });
    if (created.status !== 201) throw new Error(`token: ${created.status} ${await created.text()}`);
    const { token } = (await created.json()) as { token: string };
    const organisation = identity.organisations[0] as { id: string; projects: { id: string }[] };
    return {
      client: createClient({ baseUrl: this.url, headers: () => ({ authorization: `Bearer ${token}` }) }),
      organisationId: organisation.id,
      projectId: organisation.projects[0]?.id as string,
      token,
    };
  }
}

/** What runs a program in a network namespace as on a machine of its own: /sys, too, then tells of the cards there, and control groups stay. */
const inNetwork = (network: string): string[] => {
  const script = 'mount -t sysfs none /mnt && mount --rbind /sys/fs/cgroup /mnt/fs/cgroup && mount --move /mnt /sys && exec "$@"';
  return ["nsenter", `--net=${network}`, "unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"];
};

/**
 * On ports that are free now; with `engine` one that can make virtual servers, on the LXD of the tests; with `apps` one that can run
 * apps, on the Docker of the tests.
 */
export async function newCloud({
  engine = false,
  apps = false,
  phones = false,
  ...options
}: {
  owned?: boolean;
  besideApps?: boolean;
  engine?: boolean;
  apps?: boolean;
  phones?: boolean;
} = {}): Promise<TestCloud> {
  const [port, s3Port, httpPort, httpsPort, sshPort, sipPort, webSocketPort] = await Promise.all([
    freePort(),
    freePort(),
    freePort(),
    freePort(),
    freePort(),
    freePort(),
    freePort(),
  ]);
  return new TestCloud(port, s3Port, {
    ...options,
    lxd: engine ? await testLxd() : undefined,
    apps: apps ? { docker: await testDocker(), httpPort, httpsPort, sshPort } : undefined,
    phones: phones ? { sipPort, webSocketPort, rtpPorts: someRtpPorts() } : undefined,
  });
}

/** Out of those that the system gives to nobody by itself; clouds beside each other find what is free among them. */
function someRtpPorts(): string {
  const from = 10_000 + 200 * Math.floor(Math.random() * 100);
  return `${from}-${from + 199}`;
}

/** Gives the cloud the Debian that the tests have built already: building it again would take minutes. */
export async function uploadDebian(cloud: TestCloud, token: string): Promise<void> {
  const file = cloud.lxd?.imageFile as string;
  const query = new URLSearchParams({
    scope: "cloud",
    name: "debian-12",
    defaultUser: "debian",
    minimumDiskBytes: String(2 ** 30),
  });
  const response = await fetch(`${cloud.url}/api/v1/images/upload?${query}`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/octet-stream" },
    body: await openAsBlob(file),
  });
  if (response.status !== 201) throw new Error(`image: ${response.status} ${await response.text()}`);
}

/** Without what this machine may have set for such clients. */
export const clientEnvironment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(AWS|RCLONE|KHMARA)_/.test(name)));

/** Runs a client; its standard output, or an error with all that it said. */
export function exec(
  command: string,
  args: string[],
  options: { env?: Record<string, string>; cwd?: string; input?: string; timeoutMs?: number } = {},
): Promise<string> {
  return new Promise((done, failed) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...clientEnvironment(), ...options.env },
      timeout: options.timeoutMs ?? 600_000,
      stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    child.stdout?.on("data", (chunk) => (stdout += chunk));
    child.stderr?.on("data", (chunk) => (stderr += chunk));
    if (options.input !== undefined) child.stdin?.end(options.input);
    child.on("error", failed);
    child.on("close", (code, signal) =>
      code === 0
        ? done(stdout)
        : failed(
            new Error(
              `${command} ${args.join(" ")}: ${signal ?? `exit code ${code}`}\n${stdout.slice(-3000)}\n${stderr.slice(-3000)}`,
            ),
          ),
    );
  });
}

/** Waits for an operation; rejects with its own words when it fails, and when it is not over in time. */
export async function finished(client: Client, operation: { id: string }, seconds = 300) {
  for (const deadline = Date.now() + seconds * 1000; Date.now() < deadline; ) {
    const now = await client.operationWait({ operation: operation.id as never, timeoutSeconds: 30 });
    if (now.state === "succeeded") return now;
    if (now.finishedAt !== undefined) throw new Error(`${now.kind}: ${now.error?.message}`);
  }
  throw new Error(`${operation.id} is not over after ${seconds} s`);
}
