import { Alert, Button } from "@mantine/core";
import { useState } from "react";
import type { PhoneSite } from "../../../../services/voice/provisioning/contract.ts";
import { callApi } from "../../../api/api.ts";
import { useFormat } from "../../../i18n/format.ts";
import { useT } from "../../../i18n/i18n.ts";
import { CopyField } from "../../../ui/CopyField.tsx";
import { SecretOnce } from "../../../ui/SecretOnce.tsx";
import { Section } from "../../../ui/Section.tsx";
import { toastDone, toastError } from "../../../ui/toast.ts";
import type { PhonePlace } from "../shared/PhonePage.tsx";

/** One address for all desk phones of a site, and a day in which it answers new ones. */
export function SitePhones({ system, may }: PhonePlace) {
  const t = useT();
  const format = useFormat();
  const [site, setSite] = useState<PhoneSite>();
  const phoneSystem = system.id;
  const awaitThem = () =>
    callApi("phoneSiteAwait", { phoneSystem })
      .then(({ devices, until }) => toastDone(t("phoneSettings.siteAwaited", { count: devices, until: format.dateTime(until) })))
      .catch(toastError);
  return (
    <Section
      title={t("phoneSettings.site")}
      text={t("phoneSettings.siteText")}
      actions={
        may && (
          <>
            <Button variant="default" onClick={() => void awaitThem()}>
              {t("phoneSettings.siteAwait")}
            </Button>
            <Button
              variant="default"
              onClick={() => void callApi("phoneSiteCreate", { phoneSystem }).then(setSite).catch(toastError)}
            >
              {t("phoneSettings.siteNew")}
            </Button>
            <Button
              variant="default"
              onClick={() =>
                void callApi("phoneSiteDelete", { phoneSystem })
                  .then(() => toastDone(t("phoneSettings.siteDeleted")))
                  .catch(toastError)
              }
            >
              {t("phoneSettings.siteDelete")}
            </Button>
          </>
        )
      }
    >
      {site && (
        <SecretOnce title={t("phoneSettings.site")} text={t("phoneSettings.siteShown")} onClose={() => setSite(undefined)}>
          {!site.isEncrypted && <Alert color="red">{t("phone.device.notEncrypted")}</Alert>}
          <CopyField label={t("phoneSettings.siteUrl")} value={site.url} secret />
          {site.makers
            .filter(({ url }) => url !== site.url)
            .map(({ maker, url }) => (
              <CopyField key={maker} label={maker[0]?.toUpperCase() + maker.slice(1)} value={url} secret />
            ))}
        </SecretOnce>
      )}
    </Section>
  );
}
