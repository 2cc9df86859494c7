import { Checkbox } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { Instance } from "../../../services/compute/instances/contract.ts";
import { callApi, invalidate } from "../../api/api.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";

/** Says what goes with the instances and what stays; one that is stuck is deleted by force. */
export function InstanceDelete({
  instances,
  onClose,
  onGone,
}: {
  instances: Instance[];
  onClose: () => void;
  onGone?: () => void;
}) {
  const t = useT();
  const format = useFormat();
  const queries = useQueryClient();
  const [force, setForce] = useState(false);
  const only = instances.length === 1 ? instances[0] : undefined;
  const stuck = instances.some(({ allowedActions }) => !allowedActions.includes("delete"));
  const addresses = instances.flatMap(({ ports }) => ports.flatMap(({ floatingAddress }) => floatingAddress ?? []));
  return (
    <ConfirmDestroy
      opened
      onClose={onClose}
      title={only ? t("compute.delete.title", { name: only.name }) : t("compute.delete.titleMany", { count: instances.length })}
      destroyed={[
        only
          ? t("compute.delete.disk", { size: format.memory(only.diskBytes) })
          : t("compute.delete.disks", { names: format.list(instances.map(({ name }) => name)) }),
        t("compute.delete.snapshots"),
      ]}
      kept={[
        t("compute.delete.volumes"),
        t("compute.delete.backups"),
        ...(addresses.length > 0 ? [t("compute.delete.addresses", { addresses: format.list(addresses) })] : []),
      ]}
      typeName={only?.name ?? String(instances.length)}
      action={only ? t("compute.delete.action") : t("compute.delete.actionMany", { count: instances.length })}
      onConfirm={async () => {
        await Promise.all(instances.map(({ id }) => callApi("instanceDelete", { instance: id, force: force || stuck })));
        onGone?.();
        await invalidate(queries, ["instanceList", "instanceGet"]);
      }}
    >
      {!stuck && (
        <Checkbox
          label={t("compute.delete.force")}
          description={t("compute.delete.forceText")}
          checked={force}
          onChange={(event) => setForce(event.currentTarget.checked)}
        />
      )}
    </ConfirmDestroy>
  );
}
