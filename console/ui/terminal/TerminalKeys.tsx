import { useT } from "../../i18n/i18n.ts";
import type { BarKey, TerminalSession } from "./session.ts";
import css from "./terminal.module.css";

/** Those with words on them are named by these words. */
const keys: { key: BarKey; face: string; named?: true }[] = [
  { key: "escape", face: "Esc", named: true },
  { key: "tab", face: "Tab", named: true },
  { key: "up", face: "↑" },
  { key: "down", face: "↓" },
  { key: "left", face: "←" },
  { key: "right", face: "→" },
  { key: "home", face: "⇱" },
  { key: "end", face: "⇲" },
  { key: "pageUp", face: "⇞" },
  { key: "pageDown", face: "⇟" },
];

/** Keys that a telephone's keyboard does not have. A touch must not take the keyboard away, so it is no click that changes the focus. */
export function TerminalKeys({ session }: { session: TerminalSession }) {
  const t = useT();
  const stay = (event: { preventDefault: () => void }) => event.preventDefault();
  const { control, alt } = session.held;
  const button = ({ key, face, named }: (typeof keys)[number]) => (
    <button
      key={key}
      type="button"
      className={css.key}
      aria-label={named ? undefined : t(`terminal.key.${key as Exclude<BarKey, "escape" | "tab">}`)}
      onPointerDown={stay}
      onClick={() => session.press(key)}
    >
      {face}
    </button>
  );
  return (
    <div className={css.keys} role="toolbar" aria-label={t("terminal.keys")}>
      {keys.slice(0, 2).map(button)}
      <button
        type="button"
        className={css.key}
        aria-label={t("terminal.key.control")}
        aria-pressed={control}
        onPointerDown={stay}
        onClick={() => session.hold("control")}
      >
        Ctrl
      </button>
      <button
        type="button"
        className={css.key}
        aria-label={t("terminal.key.alt")}
        aria-pressed={alt}
        onPointerDown={stay}
        onClick={() => session.hold("alt")}
      >
        Alt
      </button>
      {keys.slice(2).map(button)}
    </div>
  );
}
