import { performance } from "node:perf_hooks";

const everyMs = 1000;
/** Of the time in which the event loop did not wait for anything. */
const busyShare = 0.6;
/** One second is a burst; so many in a row are load. */
const busySeconds = 2;

/** Calls `busy` when this process has much to do, again and again for as long as that is so. */
export function watchLoad(busy: () => void): void {
  let before = performance.eventLoopUtilization();
  let seconds = 0;
  setInterval(() => {
    const now = performance.eventLoopUtilization();
    seconds = performance.eventLoopUtilization(now, before).utilization > busyShare ? seconds + 1 : 0;
    before = now;
    if (seconds < busySeconds) return;
    seconds = 0;
    busy();
  }, everyMs).unref();
}
