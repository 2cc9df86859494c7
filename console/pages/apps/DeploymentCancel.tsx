import type { Deployment } from "../../../services/apps/deploying/contract.ts";
import { callApi, invalidate } from "../../api/api.ts";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";

export function DeploymentCancel({ deployment, onClose }: { deployment: Deployment; onClose: () => void }) {
  const t = useT();
  return (
    <ConfirmDestroy
      opened
      onClose={onClose}
      title={t("apps.cancel.title", { number: deployment.number })}
      text={t("apps.cancel.text")}
      action={t("apps.cancel")}
      onConfirm={async () => {
        await callApi("deploymentCancel", { deployment: deployment.id } as never);
        await invalidate(queries, ["deploymentGet", "deploymentList", "appGet"]);
      }}
    />
  );
}
