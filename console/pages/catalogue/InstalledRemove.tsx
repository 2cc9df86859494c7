import { Checkbox } from "@mantine/core";
import { useState } from "react";
import type { Installation } from "../../../services/apps/catalogue/contract.ts";
import type { App } from "../../../services/apps/deploying/contract.ts";
import { callApi, invalidate, useApiList } from "../../api/api.ts";
import { useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { toastDone } from "../../ui/toast.ts";

/** Says all that goes, and asks about what may stay: a last copy of the disks, the database. */
export default function InstalledRemove(props: { installation: Installation; app: App; onClose: () => void }) {
  const { installation, app, onClose } = props;
  const { name, database, hasDisks } = installation;
  const t = useT();
  const project = useProject();
  const buckets = useApiList("bucketList", { project: project.id }, { limit: 200 }).rows;
  const bucket = installation.bucket ?? buckets?.[0];
  const [backup, setBackup] = useState<boolean>();
  const [withDatabase, setWithDatabase] = useState(false);
  const copies = hasDisks && bucket !== undefined && (backup ?? true);
  return (
    <ConfirmDestroy
      opened
      onClose={onClose}
      title={t("catalogue.remove.title", { name })}
      destroyed={[
        t("catalogue.remove.app"),
        t("catalogue.remove.address", { hosts: app.hosts.join(", ") || app.url }),
        ...(hasDisks ? [t("catalogue.remove.disks")] : []),
        ...(database && withDatabase ? [t("catalogue.remove.database", { name: database.name })] : []),
      ]}
      kept={[
        t("catalogue.remove.keptBackups"),
        ...(database && !withDatabase ? [t("catalogue.remove.keptDatabase", { name: database.name })] : []),
      ]}
      typeName={name}
      action={t("catalogue.remove")}
      onConfirm={async () => {
        await callApi("installationDelete", {
          installation: installation.id,
          confirm: name,
          ...(copies ? { backup: "true", bucket: bucket.id } : {}),
          ...(database && withDatabase ? { deleteDatabase: "true" } : {}),
        });
        await invalidate(queries, ["installationList", "appList", "appGet"]);
        toastDone(t("catalogue.remove.begun", { name }));
      }}
    >
      {hasDisks && bucket && (
        <Checkbox
          label={t("catalogue.remove.backup", { name: bucket.name })}
          checked={copies}
          onChange={(event) => setBackup(event.currentTarget.checked)}
        />
      )}
      {database && (
        <Checkbox
          label={t("catalogue.remove.withDatabase")}
          checked={withDatabase}
          onChange={(event) => setWithDatabase(event.currentTarget.checked)}
        />
      )}
    </ConfirmDestroy>
  );
}
