import { IconPlayerStop } from "@tabler/icons-react";
import { useState } from "react";
import type { Deployment } from "../../../services/apps/deploying/contract.ts";
import { useApiList } from "../../api/api.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { DataList } from "../../ui/list/DataList.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import type { AppTabProps } from "./AppPage.tsx";
import { DeploymentCancel } from "./DeploymentCancel.tsx";
import { deploymentTones, isOver, sourceTitle, took } from "./words.ts";

/** Everything that was ever deployed, newest first. */
export default function AppDeployments({ app, here, may }: AppTabProps) {
  const t = useT();
  const format = useFormat();
  const deployments = useApiList("deploymentList", { app: app.id });
  const [cancelling, setCancelling] = useState<Deployment>();
  return (
    <>
      <DataList
        id="deployments"
        label={t("apps.tab.deployments")}
        list={deployments}
        rowKey={({ id }) => id}
        rowName={({ number }) => t("apps.deploymentNumber", { number })}
        rowAddress={({ id }) => `${here}/deployments/${id}`}
        columns={[
          {
            key: "what",
            header: t("apps.source"),
            primary: true,
            width: "minmax(180px, 2fr)",
            cell: ({ number, source }) => `${number}. ${sourceTitle(source)}`,
          },
          {
            key: "state",
            header: t("apps.state"),
            phone: "bare",
            width: "minmax(120px, 160px)",
            cell: ({ state, error }) => (
              <span title={error}>
                <StatusBadge tone={deploymentTones[state]}>{t(`apps.deploymentState.${state}`)}</StatusBadge>
              </span>
            ),
          },
          { key: "release", header: t("apps.release"), align: "right", width: "88px", cell: (row) => row.releaseNumber ?? null },
          { key: "by", header: t("apps.by"), cell: ({ createdBy }) => createdBy.name },
          { key: "when", header: t("apps.when"), cell: ({ createdAt }) => <TimeAgo at={createdAt} /> },
          { key: "took", header: t("apps.took"), align: "right", width: "96px", cell: (deployment) => took(deployment, format) },
          { key: "runtime", header: t("apps.runtime"), optional: true, cell: ({ runtime }) => runtime ?? null },
        ]}
        {...(may
          ? {
              rowActions: (deployment: Deployment) => [
                {
                  label: t("apps.cancel"),
                  icon: IconPlayerStop,
                  disabledReason: isOver(deployment.state) ? t("apps.why.over") : undefined,
                  onClick: () => setCancelling(deployment),
                },
              ],
            }
          : {})}
        empty={
          <EmptyState
            picture="app"
            title={t("apps.deployments.empty")}
            text={t("apps.deployments.emptyText")}
            command={may ? `khmara app deploy ${app.name} .` : undefined}
          />
        }
      />
      {cancelling && <DeploymentCancel deployment={cancelling} onClose={() => setCancelling(undefined)} />}
    </>
  );
}
