import { Button, Text } from "@mantine/core";
import type { Bucket } from "../../../../services/objects/contract.ts";
import { type Answer, useChange } from "../../../api/api.ts";
import { useFormat } from "../../../i18n/format.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ApiHint } from "../../../ui/ApiHint.tsx";
import { Hint } from "../../../ui/Hint.tsx";
import { Section } from "../../../ui/Section.tsx";
import { toastDone, toastError } from "../../../ui/toast.ts";

interface Props {
  bucket: Bucket;
  settings: Answer<"bucketSettingsGet">;
  readOnly: boolean;
}

export function VersionsSection({ bucket, settings, readOnly }: Props) {
  const t = useT();
  const format = useFormat();
  const change = useChange("bucketSettingsUpdate", { refresh: ["bucketSettingsGet"] });
  const keeps = settings.versioning === "enabled";
  const next = keeps ? "suspended" : "enabled";
  const locked = keeps && settings.lock !== undefined;
  const button = (
    <Button
      variant={keeps ? "default" : "filled"}
      loading={change.isPending}
      disabled={locked}
      onClick={() =>
        change.mutate(
          { bucket: bucket.name, versioning: next },
          {
            onSuccess: () =>
              toastDone(
                t(keeps ? "bucketSettings.versions.suspendedDone" : "bucketSettings.versions.enabledDone", {
                  bucket: bucket.name,
                }),
              ),
            onError: toastError,
          },
        )
      }
    >
      {t(keeps ? "bucketSettings.versions.suspend" : "bucketSettings.versions.enable")}
    </Button>
  );
  return (
    <Section
      title={t("bucketSettings.versions.title")}
      text={t("bucketSettings.versions.text")}
      actions={readOnly ? undefined : locked ? <Hint label={t("bucketSettings.versions.suspendLocked")}>{button}</Hint> : button}
    >
      <Text maw={720} mb="md">
        {t(`bucketSettings.versions.${settings.versioning}`)}
      </Text>
      {bucket.versions > 0 && (
        <Text mb="md" c="dimmed">
          {t("bucketSettings.versions.held", { count: bucket.versions, size: format.bytes(bucket.versionBytes) })}
        </Text>
      )}
      {!readOnly && <ApiHint route="bucketSettingsUpdate" args={{ bucket: bucket.name, versioning: next }} />}
    </Section>
  );
}
