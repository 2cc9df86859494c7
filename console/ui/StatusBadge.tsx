import css from "./StatusBadge.module.css";

export type Tone = "good" | "busy" | "warn" | "bad" | "off";

/** A state as a word and a colour, never as a colour alone. */
export function StatusBadge({ tone, children }: { tone: Tone; children: string }) {
  return (
    <span className={css.badge} data-tone={tone}>
      <span className={css.dot} aria-hidden />
      <span className={css.word}>{children}</span>
    </span>
  );
}
