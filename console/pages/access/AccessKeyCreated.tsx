import { SegmentedControl, Stack } from "@mantine/core";
import { useState } from "react";
import type { Answer } from "../../api/api.ts";
import { useT } from "../../i18n/i18n.ts";
import { CopyField } from "../../ui/CopyField.tsx";
import { SecretOnce } from "../../ui/SecretOnce.tsx";
import { configurations } from "./configurations.ts";

export function AccessKeyCreated({ made, onClose }: { made: Answer<"accessKeyCreate">; onClose: () => void }) {
  const t = useT();
  const [client, setClient] = useState<keyof typeof configurations>("aws");
  return (
    <SecretOnce title={t("access.keyMade", { name: made.name })} text={t("access.secretOnce")} onClose={onClose}>
      <CopyField label={t("access.keyId")} value={made.accessKeyId} />
      <CopyField label={t("access.secret")} value={made.secretAccessKey} secret />
      <Stack gap="sm">
        <SegmentedControl
          fullWidth
          aria-label={t("access.client")}
          value={client}
          onChange={(value) => setClient(value as typeof client)}
          data={[
            { value: "aws", label: "aws" },
            { value: "s3cmd", label: "s3cmd" },
            { value: "rclone", label: "rclone" },
            { value: "environment", label: t("access.environment") },
          ]}
        />
        <CopyField multiline value={configurations[client](made)} />
      </Stack>
    </SecretOnce>
  );
}
