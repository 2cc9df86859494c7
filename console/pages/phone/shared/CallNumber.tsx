import { ActionIcon } from "@mantine/core";
import { IconPhone } from "@tabler/icons-react";
import { useT } from "../../../i18n/i18n.ts";
import css from "../phone.module.css";
import { setPanel, useCurrentPhone } from "../softphone/current.ts";
import { isCallable, readable } from "../softphone/numbers.ts";

/** Somebody's number, called by a click where one has a phone here; `plain` where the whole is a button already. */
export function CallNumber({ number, name, plain }: { number: string; name?: string | undefined; plain?: boolean }) {
  const t = useT();
  const phone = useCurrentPhone();
  return (
    <span className={css.number}>
      <span>
        {name ?? (number === "" || number === "anonymous" ? t("phone.hidden") : readable(number))}
        {name && <small>{readable(number)}</small>}
      </span>
      {phone && isCallable(number) && !plain && (
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
