import { basename } from "node:path";

const forSize = "--optimize-for-size";
/**
 * The object door's buffers are outside of V8's heap, which with `forSize` made it collect garbage for a third of the time. It says itself when they are to be
 * collected (`services/objects/drivers/local/bodyMemory.ts`). What is young is little: to share that out among threads costs more than it saves.
 */
const forBodies = ["--expose-gc", "--no-parallel-scavenge"];
/**
 * In the object door some 16 MiB live for long, and V8 let what requests leave behind grow to 100 MiB before it looked at it for the first time. From 40 MiB on it does,
 * and whenever there is 0.6 more than lived the last time: some 60 MiB less with two processes, at the same processor time (bench/README.md).
 */
const forOldOnes = ["--initial-old-space-size=40", "--heap-growing-percent=60"];
const youngSpace = "--max-semi-space-size=";

/**
 * How a child is started, also to warm up (`packed-program.ts`): what is compiled holds for the same flags only. V8 lets the space of young objects grow with the load and
 * never gives it back (4 MB instead of 16), and collects the old ones only when there are half as many again, unless memory is worth more to it than
 * speed. Together 40 to 70 MB in the control plane after work; requests cost the same time (bench/). In the voice process, which is there only where there
 * are phones, objects live as long as a call does: with so little memory, which grows by itself in no useful time, they all became old ones, and
 * collecting those was half of the process's time.
 */
export function childWords(entry: string): string[] {
  const words = process.execArgv.filter((word) => !word.startsWith(youngSpace) && word !== forSize);
  const [name] = basename(entry).split(".");
  if (name === "voice") return [...words, "--min-semi-space-size=32", `${youngSpace}32`, entry];
  if (name === "objects") return [...words, ...forBodies, ...forOldOnes, `${youngSpace}4`, entry];
  const forIdle = name === "control" ? ["--expose-gc"] : [];
  return [...words, forSize, ...forIdle, `${youngSpace}4`, entry];
}

/**
 * glibc gives what was freed back to the system instead of keeping ever larger pieces, and threads share one arena (mallopt(3)): after work that
 * is 25 MB less in the control plane. For the supervisor, and so for all that it starts.
 */
export const allocation = { MALLOC_ARENA_MAX: "1", MALLOC_TRIM_THRESHOLD_: "131072", MALLOC_MMAP_THRESHOLD_: "131072" };
