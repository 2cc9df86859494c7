import { CloudError } from "../../../kernel/errors.ts";

/** One planned misbehaviour of a fake driver. */
export interface Fault {
  /** Name of the call: `instanceStart`. */
  call: string;
  /** Only when its arguments match. */
  when?: ((...args: never[]) => boolean) | undefined;
  /** Thrown; absent: the call works, after the delay. */
  error?: Error | undefined;
  /** Thrown after the work is done instead of before it: what a process that dies between the two sees. */
  afterwards?: boolean | undefined;
  delayMs?: number | undefined;
  /** Never answers: waits until its signal is aborted, as a process does that is killed then. */
  hangs?: "before" | "after" | undefined;
  onHang?: (() => void) | undefined;
  /** How many calls it meets; Infinity unless said. */
  times: number;
}

export interface Faults {
  /** The next call (or `times` calls) fails; `unavailable` unless an error is given. */
  fail(call: string, options?: Partial<Omit<Fault, "call">>): void;
  /** Every call takes so long, or until its signal is aborted. */
  slow(call: string, delayMs: number, options?: Partial<Omit<Fault, "call">>): void;
  /** The next call waits for its end before or after its work is done; resolves when it does. */
  hang(call: string, when: "before" | "after"): Promise<void>;
  /** All is well again. */
  clear(call?: string): void;
  /** What was called, in order: `["instanceCreate", { name: … }]`. */
  readonly calls: readonly (readonly [name: string, ...args: unknown[]])[];
  /** How often it was called. */
  count(call: string): number;
}

/** Wraps a driver: each call is written down, and meets the faults that are planned for it. */
export function withFaults<D extends object>(driver: D, unfaulted: readonly string[]): { driver: D; faults: Faults } {
  const planned: Fault[] = [];
  const calls: [string, ...unknown[]][] = [];
  const faults: Faults = {
    calls,
    fail: (call, { error = new CloudError("unavailable", `${call} was told to fail.`), times = 1, ...rest } = {}) =>
      void planned.push({ call, error, times, ...rest }),
    slow: (call, delayMs, options = {}) => void planned.push({ call, delayMs, times: Number.POSITIVE_INFINITY, ...options }),
    hang: (call, hangs) => new Promise((resolve) => void planned.push({ call, hangs, times: 1, onHang: resolve })),
    clear: (call) => void planned.splice(0, planned.length, ...planned.filter((fault) => call && fault.call !== call)),
    count: (call) => calls.filter(([name]) => name === call).length,
  };
  // What is put on it later is the test's own.
  const faulted = new Set(Object.keys(driver).filter((name) => !unfaulted.includes(name)));
  const wrapped = new Proxy(driver, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown;
      if (typeof value !== "function" || typeof name !== "string" || !faulted.has(name)) return value;
      return async (...args: unknown[]) => {
        calls.push([name, ...args]);
        const fault = planned.find(
          ({ call, times, when }) => call === name && times > 0 && (!when || (when as (...all: unknown[]) => boolean)(...args)),
        );
        if (fault) fault.times--;
        const signal = signalIn(args);
        signal?.throwIfAborted();
        if (fault?.delayMs) await pause(fault.delayMs, signal);
        if (fault?.hangs === "before") await untilAborted(fault, signal);
        if (fault?.error && !fault.afterwards) throw fault.error;
        const result: unknown = await value.apply(target, args);
        if (fault?.hangs === "after") await untilAborted(fault, signal);
        if (fault?.error) throw fault.error;
        return result;
      };
    },
  });
  return { driver: wrapped, faults };
}

const signalIn = (args: unknown[]): AbortSignal | undefined => {
  for (const each of args) {
    const signal = each !== null && typeof each === "object" ? (each as { signal?: unknown }).signal : undefined;
    if (signal instanceof AbortSignal) return signal;
  }
  return undefined;
};

const untilAborted = ({ onHang }: Fault, signal: AbortSignal | undefined): Promise<never> =>
  new Promise((_, reject) => {
    if (signal?.aborted) reject(signal.reason);
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
    onHang?.();
  });

export const pause = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", stop, { once: true });
  });
