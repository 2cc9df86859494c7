import { useQueryClient } from "@tanstack/react-query";
import type { App } from "../../../services/apps/deploying/contract.ts";
import { callApi, invalidate } from "../../api/api.ts";
import { useT } from "../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";

/** Says all that goes with an app: nothing of it is kept. */
export function AppDelete({ app, onClose, onGone }: { app: App; onClose: () => void; onGone?: () => void }) {
  const t = useT();
  const queries = useQueryClient();
  return (
    <ConfirmDestroy
      opened
      onClose={onClose}
      title={t("apps.delete.title", { name: app.name })}
      destroyed={[
        t("apps.delete.releases"),
        t("apps.delete.address", { hosts: app.hosts.join(", ") || app.url }),
        ...(app.hasDisks ? [t("apps.delete.disks")] : []),
      ]}
      kept={[t("apps.delete.kept")]}
      typeName={app.name}
      action={t("apps.delete.action")}
      onConfirm={async () => {
        await callApi("appDelete", { app: app.id, confirm: app.name });
        onGone?.();
        await invalidate(queries, ["appList", "appGet"]);
      }}
    />
  );
}
