import { ActionIcon } from "@mantine/core";
import { IconBell, IconBellOff } from "@tabler/icons-react";
import { useState } from "react";
import type { Extension } from "../../../../services/voice/extensions/contract.ts";
import { callApi, invalidate } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useT } from "../../../i18n/i18n.ts";
import { Hint } from "../../../ui/Hint.tsx";
import { toastError } from "../../../ui/toast.ts";
import css from "./softphone.module.css";

/** Of the extension, on all its phones: what the code for it does. */
export function DoNotDisturb({ extension }: { extension: Extension }) {
  const t = useT();
  const [changing, setChanging] = useState(false);
  const on = extension.doNotDisturb;
  const label = t(on ? "softphone.quietOn" : "softphone.quietOff");
  const change = () => {
    setChanging(true);
    void callApi("myExtensionUpdate", { extension: extension.id, doNotDisturb: !on })
      .then(() => invalidate(queries, ["myExtensionList", "extensionGet", "extensionPresenceList", "phoneDirectoryList"]))
      .catch(toastError)
      .finally(() => setChanging(false));
  };
  const Symbol_ = on ? IconBellOff : IconBell;
  return (
    <Hint label={label}>
      <ActionIcon
        className={css.tool}
        variant={on ? "filled" : "subtle"}
        color={on ? "red.8" : "gray"}
        aria-label={t("softphone.presence.do_not_disturb")}
        role="switch"
        aria-checked={on}
        loading={changing}
        onClick={change}
      >
        <Symbol_ size={18} stroke={1.6} />
      </ActionIcon>
    </Hint>
  );
}
