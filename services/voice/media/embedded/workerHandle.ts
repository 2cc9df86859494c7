import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { MediaError } from "../engine.ts";
import type { ParametersOf, ResultOf, WorkerMessage, WorkerMethod, WorkerRequest, WorkerSetup } from "./protocol.ts";

const answerMs = 10_000;
/** How often it is looked whether one is late. */
const watchMs = 1000;

interface Waiting {
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
  /** By `performance.now()`. */
  until: number;
}

type Told = Exclude<WorkerMessage, { ready: true } | { id: number; result: unknown } | { id: number; error: unknown }>;

/** One worker process, as the engine sees it: started when it is first needed. When it dies a new one takes its place, empty. */
export class WorkerHandle {
  readonly #setup: WorkerSetup;
  readonly #told: (message: Told) => void;
  readonly #died: () => void;
  /** By number, so the one that waits longest is the first. */
  readonly #waiting = new Map<number, Waiting>();
  /** What is asked in one turn of the event loop goes in one message: each message wakes both processes. */
  #outbox: WorkerRequest[] = [];
  #watch: NodeJS.Timeout | undefined;
  #child: ChildProcess | undefined;
  #ready: Promise<void> = Promise.resolve();
  #next = 0;
  #started = false;
  #closed = false;
  #deaths = 0;
  /** Raised with each death: what was made before is gone. */
  generation = 0;

  constructor(setup: WorkerSetup, told: (message: Told) => void, died: () => void) {
    this.#setup = setup;
    this.#told = told;
    this.#died = died;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** @throws MediaError gone, when the worker died before the answer; and what the method throws */
  async ask<M extends WorkerMethod>(method: M, parameters: ParametersOf<M>, generation = this.generation): Promise<ResultOf<M>> {
    if (!this.#started && !this.#closed) this.#start();
    await this.#ready;
    if (generation !== this.generation || this.#closed) throw new MediaError("gone", "The media worker of this call died.");
    const id = ++this.#next;
    return await new Promise<ResultOf<M>>((resolve, reject) => {
      // Digits take as long as they take.
      const until = method === "legDtmf" ? Number.POSITIVE_INFINITY : performance.now() + answerMs;
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject, until });
      this.#watch ??= setInterval(() => this.#refuseLate(), watchMs).unref();
      if (this.#outbox.push({ id, method, parameters }) === 1) setImmediate(() => this.#send());
    });
  }

  #send(): void {
    const batch = this.#outbox;
    this.#outbox = [];
    // An error here is a death, which is told by "exit".
    if (batch.length > 0) this.#child?.send(batch, () => {});
  }

  #refuseLate(): void {
    const now = performance.now();
    for (const [id, { until, reject }] of this.#waiting) {
      if (until === Number.POSITIVE_INFINITY) continue;
      if (until > now) return;
      this.#waiting.delete(id);
      reject(new MediaError("unreachable", "The media worker does not answer."));
    }
    if (this.#waiting.size > 0) return;
    clearInterval(this.#watch);
    this.#watch = undefined;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#watch);
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    if (child.connected) child.disconnect();
    const timer = setTimeout(() => child.kill("SIGKILL"), 2000);
    await exited;
    clearTimeout(timer);
  }

  #start(): void {
    this.#started = true;
    const child = fork(new URL("./worker.ts", import.meta.url), { stdio: ["ignore", "ignore", "inherit", "ipc"], execArgv: [] });
    this.#child = child;
    let isReady = (): void => {};
    this.#ready = new Promise((resolve) => {
      isReady = resolve;
    });
    child.on("message", (messages: WorkerMessage[]) => {
      for (const message of messages)
        if ("ready" in message) isReady();
        else if ("id" in message) this.#answered(message);
        else this.#told(message);
    });
    child.on("error", () => {});
    child.once("exit", () => {
      isReady();
      this.#exited();
    });
    child.send(this.#setup, () => {});
  }

  #answered(message: Extract<WorkerMessage, { id: number }>): void {
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if ("error" in message) waiting?.reject(new MediaError(message.error.code, message.error.message));
    else waiting?.resolve(message.result);
  }

  #exited(): void {
    this.generation++;
    this.#outbox = [];
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(new MediaError("gone", "The media worker of this call died."));
    if (this.#closed) return;
    this.#died();
    // At once the first time, slower when it dies again and again.
    const waitMs = Math.min(5000, 250 * this.#deaths++);
    this.#ready = new Promise((resolve) => {
      setTimeout(() => {
        if (this.#closed) return resolve();
        this.#start();
        void this.#ready.then(resolve);
      }, waitMs);
    });
  }
}
