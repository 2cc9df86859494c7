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
import { newId } from "../../../kernel/ids.ts";
import { silentLog } from "../../../kernel/log.ts";
import { type OperationRunner, openOperationRunner } from "../../../kernel/operations/runner.ts";
import { openSecrets } from "../../../kernel/secrets.ts";
import { testDatabase } from "../../../testing/postgres.ts";
import type { IdentityService } from "../../identity/contract.ts";
import type { ObjectStore } from "../driver.ts";
import { openLocalStore } from "../drivers/local/index.ts";
import { createObjects, type Objects } from "../index.ts";

export interface Answer<T = Record<string, unknown>> {
  status: number;
  headers: Headers;
  body: T;
}

/** Who calls: `editor` has a role in the first project, `stranger` in another organisation. */
export const callers = ["owner", "editor", "viewer", "neighbour", "stranger"] as const;
export type Caller = (typeof callers)[number];

export interface TestCloud {
  database: Database;
  store: ObjectStore;
  objects: Objects;
  organisation: string;
  project: string;
  otherProject: string;
  otherOrganisation: string;
  strangersProject: string;
  url: string;
  /** What KEYBUCKET is for. */
  bucketOfKey: { id: string };
  /** Where the store lies. */
  directory: string;
  principals: Record<Caller, Principal>;
  call(
    caller: Caller | undefined,
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
    // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of all routes.
  ): Promise<Answer<any>>;
  /** With the raw body, over a real connection. */
  fetch(caller: Caller | undefined, path: string, init?: RequestInit & { duplex?: "half" }): Promise<Response>;
  bucket(name?: string): Promise<{ id: string; name: string }>;
  put(bucket: string, key: string, bytes: string | Uint8Array<ArrayBuffer>, contentType?: string): Promise<void>;
  keys(bucket: string): Promise<string[]>;
  text(bucket: string, key: string): Promise<string>;
  /** The operation once it has ended. */
  // biome-ignore lint/suspicious/noExplicitAny: its result has any shape.
  ended(id: string): Promise<any>;
  startRunner(): Promise<void>;
  stopRunner(): Promise<void>;
  stop(): Promise<void>;
}

const path = (text: string) => encodeURIComponent(text);

/** The real service on a real database and the real engine; identity is a table of callers. */
export async function testCloud(
  options: { runner?: boolean; now?: () => number; wrapStore?: (store: ObjectStore) => ObjectStore } = {},
): Promise<TestCloud> {
  const throwaway = await testDatabase(["identity", "objects"]);
  const directory = await mkdtemp(join(tmpdir(), "khmara-objects-"));
  const database = openDatabase({ url: throwaway.url });

  const organisation = newId("organisation");
  const otherOrganisation = newId("organisation");
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
    neighbour: principal("neighbour", "editor", organisation, otherProject),
    stranger: principal("stranger", "owner", otherOrganisation),
  };
  const places = new Map<string, { organisationId: string; projectId: string }>([
    [project, { organisationId: organisation, projectId: project }],
    [otherProject, { organisationId: organisation, projectId: otherProject }],
    [strangersProject, { organisationId: otherOrganisation, projectId: strangersProject }],
  ]);
  const keyOf: Partial<Record<string, [Caller, string]>> = {
    KEYEDITOR: ["editor", project],
    KEYVIEWER: ["viewer", project],
    KEYNEIGHBOUR: ["neighbour", otherProject],
    KEYSTRANGER: ["stranger", strangersProject],
    KEYREADONLY: ["owner", project],
    KEYOWNER: ["owner", project],
    KEYBUCKET: ["owner", project],
  };
  const bucketOfKey = { id: "" };

  const identity: IdentityService = {
    authenticate: async ({ authorization }) => {
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
    appKeys: { make: () => Promise.reject(new Error("Nobody makes keys here.")), remove: async () => {} },
    sshKey: async () => undefined,
    principalOf: async ({ id = "", name }) => ({ kind: "user", id, name, bindings: [] }),
    sessionOf: async () => undefined,
    async accessKey(accessKeyId) {
      const key = keyOf[accessKeyId];
      if (!key) return undefined;
      const [caller, projectId] = key;
      const readOnly = accessKeyId === "KEYREADONLY";
      const place = places.get(projectId);
      return {
        secretAccessKey: "secret",
        principal: { ...principals[caller], projectId, ...(readOnly ? { readOnly } : {}) },
        organisationId: place?.organisationId ?? "",
        projectId,
        ...(accessKeyId === "KEYBUCKET" ? { bucketId: bucketOfKey.id } : {}),
      };
    },
  };

  const secrets = openSecrets(randomBytes(32));
  const local = await openLocalStore({ directory, secrets, ...(options.now ? { now: options.now } : {}) });
  const store = options.wrapStore?.(local) ?? local;
  const addresses = { publicUrl: "http://cloud.test", s3Url: "http://s3.test", region: "us-east-1" };
  const objects = createObjects({
    database,
    secrets,
    log: silentLog,
    identity,
    store,
    ...addresses,
    ...(options.now ? { now: options.now } : {}),
  });
  const http = createHttpServer({
    services: [objects.service],
    database,
    secrets,
    log: silentLog,
    authenticate: identity.authenticate,
    secure: false,
  });
  await http.listen({ host: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${(http.server.address() as AddressInfo).port}`;
  let runner: OperationRunner | undefined;

  const cloud: TestCloud = {
    bucketOfKey,
    directory,
    database,
    store,
    objects,
    organisation,
    project,
    otherProject,
    otherOrganisation,
    strangersProject,
    url,
    principals,
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
    async bucket(name = `b-${randomBytes(6).toString("hex")}`) {
      const { status, body } = await cloud.call("editor", "POST", "/buckets", { project, name });
      if (status !== 201) throw new Error(`no bucket: ${JSON.stringify(body)}`);
      return body;
    },
    async put(bucket, key, bytes, contentType = "text/plain") {
      const response = await cloud.fetch("editor", `/buckets/${bucket}/object/content?key=${path(key)}`, {
        method: "PUT",
        headers: { "content-type": contentType },
        body: bytes,
      });
      if (response.status !== 201) throw new Error(`not put: ${await response.text()}`);
    },
    async keys(bucket) {
      const list = await store.list(bucket as never, { limit: 1000 });
      return list.objects.map((object) => object.key);
    },
    async text(bucket, key) {
      const { body } = await store.get(bucket as never, key);
      return Buffer.concat(await body.toArray()).toString();
    },
    async ended(id) {
      for (let round = 0; round < 400; round++) {
        const [row] = await database.sql`select state, result, error, message, steps from kernel.operations where id = ${id}`;
        if (["succeeded", "failed", "cancelled"].includes(row?.["state"])) return row;
        await new Promise((resolve) => setTimeout(resolve, 15));
      }
      throw new CloudError("deadline_exceeded", `The operation ${id} does not end.`);
    },
    async startRunner() {
      runner = await openOperationRunner({
        database,
        definitions: objects.service.operations ?? [],
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
      await objects.service.stop?.();
      await store.close();
      await database.close();
      await throwaway.drop();
      await rm(directory, { recursive: true, force: true });
    },
  };
  if (options.runner !== false) await cloud.startRunner();
  return cloud;
}
