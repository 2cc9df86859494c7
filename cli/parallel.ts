import { CloudError } from "../kernel/errors.ts";

/** Does the work for each, a few at a time; the first failure stops what has not begun and is thrown when the rest has ended. */
export async function parallel<T>(
  items: Iterable<T> | AsyncIterable<T>,
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const source = (
    Symbol.asyncIterator in items
      ? items
      : (async function* () {
          yield* items as Iterable<T>;
        })()
  )[Symbol.asyncIterator]();
  let failed = false;
  let failure: unknown;
  const worker = async (): Promise<void> => {
    while (!failed) {
      const next = await source.next();
      if (next.done) return;
      await work(next.value);
    }
  };
  await Promise.all(
    Array.from({ length: atOnce }, () =>
      worker().catch((error) => {
        if (!failed) failure = error;
        failed = true;
      }),
    ),
  );
  if (failed) throw failure;
}

const attempts = 5;

/** Tries again, ever later, what failed because the cloud could not be reached. */
export async function retried<T>(work: () => Promise<T>, firstPauseMs = 500): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt === attempts || !CloudError.is(error, "unavailable")) throw error;
      const pauseMs = Math.max(firstPauseMs * 2 ** (attempt - 1), (error.details.retryAfterSeconds ?? 0) * 1000);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
}
