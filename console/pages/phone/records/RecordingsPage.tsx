import { Alert } from "@mantine/core";
import { useCan } from "../../../frame/identity.ts";
import { useT } from "../../../i18n/i18n.ts";
import { PhonePage } from "../shared/PhonePage.tsx";
import { Recordings } from "./Recordings.tsx";

export default function RecordingsPage() {
  const t = useT();
  const admin = useCan()("admin");
  return (
    <PhonePage tab="recordings" text={t("phoneRecords.recordingsText")}>
      {({ system }) =>
        admin ? (
          <Recordings phoneSystem={system.id} mine={false} />
        ) : (
          <Alert color="gray">{t("ui.needsRole", { role: t("ui.role.admin") })}</Alert>
        )
      }
    </PhonePage>
  );
}
