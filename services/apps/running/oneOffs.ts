import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { CloudError, notFound } from "../../../kernel/errors.ts";
import type { Session, TerminalSize } from "../driver.ts";
import type { AppView, ReleaseView, RunningPart } from "../parts.ts";
import { giveDisks } from "./diskOwner.ts";
import { firstScale } from "./rows.ts";
import type { Runtime } from "./runtime.ts";
import { diskHelper, ensurePlace, mountsOf, newEngineName, type OneOff, oneOffSpec } from "./spec.ts";
import { diskStore } from "./store/disks.ts";
import { oneOffStore } from "./store/oneOffs.ts";
import { processStore } from "./store/processes.ts";
import { reserveMemory } from "./usage.ts";

const heartbeatMs = 10_000;
const longestLine = 64 * 1024;

export interface OneOffs extends Pick<RunningPart, "runOnce"> {
  /** A container of the live release for one command of a person; `close` when all is over. quota_exceeded where its memory does not fit. */
  open(
    app: AppView,
    command: readonly string[],
    options: { terminal?: TerminalSize | undefined; signal: AbortSignal },
  ): Promise<{ session: Session; close(): Promise<void> }>;
  /** Takes away what processes left that are gone. */
  sweep(signal: AbortSignal): Promise<void>;
  stop(): void;
}

export function createOneOffs(runtime: Runtime): OneOffs {
  const { parts, times } = runtime;
  const { database } = parts;
  /** Of this process. */
  const own = new Set<string>();
  const heartbeat = setInterval(() => {
    if (own.size > 0) database.transaction("system", (tx) => oneOffStore.seen(tx, [...own], new Date())).catch(() => {});
  }, heartbeatMs);
  heartbeat.unref();

  interface Plan {
    run: OneOff;
    release: ReleaseView;
    app: AppView;
    /** Whoever ran the same before, and is gone. */
    before: string[];
  }

  async function begin(releaseId: string, request: { command: readonly string[]; owner: "run" | "release" }): Promise<Plan> {
    const plan = await database.transaction("system", async (tx) => {
      const release = await parts.deploying.release(tx, releaseId);
      const app = release && (await parts.deploying.find(tx, release.appId));
      if (!release || !app) throw notFound("release");
      const processes = await processStore.ofApp(tx, app.id);
      const scale = processes.find(({ name }) => name === "web") ?? processes[0] ?? firstScale;
      const before =
        request.owner === "release" ? (await oneOffStore.list(tx, { releaseId })).map(({ engineName }) => engineName) : [];
      const run: OneOff = {
        engineName: newEngineName(app.id, request.owner),
        name: request.owner,
        command: request.command,
        memoryBytes: scale.memoryBytes,
        cpus: scale.cpus,
        mounts: mountsOf(await diskStore.ofApp(tx, app.id)),
        owner: request.owner,
      };
      // A release command stands in for containers that are paid for already.
      const reserved = request.owner === "run" ? run.memoryBytes : 0;
      await reserveMemory(tx, app, reserved);
      await oneOffStore.insert(tx, {
        engineName: run.engineName,
        appId: app.id,
        organisationId: app.organisationId,
        projectId: app.projectId,
        kind: request.owner,
        releaseId,
        memoryBytes: reserved,
        mounts: [...run.mounts],
        seenAt: new Date(),
      });
      return { run, release, app, before };
    });
    own.add(plan.run.engineName);
    return plan;
  }

  async function end(engineName: string): Promise<void> {
    try {
      await runtime.engine().containerRemove(engineName, { signal: AbortSignal.timeout(60_000) });
      await forget(engineName);
    } catch (error) {
      // It is left to the sweep, as if this process had gone.
      parts.log.warn({ err: error, container: engineName }, "a container of one command could not be removed; it is tried again");
    } finally {
      own.delete(engineName);
    }
  }

  const forget = (engineName: string) =>
    database.transaction("system", async (tx) => {
      const row = await oneOffStore.remove(tx, engineName);
      if (row) await reserveMemory(tx, row, -row.memoryBytes);
    });

  async function launch(
    { run, release, app }: Plan,
    options: { terminal?: TerminalSize | undefined; signal?: AbortSignal | undefined },
  ): Promise<Session> {
    const engine = runtime.engine();
    await ensurePlace(engine, { projectId: app.projectId, appId: app.id, mounts: run.mounts }, { signal: options.signal });
    await giveDisks(engine, diskHelper(release), run.mounts, { signal: options.signal });
    return engine.containerRun(oneOffSpec(run, release, app), options);
  }

  return {
    async runOnce(releaseId, command, { signal, onLine } = {}) {
      runtime.engine();
      const plan = await begin(releaseId, { command: ["/bin/sh", "-c", command], owner: "release" });
      try {
        // Two migrations at once would be worse than one that is broken off.
        for (const engineName of plan.before) {
          await runtime.engine().containerRemove(engineName, { signal });
          await forget(engineName);
        }
        const session = await launch(plan, { signal });
        session.stdin.on("error", () => {});
        session.stdin.end();
        const [exitCode] = await Promise.all([session.exited, tell(session.stdout, onLine), tell(session.stderr, onLine)]);
        return exitCode;
      } finally {
        await end(plan.run.engineName);
      }
    },

    async open(app, command, options) {
      if (!app.liveReleaseId) {
        throw new CloudError("failed_precondition", "Nothing was deployed to this app yet. Deploy something first.", {
          details: { reason: "no_release" },
        });
      }
      const plan = await begin(app.liveReleaseId, { command, owner: "run" });
      const { engineName } = plan.run;
      try {
        const session = await launch(plan, options);
        return {
          session,
          async close() {
            session.close();
            await end(engineName);
          },
        };
      } catch (error) {
        await end(engineName);
        throw error;
      }
    },

    async sweep(signal) {
      const left = await database.transaction("system", (tx) =>
        oneOffStore.list(tx, { seenBefore: new Date(Date.now() - times.ownerMs) }),
      );
      for (const { engineName } of left) {
        if (own.has(engineName)) continue;
        await runtime.engine().containerRemove(engineName, { signal });
        await forget(engineName);
      }
    },

    stop: () => clearInterval(heartbeat),
  };
}

/** Line by line; one that does not end is cut. */
async function tell(stream: Readable, onLine: ((line: string) => void) | undefined): Promise<void> {
  const decoder = new StringDecoder("utf8");
  let open = "";
  for await (const piece of stream as AsyncIterable<Buffer>) {
    const lines = (open + decoder.write(piece)).split("\n");
    open = lines.pop() ?? "";
    for (const line of lines) onLine?.(line.replace(/\r$/, ""));
    if (open.length > longestLine) {
      onLine?.(open);
      open = "";
    }
  }
  open += decoder.end();
  if (open !== "") onLine?.(open);
}
