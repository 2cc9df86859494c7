import { randomBytes } from "node:crypto";
import { Transform, type TransformCallback } from "node:stream";
import { CloudError } from "../../../../kernel/errors.ts";
import type { AppEngine, BuildResult, BuildSpec, EngineInfo } from "../../driver.ts";
import { type BuildCage, makeCage } from "./buildCage.ts";
import { BuildSteps, watchDisk } from "./buildWatch.ts";
import { at } from "./client.ts";
import { removeContainer } from "./containers.ts";
import { cancelled, DockerError, translate, wordsOf } from "./engineError.ts";
import { findImage, imageReport } from "./images.ts";
import type { EngineContainer } from "./lookup.ts";
import { absent, type Engine } from "./ownership.ts";

export type Builds = Pick<AppEngine, "imageBuild">;

interface BuildWords {
  stream?: string;
  status?: string;
  aux?: { ID?: string };
  error?: string;
  errorDetail?: { code?: number; message?: string };
}

/** The engine goes on reading its output for a moment after the last of its processes was killed. */
const settleMs = 15_000;
const red = "\u001b[91m";
const reset = "\u001b[0m";

export function createBuilds(engine: Engine, info: () => Promise<EngineInfo>): Builds {
  const { client, ownership } = engine;

  return {
    async imageBuild(spec, context, { signal, onLine }) {
      const began = performance.now();
      const reference = ownership.imageReference(spec.name);
      const labels = ownership.imageLabels(spec.labels);
      const network = await networkOf(spec, signal);
      const { cgroupDriver, cgroupVersion, userNamespaces, dataFolder } = await info();
      const local = !client.address.endpoint.startsWith("https:");
      const id = randomBytes(6).toString("hex");
      const cage = await makeCage({ info: { cgroupDriver, cgroupVersion, userNamespaces }, local, id, limits: spec.limits });
      const steps = new BuildSteps();
      const stop = new AbortController();
      let reason: CloudError | undefined;
      const end = (error: CloudError) => {
        reason ??= error;
        stop.abort(error);
        // At once, not when the engine gets to it.
        void cage.kill();
      };
      const late = setTimeout(() => end(tooLong(spec.limits.seconds)), spec.limits.seconds * 1000);
      const onAbort = () => end(cancelled("POST /build", signal?.reason));
      signal?.addEventListener("abort", onAbort, { once: true });
      if (signal?.aborted) onAbort();
      const bounded = boundContext(spec.limits.diskBytes, end);
      context.once("error", (error) => bounded.destroy(error));
      context.pipe(bounded);
      const watching = watchDisk(engine, { steps, mostBytes: spec.limits.diskBytes, dataFolder, signal: stop.signal }, () =>
        end(diskFull(spec.limits.diskBytes)),
      );
      try {
        const image = await read();
        const found = await findImage(engine, image);
        if (found === undefined) throw absent("image", spec.name);
        const { memoryPeakBytes, cpuSeconds } = cage.usage();
        const result: BuildResult = {
          image: imageReport(engine, found),
          usage: { seconds: (performance.now() - began) / 1000, memoryPeakBytes, cpuSeconds },
        };
        return result;
      } catch (error) {
        throw reason ?? explained(error, cage, spec);
      } finally {
        clearTimeout(late);
        signal?.removeEventListener("abort", onAbort);
        context.destroy();
        const failed = stop.signal.aborted || reason !== undefined;
        stop.abort();
        await watching;
        if (failed) await settle(cage);
        await cage.remove();
      }

      async function read(): Promise<string> {
        let image: string | undefined;
        let rest = "";
        const say = (text: string) => {
          const lines = (rest + text).split("\n");
          rest = lines.pop() ?? "";
          for (const line of lines) hear(line);
        };
        const hear = (line: string) => {
          steps.take(line);
          onLine(line.replace(/\r$/, ""));
        };
        const query = {
          version: "1",
          dockerfile: spec.dockerfile,
          t: reference,
          labels: JSON.stringify(labels),
          buildargs: JSON.stringify(spec.arguments),
          target: spec.target,
          networkmode: network,
          nocache: !spec.cache,
          rm: true,
          forcerm: true,
          cgroupparent: cage.parent,
        };
        try {
          const words = client.upload<BuildWords>("/build", bounded, { query, signal: stop.signal, timeoutMs: 0 });
          for await (const { stream, status, aux, error, errorDetail } of words) {
            if (stream !== undefined) say(plain(stream));
            else if (status !== undefined && rest === "") onLine(status);
            if (aux?.ID !== undefined) image = aux.ID;
            if (error === undefined) continue;
            if (rest !== "") hear(rest);
            onLine(error);
            throw new BuildFailure(error, errorDetail?.code);
          }
          if (rest !== "") hear(rest);
          if (image === undefined) throw translate(new DockerError("the build ended without an image", 0, "POST /build"));
          return image;
        } catch (error) {
          await forget();
          throw error;
        }
      }

      /** What the engine keeps of steps of a build that failed has no name and no label, and nobody else would take it away. */
      async function forget(): Promise<void> {
        if (stop.signal.aborted) await settle(cage);
        for (const image of steps.made.toReversed())
          await client.delete(at`/images/${image}`, { query: { noprune: true } }).catch(() => {});
      }

      /** Until nothing of it runs, and no container of it is left. */
      async function settle(running: BuildCage): Promise<void> {
        await running.kill();
        const deadline = Date.now() + settleMs;
        for (const each of steps.containers) {
          const there = () => client.find<EngineContainer>(at`/containers/${each}/json`).catch(() => undefined);
          let container = await there();
          // The engine removes it by itself, being told that nobody waits for it any more.
          while (container !== undefined && Date.now() < deadline) {
            await new Promise((resolve) => setTimeout(resolve, 100));
            container = await there();
          }
          if (container?.HostConfig.CgroupParent === running.parent) await removeContainer(engine, container.Id).catch(() => {});
        }
      }
    },
  };

  async function networkOf({ network }: BuildSpec, signal: AbortSignal | undefined): Promise<string> {
    if (network === undefined) return "none";
    const name = ownership.engineName(network);
    const found = await client.find<{ Labels: Record<string, string> }>(at`/networks/${name}`, { signal });
    if (found === undefined || !ownership.isOurs(found.Labels)) throw absent("network", network);
    return name;
  }
}

/** The builder paints red what a step says on its standard error. */
const plain = (text: string): string =>
  text.startsWith(red) && text.endsWith(reset) ? text.slice(red.length, -reset.length) : text;

class BuildFailure extends Error {
  readonly exitCode: number | undefined;
  constructor(message: string, exitCode: number | undefined) {
    super(message);
    this.exitCode = exitCode;
  }
}

const killedBySignal = 137;

/** Why it failed, in words for people; what the step itself said is in the log. */
function explained(error: unknown, cage: BuildCage, { limits }: BuildSpec): unknown {
  if (!(error instanceof BuildFailure)) {
    const words = wordsOf(error);
    const said = `${words.slice(0, 500)}.`;
    if (CloudError.is(error, "invalid_argument") || /dockerfile/i.test(words))
      return new CloudError("invalid_argument", `The Dockerfile cannot be used: ${said}`, {
        cause: error,
        details: { reason: "dockerfile_invalid", said },
      });
    return error;
  }
  const { exitCode, message } = error;
  const cause = new DockerError(message, 0, "POST /build");
  if (/no space left on device/i.test(message)) return translate(cause);
  const { memoryKills, memoryFull, processesFull } = cage.usage();
  const memoryMiB = Math.round(limits.memoryBytes / 1024 ** 2);
  if (memoryKills ?? (memoryFull && exitCode === killedBySignal))
    return new CloudError(
      "failed_precondition",
      `The build needed more than its ${memoryMiB} MiB of memory. Let it do with less, or give builds more.`,
      { cause, details: { reason: "build_out_of_memory", memoryMiB, exitCode } },
    );
  const why = processesFull ? ` It met its limit of ${limits.processes} processes.` : "";
  return new CloudError(
    "failed_precondition",
    `A step of the build failed${exitCode === undefined ? "" : ` (exit code ${exitCode})`}.${why} The log of the build has its words.`,
    { cause, details: { reason: "build_failed", exitCode, processLimit: processesFull } },
  );
}

const tooLong = (seconds: number): CloudError =>
  new CloudError("deadline_exceeded", `The build took longer than ${seconds} seconds, and was stopped.`, {
    details: { reason: "build_too_long", seconds },
  });

const diskFull = (bytes: number): CloudError =>
  new CloudError(
    "failed_precondition",
    `The build was stopped: it wrote more than ${Math.round(bytes / 1024 ** 2)} MiB, or the disk of the container engine is nearly full.`,
    { details: { reason: "build_disk_full" } },
  );

function boundContext(mostBytes: number, end: (error: CloudError) => void): Transform {
  const limitMiB = Math.round(mostBytes / 1024 ** 2);
  let length = 0;
  return new Transform({
    transform(chunk: Buffer, _, done: TransformCallback) {
      length += chunk.length;
      if (length <= mostBytes) return done(null, chunk);
      const error = new CloudError(
        "failed_precondition",
        `What is to be built is larger than ${limitMiB} MiB. Leave out what is not needed (.dockerignore).`,
        { details: { reason: "build_context_too_large", limitMiB } },
      );
      end(error);
      done(error);
    },
  });
}
