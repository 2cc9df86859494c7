import css from "../phone.module.css";
import { clock } from "../softphone/numbers.ts";
import { useNow } from "../softphone/useNow.ts";

/** How long it lasts already, second by second; red when that is too long. */
export function Clock({ since, lateSeconds = Number.POSITIVE_INFINITY }: { since: string; lateSeconds?: number }) {
  const lasts = useNow(true) - Date.parse(since);
  return (
    <span className={css.clock} data-late={lasts > lateSeconds * 1000 || undefined}>
      {clock(lasts)}
    </span>
  );
}
