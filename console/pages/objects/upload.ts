import { CloudError } from "../../../kernel/errors.ts";
import { RememberedUploads } from "./remembered.ts";
import { SpeedMeter } from "./speed.ts";

/** Files up to this size go in one request. */
export const singleRequestBytes = 16 * 2 ** 20;
/** Browsers open six connections to one server; two are left for the event stream and for the person's clicks. */
const requestsAtOnce = 4;
const partsAtOnce = 3;
const attemptsAtMost = 8;

export type UploadState =
  | "waiting"
  | "sending"
  | "retrying"
  | "conflict"
  | "paused"
  | "done"
  | "failed"
  | "cancelled"
  | "skipped";
export const unfinishedStates: readonly UploadState[] = ["waiting", "sending", "retrying", "conflict", "paused"];
export type ConflictAnswer = "replace" | "keepBoth" | "skip";

export interface UploadItem {
  readonly id: number;
  /** What was dropped together; a conflict answer may hold for all of it. */
  readonly batch: number;
  readonly bucket: string;
  readonly key: string;
  readonly sizeBytes: number;
  readonly sentBytes: number;
  readonly state: UploadState;
  readonly error?: CloudError | undefined;
  /** Goes on from what had arrived before. */
  readonly resumed: boolean;
}

export interface UploadsSnapshot {
  items: readonly UploadItem[];
  totalBytes: number;
  sentBytes: number;
  bytesPerSecond: number;
  counts: Record<UploadState, number>;
}

export interface Part {
  number: number;
  sizeBytes: number;
  etag: string;
}

/** What the queue needs of the cloud; the tests give another. */
export interface UploadDoor {
  exists(bucket: string, key: string): Promise<boolean>;
  create(bucket: string, key: string, file: File): Promise<{ id: string; partSizeBytes: number; startedAt: string }>;
  parts(bucket: string, uploadId: string): Promise<Part[]>;
  complete(bucket: string, uploadId: string, parts: { number: number; etag: string }[]): Promise<void>;
  remove(bucket: string, uploadId: string): Promise<void>;
  putObject(bucket: string, key: string, file: File, overwrite: boolean, sending: Sending): Promise<void>;
  putPart(bucket: string, uploadId: string, part: number, bytes: Blob, sending: Sending): Promise<Part>;
}

export interface Sending {
  signal: AbortSignal;
  onProgress: (sentBytes: number) => void;
}

interface Job {
  id: number;
  batch: number;
  bucket: string;
  key: string;
  file: File;
  state: UploadState;
  sentBytes: number;
  error?: CloudError | undefined;
  resumed: boolean;
  overwrite: boolean;
  keepBoth: boolean;
  checkedFree: boolean;
  copy: number;
  originalKey: string;
  uploadId?: string | undefined;
  abort?: AbortController | undefined;
}

class Interrupted extends Error {
  override name = "Interrupted";
}

/** Sends files to buckets, some at a time, with pause, resume, retry and the question about what is there already. */
export class UploadQueue {
  readonly remembered: RememberedUploads;
  /** Called for every object that has arrived, and for folders made. */
  onStored: (bucket: string, key: string) => void = () => {};

  readonly #door: UploadDoor;
  #jobs: Job[] = [];
  #nextId = 1;
  #running = 0;
  #slots = requestsAtOnce;
  #slotWaiters: (() => void)[] = [];
  #answers = new Map<number, ConflictAnswer>();
  #listeners = new Set<() => void>();
  #snapshot: UploadsSnapshot;
  #notifyTimer: ReturnType<typeof setTimeout> | undefined;
  #speed = new SpeedMeter();

  constructor(door: UploadDoor, storage?: Pick<Storage, "getItem" | "setItem">) {
    this.#door = door;
    this.remembered = new RememberedUploads(storage);
    this.#snapshot = this.#makeSnapshot();
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
  snapshot = (): UploadsSnapshot => this.#snapshot;

  /** Queues files dropped together; `path` is below `prefix`. */
  add(bucket: string, prefix: string, files: { path: string; file: File }[]): void {
    const batch = this.#nextId++;
    for (const { path, file } of files) {
      const key = prefix + path;
      const same = this.#jobs.find((job) => job.bucket === bucket && job.key === key && unfinishedStates.includes(job.state));
      if (same) {
        if (same.state === "paused") this.resume(same.id);
        continue;
      }
      this.#jobs.push({
        id: this.#nextId++,
        batch,
        bucket,
        key,
        originalKey: key,
        file,
        state: "waiting",
        sentBytes: 0,
        resumed: false,
        overwrite: false,
        keepBoth: false,
        checkedFree: false,
        copy: 1,
      });
    }
    this.#changed(true);
    this.#pump();
  }

  pause(id: number): void {
    const job = this.#find(id);
    if (!job || !["waiting", "sending", "retrying"].includes(job.state)) return;
    this.#stop(job, "paused");
  }

  resume(id: number): void {
    const job = this.#find(id);
    if (!job || !["paused", "failed"].includes(job.state)) return;
    job.error = undefined;
    this.#set(job, "waiting");
    this.#pump();
  }

  cancel(id: number): void {
    const job = this.#find(id);
    if (!job || ["done", "cancelled", "skipped"].includes(job.state)) return;
    this.#stop(job, "cancelled");
    if (job.uploadId) {
      this.remembered.forget(job.uploadId);
      // Without an answer the server drops it by itself after seven days.
      this.#door.remove(job.bucket, job.uploadId).catch(() => {});
    }
  }

  pauseAll = (): void => this.#each(["waiting", "sending", "retrying"], (job) => this.pause(job.id));
  resumeAll = (): void => this.#each(["paused", "failed"], (job) => this.resume(job.id));
  cancelAll = (): void => this.#each([...unfinishedStates, "failed"], (job) => this.cancel(job.id));

  /** Forgets what is over, so that the tray can close. */
  clear(): void {
    this.#jobs = this.#jobs.filter((job) => unfinishedStates.includes(job.state));
    this.#changed(true);
  }

  /** Answers the question of one conflict, or of all there are and will be in what was dropped together. */
  answer(id: number, answer: ConflictAnswer, forAll: boolean): void {
    const asked = this.#find(id);
    if (!asked) return;
    if (forAll) this.#answers.set(asked.batch, answer);
    for (const job of this.#jobs)
      if (job.state === "conflict" && (job === asked || (forAll && job.batch === asked.batch))) this.#apply(job, answer);
    this.#changed(true);
    this.#pump();
  }

  #apply(job: Job, answer: ConflictAnswer): void {
    if (answer === "skip") job.state = "skipped";
    else {
      job.state = "waiting";
      job.overwrite = answer === "replace";
      job.keepBoth = answer === "keepBoth";
      if (job.keepBoth) this.#nextCopy(job);
    }
  }

  #nextCopy(job: Job): void {
    job.copy += 1;
    job.key = copyKey(job.originalKey, job.copy);
  }

  #find = (id: number) => this.#jobs.find((job) => job.id === id);

  #each(states: readonly UploadState[], act: (job: Job) => void): void {
    for (const job of this.#jobs.filter(({ state }) => states.includes(state))) act(job);
  }

  #stop(job: Job, state: UploadState): void {
    this.#set(job, state);
    job.abort?.abort(new Interrupted());
    this.#pump();
  }

  #set(job: Job, state: UploadState): void {
    job.state = state;
    this.#changed(true);
  }

  #pump(): void {
    while (this.#running < requestsAtOnce) {
      const job = this.#jobs.find(({ state, abort }) => state === "waiting" && !abort);
      if (!job) return;
      job.state = "sending";
      job.abort = new AbortController();
      this.#running += 1;
      this.#run(job, job.abort.signal)
        .catch((error: unknown) => this.#ended(job, error))
        .finally(() => {
          job.abort = undefined;
          this.#running -= 1;
          this.#changed(true);
          this.#pump();
        });
    }
  }

  async #run(job: Job, signal: AbortSignal): Promise<void> {
    if (job.file.size > singleRequestBytes) await this.#sendInParts(job, signal);
    else await this.#sendWhole(job, signal);
    job.sentBytes = job.file.size;
    job.state = "done";
    this.onStored(job.bucket, job.key);
  }

  #ended(job: Job, error: unknown): void {
    if (error instanceof Interrupted || signalled(error)) return;
    if (CloudError.is(error, "precondition_failed") && !job.overwrite) {
      job.sentBytes = 0;
      const answer = job.keepBoth ? "keepBoth" : this.#answers.get(job.batch);
      if (answer) this.#apply(job, answer);
      else job.state = "conflict";
      return;
    }
    job.state = "failed";
    job.error = CloudError.is(error) ? error : new CloudError("internal", error instanceof Error ? error.message : String(error));
  }

  async #sendWhole(job: Job, signal: AbortSignal): Promise<void> {
    await this.#retrying(job, signal, () =>
      this.#inSlot(signal, () =>
        this.#door.putObject(job.bucket, job.key, job.file, job.overwrite, {
          signal,
          onProgress: (sent) => this.#progress(job, sent),
        }),
      ),
    );
  }

  async #sendInParts(job: Job, signal: AbortSignal): Promise<void> {
    const { file } = job;
    const identity = {
      bucket: job.bucket,
      key: job.key,
      fileName: file.name,
      sizeBytes: file.size,
      modifiedMs: file.lastModified,
    };
    const arrived = new Map<number, Part>();
    let partSizeBytes = 0;

    const known = this.remembered.find(identity);
    if (known) {
      try {
        for (const part of await this.#retrying(job, signal, () => this.#door.parts(job.bucket, known.uploadId)))
          arrived.set(part.number, part);
        job.uploadId = known.uploadId;
        partSizeBytes = known.partSizeBytes;
        job.resumed ||= arrived.size > 0;
      } catch (error) {
        if (!CloudError.is(error, "not_found")) throw error;
        this.remembered.forget(known.uploadId);
        job.uploadId = undefined;
      }
    }
    if (partSizeBytes === 0) {
      // Asked before the first byte goes, not after gigabytes have gone.
      if (!job.overwrite && (await this.#retrying(job, signal, () => this.#door.exists(job.bucket, job.key))))
        throw new CloudError("precondition_failed", "exists");
      const created = await this.#retrying(job, signal, () => this.#door.create(job.bucket, job.key, file));
      if (job.state === "cancelled") {
        await this.#door.remove(job.bucket, created.id);
        throw new Interrupted();
      }
      job.uploadId = created.id;
      partSizeBytes = created.partSizeBytes;
      this.remembered.add({ ...identity, uploadId: created.id, partSizeBytes, startedAt: created.startedAt });
    }
    signal.throwIfAborted();
    const uploadId = job.uploadId as string;
    const count = Math.max(1, Math.ceil(file.size / partSizeBytes));
    const sizeOf = (number: number) => Math.min(partSizeBytes, file.size - (number - 1) * partSizeBytes);
    for (const [number, part] of arrived) if (number > count || part.sizeBytes !== sizeOf(number)) arrived.delete(number);

    const inFlight = new Map<number, number>();
    const tell = () => {
      let sent = 0;
      for (const part of arrived.values()) sent += part.sizeBytes;
      for (const bytes of inFlight.values()) sent += bytes;
      this.#progress(job, sent);
    };
    // What arrived earlier is not speed.
    job.sentBytes = [...arrived.values()].reduce((sum, part) => sum + part.sizeBytes, 0);

    const missing = Array.from({ length: count }, (_, index) => index + 1).filter((number) => !arrived.has(number));
    // One failed part stops its siblings, but must not look like the person's own pause.
    const siblings = new AbortController();
    const either = AbortSignal.any([signal, siblings.signal]);
    const worker = async () => {
      for (let number = missing.shift(); number !== undefined; number = missing.shift()) {
        const part = number;
        const from = (part - 1) * partSizeBytes;
        const stored = await this.#retrying(job, either, () =>
          this.#inSlot(either, () =>
            this.#door.putPart(job.bucket, uploadId, part, file.slice(from, from + sizeOf(part)), {
              signal: either,
              onProgress: (sent) => {
                inFlight.set(part, sent);
                tell();
              },
            }),
          ),
        );
        inFlight.delete(part);
        arrived.set(part, stored);
        tell();
      }
    };
    try {
      await Promise.all(
        Array.from({ length: Math.min(partsAtOnce, missing.length) }, () =>
          worker().catch((error: unknown) => {
            siblings.abort(new Interrupted());
            throw error;
          }),
        ),
      );
      await this.#retrying(job, signal, () =>
        this.#door.complete(
          job.bucket,
          uploadId,
          [...arrived.values()].sort((a, b) => a.number - b.number).map(({ number, etag }) => ({ number, etag })),
        ),
      );
    } catch (error) {
      if (CloudError.is(error, "not_found")) this.remembered.forget(uploadId);
      throw error;
    }
    this.remembered.forget(uploadId);
  }

  /** Tries again what the connection or a busy server broke, slower each time, at once when the network is back. */
  async #retrying<T>(job: Job, signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
    for (let failures = 0; ; ) {
      try {
        const result = await attempt();
        if (job.state === "retrying") this.#set(job, "sending");
        return result;
      } catch (error) {
        signal.throwIfAborted();
        failures += 1;
        if (!transient(error) || failures >= attemptsAtMost) throw error;
        if (job.state === "sending") this.#set(job, "retrying");
        const asked = CloudError.is(error) ? (error.details.retryAfterSeconds ?? 0) * 1000 : 0;
        await backOnline(Math.max(asked, Math.min(30_000, 500 * 2 ** failures)), signal);
      }
    }
  }

  async #inSlot<T>(signal: AbortSignal, act: () => Promise<T>): Promise<T> {
    if (this.#slots > 0) this.#slots -= 1;
    else await new Promise<void>((resolve) => this.#slotWaiters.push(resolve));
    try {
      signal.throwIfAborted();
      return await act();
    } finally {
      const next = this.#slotWaiters.shift();
      if (next) next();
      else this.#slots += 1;
    }
  }

  #progress(job: Job, sentBytes: number): void {
    this.#speed.add(Math.max(0, sentBytes - job.sentBytes));
    job.sentBytes = Math.min(sentBytes, job.file.size);
    if (job.state === "retrying") job.state = "sending";
    this.#changed(false);
  }

  /** Progress is told five times a second at the most; what a person did, at once. */
  #changed(now: boolean): void {
    if (now) {
      clearTimeout(this.#notifyTimer);
      this.#notifyTimer = undefined;
      this.#notify();
    } else if (this.#notifyTimer === undefined) {
      this.#notifyTimer = setTimeout(() => {
        this.#notifyTimer = undefined;
        this.#notify();
      }, 200);
    }
  }

  #notify(): void {
    this.#snapshot = this.#makeSnapshot();
    for (const listener of this.#listeners) listener();
  }

  #makeSnapshot(): UploadsSnapshot {
    const counts: Record<UploadState, number> = {
      waiting: 0,
      sending: 0,
      retrying: 0,
      conflict: 0,
      paused: 0,
      done: 0,
      failed: 0,
      cancelled: 0,
      skipped: 0,
    };
    let totalBytes = 0;
    let sentBytes = 0;
    const items = this.#jobs.map((job): UploadItem => {
      counts[job.state] += 1;
      if (job.state !== "cancelled" && job.state !== "skipped") {
        totalBytes += job.file.size;
        sentBytes += job.sentBytes;
      }
      const { id, batch, bucket, key, state, error, resumed } = job;
      return { id, batch, bucket, key, state, error, resumed, sentBytes: job.sentBytes, sizeBytes: job.file.size };
    });
    return { items, totalBytes, sentBytes, bytesPerSecond: this.#speed.bytesPerSecond(), counts };
  }
}

const signalled = (error: unknown) => error instanceof DOMException && error.name === "AbortError";

function transient(error: unknown): boolean {
  if (error instanceof TypeError) return true;
  return CloudError.is(error) && ["unavailable", "rate_limited", "deadline_exceeded", "internal"].includes(error.code);
}

/** Waits, but not longer than until the browser says that the network is back. */
function backOnline(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = () => {
      clearTimeout(timer);
      globalThis.removeEventListener?.("online", finish);
      signal.removeEventListener("abort", finish);
      if (signal.aborted) reject(signal.reason);
      else resolve();
    };
    const timer = setTimeout(finish, milliseconds);
    globalThis.addEventListener?.("online", finish);
    signal.addEventListener("abort", finish);
  });
}

/** `report.pdf` → `report (2).pdf`; a name that only begins with a dot has no extension. */
export function copyKey(key: string, copy: number): string {
  const slash = key.lastIndexOf("/") + 1;
  const dot = key.lastIndexOf(".");
  const at = dot > slash ? dot : key.length;
  return `${key.slice(0, at)} (${copy})${key.slice(at)}`;
}
