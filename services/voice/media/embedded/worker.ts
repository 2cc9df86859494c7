import { setPriority } from "node:os";
import { MediaError } from "../engine.ts";
import { makeDtlsIdentity } from "../rtp/dtls.ts";
import { Desk } from "./desk.ts";
import type { WorkerMessage, WorkerRequest, WorkerSetup } from "./protocol.ts";

/** A media worker: a child process of the voice process. It ends when the parent goes, however that went. */
process.on("disconnect", () => process.exit(0));
// Ctrl-C and a stop of the whole are the parent's affair: it lets calls end first.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => {});

/** What is told in one turn of the event loop goes in one message. */
let outbox: WorkerMessage[] = [];

function tell(message: WorkerMessage): void {
  if (outbox.push(message) === 1) setImmediate(send);
}

function send(): void {
  const batch = outbox;
  outbox = [];
  // With a callback a closed channel is no event; "disconnect" ends us.
  if (process.connected) process.send!(batch, undefined, undefined, () => {});
}

try {
  // Audio comes every 20 ms; what waits for a page does not notice.
  setPriority(-10);
} catch {
  // Not root: as it is.
}

let desk: Desk | undefined;

process.on("message", (message: WorkerSetup | WorkerRequest[]) => {
  if ("ports" in message) void start(message);
  else for (const request of message) void answer(request);
});

async function start(setup: WorkerSetup): Promise<void> {
  desk = new Desk(setup, await makeDtlsIdentity(), tell);
  startClock(desk);
  tell({ ready: true });
}

async function answer({ id, method, parameters }: WorkerRequest): Promise<void> {
  try {
    tell({ id, result: await desk!.handle(method, parameters as never) });
  } catch (error) {
    const code = error instanceof MediaError ? error.code : "unsupported";
    tell({ id, error: { code, message: error instanceof Error ? error.message : String(error) } });
  }
}

/** Every 20 ms by the clock, not by the timer: what was missed is made up for, as a receiver's clock goes on too. */
function startClock(desk: Desk): void {
  const interval = 20;
  let next = performance.now() + interval;
  let looked = 0;
  const beat = (): void => {
    const now = performance.now();
    // After a stop of the whole machine nobody wants what is older than this.
    if (now - next > 200) next = now;
    while (next <= now) {
      desk.tick(now);
      next += interval;
    }
    if (now - looked > 250) {
      looked = now;
      desk.look(now);
    }
    setTimeout(beat, Math.max(1, next - performance.now()));
  };
  setTimeout(beat, interval);
}
