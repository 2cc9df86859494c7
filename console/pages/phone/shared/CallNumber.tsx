import { ActionIcon } from "@mantine/core";
import { IconPhone } from "@tabler/icons-react";
import { useT } from "../../../i18n/i18n.ts";
import css from "../phone.module.css";
import { useCall } from "../softphone/callWith.ts";
import { isCallable, readable } from "../softphone/numbers.ts";

/** Somebody's number, called by a click where one has a phone here; `plain` where the whole is a button already. */
export function CallNumber({ number, name, plain }: { number: string; name?: string | undefined; plain?: boolean }) {
  const t = useT();
  const call = useCall();
  return (
    <span className={css.number}>
      <span>
        {name ?? (number === "" || number === "anonymous" ? t("phone.hidden") : readable(number))}
        {name && <small>{readable(number)}</small>}
      </span>
      {call && isCallable(number) && !plain && (
        <ActionIcon
          variant="subtle"
          color="gray"
          size={26}
          aria-label={t("phone.callNumber", { number })}
          onClick={(event) => {
            event.preventDefault();
            event.stopPropagation();
            call(number);
          }}
        >
          <IconPhone size={15} stroke={1.7} />
        </ActionIcon>
      )}
    </span>
  );
}
