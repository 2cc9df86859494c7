import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { pack } from "tar-stream";
import type { Principal } from "../../../../kernel/auth/principal.ts";
import { contract, type Role } from "../../../../kernel/contract.ts";
import { type Database, openDatabase } from "../../../../kernel/db/database.ts";
import { createHttpServer } from "../../../../kernel/http/server.ts";
import { newId } from "../../../../kernel/ids.ts";
import { silentLog } from "../../../../kernel/log.ts";
import { type OperationRunner, openOperationRunner } from "../../../../kernel/operations/runner.ts";
import { registerQuotas } from "../../../../kernel/quota.ts";
import { openSecrets } from "../../../../kernel/secrets.ts";
import { defineService } from "../../../../kernel/service.ts";
import { testDatabase } from "../../../../testing/postgres.ts";
import type { Faults } from "../../../compute/testing/faults.ts";
import type { IdentityService } from "../../../identity/contract.ts";
import type { buildBaseImage } from "../../baseImages/build.ts";
import { createCron } from "../../cron/area.ts";
import { cronRoutes } from "../../cron/contract.ts";
import type { AppEngine } from "../../driver.ts";
import { createLinkingArea } from "../../linking/area.ts";
import { linkingRoutes } from "../../linking/contract.ts";
import { LinkedThings } from "../../linking/testing/neighbours.ts";
import { createMailAccounts } from "../../mailAccounts/area.ts";
import { mailAccountQuotas, mailAccountRoutes } from "../../mailAccounts/contract.ts";
import type { AppsParts } from "../../parts.ts";
import { createPreviews, type PreviewsPart } from "../../previews/area.ts";
import { previewRoutes } from "../../previews/contract.ts";
import { registryRoutes } from "../../registry/contract.ts";
import { tagRoutes } from "../../registry/tagRoutes.ts";
import { createDeploying } from "../area.ts";
import { openBases } from "../bases.ts";
import { deployingEvents, deployingMeters, deployingQuotas, deployingRoutes } from "../contract.ts";
import { createRoutingDouble, createRunningDouble, type RoutingDouble, type RunningDouble } from "./doubles.ts";
import { createImageEngine, type ImageEngine } from "./imageEngine.ts";

/** `editor` and `viewer` of the project, `stranger` of another organisation. */
export type Caller = "editor" | "viewer" | "stranger";

// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of all routes.
type Json = any;

export interface TestDeploying {
  database: Database;
  parts: AppsParts;
  /** Undefined of a real one. */
  engine: ImageEngine;
  running: RunningDouble;
  routing: RoutingDouble;
  faults: { engine: Faults; running: Faults; routing: Faults };
  previews: PreviewsPart;
  /** What apps may be linked to. */
  things: LinkedThings;
  project: string;
  directory: string;
  call(caller: Caller, method: string, path: string, body?: unknown): Promise<{ status: number; body: Json }>;
  send(caller: Caller, path: string, bytes: Uint8Array | ReadableStream): Promise<{ status: number; body: Json }>;
  app(name?: string): Promise<Json>;
  show(app: { id: string }): Promise<Json>;
  /** The operation of a deployment of these files. */
  begin(app: { id: string }, files: Record<string, string>, query?: string): Promise<Json>;
  /** The same, once it has succeeded: the deployment. */
  deploy(app: { id: string }, files: Record<string, string>): Promise<Json>;
  ended(operation: string): Promise<Json>;
  done(operation: string): Promise<Json>;
  deployment(id: string): Promise<Json>;
  log(id: string): Promise<string>;
  quota(name: string): Promise<number>;
  work(name: string): Promise<void>;
  startRunner(): Promise<void>;
  stopRunner(): Promise<void>;
  stop(): Promise<void>;
}

/** A base image of a few bytes, for an engine in memory. */
export const tinyBase: typeof buildBaseImage = async ({ runtime, version, folder }) => {
  await mkdir(folder, { recursive: true });
  const file = join(folder, `${runtime}-${version}.tar`);
  await writeFile(file, `${runtime} ${version}`);
  const digest = Buffer.from(`${runtime} ${version}`).toString("hex").padEnd(64, "0");
  return { file, sizeBytes: 1, digest, reference: "", architecture: "amd64", labels: {}, changes: [] };
};

export async function tarball(files: Record<string, string>): Promise<Buffer> {
  const tar = pack();
  for (const [name, content] of Object.entries(files)) tar.entry({ name, mode: 0o644 }, content);
  tar.finalize();
  return buffer(tar);
}

export async function testDeploying(options: { engine?: AppEngine; make?: typeof buildBaseImage } = {}): Promise<TestDeploying> {
  const throwaway = await testDatabase(["identity", "apps"]);
  const directory = await mkdtemp(join(tmpdir(), "khmara-deploying-"));
  const database = openDatabase({ url: throwaway.url });
  const [organisation, project] = [newId("organisation"), newId("project")];
  const now = new Date();
  await database.sql`insert into identity.organisations (id, name, slug, created_at) values (${organisation}, 'school', 'school', ${now})`;
  await database.sql`insert into identity.projects (id, organisation_id, name, slug, created_at) values (${project}, ${organisation}, 'lessons', 'lessons', ${now})`;
  const principal = (name: string, role: Role, organisationId: string, projectId?: string): Principal => ({
    kind: "user",
    id: newId("user"),
    name,
    bindings: [{ role, organisationId, ...(projectId ? { projectId } : {}) }],
  });
  const principals: Record<Caller, Principal> = {
    editor: principal("editor", "editor", organisation, project),
    viewer: principal("viewer", "viewer", organisation, project),
    stranger: principal("stranger", "owner", newId("organisation")),
  };
  const things = new LinkedThings(() => project);
  const identity: IdentityService = {
    authenticate: async ({ authorization }) => ({
      principal: principals[authorization?.replace("Bearer ", "") as Caller],
      ambient: false,
    }),
    organisationActive: async () => true,
    async projectPlace(tx, projectId) {
      const [row] = await tx.sql<
        { organisationId: string; projectId: string; name: string; slug: string }[]
      >`select organisation_id as "organisationId", id as "projectId", name, slug from identity.projects where id = ${projectId}`;
      return row;
    },
    accessKey: async () => undefined,
    appKeys: things.appKeys,
    sshKey: async () => undefined,
    principalOf: async ({ id }) => Object.values(principals).find((each) => each.id === id) as Principal,
    sessionOf: async () => undefined,
  };
  const secrets = openSecrets(randomBytes(32));
  const inMemory = createImageEngine();
  const parts: AppsParts = {
    database,
    identity,
    objects: things.objects,
    databaseLinks: things.databaseLinks,
    objectDoor: { url: "https://s3.example.org", region: "us-east-1" },
    secrets,
    log: silentLog,
    registryHost: "cloud.test",
    dataDirectory: directory,
    engine: () => options.engine ?? inMemory.driver,
    deploying: undefined as never,
    running: undefined as never,
    routing: undefined as never,
    linking: undefined as never,
    cron: undefined as never,
  };
  const linking = createLinkingArea(parts);
  const mailAccounts = createMailAccounts(parts);
  const cron = createCron(parts);
  const area = createDeploying(parts, { bases: openBases(parts, options.make ?? tinyBase) });
  parts.deploying = area.part;
  const previews = createPreviews(parts, area.lifecycle);
  const running = createRunningDouble(parts);
  const routing = createRoutingDouble(parts);
  Object.assign(parts, { running: running.driver, routing: routing.driver, linking: linking.part, cron: cron.part });
  const apps = contract({
    name: "apps",
    title: "Applications",
    routes: { ...deployingRoutes, ...previewRoutes, ...registryRoutes, ...linkingRoutes, ...mailAccountRoutes, ...cronRoutes },
    events: deployingEvents,
    quotas: { ...deployingQuotas, ...mailAccountQuotas },
    meters: deployingMeters,
  });
  const service = defineService<typeof apps>({
    contract: apps,
    handlers: {
      ...area.handlers,
      ...previews.handlers,
      ...tagRoutes(parts),
      ...linking.handlers,
      ...mailAccounts.handlers,
      ...cron.handlers,
    },
  });
  registerQuotas({ ...deployingQuotas, ...mailAccountQuotas });
  const http = createHttpServer({
    services: [service],
    database,
    secrets,
    log: silentLog,
    authenticate: identity.authenticate,
    secure: false,
  });
  await http.listen({ host: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${(http.server.address() as AddressInfo).port}/api/v1`;
  let runner: OperationRunner | undefined;

  const answer = async (response: Response) => {
    const text = await response.text();
    return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
  };
  const expected = (status: number, got: { status: number; body: Json }): Json => {
    if (got.status !== status) throw new Error(`${got.status} instead of ${status}: ${JSON.stringify(got.body)}`);
    return got.body;
  };
  const cloud: TestDeploying = {
    database,
    parts,
    engine: inMemory.driver,
    running: running.driver,
    routing: routing.driver,
    faults: { engine: inMemory.faults, running: running.faults, routing: routing.faults },
    previews: previews.part,
    things,
    project,
    directory,
    call: async (caller, method, path, body) =>
      answer(
        await fetch(`${url}${path}`, {
          method,
          headers: {
            authorization: `Bearer ${caller}`,
            ...(body === undefined ? {} : { "content-type": "application/json" }),
          },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        }),
      ),
    send: async (caller, path, bytes) =>
      answer(
        await fetch(`${url}${path}`, {
          method: "POST",
          headers: { authorization: `Bearer ${caller}`, "content-type": "application/octet-stream" },
          body: bytes as Uint8Array<ArrayBuffer>,
          ...(bytes instanceof ReadableStream ? { duplex: "half" } : {}),
        }),
      ),
    async app(name = `app-${randomBytes(4).toString("hex")}`) {
      return expected(201, await cloud.call("editor", "POST", "/apps", { project, name }));
    },
    show: async ({ id }) => expected(200, await cloud.call("viewer", "GET", `/apps/${id}`)),
    begin: async ({ id }, files, query = "") =>
      expected(202, await cloud.send("editor", `/apps/${id}/deployments${query}`, await tarball(files))),
    async deploy(app, files) {
      const operation = await cloud.begin(app, files);
      const ended = await cloud.ended(operation.id);
      if (ended.state !== "succeeded")
        throw new Error(`${ended.state}: ${ended.error?.message}\n${(await cloud.log(operation.resource.id)).slice(-3000)}`);
      return cloud.deployment(operation.resource.id);
    },
    async ended(id) {
      for (const until = Date.now() + 60_000; Date.now() < until; await new Promise((resolve) => setTimeout(resolve, 10))) {
        const [row] = await database.sql`select kind, state, result, error, steps, resource_id as resource, finished_at
          from kernel.operations where id = ${id}`;
        if (row?.["finished_at"]) return row;
      }
      throw new Error(`The operation ${id} does not end.`);
    },
    async done(id) {
      const row = await cloud.ended(id);
      if (row.state !== "succeeded") throw new Error(`${row.kind} ${row.state}: ${JSON.stringify(row.error)}`);
      return row;
    },
    deployment: async (id) => expected(200, await cloud.call("viewer", "GET", `/deployments/${id}`)),
    log: async (id) => expected(200, await cloud.call("viewer", "GET", `/deployments/${id}/log`)).text,
    async quota(name) {
      const [row] = await database.sql<
        { used: number }[]
      >`select used from kernel.quota_usage where scope_id = ${project} and name = ${name}`;
      return row?.used ?? 0;
    },
    async work(name) {
      const worker = [...(area.workers ?? []), ...previews.workers, ...(linking.workers ?? [])].find(
        (each) => each.name === name,
      );
      if (!worker) throw new Error(`There is no worker ${name}.`);
      await worker.run(new AbortController().signal);
    },
    async startRunner() {
      runner = await openOperationRunner({ database, definitions: area.operations ?? [], log: silentLog, pollMs: 100 });
    },
    async stopRunner() {
      await runner?.stop();
      runner = undefined;
    },
    async stop() {
      http.server.closeAllConnections();
      await http.close();
      await runner?.stop();
      await area.stop?.();
      await database.close();
      await throwaway.drop();
      await rm(directory, { recursive: true, force: true });
    },
  };
  await cloud.startRunner();
  return cloud;
}
