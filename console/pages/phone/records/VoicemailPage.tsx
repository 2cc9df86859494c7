import { Alert } from "@mantine/core";
import { useCan } from "../../../frame/identity.ts";
import { useT } from "../../../i18n/i18n.ts";
import { PhonePage } from "../shared/PhonePage.tsx";
import { Voicemails } from "./Voicemails.tsx";

export default function VoicemailPage() {
  const t = useT();
  const admin = useCan()("admin");
  return (
    <PhonePage tab="voicemail" text={t("phoneRecords.voicemailText")}>
      {({ system }) =>
        admin ? (
          <Voicemails phoneSystem={system.id} mine={false} />
        ) : (
          <Alert color="gray">{t("ui.needsRole", { role: t("ui.role.admin") })}</Alert>
        )
      }
    </PhonePage>
  );
}
