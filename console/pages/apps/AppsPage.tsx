import { Anchor, Button } from "@mantine/core";
import {
  IconExternalLink,
  IconFileText,
  IconPlayerPlay,
  IconPlayerStop,
  IconPlus,
  IconRefresh,
  IconTrash,
} from "@tabler/icons-react";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import type { App, AppState } from "../../../services/apps/deploying/contract.ts";
import { useApiList } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useCan, useOrganisation, useProject } from "../../frame/identity.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { DataList } from "../../ui/list/DataList.tsx";
import { useListState } from "../../ui/list/state.ts";
import { PageHeader } from "../../ui/PageHeader.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { AppDelete } from "./AppDelete.tsx";
import { AppEngineNotice } from "./AppEngineNotice.tsx";
import { AppsEmpty } from "./AppsEmpty.tsx";
import { runAction } from "./actions.ts";
import css from "./apps.module.css";
import { appTones, deploymentTones, processesLine, shortAddress, whyNot } from "./words.ts";

const states: AppState[] = ["running", "failing", "stopped", "new"];

export default function AppsPage() {
  const t = useT();
  const format = useFormat();
  const navigate = useNavigate();
  const organisation = useOrganisation();
  const project = useProject();
  const may = useCan()("editor");
  const { words } = useListState();
  const [removing, setRemoving] = useState<App>();
  const apps = useApiList("appList", { project: project.id, ...(words ? { search: words } : {}) });
  const here = projectAddress(organisation.slug, project.slug, "apps");
  const create = may ? (
    <Button component={Link} to={`${here}/new`} leftSection={<IconPlus size={16} aria-hidden />}>
      {t("apps.create")}
    </Button>
  ) : undefined;
  return (
    <>
      <PageHeader title={t("frame.nav.apps")} text={t("apps.text")} actions={create} />
      <AppEngineNotice />
      <DataList
        id="apps"
        label={t("frame.nav.apps")}
        list={apps}
        rowKey={({ id }) => id}
        rowName={({ name }) => name}
        rowAddress={({ id }) => `${here}/${id}`}
        search="server"
        filters={[
          {
            key: "state",
            label: t("apps.state"),
            options: states.map((value) => ({ value, label: t(`apps.state.${value}`) })),
            fits: (app: App, value: string) => app.state === value,
          },
        ]}
        columns={[
          {
            key: "name",
            header: t("ui.name"),
            primary: true,
            width: "minmax(140px, 1.4fr)",
            cell: ({ name }) => name,
            sort: ({ name }) => name,
          },
          {
            key: "state",
            header: t("apps.state"),
            width: "minmax(120px, 160px)",
            phone: "bare",
            cell: (app) => <AppBadge app={app} />,
            sort: ({ state }) => state,
          },
          {
            key: "address",
            header: t("apps.address"),
            width: "minmax(160px, 2fr)",
            cell: ({ url, releaseNumber }) =>
              releaseNumber === undefined ? (
                <span className={css.muted}>{shortAddress(url)}</span>
              ) : (
                <Anchor href={url} target="_blank" rel="noreferrer" size="sm">
                  {shortAddress(url)}
                </Anchor>
              ),
            sort: ({ url }) => shortAddress(url),
          },
          {
            key: "runs",
            header: t("apps.runs"),
            width: "minmax(112px, 1fr)",
            cell: ({ processes }) => processesLine(processes, format) || null,
          },
          {
            key: "deployed",
            header: t("apps.deployed"),
            width: "minmax(112px, 1fr)",
            cell: ({ deployedAt }) => <TimeAgo at={deployedAt} never={t("ui.never")} />,
            sort: ({ deployedAt }) => deployedAt,
          },
          {
            key: "runtime",
            header: t("apps.runtime"),
            optional: true,
            cell: ({ runtime }) => runtime ?? null,
            sort: ({ runtime }) => runtime,
          },
          {
            key: "release",
            header: t("apps.release"),
            optional: true,
            align: "right",
            cell: ({ releaseNumber }) => releaseNumber ?? null,
            sort: ({ releaseNumber }) => releaseNumber,
          },
        ]}
        rowActions={(app: App) => [
          {
            label: t("apps.open"),
            icon: IconExternalLink,
            disabledReason: app.releaseNumber === undefined ? t("apps.why.new") : undefined,
            onClick: () => void window.open(app.url, "_blank", "noreferrer"),
          },
          { label: t("apps.tab.logs"), icon: IconFileText, onClick: () => void navigate({ to: `${here}/${app.id}/logs` }) },
          ...(may
            ? [
                app.state === "stopped"
                  ? {
                      label: t("apps.action.start"),
                      icon: IconPlayerPlay,
                      disabledReason: whyNot(app, "start", may),
                      onClick: () => runAction("appStart", app.id),
                    }
                  : {
                      label: t("apps.action.stop"),
                      icon: IconPlayerStop,
                      disabledReason: whyNot(app, "stop", may),
                      onClick: () => runAction("appStop", app.id),
                    },
                {
                  label: t("apps.action.restart"),
                  icon: IconRefresh,
                  disabledReason: whyNot(app, "restart", may),
                  onClick: () => runAction("appRestart", app.id),
                },
                {
                  label: t("apps.delete.action"),
                  icon: IconTrash,
                  danger: true,
                  disabledReason: whyNot(app, "delete", may),
                  onClick: () => setRemoving(app),
                },
              ]
            : []),
        ]}
        empty={<AppsEmpty create={create} may={may} />}
      />
      {removing && <AppDelete app={removing} onClose={() => setRemoving(undefined)} />}
    </>
  );
}

/** The state of an app; while something is being deployed, how far that is. */
export function AppBadge({ app }: { app: App }) {
  const t = useT();
  const { deployment } = app;
  if (deployment && app.state !== "deleting" && app.state !== "failing")
    return (
      <StatusBadge tone={deploymentTones[deployment.state] === "off" ? "busy" : deploymentTones[deployment.state]}>
        {t(`apps.deploymentState.${deployment.state}`)}
      </StatusBadge>
    );
  return (
    <span title={app.stateReason}>
      <StatusBadge tone={appTones[app.state]}>{t(`apps.state.${app.state}`)}</StatusBadge>
    </span>
  );
}
