import { Checkbox } from "@mantine/core";
import { useState } from "react";
import { client } from "../../../api/api.ts";
import { useCan } from "../../../frame/identity.ts";
import { useFormat } from "../../../i18n/format.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../../ui/ConfirmDestroy.tsx";
import { toastDone } from "../../../ui/toast.ts";
import type { Version } from "./VersionsTable.tsx";

/** One version goes for good, or the record of a deletion does. */
export function PurgeDialog(props: { bucket: string; version: Version; onClose: () => void; onDone: () => Promise<void> }) {
  const { bucket, version } = props;
  const t = useT();
  const format = useFormat();
  const can = useCan();
  const [bypassGovernance, setBypass] = useState(false);
  const date = format.dateTime(version.modifiedAt ?? "");
  const isVersion = version.kind === "object";
  const mayBypass = version.retention?.mode === "governance" && Date.parse(version.retention.until) > Date.now() && can("admin");
  return (
    <ConfirmDestroy
      opened
      onClose={props.onClose}
      title={t("versions.purge.title", { name: version.name })}
      destroyed={[
        isVersion
          ? t("versions.purge.version", { date, size: format.bytes(version.sizeBytes ?? 0) })
          : t("versions.purge.marker", { name: version.name, date }),
      ]}
      kept={[t("versions.purge.kept"), ...(isVersion && version.isCurrent ? [t("versions.purge.current")] : [])]}
      typeName={isVersion ? version.name : undefined}
      action={t("versions.purge")}
      onConfirm={async () => {
        await client.objectVersionDelete({
          bucket,
          key: version.key,
          versionId: version.versionId ?? "null",
          ...(bypassGovernance && { bypassGovernance }),
        });
        toastDone(t("versions.purge.done"));
        await props.onDone();
      }}
    >
      {mayBypass && (
        <Checkbox
          label={t("versions.purge.bypass")}
          checked={bypassGovernance}
          onChange={(event) => setBypass(event.currentTarget.checked)}
        />
      )}
    </ConfirmDestroy>
  );
}
