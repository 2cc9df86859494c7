import { randomBytes } from "node:crypto";
import { type Caller, type TestCompute, type TestComputeOptions, testCompute } from "../../testing/fixture.ts";

// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of all routes.
type Json = any;
export const gib = 1024 ** 3;

export interface TestDisks extends TestCompute {
  /** A finished, empty volume of the first project. */
  volume(body?: Record<string, unknown>): Promise<Json>;
  /** Asks for an operation and waits for its end; throws unless it succeeded. Answers the operation's record. */
  act(method: string, path: string, body?: unknown, caller?: Caller): Promise<Json>;
  /** As somebody sees it now; undefined when it is gone. */
  get(path: string): Promise<Json>;
  list(path: string): Promise<Json[]>;
  attach(volume: string, instance: string, path?: string): Promise<void>;
  snapshot(of: { instance?: string; volume?: string }, name?: string): Promise<Json>;
  bucket(): Promise<{ id: string; name: string }>;
  backup(of: { instance?: string; volume?: string }, bucket: string): Promise<Json>;
  /** Of the first project, by the name of the quota. */
  used(): Promise<Record<string, number>>;
  engineName(id: string): string;
}

/** The compute service on an engine in memory, and what tests of disks do again and again. */
export async function testDisks(options: TestComputeOptions = {}): Promise<TestDisks> {
  const cloud = await testCompute({ standIns: ["images", "networks"], ...options });
  // A real engine has other work, too.
  if (options.drivers?.engine) cloud.ended = (id) => endedWithin(cloud, id, 300_000);
  const unique = (prefix: string) => `${prefix}-${randomBytes(4).toString("hex")}`;
  const disks: TestDisks = Object.assign(Object.create(cloud) as TestCompute, {
    async act(method: string, path: string, body?: unknown, caller: Caller = "editor") {
      const answer = await cloud.call(caller, method, path, body);
      if (answer.status !== 202) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
      return cloud.done(answer.body.id);
    },
    async get(path: string) {
      const { status, body } = await cloud.call("editor", "GET", path);
      return status === 404 ? undefined : body;
    },
    async list(path: string) {
      const { body } = await cloud.call(
        "editor",
        "GET",
        `${path}${path.includes("?") ? "&" : "?"}project=${cloud.project}&limit=1000`,
      );
      return body.items;
    },
    async volume(body: Record<string, unknown> = {}) {
      const { resource } = await disks.act("POST", "/volumes", {
        project: cloud.project,
        name: unique("data"),
        ...("snapshot" in body || "volume" in body || "backup" in body ? {} : { sizeBytes: 2 * gib }),
        ...body,
      });
      return disks.get(`/volumes/${resource}`);
    },
    async attach(volume: string, instance: string, path = "/mnt/data") {
      await disks.act("POST", `/volumes/${volume}/attach`, { instance, path });
    },
    async snapshot(of: { instance?: string; volume?: string }, name?: string) {
      const { resource } = await disks.act("POST", "/snapshots", { ...of, ...(name ? { name } : {}) });
      return disks.get(`/snapshots/${resource}`);
    },
    async bucket() {
      const name = unique("backups");
      const { status, body } = await cloud.call("editor", "POST", "/buckets", { project: cloud.project, name });
      if (status !== 201) throw new Error(`no bucket: ${JSON.stringify(body)}`);
      return body;
    },
    async backup(of: { instance?: string; volume?: string }, bucket: string) {
      const { resource } = await disks.act("POST", "/backups", { ...of, bucket });
      return disks.get(`/backups/${resource}`);
    },
    async used() {
      const rows = await cloud.database.sql`select name, used from kernel.quota_usage where scope_id = ${cloud.project}`;
      return Object.fromEntries(rows.map((row) => [row["name"], row["used"]]));
    },
    engineName: (id: string) => `kh-${id.slice(-12)}`,
  });
  return disks;
}

async function endedWithin(cloud: TestCompute, id: string, ms: number): Promise<Json> {
  for (const until = Date.now() + ms; Date.now() < until; await new Promise((resolve) => setTimeout(resolve, 100))) {
    const [row] = await cloud.database.sql`select kind, state, result, error, message, steps, resource_id as resource, finished_at
      from kernel.operations where id = ${id}`;
    if (row?.["finished_at"]) return row;
  }
  throw new Error(`The operation ${id} does not end.`);
}
