import { Button, Switch } from "@mantine/core";
import { IconClockPlus, IconPencil, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { SnapshotSchedule } from "../../../services/compute/volumes/schedules/contract.ts";
import { callApi, invalidate, useApiList } from "../../api/api.ts";
import { useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { DataList } from "../../ui/list/DataList.tsx";
import { Section } from "../../ui/Section.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { toastError } from "../../ui/toast.ts";
import { ScheduleDialog } from "./ScheduleDialog.tsx";
import type { Disk } from "./words.ts";

const refresh = () => invalidate(queries, ["snapshotScheduleList"]);

/** What is done by itself: when, what is kept, when it runs next and how it went last. */
export function Schedules({ disk, may }: { disk: Disk; may: boolean }) {
  const t = useT();
  const format = useFormat();
  const project = useProject();
  const schedules = useApiList("snapshotScheduleList", { project: project.id, ...disk } as never);
  const [editing, setEditing] = useState<SnapshotSchedule | "new">();
  const [removing, setRemoving] = useState<SnapshotSchedule>();
  const create = may ? (
    <Button size="xs" variant="default" leftSection={<IconClockPlus size={14} aria-hidden />} onClick={() => setEditing("new")}>
      {t("disks.schedule.create")}
    </Button>
  ) : undefined;
  return (
    <Section title={t("disks.schedules")} text={t("disks.schedules.text")} actions={create} flush>
      <DataList
        id="schedules"
        label={t("disks.schedules")}
        list={schedules}
        rowKey={({ id }) => id}
        rowName={({ name }) => name}
        columns={[
          { key: "name", header: t("ui.name"), primary: true, width: "minmax(150px, 1.5fr)", cell: ({ name }) => name },
          {
            key: "when",
            header: t("disks.schedule.when"),
            width: "minmax(200px, 2fr)",
            cell: (schedule) => `${t(`disks.schedule.kind.${schedule.kind}`)}, ${whenWords(schedule)}`,
          },
          {
            key: "keep",
            header: t("disks.schedule.keep"),
            cell: ({ keepLast, keepDays }) =>
              [
                t("disks.schedule.keepLast", { count: keepLast }),
                ...(keepDays ? [t("disks.schedule.keepDays", { count: keepDays })] : []),
              ].join(", "),
          },
          {
            key: "last",
            header: t("disks.schedule.last"),
            cell: ({ lastRun }) =>
              lastRun ? (
                <span title={lastRun.message}>
                  <StatusBadge tone={lastRun.state === "succeeded" ? "good" : lastRun.state === "failed" ? "bad" : "busy"}>
                    {`${t(`disks.run.${lastRun.state}`)} ${format.timeAgo(lastRun.startedAt)}`}
                  </StatusBadge>
                </span>
              ) : (
                "–"
              ),
          },
          {
            key: "next",
            header: t("disks.schedule.next"),
            cell: ({ nextRunAt }) => (nextRunAt ? format.dateTime(nextRunAt) : "–"),
          },
          {
            key: "enabled",
            header: t("disks.schedule.enabled"),
            width: "80px",
            cell: (schedule) => (
              <Switch
                aria-label={t("disks.schedule.enabledOf", { name: schedule.name })}
                checked={schedule.enabled}
                disabled={!may}
                onChange={(event) =>
                  void callApi("snapshotScheduleUpdate", {
                    snapshotSchedule: schedule.id,
                    enabled: event.currentTarget.checked,
                  } as never)
                    .then(refresh)
                    .catch(toastError)
                }
              />
            ),
          },
        ]}
        {...(may
          ? {
              rowActions: (schedule: SnapshotSchedule) => [
                { label: t("ui.edit"), icon: IconPencil, onClick: () => setEditing(schedule) },
                { label: t("disks.schedule.delete"), icon: IconTrash, danger: true, onClick: () => setRemoving(schedule) },
              ],
            }
          : {})}
        empty={
          <EmptyState
            picture="journal"
            title={t("disks.schedules.empty")}
            text={t("disks.schedules.emptyText")}
            action={create}
          />
        }
      />
      {editing && (
        <ScheduleDialog
          disk={disk}
          schedule={editing === "new" ? undefined : editing}
          onClose={() => setEditing(undefined)}
          onDone={refresh}
        />
      )}
      {removing && (
        <ConfirmDestroy
          opened
          onClose={() => setRemoving(undefined)}
          title={t("disks.schedule.deleteTitle", { name: removing.name })}
          text={t("disks.schedule.deleteText")}
          action={t("disks.schedule.delete")}
          onConfirm={async () => {
            await callApi("snapshotScheduleDelete", { snapshotSchedule: removing.id });
            await refresh();
          }}
        />
      )}
    </Section>
  );

  function whenWords(schedule: SnapshotSchedule): string {
    if (schedule.frequency === "hours") return t("disks.schedule.everyHours", { count: schedule.everyHours ?? 1 });
    const at = `${schedule.at ?? "00:00"} (${schedule.timeZone})`;
    if (schedule.frequency === "day") return t("disks.schedule.daily", { at });
    return t("disks.schedule.weekly", { day: t(`disks.weekday.${schedule.weekday ?? "monday"}`), at });
  }
}
