import { getHeapStatistics } from "node:v8";

const idleEveryMs = 15_000;
/** Of one processor: a collection takes as long as fifty requests, so it waits until there are few. */
const idleShare = 0.05;
const worthBytes = 8 * 2 ** 20;

/**
 * Collects garbage once the process has had little to do for a while, where V8 exposes `gc` (`node-words.ts`): left alone it keeps what a start or a busy hour left
 * behind until there is much more of it, 10 MiB in an object door that nobody uses. Returns what ends it.
 */
export function collectWhenIdle({ everyMs = idleEveryMs } = {}): () => void {
  let cpu = process.cpuUsage();
  let livingBytes = 0;
  const timer = setInterval(() => {
    const { user, system } = process.cpuUsage(cpu);
    cpu = process.cpuUsage();
    if ((user + system) / 1000 > everyMs * idleShare) return;
    if (getHeapStatistics().total_heap_size - livingBytes < worthBytes) return;
    globalThis.gc?.();
    livingBytes = getHeapStatistics().total_heap_size;
  }, everyMs).unref();
  return () => clearInterval(timer);
}
