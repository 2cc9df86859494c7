import { tellSupervisor } from "../kernel/config.ts";
import { CloudError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";

/**
 * What no code foresaw ends the process, with its reason told to the operator; the supervisor starts it again. With `keepOn` a promise that
 * nobody waited for only tells its reason: where one call's failure must not end the others.
 */
export function endOnFailure(log: Log, { keepOn = false } = {}): void {
  const end = (error: unknown) => {
    log.fatal({ err: error }, "ended by an error");
    const message = error instanceof Error ? error.message : String(error);
    tellSupervisor({
      type: "fatal",
      message: CloudError.is(error) && error.cause instanceof Error ? `${message} (${error.cause.message})` : message,
    });
    // The message to the supervisor goes out first.
    setTimeout(() => process.exit(1), 50);
  };
  process.on("uncaughtException", end);
  process.on("unhandledRejection", keepOn ? (error) => log.error({ err: error }, "nobody waited for this error") : end);
}
