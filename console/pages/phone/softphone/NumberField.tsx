import { CloseButton, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconSearch } from "@tabler/icons-react";
import { useState } from "react";
import { useApi } from "../../../api/api.ts";
import { useT } from "../../../i18n/i18n.ts";
import type { Tone } from "../../../ui/StatusBadge.tsx";
import { dialled, readable } from "./numbers.ts";
import css from "./softphone.module.css";

export interface Reachable {
  number: string;
  name: string;
}

/** One field for a number in any writing and for a name: whoever fits is listed below it. */
export function NumberField(props: {
  phoneSystem: string;
  /** One's own number, which is not offered. */
  own?: string;
  value: string;
  onChange: (value: string) => void;
  /** Enter, or one of the list. */
  onChosen: (number: string) => void;
  /** More of them, while nothing is typed. */
  children?: React.ReactNode;
}) {
  const t = useT();
  const [cursor, setCursor] = useState(-1);
  const [search] = useDebouncedValue(props.value.trim(), 150);
  const found = useApi(
    "phoneDirectoryList",
    { phoneSystem: props.phoneSystem as never, limit: 30, ...(search ? { search } : {}) },
    { keepPrevious: true, staleTime: 60_000 },
  );
  const entries = (found.data?.items ?? []).filter(({ number }) => number !== props.own);
  return (
    <>
      <TextInput
        aria-label={t("softphone.nameOrNumber")}
        placeholder={t("softphone.nameOrNumber")}
        size="md"
        inputMode="tel"
        autoComplete="off"
        spellCheck={false}
        data-autofocus
        leftSection={<IconSearch size={16} stroke={1.8} aria-hidden />}
        rightSection={
          props.value && <CloseButton size="sm" aria-label={t("softphone.clear")} onClick={() => props.onChange("")} />
        }
        value={props.value}
        onChange={(event) => {
          setCursor(-1);
          props.onChange(event.currentTarget.value);
        }}
        onPaste={(event) => {
          const text = event.clipboardData.getData("text");
          // "Call me: +380 (44) 123-45-67" becomes what is dialled.
          const number = dialled(/[+*#]?\d[\d\s().*#/-]{2,}/.exec(text)?.[0] ?? "");
          if (number === "") return;
          event.preventDefault();
          props.onChange(number);
        }}
        onKeyDown={(event) => {
          if (event.key === "ArrowDown" || event.key === "ArrowUp") {
            event.preventDefault();
            setCursor((now) => Math.max(-1, Math.min(entries.length - 1, now + (event.key === "ArrowDown" ? 1 : -1))));
          }
          if (event.key !== "Enter" || event.nativeEvent.isComposing) return;
          event.preventDefault();
          const entry =
            entries[cursor] ?? (/[a-zа-яіїєґà-ÿ]/i.test(props.value) && !props.value.includes("@") ? entries[0] : undefined);
          const number = entry?.number ?? dialled(props.value);
          if (number) props.onChosen(number);
        }}
      />
      <ul className={css.found} aria-label={t("softphone.directory")}>
        {entries.map((entry, index) => (
          <li key={`${entry.kind} ${entry.id}`}>
            <button
              type="button"
              className={css.entry}
              data-cursor={index === cursor || undefined}
              onClick={() => props.onChosen(entry.number)}
            >
              <span>
                {entry.name}
                {entry.presence && <Presence presence={entry.presence} />}
              </span>
              <span className={css.muted}>{readable(entry.number)}</span>
            </button>
          </li>
        ))}
        {found.data && entries.length === 0 && <li className={css.none}>{t("softphone.nobodyFits")}</li>}
      </ul>
    </>
  );
}

type PresenceOf = "offline" | "available" | "ringing" | "busy" | "do_not_disturb";
const tones: Record<PresenceOf, Tone> = {
  offline: "off",
  available: "good",
  ringing: "busy",
  busy: "warn",
  do_not_disturb: "bad",
};

/** Whether a colleague can be reached now: as a word and a colour. */
function Presence({ presence }: { presence: PresenceOf }) {
  const t = useT();
  return (
    <small className={css.presence} data-tone={tones[presence]}>
      <i aria-hidden />
      {t(`softphone.presence.${presence}`)}
    </small>
  );
}
