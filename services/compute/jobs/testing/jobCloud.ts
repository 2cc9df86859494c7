import type { Area, ComputeParts } from "../../parts.ts";
import { type TestCompute, type TestComputeOptions, testCompute } from "../../testing/fixture.ts";
import { createJobs } from "../area.ts";
import type { jobRoutes } from "../contract.ts";
import type { JobTimes } from "../settings.ts";
import { type FolderGuests, folderGuests } from "./folderGuests.ts";

export const quickTimes: Partial<JobTimes> = {
  retrySeconds: 0.05,
  interruptedSeconds: 0.05,
  renewMs: 50,
  pollWaits: 1,
  createSeconds: 20,
  silentSeconds: 1,
};

// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of all routes.
type Json = any;

/** A process that works on jobs: like the control plane's own, but quicker, and it can die. */
export interface JobProcess {
  round(): Promise<void>;
  /** One round after the other until it is killed or stopped. */
  work(): void;
  readonly isDead: boolean;
  /** As kill -9: nothing it has under way ever comes back, and nobody is told. */
  kill(): void;
  stop(): Promise<void>;
}

export interface JobCloud extends TestCompute {
  guests: FolderGuests;
  /** `diesAt`: in that call of the database, the engine or the buckets, just before it or (every other) just after it has done its work. */
  newProcess(times?: Partial<JobTimes>, options?: { diesAt?: number }): JobProcess;
  job(body: Record<string, unknown>): Promise<Json>;
  jobOver(id: string): Promise<Json>;
  tasks(job: string): Promise<Json[]>;
  log(task: string, query?: string): Promise<Json>;
  bucket(objects?: Record<string, string>): Promise<string>;
  /** As kill -9 of all processes that work on jobs. */
  killAll(): void;
  objects(bucket: string): Promise<Record<string, string>>;
  /** What lasts until somebody else looks after the tasks of a dead process is over now. */
  leasesEnd(): Promise<void>;
}

/** Over the fake engine servers are folders, and commands run here; over another one (`drivers`) they are what they are. */
export async function jobCloud(options: TestComputeOptions = {}): Promise<JobCloud> {
  const cloud = await testCompute({ standIns: ["networks", "volumes"], ...options });
  const guests = folderGuests(cloud.engine);
  const size = await cloud.size({ name: "tiny", vcpus: 1, memoryBytes: 256 * 1024 ** 2 });
  const image = (await cloud.image({ name: "tools" })).id;
  const processes: JobProcess[] = [];
  const isReal = options.drivers?.engine !== undefined;
  let buckets = 0;

  const mortal = (parts: ComputeParts, isDead: (call?: { after: number }) => { dead: boolean; call: number }): ComputeParts => {
    const never = () => new Promise<never>(() => {});
    const until = <T extends object>(target: T): T =>
      new Proxy(target, {
        get(of, name) {
          const value = Reflect.get(of, name) as unknown;
          if (typeof value !== "function") return value;
          return (...args: unknown[]) => {
            const { dead, call } = isDead();
            if (dead) return never();
            const answer: unknown = (value as (...all: unknown[]) => unknown).apply(of, args);
            if (!(answer instanceof Promise)) return answer;
            const gone = () => isDead({ after: call }).dead;
            return answer.then(
              (one) => (gone() ? never() : one),
              (error) => (gone() ? never() : Promise.reject(error)),
            );
          };
        },
      });
    return { ...parts, database: until(parts.database), objects: until(parts.objects), engine: () => until(parts.engine()) };
  };

  const all: JobCloud = {
    ...cloud,
    guests,
    newProcess(times = {}, { diesAt } = {}) {
      let dead = false;
      let calls = 0;
      const area: Area<typeof jobRoutes> = createJobs(
        mortal(cloud.compute.parts, (over) => {
          const call = over?.after ?? ++calls;
          // Of a call that is under way it is not known whether it happens: both kinds are tried.
          if (call === diesAt && (call % 2 === 0) === (over === undefined)) process.kill();
          return { dead, call };
        }),
        {
          // A real engine on a busy machine may need its time.
          times: { ...quickTimes, ...(isReal ? { createSeconds: 600, silentSeconds: 120 } : {}), ...times },
          guestRoot: isReal ? () => "" : guests.root,
        },
      );
      const worker = area.workers?.find(({ name }) => name === "compute.jobs");
      const controller = new AbortController();
      const process: JobProcess = {
        get isDead() {
          return dead;
        },
        round: async () => void (await worker?.run(controller.signal)),
        work() {
          void (async () => {
            while (!dead && !controller.signal.aborted) {
              await process.round().catch(() => {});
              await new Promise((resolve) => setTimeout(resolve, 30));
            }
          })();
        },
        kill() {
          dead = true;
          controller.abort();
        },
        async stop() {
          controller.abort();
          if (!dead) await area.stop?.();
        },
      };
      processes.push(process);
      return process;
    },
    async job(body) {
      const answer = await cloud.call("editor", "POST", "/jobs", { project: cloud.project, name: "job", image, size, ...body });
      if (answer.status !== 201) throw new Error(`no job: ${JSON.stringify(answer.body)}`);
      return answer.body;
    },
    async jobOver(id) {
      for (
        const until = Date.now() + (isReal ? 300_000 : 60_000);
        Date.now() < until;
        await new Promise((resolve) => setTimeout(resolve, 20))
      ) {
        const { body } = await cloud.call("viewer", "GET", `/jobs/${id}`);
        if (body.finishedAt) return body;
      }
      throw new Error(`The job ${id} does not end: ${JSON.stringify(await all.tasks(id))}`);
    },
    tasks: async (job) => (await cloud.call("viewer", "GET", `/jobs/${job}/tasks?limit=1000`)).body.items,
    log: async (task, query = "") => (await cloud.call("viewer", "GET", `/tasks/${task}/log${query}`)).body,
    killAll() {
      for (const each of processes) each.kill();
    },
    async bucket(objects = {}) {
      const { body } = await cloud.call("editor", "POST", "/buckets", { project: cloud.project, name: `bucket-${++buckets}` });
      for (const [key, content] of Object.entries(objects))
        await cloud.fetch("editor", `/buckets/${body.id}/object/content?key=${encodeURIComponent(key)}`, {
          method: "PUT",
          body: content,
        });
      return body.id;
    },
    async objects(bucket) {
      const { body } = await cloud.call("viewer", "GET", `/buckets/${bucket}/objects?recursive=true&limit=1000`);
      const found: Record<string, string> = {};
      for (const { key } of body.items)
        found[key] = await (
          await cloud.fetch("viewer", `/buckets/${bucket}/object/content?key=${encodeURIComponent(key)}`)
        ).text();
      return found;
    },
    leasesEnd: async () => void (await cloud.database.sql`update compute.tasks set lease_until = now() - interval '1 second'`),
    async stop() {
      for (const each of processes) await each.stop();
      guests.stop();
      await cloud.stop();
    },
  };
  return all;
}
