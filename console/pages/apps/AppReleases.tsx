import { List, Select, Text } from "@mantine/core";
import { IconArrowBackUp } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import type { App, Release } from "../../../services/apps/deploying/contract.ts";
import { callApi, invalidate, useApiList } from "../../api/api.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { DataList } from "../../ui/list/DataList.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import type { AppTabProps } from "./AppPage.tsx";
import { difference } from "./difference.ts";
import { deploymentOf, sourceTitle, whyNot } from "./words.ts";

/** What was live once, and the way back to it. */
export default function AppReleases({ app, here, may }: AppTabProps) {
  const t = useT();
  const format = useFormat();
  const releases = useApiList("releaseList", { app: app.id });
  const [back, setBack] = useState<Release>();
  const live = releases.rows?.find(({ isLive }) => isLive);
  return (
    <>
      <DataList
        id="releases"
        label={t("apps.tab.releases")}
        list={releases}
        rowKey={({ id }) => id}
        rowName={({ number }) => t("apps.releaseNumber", { number })}
        columns={[
          {
            key: "number",
            header: t("apps.release"),
            primary: true,
            width: "minmax(180px, 2fr)",
            cell: ({ number, source }) => `${number}. ${sourceTitle(source)}`,
          },
          {
            key: "live",
            header: t("apps.state"),
            phone: "bare",
            width: "minmax(104px, 136px)",
            cell: ({ isLive, canRollBack }) => (
              <StatusBadge tone={isLive ? "good" : "off"}>
                {t(isLive ? "apps.release.live" : canRollBack ? "apps.release.kept" : "apps.release.gone")}
              </StatusBadge>
            ),
          },
          { key: "runtime", header: t("apps.runtime"), cell: ({ runtime }) => runtime },
          {
            key: "size",
            header: t("apps.imageSize"),
            align: "right",
            width: "104px",
            cell: ({ imageBytes }) => format.bytes(imageBytes),
          },
          { key: "by", header: t("apps.by"), cell: ({ createdBy }) => createdBy.name },
          { key: "when", header: t("apps.when"), cell: ({ createdAt }) => <TimeAgo at={createdAt} /> },
          {
            key: "digest",
            header: t("apps.digest"),
            optional: true,
            cell: ({ imageDigest }) => <code title={imageDigest}>{imageDigest.replace("sha256:", "").slice(0, 12)}</code>,
          },
        ]}
        {...(may
          ? {
              rowActions: (release: Release) => [
                {
                  label: t("apps.rollback.action"),
                  icon: IconArrowBackUp,
                  disabledReason: release.isLive
                    ? t("apps.why.live")
                    : release.canRollBack
                      ? whyNot(app, "rollback", may)
                      : t("apps.why.gone"),
                  onClick: () => setBack(release),
                },
              ],
            }
          : {})}
        empty={<EmptyState picture="app" title={t("apps.releases.empty")} text={t("apps.releases.emptyText")} />}
      />
      {back && (
        <Rollback app={app} here={here} to={back} live={live} all={releases.rows ?? []} onClose={() => setBack(undefined)} />
      )}
    </>
  );
}

function Rollback(props: {
  app: App;
  here: string;
  to: Release;
  live: Release | undefined;
  all: readonly Release[];
  onClose: () => void;
}) {
  const t = useT();
  const format = useFormat();
  const navigate = useNavigate();
  const { app, live } = props;
  const [to, setTo] = useState(props.to);
  const changes = difference(live, to);
  const what = [
    live ? t("apps.rollback.instead", { live: live.number, source: sourceTitle(live.source) }) : t("apps.rollback.nothingLive"),
    ...(changes.command ? [t("apps.rollback.commands", { names: format.list(changes.command) })] : []),
    ...(changes.settingsGone.length > 0 ? [t("apps.rollback.without", { names: format.list(changes.settingsGone) })] : []),
    ...(changes.settingsBack.length > 0 ? [t("apps.rollback.with", { names: format.list(changes.settingsBack) })] : []),
    t("apps.rollback.values"),
  ];
  const choices = props.all.filter(({ isLive, canRollBack }) => !isLive && canRollBack);
  return (
    <ConfirmDestroy
      opened
      onClose={props.onClose}
      title={t("apps.rollback.title", { name: app.name, number: to.number })}
      text={t(app.hasDisks ? "apps.rollback.textDisks" : "apps.rollback.text")}
      kept={[t("apps.rollback.keptDomains"), t("apps.rollback.keptData")]}
      action={t("apps.rollback.action")}
      onConfirm={async () => {
        const operation = await callApi("appRollback", { app: app.id, release: to.number });
        await invalidate(queries, ["appGet", "deploymentList", "releaseList"]);
        const deployment = deploymentOf(operation);
        await navigate({ to: deployment ? `${props.here}/deployments/${deployment}` : `${props.here}/deployments` });
      }}
    >
      <div>
        <Text size="sm" fw={600} mb={4}>
          {t("apps.rollback.changes")}
        </Text>
        <List size="sm" spacing={4}>
          {what.map((line) => (
            <List.Item key={line}>{line}</List.Item>
          ))}
        </List>
      </div>
      <Select
        label={t("apps.rollback.to")}
        data={choices.map(({ number, source }) => ({ value: String(number), label: `${number}. ${sourceTitle(source)}` }))}
        value={String(to.number)}
        onChange={(value) => setTo(choices.find(({ number }) => String(number) === value) ?? to)}
      />
    </ConfirmDestroy>
  );
}
