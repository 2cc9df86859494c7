import { CloudError } from "../../../kernel/errors.ts";
import type { Log } from "../../../kernel/log.ts";
import type { ComputeDriver } from "../driver.ts";

/** So long a failure to reach the engine is believed; then the next call tries again. */
const believedMs = 1000;
/** How often the watch looks whether the engine is there by now. */
const watchMs = 2000;

/**
 * A driver that need not be reachable when it is opened: its calls fail as opening it does (unavailable, say), until that works, and
 * then go on with it.
 */
export function reopeningDriver(open: () => Promise<ComputeDriver>, log: Log): ComputeDriver {
  let driver: ComputeDriver | undefined;
  let opening: Promise<ComputeDriver> | undefined;
  let failure: { error: unknown; until: number } | undefined;
  const over = new AbortController();

  function opened(): Promise<ComputeDriver> {
    if (driver) return Promise.resolve(driver);
    if (over.signal.aborted) return Promise.reject(new CloudError("unavailable", "The cloud is stopping."));
    if (failure && failure.until > Date.now()) return Promise.reject(failure.error);
    opening ??= open().then(
      (found) => {
        opening = undefined;
        if (over.signal.aborted) {
          void found.close();
          throw new CloudError("unavailable", "The cloud is stopping.");
        }
        if (failure) log.info("the engine of virtual servers is there again");
        failure = undefined;
        driver = found;
        return found;
      },
      (error: unknown) => {
        opening = undefined;
        if (!failure) log.warn({ err: error }, "the engine of virtual servers cannot be used now; it is tried again");
        failure = { error, until: Date.now() + believedMs };
        throw error;
      },
    );
    return opening;
  }

  const own: Pick<ComputeDriver, "watch" | "close"> = {
    watch(onChange, signal) {
      const either = AbortSignal.any([signal, over.signal]);
      const begin = () => {
        if (either.aborted) return;
        opened().then(
          (found) => either.aborted || found.watch(onChange, either),
          () => setTimeout(begin, watchMs).unref(),
        );
      };
      begin();
    },
    async close() {
      over.abort();
      await driver?.close();
    },
  };
  // The first call should not be the one that waits.
  opened().catch(() => {});
  return new Proxy({} as ComputeDriver, {
    get(_, name) {
      if (name === "watch" || name === "close") return own[name];
      // Whoever gets a driver out of a promise asks whether it is another promise.
      if (typeof name !== "string" || name === "then") return undefined;
      return async (...args: unknown[]) => {
        const found = await opened();
        const method = found[name as keyof ComputeDriver] as (...all: unknown[]) => unknown;
        return method.apply(found, args);
      };
    },
  });
}
