import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Principal } from "../../../kernel/auth/principal.ts";
import type { Role } from "../../../kernel/contract.ts";
import { type Database, openDatabase } from "../../../kernel/db/database.ts";
import { CloudError } from "../../../kernel/errors.ts";
import { createHttpServer } from "../../../kernel/http/server.ts";
import { type Id, newId } from "../../../kernel/ids.ts";
import { silentLog } from "../../../kernel/log.ts";
import { type OperationRunner, openOperationRunner } from "../../../kernel/operations/runner.ts";
import { registerQuotas } from "../../../kernel/quota.ts";
import { openSecrets } from "../../../kernel/secrets.ts";
import type { AnyService } from "../../../kernel/service.ts";
import { testDatabase } from "../../../testing/postgres.ts";
import type { IdentityService } from "../../identity/contract.ts";
import { createObjects, openLocalStore } from "../../objects/index.ts";
import type { ComputeDriver, ImageBuilder, InstanceKind, NetworkDriver } from "../driver.ts";
import { type Available, type Compute, createCompute } from "../index.ts";
import type { ImageView } from "../parts.ts";
import { createFakeEngine, type FakeEngine, type FakeEngineOptions } from "./fakeDriver.ts";
import { createFakeNetwork, type FakeNetwork } from "./fakeNetwork.ts";
import { type StandIns, standIns } from "./standIns.ts";

/** `admin` at the cloud; `owner` of the first organisation; `editor` and `viewer` of its first project, `neighbour` of its second. */
export const callers = ["admin", "owner", "editor", "viewer", "neighbour", "stranger"] as const;
export type Caller = (typeof callers)[number];

// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of all routes.
type Json = any;

export interface TestCompute {
  database: Database;
  engine: FakeEngine;
  network: FakeNetwork;
  compute: Compute;
  /** Used for those of the parts that were asked for; see `standIns`. */
  standIns: StandIns;
  principals: Record<Caller, Principal>;
  organisation: string;
  project: string;
  otherProject: string;
  otherOrganisation: string;
  strangersProject: string;
  directory: string;
  url: string;
  /** Below /api/v1. */
  call(
    caller: Caller | undefined,
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<{ status: number; headers: Headers; body: Json }>;
  /** Raw, over a real connection. */
  fetch(caller: Caller | undefined, path: string, init?: RequestInit & { duplex?: "half" }): Promise<Response>;
  size(size?: { name?: string; vcpus?: number; memoryBytes?: number; diskBytes?: number }): Promise<Id<"size">>;
  /** An image that is ready, for every project. */
  image(image?: { name?: string; kind?: InstanceKind; minimumDiskBytes?: number; defaultUser?: string }): Promise<ImageView>;
  /** A finished, running (unless `start: false`) instance of the first project; `name`, `size`, `image` are made up where not given. */
  instance(body?: Record<string, unknown>): Promise<Json>;
  /** The operation once it has ended; throws with its error unless it succeeded. */
  done(id: string): Promise<Json>;
  /** The operation once it has ended, however it ended. */
  ended(id: string): Promise<Json>;
  usage(resourceId: string): Promise<{ meter: string; unit: string; quantity: string; from: Date; to: Date | null }[]>;
  /** One round of a worker, as the control plane would do it. */
  work(name: string): Promise<void>;
  startRunner(): Promise<void>;
  /** As a process that ends: what runs is left for the next runner. */
  stopRunner(): Promise<void>;
  stop(): Promise<void>;
}

export interface TestComputeOptions extends FakeEngineOptions {
  /** False: no operation runs before startRunner. */
  runner?: boolean;
  /** Which parts are replaced by simple ones in memory, besides those that are not there yet. */
  standIns?: readonly (keyof StandIns)[];
  /** Instead of the fakes. */
  drivers?: { engine?: Available<ComputeDriver>; network?: Available<NetworkDriver>; imageBuilder?: Available<ImageBuilder> };
}

/** The whole compute service over a database of its own and an engine in memory; identity is a table of callers. */
export async function testCompute(options: TestComputeOptions = {}): Promise<TestCompute> {
  const throwaway = await testDatabase(["identity", "objects", "compute"]);
  const directory = await mkdtemp(join(tmpdir(), "khmara-compute-"));
  const database = openDatabase({ url: throwaway.url });

  const [organisation, otherOrganisation] = [newId("organisation"), newId("organisation")];
  const [project, otherProject, strangersProject] = [newId("project"), newId("project"), newId("project")];
  const now = new Date();
  for (const [id, slug] of [
    [organisation, "school"],
    [otherOrganisation, "bakery"],
  ] as const)
    await database.sql`insert into identity.organisations (id, name, slug, created_at) values (${id}, ${slug}, ${slug}, ${now})`;
  for (const [id, of, slug] of [
    [project, organisation, "lessons"],
    [otherProject, organisation, "library"],
    [strangersProject, otherOrganisation, "bread"],
  ] as const)
    await database.sql`insert into identity.projects (id, organisation_id, name, slug, created_at) values (${id}, ${of}, ${slug}, ${slug}, ${now})`;

  const principal = (name: string, role: Role, organisationId?: string, projectId?: string): Principal => ({
    kind: "user",
    id: newId("user"),
    name,
    bindings: [{ role, ...(organisationId ? { organisationId } : {}), ...(projectId ? { projectId } : {}) }],
  });
  const principals: Record<Caller, Principal> = {
    admin: principal("admin", "admin"),
    owner: principal("owner", "owner", organisation),
    editor: principal("editor", "editor", organisation, project),
    viewer: principal("viewer", "viewer", organisation, project),
    neighbour: principal("neighbour", "editor", organisation, otherProject),
    stranger: principal("stranger", "owner", otherOrganisation),
  };
  const identity: IdentityService = {
    async authenticate({ authorization }) {
      const name = authorization?.replace("Bearer ", "") as Caller | undefined;
      return name === undefined ? undefined : { principal: principals[name], ambient: false };
    },
    organisationActive: async (tx, id) =>
      (await tx.sql`select 1 from identity.organisations where id = ${id} and state = 'active'`).length > 0,
    async projectPlace(tx, projectId) {
      const [row] = await tx.sql<
        { organisationId: string; projectId: string; name: string; slug: string }[]
      >`select organisation_id as "organisationId", id as "projectId", name, slug from identity.projects where id = ${projectId}`;
      return row;
    },
    accessKey: async () => undefined,
    appKeys: { make: () => Promise.reject(new Error("Nobody makes keys here.")), remove: async () => {} },
    sshKey: async () => undefined,
    principalOf: async ({ id = "", name }) => ({ kind: "user", id, name, bindings: [] }),
    sessionOf: async () => undefined,
  };

  const secrets = openSecrets(randomBytes(32));
  const store = await openLocalStore({ directory: join(directory, "objects") });
  const addresses = { publicUrl: "http://cloud.test", s3Url: "http://s3.test", region: "us-east-1" };
  const objects = createObjects({ database, secrets, log: silentLog, identity, store, ...addresses });
  const engine = createFakeEngine(options);
  const network = createFakeNetwork();
  const compute = createCompute({
    database,
    identity,
    objects: objects.objects,
    secrets,
    log: silentLog,
    dataDirectory: directory,
    engine: options.drivers?.engine ?? { driver: engine },
    network: options.drivers?.network ?? { driver: network },
    imageBuilder: options.drivers?.imageBuilder ?? { missing: "Images cannot be built in this test." },
  });
  const simple = standIns();
  const probes = { images: "resolve", networks: "apply", volumes: "attachments" } as const;
  for (const part of Object.keys(probes) as (keyof StandIns)[]) {
    const isThere = probes[part] in compute.parts[part];
    if (options.standIns?.includes(part) || !isThere) Object.assign(compute.parts, { [part]: simple[part] });
  }
  const services: AnyService[] = [compute.service, objects.service];
  for (const service of services) registerQuotas(service.contract.quotas ?? {});
  const http = createHttpServer({
    services,
    database,
    secrets,
    log: silentLog,
    authenticate: identity.authenticate,
    secure: false,
  });
  await http.listen({ host: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${(http.server.address() as AddressInfo).port}`;
  let runner: OperationRunner | undefined;
  const unique = (prefix: string) => `${prefix}-${randomBytes(4).toString("hex")}`;
  const gib = 1024 ** 3;

  const cloud: TestCompute = {
    database,
    engine,
    network,
    compute,
    standIns: simple,
    principals,
    organisation,
    project,
    otherProject,
    otherOrganisation,
    strangersProject,
    directory,
    url,
    fetch: (caller, route, init = {}) =>
      fetch(`${url}/api/v1${route}`, {
        ...init,
        headers: { ...(init.headers as Record<string, string>), ...(caller ? { authorization: `Bearer ${caller}` } : {}) },
      }),
    async call(caller, method, route, body, headers = {}) {
      const response = await cloud.fetch(caller, route, {
        method,
        headers: { ...headers, ...(body === undefined ? {} : { "content-type": "application/json" }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return { status: response.status, headers: response.headers, body: text === "" ? undefined : JSON.parse(text) };
    },
    async size({ name = unique("size"), vcpus = 1, memoryBytes = gib, diskBytes = 10 * gib } = {}) {
      const { status, body } = await cloud.call("admin", "POST", "/sizes", {
        name,
        vcpus,
        memoryBytes,
        diskBytes,
        pricePerHour: "0.01",
      });
      if (status !== 201) throw new Error(`no size: ${JSON.stringify(body)}`);
      return body.id;
    },
    async image({ name = unique("image"), kind = "container", minimumDiskBytes = gib, defaultUser = "debian" } = {}) {
      const id = newId("image");
      const view: ImageView = { id, name, engineName: `kh-${id.slice(-12)}`, kind, minimumDiskBytes, defaultUser };
      engine.addImage(view.engineName, kind);
      simple.images.add(view);
      await database.sql`insert into compute.images (id, name, engine_name, kind, state, architecture, size_bytes, minimum_disk_bytes, default_user,
          fingerprint, visibility, source_kind, source_name, created_at)
        values (${id}, ${name}, ${view.engineName}, ${kind}, 'ready', 'amd64', ${100 * 1024 ** 2}, ${minimumDiskBytes}, ${defaultUser},
          ${"0".repeat(64)}, 'public', 'recipe', ${name}, ${now})`;
      return view;
    },
    async instance(body = {}) {
      const answer = await cloud.call("editor", "POST", "/instances", {
        project,
        name: unique("web"),
        ...("size" in body ? {} : { size: await cloud.size() }),
        ...("image" in body ? {} : { image: (await cloud.image()).id }),
        ...body,
      });
      if (answer.status !== 202) throw new Error(`no instance: ${JSON.stringify(answer.body)}`);
      const { resource } = await cloud.done(answer.body.id);
      return (await cloud.call("owner", "GET", `/instances/${resource}`)).body;
    },
    async done(id) {
      const row = await cloud.ended(id);
      if (row.state !== "succeeded") throw new Error(`${row.kind} ${row.state}: ${JSON.stringify(row.error)}`);
      return row;
    },
    async ended(id) {
      for (const until = Date.now() + 120_000; Date.now() < until; await new Promise((resolve) => setTimeout(resolve, 10))) {
        const [row] = await database.sql`select kind, state, result, error, message, steps, resource_id as resource, finished_at
          from kernel.operations where id = ${id}`;
        if (row?.["finished_at"]) return row;
      }
      throw new CloudError("deadline_exceeded", `The operation ${id} does not end.`);
    },
    usage: (resourceId) => database.sql`select meter, unit, quantity, from_at as "from", to_at as "to" from kernel.usage_records
      where resource_id = ${resourceId} order by from_at, meter`,
    async work(name) {
      const worker = compute.service.workers?.find((each) => each.name === name);
      if (!worker) throw new Error(`There is no worker ${name}.`);
      await worker.run(new AbortController().signal);
    },
    async startRunner() {
      runner = await openOperationRunner({
        database,
        definitions: services.flatMap((service) => service.operations ?? []),
        log: silentLog,
        pollMs: 100,
      });
    },
    async stopRunner() {
      await runner?.stop();
      runner = undefined;
    },
    async stop() {
      http.server.closeAllConnections();
      await http.close();
      await runner?.stop();
      for (const service of services) await service.stop?.();
      await store.close();
      await database.close();
      await throwaway.drop();
      await rm(directory, { recursive: true, force: true });
    },
  };
  if (options.runner !== false) await cloud.startRunner();
  return cloud;
}
