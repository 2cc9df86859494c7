import { ActionIcon } from "@mantine/core";
import { IconPhone } from "@tabler/icons-react";
import { useT } from "../../../i18n/i18n.ts";
import css from "../phone.module.css";
import { setPanel, useCurrentPhone } from "../softphone/current.ts";
import { readable } from "../softphone/numbers.ts";

/** Somebody's number, called by a click where one has a phone here. */
export function CallNumber({ number, name }: { number: string; name?: string | undefined }) {
  const t = useT();
  const phone = useCurrentPhone();
  const callable = /^[+\d*#]/.test(number);
  return (
    <span className={css.number}>
      <span>
        {name ?? (number === "" ? t("phone.hidden") : readable(number))}
        {name && <small>{readable(number)}</small>}
      </span>
      {phone && callable && (
        <ActionIcon
          variant="subtle"
          color="gray"
          size={26}
          aria-label={t("phone.callNumber", { number })}
          onClick={(event) => {
            event.preventDefault();
            event.stopPropagation();
            phone.run({ kind: "dial", number });
            setPanel(true);
          }}
        >
          <IconPhone size={15} stroke={1.7} />
        </ActionIcon>
      )}
    </span>
  );
}
