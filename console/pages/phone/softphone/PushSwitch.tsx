import { Switch } from "@mantine/core";
import { useState } from "react";
import { useLanguage, useT } from "../../../i18n/i18n.ts";
import { pushSupported, pushWanted, startPush, stopPush } from "./push.ts";

/** Calls are shown while no tab of the console is open. */
export function PushSwitch({ extension }: { extension: string }) {
  const t = useT();
  const language = useLanguage();
  const [on, setOn] = useState(pushWanted(extension));
  const [failed, setFailed] = useState(false);
  if (!pushSupported()) return null;
  const turn = async (wanted: boolean) => {
    setOn(wanted);
    setFailed(false);
    if (!wanted) return stopPush(extension);
    try {
      if ((await Notification.requestPermission()) !== "granted") throw new Error("refused");
      await startPush(extension, language);
    } catch {
      setOn(false);
      setFailed(true);
    }
  };
  return (
    <Switch
      label={t("softphone.push")}
      description={t("softphone.pushText")}
      error={failed && t("softphone.pushFailed")}
      checked={on}
      onChange={(event) => void turn(event.currentTarget.checked)}
    />
  );
}
