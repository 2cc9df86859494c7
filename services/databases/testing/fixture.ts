import { execFile } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { createAuthority, issueCertificate } from "../../../gateway/certificates/authority.ts";
import type { Principal } from "../../../kernel/auth/principal.ts";
import type { Role } from "../../../kernel/contract.ts";
import { type Database, openDatabase } from "../../../kernel/db/database.ts";
import { createHttpServer } from "../../../kernel/http/server.ts";
import { newId } from "../../../kernel/ids.ts";
import { silentLog } from "../../../kernel/log.ts";
import { type OperationRunner, openOperationRunner } from "../../../kernel/operations/runner.ts";
import { registerQuotas } from "../../../kernel/quota.ts";
import { openSecrets } from "../../../kernel/secrets.ts";
import type { AnyService } from "../../../kernel/service.ts";
import { removeCloud, testCloudId, testDocker } from "../../../testing/docker.ts";
import { testDatabase } from "../../../testing/postgres.ts";
import { installTestTools } from "../../../tools/test-tools.ts";
import type { AppEngine } from "../../apps/driver.ts";
import { openDockerEngine } from "../../apps/drivers/docker/index.ts";
import type { IdentityService } from "../../identity/contract.ts";
import { createObjects, openLocalStore } from "../../objects/index.ts";
import { createDatabases, type Databases } from "../index.ts";

export type Caller = "owner" | "editor" | "viewer" | "stranger";
// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of all routes.
type Json = any;
export const MiB = 1024 ** 2;
export const GiB = 1024 ** 3;

/** How `psql` and `pg_dump`, which we did not write, are run. */
export interface ClientResult {
  code: number;
  stdout: string;
  stderr: string;
}

export interface TestDatabases {
  database: Database;
  databases: Databases;
  engine: AppEngine;
  project: string;
  organisation: string;
  strangersProject: string;
  /** Below /api/v1. */
  call(caller: Caller | undefined, method: string, path: string, body?: unknown): Promise<{ status: number; body: Json }>;
  /** Answered with one of these, or it fails. */
  get(path: string): Promise<Json>;
  /** Asked as the editor; the operation that it began, once it has succeeded. */
  act(method: string, path: string, body?: unknown): Promise<Json>;
  ended(operationId: string): Promise<Json>;
  bucket(): Promise<{ id: string; name: string }>;
  /** A finished one, as the API shows it. */
  make(body?: Record<string, unknown>): Promise<Json>;
  /** A new password for its owner: the URL of libpq, with the certificate's authority checked. */
  url(database: { id: string }): Promise<string>;
  psql(url: string, sql: string): Promise<ClientResult>;
  client(program: "psql" | "pg_dump", words: string[]): Promise<ClientResult>;
  work(name: string): Promise<void>;
  /** As a process that ends, and one that begins: what ran is left for the next. */
  restartRunner(): Promise<void>;
  stop(): Promise<void>;
}

/** The service over a database of its own and the Docker of the tests; identity is a table of callers. */
export async function testDatabases(): Promise<TestDatabases> {
  const missing = await installTestTools({ "/usr/bin/psql": "postgresql-client", "/usr/bin/mmdebstrap": "mmdebstrap" });
  if (missing.length > 0) throw new Error(`Missing for the tests of databases: ${missing.join(", ")}.`);
  const { socket, address } = await testDocker();
  const cloudId = testCloudId();
  const engine = openDockerEngine({ address: { endpoint: socket }, cloudId });
  const throwaway = await testDatabase(["identity", "objects", "databases"]);
  const directory = await mkdtemp(join(tmpdir(), "khmara-databases-"));
  const database = openDatabase({ url: throwaway.url });
  const [organisation, otherOrganisation] = [newId("organisation"), newId("organisation")];
  const [project, strangersProject] = [newId("project"), newId("project")];
  const now = new Date();
  for (const [id, slug] of [
    [organisation, "school"],
    [otherOrganisation, "bakery"],
  ] as const)
    await database.sql`insert into identity.organisations (id, name, slug, created_at) values (${id}, ${slug}, ${slug}, ${now})`;
  for (const [id, of, slug] of [
    [project, organisation, "lessons"],
    [strangersProject, otherOrganisation, "bread"],
  ] as const)
    await database.sql`insert into identity.projects (id, organisation_id, name, slug, created_at) values (${id}, ${of}, ${slug}, ${slug}, ${now})`;
  const principal = (name: string, role: Role, organisationId: string, projectId?: string): Principal => ({
    kind: "user",
    id: newId("user"),
    name,
    bindings: [{ role, organisationId, ...(projectId ? { projectId } : {}) }],
  });
  const principals: Record<Caller, Principal> = {
    owner: principal("owner", "owner", organisation),
    editor: principal("editor", "editor", organisation, project),
    viewer: principal("viewer", "viewer", organisation, project),
    stranger: principal("stranger", "owner", otherOrganisation),
  };
  const identity: IdentityService = {
    async authenticate({ authorization }) {
      const name = authorization?.replace("Bearer ", "") as Caller | undefined;
      return name === undefined ? undefined : { principal: principals[name], ambient: false };
    },
    organisationActive: async () => true,
    async projectPlace(tx, projectId) {
      const [row] = await tx.sql<{ organisationId: string; projectId: string; name: string; slug: string }[]>`
        select organisation_id as "organisationId", id as "projectId", name, slug from identity.projects where id = ${projectId}`;
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
  const first = randomInt(20_000, 30_000);
  const databases = createDatabases({
    database,
    identity,
    objects: objects.objects,
    secrets,
    log: silentLog,
    dataDirectory: directory,
    engine: { driver: engine },
    certificates: { createAuthority, issueCertificate },
    publicHost: address,
    ports: { first, last: first + 50 },
    imageFolder: join(process.env["KHMARA_CACHE"] ?? join(homedir(), ".cache", "khmara"), "databases"),
  });
  const services: AnyService[] = [databases.service, objects.service];
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
  const base = `http://127.0.0.1:${(http.server.address() as AddressInfo).port}/api/v1`;
  const openRunner = (): Promise<OperationRunner> =>
    openOperationRunner({
      database,
      definitions: services.flatMap((service) => service.operations ?? []),
      log: silentLog,
      pollMs: 100,
    });
  let runner = await openRunner();
  const unique = (prefix: string) => `${prefix}-${randomBytes(4).toString("hex")}`;
  const authorityFile = join(directory, "authority.pem");

  const cloud: TestDatabases = {
    database,
    databases,
    engine,
    project,
    organisation,
    strangersProject,
    async call(caller, method, path, body) {
      const response = await fetch(`${base}${path}`, {
        method,
        headers: {
          ...(caller ? { authorization: `Bearer ${caller}` } : {}),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
    },
    async get(path) {
      const { status, body } = await cloud.call("viewer", "GET", path);
      if (status !== 200) throw new Error(`GET ${path}: ${JSON.stringify(body)}`);
      return body;
    },
    async act(method, path, body) {
      const answer = await cloud.call("editor", method, path, body);
      if (answer.status !== 202) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
      const row = await cloud.ended(answer.body.id);
      if (row.state !== "succeeded") throw new Error(`${row.kind} ${row.state}: ${JSON.stringify(row.error)}`);
      return row;
    },
    async ended(id) {
      for (const until = Date.now() + 600_000; Date.now() < until; await new Promise((resolve) => setTimeout(resolve, 50))) {
        const [row] = await database.sql`select kind, state, result, error, resource_id as resource, finished_at
          from kernel.operations where id = ${id}`;
        if (row?.["finished_at"]) return row;
      }
      throw new Error(`The operation ${id} does not end.`);
    },
    async bucket() {
      const { status, body } = await cloud.call("editor", "POST", "/buckets", { project, name: unique("backups") });
      if (status !== 201) throw new Error(`no bucket: ${JSON.stringify(body)}`);
      return body;
    },
    async make(body = {}) {
      const { result } = await cloud.act("POST", "/databases", {
        project,
        name: unique("shop"),
        version: "15",
        memoryBytes: 256 * MiB,
        diskBytes: GiB,
        ...body,
      });
      return cloud.get(`/databases/${result.databaseId}`);
    },
    async url({ id }) {
      const { items } = await cloud.get(`/databases/${id}/users`);
      const owner = items.find((user: { access: string }) => user.access === "owner");
      const { status, body } = await cloud.call("editor", "POST", `/database-users/${owner.id}/rotate`);
      if (status !== 200) throw new Error(`no password: ${JSON.stringify(body)}`);
      const { certificate } = await cloud.get(`/databases/${id}/connection`);
      await writeFile(authorityFile, certificate);
      return body.url.replace("sslmode=require", `sslmode=verify-full&sslrootcert=${authorityFile}`);
    },
    psql: (url, sql) =>
      cloud.client("psql", ["--no-psqlrc", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", "--command", sql, url]),
    client: (program, words) =>
      new Promise((resolve) => {
        const environment = { PATH: process.env["PATH"], LANG: "C.UTF-8", PGCONNECT_TIMEOUT: "20" };
        execFile(program, words, { env: environment, timeout: 120_000, maxBuffer: 64 * MiB }, (error, stdout, stderr) =>
          resolve({ code: error === null ? 0 : Number(error.code) || 1, stdout, stderr }),
        );
      }),
    async work(name) {
      const worker = databases.service.workers?.find((each) => each.name === name);
      if (!worker) throw new Error(`There is no worker ${name}.`);
      await worker.run(new AbortController().signal);
    },
    async restartRunner() {
      await runner.stop();
      runner = await openRunner();
    },
    async stop() {
      http.server.closeAllConnections();
      await http.close();
      await runner.stop();
      for (const service of services) await service.stop?.();
      await store.close();
      await database.close();
      await throwaway.drop();
      await removeCloud(socket, cloudId);
      engine.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
  return cloud;
}
