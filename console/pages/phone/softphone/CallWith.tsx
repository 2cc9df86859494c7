import { Select } from "@mantine/core";
import { useEffect } from "react";
import type { Extension } from "../../../../services/voice/extensions/contract.ts";
import { useApi } from "../../../api/api.ts";
import { useT } from "../../../i18n/i18n.ts";
import { setCallWith, useCallWith } from "./callWith.ts";

/** Which of one's phones calls; nothing where there is only this browser. */
export function CallWith({ extension }: { extension: Extension }) {
  const t = useT();
  const device = useCallWith();
  const known = useApi("myPhoneDeviceList", { extension: extension.id, limit: 50 }, { staleTime: 60_000 }).data?.items;
  const devices = known?.filter(({ kind, enabled }) => kind !== "browser" && enabled);
  const isGone = device !== "" && devices !== undefined && !devices.some(({ id }) => id === device);
  useEffect(() => {
    if (isGone) setCallWith("");
  }, [isGone]);
  if (!devices?.length) return null;
  return (
    <Select
      label={t("softphone.callWith")}
      allowDeselect={false}
      value={device}
      onChange={(id) => setCallWith(id ?? "")}
      data={[
        { value: "", label: t("softphone.thisBrowser") },
        ...devices.map(({ id, label, isRegistered }) => ({
          value: id as string,
          label: isRegistered ? label : `${label} (${t("softphone.registration.lost")})`,
        })),
      ]}
    />
  );
}
