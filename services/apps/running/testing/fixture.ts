/** The part that runs apps, over a real Docker and a database of its own; its neighbours are simple ones in memory. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import type { Principal } from "../../../../kernel/auth/principal.ts";
import { contract, type Role } from "../../../../kernel/contract.ts";
import { type Database, openDatabase } from "../../../../kernel/db/database.ts";
import { CloudError } from "../../../../kernel/errors.ts";
import { createHttpServer } from "../../../../kernel/http/server.ts";
import { type Id, newId } from "../../../../kernel/ids.ts";
import { silentLog } from "../../../../kernel/log.ts";
import { type OperationRunner, openOperationRunner } from "../../../../kernel/operations/runner.ts";
import { registerQuotas } from "../../../../kernel/quota.ts";
import { openSecrets } from "../../../../kernel/secrets.ts";
import { defineService } from "../../../../kernel/service.ts";
import { startWorkers, type WorkerLoop } from "../../../../kernel/workers.ts";
import { removeCloud, testCloudId, testDocker, testRootfs } from "../../../../testing/docker.ts";
import { testDatabase } from "../../../../testing/postgres.ts";
import { appActions } from "../../deploying/contract.ts";
import type { AppEngine } from "../../driver.ts";
import { openDockerEngine } from "../../drivers/docker/index.ts";
import { noLinks } from "../../linking/testing/noLinks.ts";
import type { AppsParts, AppView, DeployingPart, ReleaseProcess, ReleaseView, RequestSample, RoutingPart } from "../../parts.ts";
import { createRunning, type RunningOptions } from "../area.ts";
import { runningMeters, runningQuotas, runningRoutes } from "../contract.ts";
import type { RunningTimes } from "../runtime.ts";

export type Caller = "editor" | "viewer" | "stranger";

export interface TestRelease {
  processes?: Record<string, ReleaseProcess>;
  environment?: Record<string, string>;
  healthCheck?: Partial<ReleaseView["healthCheck"]>;
  port?: number;
  capabilities?: string[];
  user?: string;
}

/** A web server of busybox that says who it is. */
export const webCommand =
  'mkdir -p /tmp/www; echo "$KHMARA_APP $KHMARA_RELEASE $KHMARA_CONTAINER" > /tmp/www/index.html; echo "up at $PORT"; echo $$ > /tmp/pid; exec busybox httpd -f -p $PORT -h /tmp/www';
export const workCommand = "trap 'echo bye; exit 0' TERM; echo working; while :; do sleep 1 & wait $!; done";

/** Neighbours in memory; they outlive a control plane of the test that is killed. */
export class Neighbours {
  readonly apps = new Map<string, AppView>();
  readonly releases = new Map<string, ReleaseView>();
  /** What setHealth was told, in order. */
  readonly health: { appId: string; state: string; reason?: string }[] = [];
  readonly drained: string[] = [];
  applied = 0;
  requests: RequestSample[] = [];

  setGone(appId: string): void {
    const app = this.apps.get(appId);
    if (app) this.apps.set(appId, { ...app, state: "deleting" });
  }

  readonly deploying: DeployingPart = {
    find: async (_, id) => this.apps.get(id),
    list: async (_, { projectId, after = "", limit }) =>
      [...this.apps.values()]
        .filter((app) => (projectId === undefined || app.projectId === projectId) && app.id > after)
        .sort((one, other) => (one.id < other.id ? -1 : 1))
        .slice(0, limit),
    checkAction: (app, action) => {
      if (appActions[action as keyof typeof appActions].includes(app.state)) return;
      throw new CloudError("failed_precondition", `The app is ${app.state}.`, { details: { reason: "state" } });
    },
    release: async (_, id) => this.releases.get(id),
    setHealth: async (_, appId, health) => {
      const app = this.apps.get(appId);
      if (!app || (app.state !== "running" && app.state !== "failing")) return;
      this.apps.set(appId, { ...app, state: health.state });
      this.health.push({ appId, ...health });
    },
    named: async (_, name) => [...this.apps.values()].filter((app) => app.name === name),
    // biome-ignore lint/correctness/useYield: there is nothing to tell.
    follow: async function* () {
      throw new Error("Nothing is built here.");
    },
    deployFolder: () => Promise.reject(new Error("Nothing is built here.")),
    deployAgain: async () => undefined,
    checkLinkNames: async () => {},
    linkSettings: async () => {},
    linkedValues: async () => ({}),
  };

  readonly routing: RoutingPart = {
    hosts: async () => new Map(),
    apply: async () => void this.applied++,
    drain: async (appId, container) => void this.drained.push(`${appId} ${container}`),
    requests: async () => this.requests,
    appDeleted: async () => {},
    challenge: async () => undefined,
    visit: async () => ({ status: 404, headers: {} }),
  };
}

export interface TestRunning {
  /** As it goes by now; a test may change them. */
  times: RunningTimes;
  database: Database;
  databaseUrl: string;
  parts: AppsParts;
  engine: AppEngine;
  socket: string;
  cloudId: string;
  network: string | undefined;
  neighbours: Neighbours;
  directory: string;
  organisation: string;
  project: string;
  url: string;
  /** An app whose first release is made, and nothing else. */
  app(release?: TestRelease, options?: { projectId?: string }): Promise<{ app: AppView; release: ReleaseView }>;
  release(app: AppView, release?: TestRelease): Promise<ReleaseView>;
  /** As a deployment does it. */
  deploy(release?: TestRelease): Promise<{ app: AppView; release: ReleaseView }>;
  setLive(app: AppView, release: ReleaseView | undefined, state?: AppView["state"]): void;
  call(caller: Caller, method: string, path: string, body?: unknown): Promise<{ status: number; body: Json }>;
  done(id: string): Promise<Json>;
  ended(id: string): Promise<Json>;
  /** What a container answers to GET, from this host. */
  ask(address: string, port: number, path?: string): Promise<string>;
  startWatching(): void;
  stopWatching(): Promise<void>;
  stop(): Promise<void>;
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of all routes.
type Json = any;

export const fastTimes = {
  roundMs: 500,
  repairMs: 1000,
  sampleMs: 1000,
  steadyMs: 3000,
  settledMs: 500,
  ownerMs: 2000,
  leftMs: 3000,
};

export async function testRunning(
  options: RunningOptions & {
    /** Of an engine of the test's own. */
    socket?: string;
    engineOf?: (cloudId: string) => AppEngine;
  } = {},
): Promise<TestRunning> {
  const [throwaway, docker] = await Promise.all([
    testDatabase(["identity", "apps"]),
    options.socket === undefined ? testDocker() : { socket: options.socket, network: undefined },
  ]);
  const directory = await mkdtemp(join(tmpdir(), "khmara-running-"));
  const database = openDatabase({ url: throwaway.url });
  const [organisation, project] = [newId("organisation"), newId("project")];
  const principal = (name: string, role: Role, organisationId: string, projectId?: string): Principal => ({
    kind: "user",
    id: newId("user"),
    name,
    bindings: [{ role, organisationId, ...(projectId ? { projectId } : {}) }],
  });
  const principals: Record<Caller, Principal> = {
    editor: principal("editor", "editor", organisation),
    viewer: principal("viewer", "viewer", organisation),
    stranger: principal("stranger", "owner", newId("organisation")),
  };
  const cloudId = testCloudId();
  const engine = options.engineOf?.(cloudId) ?? openDockerEngine({ address: { endpoint: docker.socket }, cloudId });
  const image = await engine.imageImport(
    { name: "base:1", labels: { kind: "base" }, defaults: { command: ["/bin/sh"], environment: { PATH: "/bin" } } },
    Readable.from([await testRootfs()]),
  );
  const neighbours = new Neighbours();
  const secrets = openSecrets(randomBytes(32));
  const times = { ...fastTimes, ...options.times };
  const parts: AppsParts = {
    database,
    identity: undefined as never,
    objects: undefined as never,
    secrets,
    log: silentLog,
    dataDirectory: directory,
    engine: () => engine,
    deploying: neighbours.deploying,
    running: undefined as never,
    routing: neighbours.routing,
    linking: noLinks,
    cron: { live: async () => {} },
  };
  const area = createRunning(parts, { ...options, times });
  parts.running = area.part;
  const apps = contract({
    name: "apps",
    title: "Applications",
    routes: runningRoutes,
    quotas: runningQuotas,
    meters: runningMeters,
  });
  const service = defineService<typeof apps>({ contract: apps, handlers: area.handlers });
  registerQuotas(runningQuotas);
  const http = createHttpServer({
    services: [service],
    database,
    secrets,
    log: silentLog,
    authenticate: async ({ authorization }) => ({
      principal: principals[authorization?.replace("Bearer ", "") as Caller],
      ambient: false,
    }),
    secure: false,
  });
  await http.listen({ host: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${(http.server.address() as AddressInfo).port}/api/v1`;
  const runner: OperationRunner = await openOperationRunner({
    database,
    definitions: area.operations ?? [],
    log: silentLog,
    pollMs: 100,
  });
  let workers: WorkerLoop | undefined;

  const cloud: TestRunning = {
    times: area.times,
    database,
    databaseUrl: throwaway.url,
    parts,
    engine,
    socket: docker.socket,
    cloudId,
    network: docker.network,
    neighbours,
    directory,
    organisation,
    project,
    url,
    async app(release = {}, { projectId = project } = {}) {
      const app: AppView = {
        id: newId("app"),
        name: `app-${randomBytes(3).toString("hex")}`,
        organisationId: organisation,
        projectId,
        state: "new",
        protected: false,
      };
      neighbours.apps.set(app.id, app);
      return { app, release: await cloud.release(app, release) };
    },
    async release(app, request = {}) {
      const { processes = { web: { command: webCommand } }, environment = {}, healthCheck = {}, port = 8080 } = request;
      const release: ReleaseView = {
        id: newId("release"),
        number: [...neighbours.releases.values()].filter(({ appId }) => appId === app.id).length + 1,
        appId: app.id,
        organisationId: app.organisationId,
        projectId: app.projectId,
        imageId: image.id,
        port,
        healthCheck: { path: "/", intervalSeconds: 1, timeoutSeconds: 5, startSeconds: 60, ...healthCheck },
        processes,
        capabilities: request.capabilities ?? [],
        user: request.user,
        environment: { PORT: String(port), ...environment },
      };
      neighbours.releases.set(release.id, release);
      await database.transaction("system", (tx) => area.part.releaseMade(tx, release));
      return release;
    },
    async deploy(request) {
      const { app, release } = await cloud.app(request);
      await area.part.start(release.id);
      await area.part.awaitHealthy(release.id);
      cloud.setLive(app, release);
      return { app: neighbours.apps.get(app.id) as AppView, release };
    },
    setLive(app, release, state = "running") {
      const now = neighbours.apps.get(app.id) as AppView;
      neighbours.apps.set(app.id, { ...now, state, liveReleaseId: release?.id as Id<"release"> | undefined });
    },
    async call(caller, method, path, body) {
      const response = await fetch(`${url}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${caller}`,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
    },
    async done(id) {
      const row = await cloud.ended(id);
      if (row.state !== "succeeded") throw new Error(`${row.kind} ${row.state}: ${JSON.stringify(row.error)}`);
      return row;
    },
    async ended(id) {
      for (const until = Date.now() + 120_000; Date.now() < until; await new Promise((resolve) => setTimeout(resolve, 50))) {
        const [row] =
          await database.sql`select kind, state, error from kernel.operations where id = ${id} and finished_at is not null`;
        if (row) return row;
      }
      throw new Error(`The operation ${id} does not end.`);
    },
    async ask(address, port, path = "/") {
      return (await fetch(`http://${address}:${port}${path}`, { signal: AbortSignal.timeout(10_000) })).text();
    },
    startWatching() {
      workers = startWorkers(database, area.workers ?? [], silentLog);
    },
    async stopWatching() {
      await workers?.stop();
      workers = undefined;
    },
    async stop() {
      await cloud.stopWatching();
      http.server.closeAllConnections();
      await http.close();
      await runner.stop();
      await area.stop?.();
      engine.close();
      await removeCloud(docker.socket, cloudId);
      await database.close();
      await throwaway.drop();
      await rm(directory, { recursive: true, force: true });
    },
  };
  return cloud;
}
