import { setTimeout as sleep } from "node:timers/promises";
import { CloudError } from "../../../kernel/errors.ts";
import type { ObjectsService } from "../../objects/contract.ts";
import type { ComputeDriver, ExecStream } from "../driver.ts";
import { type GuestCommand, installScript, readyScript } from "./guestScripts.ts";
import { receiveOutput, sendInput, type Transferred } from "./taskFiles.ts";

/** What a look into the guest tells; see pollScript. */
export interface Poll {
  state: "none" | "running" | "exited" | "timed_out" | "lost";
  exitCode: number | undefined;
  /** Of the log so far, and whether it got longer than is kept. */
  sizeBytes: number;
  cut: boolean;
  log: Uint8Array;
}

export interface Guest {
  poll(offset: number, limit: number, waits: number, signal: AbortSignal): Promise<Poll>;
  /** Resolves when the network cards have addresses, or after half a minute. */
  ready(signal: AbortSignal): Promise<void>;
  /** Begins the command, unless it was begun before. */
  start(command: GuestCommand, signal: AbortSignal): Promise<void>;
  /** failed_precondition when it does not fit or cannot be unpacked. */
  bringInput(objects: ObjectsService, from: { bucketId: string; prefix: string }, signal: AbortSignal): Promise<Transferred>;
  fetchOutput(objects: ObjectsService, to: { bucketId: string; prefix: string }, signal: AbortSignal): Promise<Transferred>;
}

export const guestPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const shellSeconds = 90;
const messageBytes = 4096;
/** How long a command may take to say why it failed, once its stream broke. */
const goodbyeMs = 2000;
/** tar says 1 when a file changed while it was read: what the command left running in the background may do that. */
const tarChanged = 1;

/** The folders of a task's server, through the engine. `root` is where they are, empty but for tests. */
export function openGuest(driver: ComputeDriver, instance: string, root = ""): Guest {
  const environment = { PATH: guestPath };

  async function shell(script: string, signal: AbortSignal): Promise<string> {
    const { exitCode, stdout, stderr } = await driver.instanceExec(instance, {
      command: ["sh", "-s"],
      environment,
      input: Buffer.from(script),
      maxOutputBytes: messageBytes,
      signal: AbortSignal.any([signal, AbortSignal.timeout(shellSeconds * 1000)]),
    });
    if (exitCode !== 0)
      throw new CloudError("internal", `The server answered ${exitCode}: ${lastLines(stderr) || lastLines(stdout)}`);
    return Buffer.from(stdout).toString();
  }

  /** A command whose streams are worked on until it ends. `work` fails when the command does; the command's own words say more. */
  async function withStream<T>(
    command: string[],
    signal: AbortSignal,
    accept: number[],
    work: (stream: ExecStream) => Promise<T>,
  ) {
    const stream = await driver.instanceExecStream(instance, { command, environment, signal });
    const said: Buffer[] = [];
    let saidBytes = 0;
    stream.stderr.on("data", (piece: Buffer) => {
      if (saidBytes < messageBytes) said.push(piece);
      saidBytes += piece.length;
    });
    stream.stderr.on("error", () => {});
    const refuse = (exitCode: number, cause?: unknown) =>
      new CloudError("failed_precondition", lastLines(Buffer.concat(said)) || `tar answered ${exitCode}.`, {
        cause,
        details: { reason: "tar_failed" },
      });
    try {
      const working = work(stream);
      // Work that fails may leave the command waiting for ever; but one that failed of itself says better why.
      const broken = working.then(
        () => new Promise<never>(() => {}),
        async (error) => {
          const exitCode = await Promise.race([stream.exited, sleep(goodbyeMs, undefined, { ref: false })]);
          throw exitCode === undefined || accept.includes(exitCode) ? error : refuse(exitCode, error);
        },
      );
      const exitCode = await Promise.race([stream.exited, broken]);
      if (!accept.includes(exitCode)) {
        await sleep(0);
        working.catch(() => {});
        throw refuse(exitCode);
      }
      return await working;
    } finally {
      stream.close();
    }
  }

  return {
    async poll(offset, limit, waits, signal) {
      const { stdout } = await driver.instanceExec(instance, {
        command: ["sh", `${root}/khmara/poll`, String(offset), String(limit), String(waits)],
        environment,
        maxOutputBytes: limit + 1000,
        signal: AbortSignal.any([signal, AbortSignal.timeout((waits + shellSeconds) * 1000)]),
      });
      const bytes = Buffer.from(stdout);
      const end = bytes.indexOf(10);
      const [state = "none", code, size, cut] = bytes.subarray(0, Math.max(0, end)).toString().split(" ");
      // Without a script nobody has begun anything there yet.
      if (end < 0 || !["none", "running", "exited", "timed_out", "lost"].includes(state))
        return { state: "none", exitCode: undefined, sizeBytes: 0, cut: false, log: Buffer.alloc(0) };
      // What comes from inside may be anything: the command may have replaced the script itself.
      const sizeBytes = Number(size);
      return {
        state: state as Poll["state"],
        exitCode: code === "-" ? undefined : exitCodeOf(code),
        sizeBytes: Number.isSafeInteger(sizeBytes) && sizeBytes >= 0 ? sizeBytes : 0,
        cut: cut === "yes",
        log: bytes.subarray(end + 1),
      };
    },
    ready: async (signal) => void (await shell(readyScript, signal)),
    start: async (command, signal) => void (await shell(installScript(command, root), signal)),
    async bringInput(objects, from, signal) {
      // Anew after a crash in the middle.
      await shell(`rm -rf '${root}/input' && mkdir -p '${root}/input'`, signal);
      return withStream(["tar", "-x", "-f", "-", "-C", `${root}/input`], signal, [0], async ({ stdin, stdout }) => {
        stdout.resume();
        return sendInput(objects, from, stdin, signal);
      });
    },
    fetchOutput: (objects, to, signal) =>
      withStream(["tar", "-c", "-f", "-", "-C", `${root}/output`, "."], signal, [0, tarChanged], async ({ stdin, stdout }) => {
        stdin.end();
        return receiveOutput(objects, stdout, to, signal);
      }),
  };
}

/** 0 to 255, as a process can have it; whatever else was written there is a failure. */
const exitCodeOf = (text: string | undefined): number =>
  /^\d{1,3}$/.test(text ?? "") && Number(text) <= 255 ? Number(text) : 255;

const lastLines = (bytes: Uint8Array): string =>
  Buffer.from(bytes).toString().trim().split("\n").slice(-3).join(" ").slice(0, 500);
