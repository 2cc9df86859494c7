import { Button } from "@mantine/core";
import { IconPlayerStop, IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { Job } from "../../../services/compute/jobs/contract.ts";
import { callApi, invalidate, useApiList } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useCan, useOrganisation, useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { useAddressFlag } from "../../ui/addressFlag.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { DataList } from "../../ui/list/DataList.tsx";
import { useListState } from "../../ui/list/state.ts";
import { PageHeader } from "../../ui/PageHeader.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { EngineNotice } from "../compute/EngineNotice.tsx";
import { JobCreate } from "./JobCreate.tsx";
import { JobProgress } from "./JobProgress.tsx";
import { jobTones, took } from "./words.ts";

const refresh = () => invalidate(queries, ["jobList", "jobGet", "taskList"]);

export default function JobsPage() {
  const t = useT();
  const format = useFormat();
  const organisation = useOrganisation();
  const project = useProject();
  const may = useCan()("editor");
  const { words, filter } = useListState();
  const state = filter("state") as Job["state"] | undefined;
  const [creating, setCreating] = useAddressFlag("new");
  const [dialog, setDialog] = useState<{ job: Job; kind: "cancel" | "delete" }>();
  const jobs = useApiList("jobList", { project: project.id, ...(words ? { search: words } : {}), ...(state ? { state } : {}) });
  const here = projectAddress(organisation.slug, project.slug, "jobs");
  const create = may ? (
    <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setCreating(true)}>
      {t("jobs.create")}
    </Button>
  ) : undefined;
  return (
    <>
      <PageHeader title={t("frame.nav.jobs")} text={t("jobs.text")} actions={create} />
      <EngineNotice />
      <DataList
        id="jobs"
        label={t("frame.nav.jobs")}
        list={jobs}
        rowKey={({ id }) => id}
        rowName={({ name }) => name}
        rowAddress={({ id }) => `${here}/${id}`}
        search="server"
        filters={[
          {
            key: "state",
            label: t("jobs.state"),
            options: (["queued", "running", "succeeded", "failed", "cancelled"] as const).map((value) => ({
              value,
              label: t(`jobs.state.${value}`),
            })),
          },
        ]}
        columns={[
          { key: "name", header: t("ui.name"), primary: true, width: "minmax(160px, 2fr)", cell: ({ name }) => name },
          {
            key: "state",
            header: t("jobs.state"),
            phone: "bare",
            cell: (job) => (
              <span title={job.stateReason}>
                <StatusBadge tone={jobTones[job.state]}>{t(`jobs.state.${job.state}`)}</StatusBadge>
              </span>
            ),
          },
          { key: "tasks", header: t("jobs.tasks"), width: "minmax(140px, 1.5fr)", cell: (job) => <JobProgress job={job} /> },
          {
            key: "size",
            header: t("jobs.size"),
            cell: ({ vcpus, memoryBytes }) => `${vcpus} vCPU · ${format.memory(memoryBytes)}`,
          },
          { key: "took", header: t("jobs.took"), align: "right", cell: (job) => took(job, format) },
          { key: "created", header: t("ui.created"), cell: ({ createdAt }) => <TimeAgo at={createdAt} /> },
        ]}
        {...(may
          ? {
              rowActions: (job: Job) => [
                {
                  label: t("jobs.cancel"),
                  icon: IconPlayerStop,
                  disabledReason: job.allowedActions.includes("cancel") ? undefined : t("jobs.why.over"),
                  onClick: () => setDialog({ job, kind: "cancel" }),
                },
                {
                  label: t("jobs.delete"),
                  icon: IconTrash,
                  danger: true,
                  disabledReason: job.allowedActions.includes("delete") ? undefined : t("jobs.why.running"),
                  onClick: () => setDialog({ job, kind: "delete" }),
                },
              ],
            }
          : {})}
        empty={
          <EmptyState
            picture="robot"
            title={t("jobs.empty")}
            text={t("jobs.emptyText")}
            action={create}
            command={may ? "khmara job create render --image debian-12 --size small --script 'nproc'" : undefined}
          />
        }
      />
      {creating && <JobCreate onClose={() => setCreating(false)} />}
      {dialog && <JobEnd job={dialog.job} kind={dialog.kind} onClose={() => setDialog(undefined)} />}
    </>
  );
}

export function JobEnd(props: { job: Job; kind: "cancel" | "delete"; onClose: () => void; onGone?: () => void }) {
  const t = useT();
  const { job, kind } = props;
  return (
    <ConfirmDestroy
      opened
      onClose={props.onClose}
      title={t(`jobs.${kind}.title`, { name: job.name })}
      text={t(`jobs.${kind}.text`)}
      kept={[t("jobs.kept")]}
      action={t(`jobs.${kind}`)}
      onConfirm={async () => {
        await (kind === "cancel" ? callApi("jobCancel", { job: job.id } as never) : callApi("jobDelete", { job: job.id }));
        if (kind === "delete") props.onGone?.();
        await refresh();
      }}
    />
  );
}
