import { useT } from "../../../i18n/i18n.ts";
import css from "./softphone.module.css";

const keys: [key: string, letters: string][] = [
  ["1", ""],
  ["2", "ABC"],
  ["3", "DEF"],
  ["4", "GHI"],
  ["5", "JKL"],
  ["6", "MNO"],
  ["7", "PQRS"],
  ["8", "TUV"],
  ["9", "WXYZ"],
  ["*", ""],
  ["0", "+"],
  ["#", ""],
];

/** The twelve keys; holding 0 gives +. */
export function DialPad({ onKey }: { onKey: (key: string) => void }) {
  const t = useT();
  let long: ReturnType<typeof setTimeout> | undefined;
  let wasLong = false;
  return (
    <fieldset className={css.pad} aria-label={t("softphone.keypad")}>
      {keys.map(([key, letters]) => (
        <button
          key={key}
          type="button"
          className={css.key}
          onPointerDown={() => {
            wasLong = false;
            if (key === "0")
              long = setTimeout(() => {
                wasLong = true;
                onKey("+");
              }, 600);
          }}
          onPointerUp={() => clearTimeout(long)}
          onPointerLeave={() => clearTimeout(long)}
          onClick={() => {
            if (!wasLong) onKey(key);
            wasLong = false;
          }}
        >
          <b>{key}</b>
          <small aria-hidden>{letters}</small>
        </button>
      ))}
    </fieldset>
  );
}
