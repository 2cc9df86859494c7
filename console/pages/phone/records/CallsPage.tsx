import { Alert } from "@mantine/core";
import { useT } from "../../../i18n/i18n.ts";
import { PhonePage } from "../shared/PhonePage.tsx";
import { CallList } from "./CallList.tsx";

export default function CallsPage() {
  const t = useT();
  return (
    <PhonePage tab="calls" text={t("phoneRecords.callsText")}>
      {({ system, may }) =>
        may ? (
          <CallList phoneSystem={system.id} mine={false} />
        ) : (
          <Alert color="gray">{t("ui.needsRole", { role: t("ui.role.editor") })}</Alert>
        )
      }
    </PhonePage>
  );
}
