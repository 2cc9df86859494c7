import { Switch } from "@mantine/core";
import type { Bucket } from "../../../../services/objects/contract.ts";
import { type Answer, useChange } from "../../../api/api.ts";
import { useT } from "../../../i18n/i18n.ts";
import { Section } from "../../../ui/Section.tsx";
import { toastDone, toastError } from "../../../ui/toast.ts";

interface Props {
  bucket: Bucket;
  settings: Answer<"bucketSettingsGet">;
  readOnly: boolean;
}

export function EncryptionSection({ bucket, settings, readOnly }: Props) {
  const t = useT();
  const change = useChange("bucketSettingsUpdate", { refresh: ["bucketSettingsGet"] });
  return (
    <Section title={t("bucketSettings.encryption.title")} text={t("bucketSettings.encryption.text")}>
      <Switch
        label={t("bucketSettings.encryption.label")}
        description={t("bucketSettings.encryption.later")}
        checked={settings.encryption === "server"}
        disabled={readOnly || change.isPending}
        onChange={(event) =>
          change.mutate(
            { bucket: bucket.name, encryption: event.currentTarget.checked ? "server" : "none" },
            { onSuccess: () => toastDone(t("ui.saved")), onError: toastError },
          )
        }
      />
    </Section>
  );
}
