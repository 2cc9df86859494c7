import { Badge, Button } from "@mantine/core";
import { IconClockPlay, IconPencil, IconPlayerPause, IconPlayerPlay, IconPlus, IconTrash } from "@tabler/icons-react";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import type { CronJob } from "../../../services/apps/cron/contract.ts";
import { callApi, useApiList } from "../../api/api.ts";
import { useT } from "../../i18n/i18n.ts";
import { useAddressFlag } from "../../ui/addressFlag.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { DataList } from "../../ui/list/DataList.tsx";
import type { RowAction } from "../../ui/list/types.ts";
import { PageSkeleton } from "../../ui/PageSkeleton.tsx";
import { Section } from "../../ui/Section.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { toastError } from "../../ui/toast.ts";
import type { AppTabProps } from "./AppPage.tsx";
import { CronDialog } from "./CronDialog.tsx";
import { CronJobView } from "./CronJobView.tsx";
import css from "./cron.module.css";
import { againMs, isAtWork, isOfManifest, refreshCron, runTones, useScheduleWords } from "./cronWords.ts";
import { whyNot } from "./words.ts";

/** Commands of the app that run by the clock. */
export default function AppCron({ app, may }: AppTabProps) {
  const t = useT();
  const inWords = useScheduleWords();
  const navigate = useNavigate();
  const { job: chosen } = useSearch({ strict: false }) as { job?: string };
  const jobs = useApiList("cronJobList", { app: app.id }, { refetchInterval: againMs });
  const [adding, setAdding] = useAddressFlag("new");
  const [editing, setEditing] = useState<CronJob>();
  const [removing, setRemoving] = useState<CronJob>();
  const job = jobs.rows?.find(({ id }) => id === chosen);
  const choose = (id: string | undefined) => void navigate({ to: ".", search: (id ? { job: id } : {}) as never });
  const cannot = whyNot(app, "configure", may);
  const run = (each: CronJob) =>
    callApi("cronJobRun", { cronJob: each.id })
      .then(async () => {
        await refreshCron();
        choose(each.id);
      })
      .catch(toastError);
  const pause = (each: CronJob) =>
    callApi("cronJobUpdate", { cronJob: each.id, paused: !each.paused }).then(refreshCron).catch(toastError);
  const whyNotRun = (each: CronJob) =>
    whyNot(app, "run", may) ?? (each.concurrency === "skip" && isAtWork(each.lastRun) ? t("cron.why.atWork") : undefined);
  const whyNotChange = (each: CronJob) => cannot ?? (isOfManifest(each) ? t("cron.why.manifest") : undefined);
  const actions = (each: CronJob): RowAction[] => [
    { label: t("cron.run"), icon: IconClockPlay, disabledReason: whyNotRun(each), onClick: () => void run(each) },
    {
      label: t(each.paused ? "cron.resume" : "cron.pause"),
      icon: each.paused ? IconPlayerPlay : IconPlayerPause,
      disabledReason: cannot,
      onClick: () => void pause(each),
    },
    { label: t("ui.edit"), icon: IconPencil, disabledReason: whyNotChange(each), onClick: () => setEditing(each) },
    {
      label: t("ui.delete"),
      icon: IconTrash,
      danger: true,
      disabledReason: whyNotChange(each),
      onClick: () => setRemoving(each),
    },
  ];
  const add = may ? (
    <Button
      leftSection={<IconPlus size={16} aria-hidden />}
      disabled={cannot !== undefined}
      title={cannot}
      onClick={() => setAdding(true)}
    >
      {t("cron.create")}
    </Button>
  ) : undefined;
  if (chosen !== undefined && jobs.rows === undefined && !jobs.error) return <PageSkeleton />;
  return (
    <>
      {job ? (
        <CronJobView app={app} job={job} may={may} actions={actions(job)} onBack={() => choose(undefined)} />
      ) : jobs.rows?.length === 0 ? (
        <EmptyState
          picture="journal"
          title={t("cron.empty")}
          text={t("cron.emptyText")}
          action={add}
          command={
            may ? `khmara cron-job create ${app.name} --name nightly --schedule "0 3 * * *" --command "npm run tidy"` : undefined
          }
        />
      ) : (
        <Section title={t("cron.title")} text={t("cron.text")} actions={add} flush>
          <DataList
            id="cron-jobs"
            label={t("cron.title")}
            list={jobs}
            rowKey={({ id }) => id}
            rowName={({ name }) => name}
            onOpen={({ id }) => choose(id)}
            columns={[
              {
                key: "name",
                header: t("ui.name"),
                primary: true,
                width: "minmax(170px, 1fr)",
                cell: (each) => (
                  <>
                    {each.name}
                    {isOfManifest(each) && (
                      <Badge variant="default" size="sm" ml={8} tt="none" fw={500}>
                        khmara.json
                      </Badge>
                    )}
                  </>
                ),
              },
              {
                key: "schedule",
                header: t("cron.schedule"),
                width: "minmax(226px, 1.6fr)",
                cell: ({ schedule, timeZone }) => (
                  <span title={`${schedule} · ${timeZone}`}>{inWords(schedule) ?? <code>{schedule}</code>}</span>
                ),
              },
              {
                key: "zone",
                header: t("cron.timeZone"),
                width: "minmax(80px, 0.6fr)",
                cell: ({ timeZone }) => <span title={timeZone}>{timeZone}</span>,
              },
              {
                key: "next",
                header: t("cron.next"),
                width: "minmax(104px, 0.7fr)",
                cell: ({ paused, nextAt }) =>
                  paused ? (
                    <StatusBadge tone="off">{t("cron.paused")}</StatusBadge>
                  ) : (
                    <TimeAgo at={nextAt} never={t("cron.never")} />
                  ),
              },
              {
                key: "last",
                header: t("cron.last"),
                width: "minmax(200px, 1fr)",
                cell: ({ lastRun }) =>
                  lastRun ? (
                    <span className={css.lastRun}>
                      <StatusBadge tone={runTones[lastRun.state]}>{t(`cron.state.${lastRun.state}`)}</StatusBadge>
                      <TimeAgo at={lastRun.startedAt ?? lastRun.dueAt} />
                    </span>
                  ) : null,
              },
            ]}
            {...(may ? { rowActions: actions } : {})}
            empty={null}
          />
        </Section>
      )}
      {adding && may && <CronDialog app={app} job={undefined} onClose={() => setAdding(false)} />}
      {editing && <CronDialog app={app} job={editing} onClose={() => setEditing(undefined)} />}
      {removing && (
        <ConfirmDestroy
          opened
          onClose={() => setRemoving(undefined)}
          title={t("cron.deleteTitle", { name: removing.name })}
          destroyed={[t("cron.deleteHistory"), ...(isAtWork(removing.lastRun) ? [t("cron.deleteRunning")] : [])]}
          kept={[t("cron.deleteKept")]}
          typeName={removing.name}
          action={t("cron.delete")}
          onConfirm={async () => {
            await callApi("cronJobDelete", { cronJob: removing.id });
            await refreshCron();
            choose(undefined);
          }}
        />
      )}
    </>
  );
}
