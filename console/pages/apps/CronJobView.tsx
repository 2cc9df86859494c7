import { Anchor, Badge, Button, Group, Modal, Skeleton, Stack } from "@mantine/core";
import { IconArrowLeft } from "@tabler/icons-react";
import { useState } from "react";
import type { CronJob, CronRun } from "../../../services/apps/cron/contract.ts";
import { callApi, useApi, useApiList } from "../../api/api.ts";
import { errorText } from "../../api/errors.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { FollowingLog } from "../../ui/FollowingLog.tsx";
import { FormProblem } from "../../ui/FormProblem.tsx";
import { DataList } from "../../ui/list/DataList.tsx";
import type { RowAction } from "../../ui/list/types.ts";
import { Facts, Section } from "../../ui/Section.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import type { AppTabProps } from "./AppPage.tsx";
import css from "./cron.module.css";
import { againMs, isAtWork, isOfManifest, refreshCron, runTones, useScheduleWords } from "./cronWords.ts";
import { took } from "./words.ts";

/** One cron job: when it runs and what, what may be done with it, and the history of its runs. */
export function CronJobView(
  props: Pick<AppTabProps, "app" | "may"> & { job: CronJob; actions: RowAction[]; onBack: () => void },
) {
  const t = useT();
  const format = useFormat();
  const inWords = useScheduleWords();
  const { job, actions, may } = props;
  const [shown, setShown] = useState<CronRun>();
  const runs = useApiList("cronRunList", { cronJob: job.id }, { refetchInterval: againMs });
  const words = inWords(job.schedule);
  return (
    <>
      <Anchor component="button" type="button" className={css.back} onClick={props.onBack}>
        <IconArrowLeft size={16} aria-hidden /> {t("cron.title")}
      </Anchor>
      <Section
        title={job.name}
        text={isOfManifest(job) ? t("cron.ofManifest") : undefined}
        actions={
          may &&
          actions.map(({ label, icon: Icon, danger, disabledReason, onClick }, index) => (
            <Button
              key={label}
              variant={index === 0 ? "filled" : "default"}
              {...(danger ? { c: "var(--k-bad)" } : {})}
              leftSection={Icon && <Icon size={16} aria-hidden />}
              disabled={disabledReason !== undefined}
              title={disabledReason}
              onClick={onClick}
            >
              {label}
            </Button>
          ))
        }
      >
        <Facts
          items={[
            [
              t("cron.schedule"),
              <span key="schedule" className={css.last}>
                {words} <code className={css.note}>{job.schedule}</code>
              </span>,
            ],
            [t("cron.timeZone"), job.timeZone],
            [t("cron.command"), <code key="command">{job.command}</code>],
            [
              t("cron.next"),
              job.paused ? (
                <StatusBadge key="next" tone="off">
                  {t("cron.paused")}
                </StatusBadge>
              ) : (
                <span key="next">
                  {job.nextAt ? `${format.dateTime(job.nextAt)} (${format.timeAgo(job.nextAt)})` : t("cron.never")}
                </span>
              ),
            ],
            [t("cron.timeout"), format.duration(job.timeoutSeconds * 1000)],
            [t("cron.beside"), t(job.concurrency === "allow" ? "cron.beside.allow" : "cron.beside.skip")],
          ]}
        />
      </Section>
      <Section title={t("cron.runs")} text={t("cron.runsText")} flush>
        <DataList
          id="cron-runs"
          label={t("cron.runs")}
          list={runs}
          rowKey={({ id }) => id}
          rowName={({ dueAt }) => format.dateTime(dueAt)}
          onOpen={setShown}
          columns={[
            { key: "due", header: t("cron.due"), primary: true, cell: ({ dueAt }) => format.dateTime(dueAt) },
            {
              key: "state",
              header: t("apps.state"),
              phone: "bare",
              cell: ({ state, reason }) => (
                <span title={reason}>
                  <StatusBadge tone={runTones[state]}>{t(`cron.state.${state}`)}</StatusBadge>
                </span>
              ),
            },
            {
              key: "exit",
              header: t("cron.exitCode"),
              align: "right",
              width: "110px",
              cell: ({ exitCode }) => (exitCode === undefined ? null : String(exitCode)),
            },
            {
              key: "took",
              header: t("apps.took"),
              align: "right",
              width: "100px",
              cell: (run) => (run.startedAt === undefined ? null : took(run, format)),
            },
            { key: "by", header: t("cron.startedBy"), cell: ({ startedBy }) => startedBy?.name ?? t("cron.clock") },
            {
              key: "release",
              header: t("apps.release"),
              align: "right",
              width: "88px",
              cell: ({ releaseNumber }) => releaseNumber ?? null,
            },
          ]}
          empty={
            <Stack p="lg">
              <p className={css.note}>{t("cron.noRuns")}</p>
            </Stack>
          }
        />
      </Section>
      {shown && <Run run={shown} may={may} onClose={() => setShown(undefined)} />}
    </>
  );
}

/** What it wrote, and how it ended. */
function Run({ run: listed, may, onClose }: { run: CronRun; may: boolean; onClose: () => void }) {
  const t = useT();
  const format = useFormat();
  const [ending, setEnding] = useState(false);
  const [problem, setProblem] = useState<string>();
  const [over, setOver] = useState(!isAtWork(listed));
  const answer = useApi("cronRunGet", { cronRun: listed.id }, { refetchInterval: over ? false : 2_000 });
  const run = answer.data ?? listed;
  if (!over && !isAtWork(run)) setOver(true);
  const end = () => {
    setEnding(true);
    setProblem(undefined);
    callApi("cronRunCancel", { cronRun: run.id })
      .then(refreshCron)
      .catch((error: unknown) => setProblem(errorText(error)))
      .finally(() => setEnding(false));
  };
  return (
    <Modal
      opened
      onClose={onClose}
      size="xl"
      title={t("cron.runOf", { when: format.dateTime(run.dueAt) })}
      closeButtonProps={{ "aria-label": t("ui.close") }}
    >
      <Stack gap="md">
        <FormProblem>{problem}</FormProblem>
        <Group gap="xs" role="status">
          <StatusBadge tone={runTones[run.state]}>{t(`cron.state.${run.state}`)}</StatusBadge>
          {run.exitCode !== undefined && (
            <Badge variant="default" tt="none" fw={500}>
              {t("apps.containers.exit", { code: run.exitCode })}
            </Badge>
          )}
          {run.startedAt && (
            <span className={css.note}>
              {took(run, format)} · <TimeAgo at={run.startedAt} />
            </span>
          )}
        </Group>
        {run.reason && <p className={css.reason}>{run.reason}</p>}
        {answer.error && !answer.data ? (
          <FormProblem>{errorText(answer.error)}</FormProblem>
        ) : answer.data === undefined ? (
          <Skeleton height={160} />
        ) : isAtWork(run) ? (
          <p className={css.note}>{t("cron.outputLater")}</p>
        ) : answer.data.output === "" ? (
          <p className={css.note}>{t("cron.noOutput")}</p>
        ) : (
          <>
            {answer.data.truncated && <p className={css.note}>{t("cron.truncated")}</p>}
            <FollowingLog text={answer.data.output} label={t("cron.output")} />
          </>
        )}
        {may && isAtWork(run) && (
          <Group justify="flex-end">
            <Button variant="default" c="var(--k-bad)" loading={ending} onClick={end}>
              {t("cron.end")}
            </Button>
          </Group>
        )}
      </Stack>
    </Modal>
  );
}
