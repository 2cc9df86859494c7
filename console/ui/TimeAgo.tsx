import { useSyncExternalStore } from "react";
import { useFormat } from "../i18n/format.ts";

// One clock for all of them, so that a list of thousands has one timer.
let now = Date.now();
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;
const subscribe = (listener: () => void) => {
  listeners.add(listener);
  timer ??= setInterval(() => {
    now = Date.now();
    for (const one of listeners) one();
  }, 20_000);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
};

/** "3 minutes ago", with the exact moment on hover; `never` where there is no moment yet. */
export function TimeAgo({ at, never = "—" }: { at: string | undefined; never?: string }) {
  const format = useFormat();
  const seen = useSyncExternalStore(subscribe, () => now);
  if (at === undefined) return <span style={{ color: "var(--k-muted)" }}>{never}</span>;
  return (
    <time dateTime={at} title={format.exact(at)}>
      {format.timeAgo(at, Math.max(seen, Date.now() - 20_000))}
    </time>
  );
}
