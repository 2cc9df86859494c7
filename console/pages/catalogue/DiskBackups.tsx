import { Button, Select } from "@mantine/core";
import { IconArrowBackUp, IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { AppBackup } from "../../../services/apps/backups/contract.ts";
import type { App } from "../../../services/apps/deploying/contract.ts";
import { callApi, invalidate, useApiList } from "../../api/api.ts";
import { useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { Reasoned } from "../../frame/Reasoned.tsx";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { useForm } from "../../ui/form.ts";
import { DataList } from "../../ui/list/DataList.tsx";
import { Section } from "../../ui/Section.tsx";
import { StatusBadge, type Tone } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { toastDone } from "../../ui/toast.ts";
import css from "./catalogue.module.css";

const tones: Record<AppBackup["state"], Tone> = { creating: "busy", available: "good", deleting: "busy", error: "bad" };
const refresh = () => invalidate(queries, ["appBackupList", "appGet"]);

/** Copies of the disks of an app: made, put back, deleted. */
export function DiskBackups({ app, may }: { app: App; may: boolean }) {
  const t = useT();
  const format = useFormat();
  const project = useProject();
  const backups = useApiList("appBackupList", { project: project.id, app: app.id });
  const [asking, setAsking] = useState<{ what: "restore" | "delete"; backup: AppBackup }>();
  const [making, setMaking] = useState(false);
  const canMake = may && app.releaseId !== undefined && app.state !== "deleting";
  const when = (backup: AppBackup) => format.dateTime(backup.createdAt);
  return (
    <Section
      title={t("catalogue.backups.title")}
      text={t("catalogue.backups.text")}
      actions={
        canMake ? (
          <Button variant="default" leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setMaking(true)}>
            {t("catalogue.backups.make")}
          </Button>
        ) : undefined
      }
      flush
    >
      <DataList
        id="app-backups"
        label={t("catalogue.backups.title")}
        list={backups}
        rowKey={({ id }) => id}
        rowName={(backup) => when(backup)}
        columns={[
          {
            key: "made",
            header: t("catalogue.backups.made"),
            primary: true,
            cell: ({ createdAt }) => <TimeAgo at={createdAt} />,
          },
          { key: "reason", header: t("catalogue.backups.reason"), cell: ({ reason }) => t(`catalogue.backups.reason.${reason}`) },
          {
            key: "state",
            header: t("catalogue.backups.state"),
            cell: ({ id, state, stateReason }) => (
              <Reasoned of={id} reason={stateReason}>
                <StatusBadge tone={tones[state]}>{t(`catalogue.backups.state.${state}`)}</StatusBadge>
              </Reasoned>
            ),
          },
          {
            key: "size",
            header: t("catalogue.backups.size"),
            align: "right",
            cell: ({ state, sizeBytes }) => (state === "available" ? format.bytes(sizeBytes) : "–"),
          },
          { key: "bucket", header: t("catalogue.backups.bucket"), cell: ({ bucket }) => bucket.name },
        ]}
        {...(may
          ? {
              rowActions: (backup: AppBackup) => [
                ...(backup.state === "available"
                  ? [
                      {
                        label: t("catalogue.backups.restore"),
                        icon: IconArrowBackUp,
                        onClick: () => setAsking({ what: "restore", backup }),
                      },
                    ]
                  : []),
                {
                  label: t("catalogue.backups.delete"),
                  icon: IconTrash,
                  danger: true,
                  onClick: () => setAsking({ what: "delete", backup }),
                },
              ],
            }
          : {})}
        empty={<p className={css.none}>{t("catalogue.backups.empty")}</p>}
      />
      {making && <Make app={app} onClose={() => setMaking(false)} />}
      {asking?.what === "restore" && (
        <ConfirmDestroy
          opened
          onClose={() => setAsking(undefined)}
          title={t("catalogue.backups.restoreTitle", { name: app.name, when: when(asking.backup) })}
          destroyed={[t("catalogue.backups.restoreLost")]}
          kept={[t("catalogue.backups.restoreKept")]}
          typeName={app.name}
          action={t("catalogue.backups.restore")}
          onConfirm={async () => {
            await callApi("appBackupRestore", { appBackup: asking.backup.id, app: app.id, confirm: app.name });
            await refresh();
            toastDone(t("catalogue.backups.restoring", { name: app.name }));
          }}
        />
      )}
      {asking?.what === "delete" && (
        <ConfirmDestroy
          opened
          onClose={() => setAsking(undefined)}
          title={t("catalogue.backups.deleteTitle", { when: when(asking.backup) })}
          destroyed={[t("catalogue.backups.deleteLost", { name: asking.backup.bucket.name })]}
          action={t("catalogue.backups.delete")}
          onConfirm={async () => {
            await callApi("appBackupDelete", { appBackup: asking.backup.id });
            await refresh();
          }}
        />
      )}
    </Section>
  );
}

function Make({ app, onClose }: { app: App; onClose: () => void }) {
  const t = useT();
  const project = useProject();
  const buckets = useApiList("bucketList", { project: project.id }, { limit: 200 }).rows;
  const form = useForm({
    initial: { bucket: "" },
    submit: async () => {
      await callApi("appBackupCreate", { app: app.id, bucket });
      await refresh();
      toastDone(t("catalogue.backups.begun", { name: app.name }));
      onClose();
    },
  });
  const bucket = form.values.bucket || (buckets?.[0]?.id ?? "");
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("catalogue.backups.makeTitle", { name: app.name })}
      text={t("catalogue.backups.makeText")}
      form={form}
      action={t("catalogue.backups.make")}
      disabled={bucket === ""}
      hint={<ApiHint route="appBackupCreate" args={{ app: app.id, bucket }} />}
    >
      {buckets?.length === 0 ? (
        <p className={css.note}>{t("catalogue.update.noBucket")}</p>
      ) : (
        <Select
          label={t("catalogue.backups.bucket")}
          data={(buckets ?? []).map(({ id, name }) => ({ value: id, label: name }))}
          allowDeselect={false}
          {...form.choice("bucket")}
          value={bucket}
        />
      )}
    </FormDialog>
  );
}
