/**
 * The HTTP gateway's data plane: HAProxy, which is told what is wanted and goes on without us. One process drives one folder at a time.
 * docs/decisions/0009-gateway.md says why it is HAProxy.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CloudError } from "../kernel/errors.ts";
import { changeAtRunTime, changeServers } from "./haproxy/changes.ts";
import { checkConfig, masterPid, proxyUser, reloadProxy, serves, startProxy, stopProxy } from "./haproxy/process.ts";
import { filesIn, type Rendered, type RenderOptions, render } from "./haproxy/render.ts";
import { backendName, routeOf } from "./haproxy/rules.ts";
import { RuntimeApi, type Worker, type Workers } from "./haproxy/runtime.ts";
import { followRequests, type LogBatch } from "./log/reader.ts";
import { beginLog } from "./log/space.ts";
import { type CheckedSpecification, checkSpecification, type GatewaySpecification } from "./specification.ts";

export type { GatewaySpecification } from "./specification.ts";

export interface GatewayOptions {
  /** For root alone: keys lie in it. Short, as the path of a socket holds 107 bytes. */
  folder: string;
  /** Of the worker. */
  threads?: number;
}

export interface Applied {
  /** `runtime`: the running worker was changed. `reload`: a new worker took over from it. */
  how: "nothing" | "runtime" | "reload" | "start";
  /** What the running worker did not take, so that a reload had to do it: for the log. */
  refused?: string;
}

export interface ServerHealth {
  route: string;
  server: string;
  /** `unknown` before the first check has ended. */
  health: "up" | "down" | "draining" | "leaving" | "unknown";
  /** Requests and WebSockets under way, in old workers too. */
  current: number;
}

export interface GatewayState {
  master: number;
  worker: number;
  /** Those that only end the connections they have. */
  oldWorkers: number[];
  servers: ServerHealth[];
  /** By route: requests and WebSockets under way, whether a server has them or not. */
  current: ReadonlyMap<string, number>;
}

const reloadMs = 30_000;

export class Gateway {
  readonly folder: string;
  readonly #api: RuntimeApi;
  readonly #options: RenderOptions;
  #queue: Promise<unknown> = Promise.resolve();

  constructor({ folder, threads = Math.min(availableParallelism(), 64) }: GatewayOptions) {
    this.folder = folder;
    this.#api = new RuntimeApi(filesIn(folder).masterSocket);
    this.#options = { folder, threads, user: proxyUser() };
  }

  /**
   * Makes the proxy be as `specification` says by the smallest change, and starts it when it does not run. When this resolves, every new
   * request is handled so. When it rejects with invalid_argument, or with unavailable and the reason gateway_reload, all is as before.
   */
  apply(specification: GatewaySpecification): Promise<Applied> {
    return this.#alone(() => this.#apply(checkSpecification(specification)));
  }

  /** Starts it with what was applied last, if it does not run. False when nothing ever was. */
  ensureRunning(): Promise<boolean> {
    return this.#alone(async () => {
      if (!existsSync(filesIn(this.folder).config)) return false;
      if ((await this.#found()) === undefined) await this.#start(this.#hashOnDisk());
      return true;
    });
  }

  /**
   * The server gets no new request; resolves when its last one has ended (`left` 0), or at the deadline with how many are left. A later
   * `apply` decides anew: say `drain` there, or leave the server out.
   */
  async drain(route: string, server: string, options: { deadlineMs: number; signal?: AbortSignal }): Promise<{ left: number }> {
    const at = `${backendName(route)}/${server}`;
    await this.#alone(async () => {
      for (const worker of await this.#workers()) {
        if (!(await this.#api.traffic(worker)).has(at)) continue;
        await this.#api.change(worker, `set server ${at} weight 0`).catch((error) => this.#unlessEnded(worker, error));
      }
    });
    const deadline = Date.now() + options.deadlineMs;
    for (let pauseMs = 20; ; pauseMs = Math.min(pauseMs * 2, 250)) {
      let left = 0;
      for (const worker of await this.#workers()) left += (await this.#traffic(worker)).get(at)?.current ?? 0;
      if (left === 0 || Date.now() >= deadline) return { left };
      await sleep(Math.min(pauseMs, Math.max(deadline - Date.now(), 1)), undefined, { signal: options.signal });
    }
  }

  /** Undefined when it does not run. */
  async state(): Promise<GatewayState | undefined> {
    const found = await this.#found();
    if (found === undefined) return undefined;
    const servers = new Map<string, ServerHealth>();
    const current = new Map<string, number>();
    // The old ones first: what the one of now says of a server's health counts.
    for (const worker of found.workers.toSorted((a, b) => Number(b.old) - Number(a.old))) {
      for (const [at, traffic] of await this.#traffic(worker)) {
        const [backend = "", server = ""] = at.split("/");
        const route = routeOf(backend);
        if (route === undefined) continue;
        if (server === "BACKEND") current.set(route, (current.get(route) ?? 0) + traffic.current);
        else {
          const before = servers.get(at)?.current ?? 0;
          if (worker.old && before + traffic.current === 0) continue;
          servers.set(at, { route, server, health: healthOf(traffic, worker), current: before + traffic.current });
        }
      }
    }
    return {
      master: found.master,
      worker: found.workers.find(({ old }) => !old)?.pid ?? 0,
      oldWorkers: found.workers.filter(({ old }) => old).map(({ pid }) => pid),
      servers: [...servers.values()],
      current,
    };
  }

  /** Every request, route by route, from where the last reader left off. */
  requests(signal: AbortSignal, after?: (log: string) => Promise<number | undefined>): AsyncGenerator<LogBatch> {
    return followRequests({ folder: this.folder, writers: () => this.#writers() }, signal, after);
  }

  async #writers(): Promise<number[]> {
    const found = await this.#found();
    return found === undefined ? [] : [found.master, ...found.workers.map(({ pid }) => pid)];
  }

  /** Ends the proxy itself. With a grace it takes no new connections, and what is under way may end. */
  stop({ graceMs = 0 }: { graceMs?: number } = {}): Promise<void> {
    return this.#alone(() => stopProxy(this.folder, this.#api, graceMs));
  }

  async #apply(specification: CheckedSpecification): Promise<Applied> {
    const rendered = render(specification, this.#options);
    this.#makeFolders();
    const workers = (await this.#found())?.workers;
    if (workers === undefined) {
      this.#check(specification);
      this.#write(rendered);
      await this.#start(rendered.hash);
      return { how: "start" };
    }
    const worker = workers.find(({ old }) => !old);
    let refused: string | undefined;
    if (worker !== undefined && (await this.#api.structure(worker)) === rendered.hash) {
      const changed = await this.#changeAtRunTime(workers, worker, rendered, specification);
      if (typeof changed === "number") return { how: changed > 0 ? "runtime" : "nothing" };
      refused = changed.refused;
    }
    this.#check(specification);
    await this.#reload(rendered);
    // Their clients' next requests go where the new worker's go.
    for (const each of (await this.#workers()).filter(({ old }) => old)) await this.#changeOld(each, specification);
    return refused === undefined ? { how: "reload" } : { how: "reload", refused };
  }

  /** How many things were changed, or what the worker refused: only a reload is left then. */
  async #changeAtRunTime(
    workers: Worker[],
    worker: Worker,
    rendered: Rendered,
    specification: CheckedSpecification,
  ): Promise<number | { refused: string }> {
    let changed: number;
    try {
      changed = await changeAtRunTime(this.#api, worker, rendered, specification.routes);
    } catch (error) {
      if (!CloudError.is(error, "unavailable")) throw error;
      return { refused: error.cause instanceof Error ? error.cause.message : error.message };
    }
    for (const each of workers.filter(({ old }) => old)) await this.#changeOld(each, specification);
    // The next start, and the next reload, read the files.
    this.#write(rendered);
    return changed;
  }

  async #changeOld(worker: Worker, specification: CheckedSpecification): Promise<void> {
    await changeServers(this.#api, worker, specification.routes).catch((error) => this.#unlessEnded(worker, error));
  }

  /** An old worker may end at any moment, or know less than the one of now: what it does not take is not for it. */
  #unlessEnded(worker: Worker, error: unknown): void {
    if (!worker.old && CloudError.is(error)) throw error;
  }

  async #reload(rendered: Rendered): Promise<void> {
    const { config } = filesIn(this.folder);
    const before = existsSync(config) ? readFileSync(config, "utf8") : undefined;
    this.#write(rendered);
    try {
      await reloadProxy(this.folder, this.#api, rendered.hash);
    } catch (error) {
      // Such as a port that somebody else has: the next start must not meet it again.
      if (before !== undefined && !(await serves(this.#api, rendered.hash))) {
        writeWhole(config, before);
        await reloadProxy(this.folder, this.#api, hashIn(before)).catch(() => {});
      }
      throw error;
    }
    this.#sweep(rendered);
  }

  async #start(hash: string): Promise<void> {
    const stray = masterPid(this.folder);
    if (stray !== undefined) await stopProxy(this.folder, this.#api, 0);
    beginLog(this.folder);
    await startProxy(this.folder, this.#api, hash);
  }

  #hashOnDisk(): string {
    return hashIn(readFileSync(filesIn(this.folder).config, "utf8"));
  }

  /** The same thing in another folder, read by HAProxy itself, before anything of ours is touched. */
  #check(specification: CheckedSpecification): void {
    const folder = join(this.folder, "candidate");
    rmSync(folder, { recursive: true, force: true });
    const rendered = render(specification, { ...this.#options, folder });
    const files = filesIn(folder);
    for (const each of [folder, files.certificates, files.pages]) mkdirSync(each, { mode: 0o700 });
    try {
      writeRendered(rendered, folder);
      checkConfig(files.config);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  #write(rendered: Rendered): void {
    writeRendered(rendered, this.folder);
  }

  /** Keys and pages that nothing names any more. */
  #sweep(rendered: Rendered): void {
    const files = filesIn(this.folder);
    for (const [folder, kept] of [
      [files.certificates, rendered.certificates],
      [files.pages, rendered.pages],
    ] as const)
      for (const name of readdirSync(folder)) if (!kept.has(join(folder, name))) rmSync(join(folder, name), { force: true });
  }

  #makeFolders(): void {
    const files = filesIn(this.folder);
    if (Buffer.byteLength(files.masterSocket) > 90)
      throw new CloudError("failed_precondition", `The path of the gateway's folder is too long for a socket: ${this.folder}.`);
    for (const folder of [this.folder, files.certificates, files.pages]) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      if ((statSync(folder).mode & 0o777) !== 0o700) chmodSync(folder, 0o700);
    }
  }

  async #workers(): Promise<Worker[]> {
    return (await this.#found())?.workers ?? [];
  }

  /**
   * Undefined when there is no proxy. In the middle of a reload, which another process of ours may have begun before it was killed, the
   * master does not listen for a moment: that is no reason to start a second one.
   */
  async #found(): Promise<Workers | undefined> {
    const deadline = Date.now() + reloadMs;
    for (;;) {
      const found = await this.#api.workers();
      if (found?.workers.some(({ old }) => !old)) return found;
      if (masterPid(this.folder) === undefined || Date.now() > deadline) return found;
      await sleep(20);
    }
  }

  async #traffic(worker: Worker): ReturnType<RuntimeApi["traffic"]> {
    return this.#api.traffic(worker).catch((error) => {
      this.#unlessEnded(worker, error);
      return new Map();
    });
  }

  /** One change after the other. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => {});
    return result;
  }
}

const hashIn = (config: string): string => /^ {2}description (\S+)$/m.exec(config)?.[1] ?? "";

function healthOf({ status, check }: { status: string; check: string }, worker: Worker): ServerHealth["health"] {
  if (worker.old || status.startsWith("MAINT")) return "leaving";
  // Before its first check a server counts as up for HAProxy, not for people.
  if (check === "" || check === "INI") return "unknown";
  if (status.startsWith("DRAIN")) return "draining";
  return status.startsWith("UP") ? "up" : "down";
}

/** The configuration last: what it names is there by then. */
function writeRendered(rendered: Rendered, folder: string): void {
  const files = filesIn(folder);
  for (const [path, content] of [...rendered.pages, ...rendered.certificates]) writeWhole(path, content);
  for (const [path, entries] of rendered.maps) writeWhole(path, [...entries].map(([key, value]) => `${key} ${value}\n`).join(""));
  writeWhole(files.certificateList, [...rendered.certificateLines.values()].map((line) => `${line}\n`).join(""));
  writeWhole(files.config, rendered.config);
}

/** Written aside and renamed, and only when it is another: a crash leaves the old or the new one. */
function writeWhole(path: string, content: string): void {
  if (existsSync(path) && readFileSync(path, "utf8") === content) return;
  const aside = join(dirname(path), `.new-${process.pid}`);
  writeFileSync(aside, content, { mode: 0o600, flush: true });
  renameSync(aside, path);
}
