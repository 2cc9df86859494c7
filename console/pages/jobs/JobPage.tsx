import { Alert, Button, Tooltip } from "@mantine/core";
import { IconPlayerStop, IconTrash } from "@tabler/icons-react";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import type { Task } from "../../../services/compute/jobs/contract.ts";
import { useApi, useApiList } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useCan, useOrganisation, useProject } from "../../frame/identity.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { ErrorPage } from "../../ui/ErrorPage.tsx";
import { DataList } from "../../ui/list/DataList.tsx";
import { PageHeader } from "../../ui/PageHeader.tsx";
import { PageSkeleton } from "../../ui/PageSkeleton.tsx";
import { Facts, Section } from "../../ui/Section.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { JobProgress } from "./JobProgress.tsx";
import { JobEnd } from "./JobsPage.tsx";
import { TaskLog } from "./TaskLog.tsx";
import { jobTones, taskTones, took } from "./words.ts";

export default function JobPage() {
  const t = useT();
  const format = useFormat();
  const navigate = useNavigate();
  const { job: id } = useParams({ strict: false }) as { job: string };
  const organisation = useOrganisation();
  const project = useProject();
  const may = useCan()("editor");
  const query = useApi("jobGet", { job: id as never }, { refetchInterval: 5000 });
  const tasks = useApiList("taskList", { job: id as never });
  const [ending, setEnding] = useState<"cancel" | "delete">();
  const [reading, setReading] = useState<Task>();
  const at = (path: string) => projectAddress(organisation.slug, project.slug, path);
  if (query.error && !query.data) return <ErrorPage error={query.error} reset={() => void query.refetch()} />;
  const job = query.data;
  if (!job) return <PageSkeleton />;
  const end = job.allowedActions.includes("cancel") ? "cancel" : "delete";
  const possible = may && job.allowedActions.includes(end);
  const only = job.array === 1 ? tasks.rows?.[0] : undefined;
  const place = (location: typeof job.output) =>
    location ? <Link to={at(`buckets/${location.bucketName}`)}>{`${location.bucketName}/${location.prefix}`}</Link> : "–";
  return (
    <>
      <PageHeader
        title={job.name}
        badge={<StatusBadge tone={jobTones[job.state]}>{t(`jobs.state.${job.state}`)}</StatusBadge>}
        back={{ to: at("jobs"), label: t("frame.nav.jobs") }}
        actions={
          <Tooltip label={t(may ? "jobs.why.wait" : "jobs.why.role")} disabled={possible}>
            <Button
              variant="default"
              leftSection={end === "cancel" ? <IconPlayerStop size={16} aria-hidden /> : <IconTrash size={16} aria-hidden />}
              {...(possible ? {} : { "data-disabled": true, "aria-disabled": true })}
              onClick={() => possible && setEnding(end)}
            >
              {t(`jobs.${end}`)}
            </Button>
          </Tooltip>
        }
      />
      {job.stateReason && (
        <Alert color={job.state === "failed" ? "red" : "gray"} mb="lg">
          {job.stateReason}
        </Alert>
      )}
      <Section title={t("jobs.about")}>
        <Facts
          items={[
            [t("jobs.tasks"), <JobProgress key="progress" job={job} />],
            [t("jobs.took"), took(job, format)],
            [t("jobs.size"), `${job.sizeName} · ${job.vcpus} vCPU · ${format.memory(job.memoryBytes)}`],
            [t("jobs.image"), job.imageName],
            [t("jobs.input"), place(job.input)],
            [t("jobs.output"), place(job.output)],
            [t("jobs.longest"), format.duration(job.timeoutSeconds * 1000)],
            [t("jobs.again"), format.number(job.maximumRetries)],
            [t("jobs.by"), job.createdBy.name],
          ]}
        />
      </Section>
      <Section title={t("jobs.script")}>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: long lines scroll, and must do so by keyboard */}
        <pre tabIndex={0} style={{ margin: 0, maxHeight: 280, overflow: "auto", fontSize: 13 }}>
          {job.script ?? job.command?.join(" ")}
        </pre>
      </Section>
      {only ? (
        <Section title={t("jobs.log")}>
          <TaskLog task={only} />
        </Section>
      ) : (
        <Section title={t("jobs.tasks")} text={t("jobs.tasksText")} flush>
          <DataList
            id="tasks"
            label={t("jobs.tasks")}
            list={tasks}
            rowKey={(task) => task.id}
            rowName={({ index }) => t("jobs.task", { index })}
            onOpen={setReading}
            columns={[
              { key: "index", header: t("jobs.taskColumn"), primary: true, cell: ({ index }) => t("jobs.task", { index }) },
              {
                key: "state",
                header: t("jobs.state"),
                phone: "bare",
                cell: ({ state, stateReason }) => (
                  <span title={stateReason}>
                    <StatusBadge tone={taskTones[state]}>{t(`jobs.state.${state}`)}</StatusBadge>
                  </span>
                ),
              },
              { key: "exit", header: t("jobs.exitCode"), align: "right", cell: ({ exitCode }) => exitCode ?? "–" },
              { key: "attempt", header: t("jobs.attempt"), align: "right", cell: ({ attempt }) => format.number(attempt) },
              { key: "took", header: t("jobs.took"), align: "right", cell: (task) => took(task, format) },
              {
                key: "output",
                header: t("jobs.output"),
                align: "right",
                cell: ({ outputObjects, outputBytes }) =>
                  outputObjects > 0 ? t("jobs.files", { count: outputObjects, size: format.bytes(outputBytes) }) : "–",
              },
            ]}
            empty={<EmptyState picture="robot" title={t("jobs.noTasks")} />}
          />
        </Section>
      )}
      {reading && (
        <TaskLog task={tasks.rows?.find((task) => task.id === reading.id) ?? reading} onClose={() => setReading(undefined)} />
      )}
      {ending && (
        <JobEnd job={job} kind={ending} onClose={() => setEnding(undefined)} onGone={() => void navigate({ to: at("jobs") })} />
      )}
    </>
  );
}
