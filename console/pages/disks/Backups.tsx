import { Button, Select, Textarea, TextInput } from "@mantine/core";
import { IconArchive, IconRestore, IconShieldCheck, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { Backup } from "../../../services/compute/volumes/backups/contract.ts";
import { callApi, invalidate, useApiList } from "../../api/api.ts";
import { useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { required, useForm } from "../../ui/form.ts";
import { DataList } from "../../ui/list/DataList.tsx";
import { Section } from "../../ui/Section.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { BackupDrills } from "./BackupDrills.tsx";
import { CopyDialog } from "./CopyDialog.tsx";
import { backupTones, type Disk, whyNot } from "./words.ts";

const refresh = () => invalidate(queries, ["backupList"]);

/** Backups in a section of their own; of one instance or volume. */
export function Backups({ disk, may }: { disk: Disk; may: boolean }) {
  const t = useT();
  const [making, setMaking] = useState(false);
  const make = may ? (
    <Button size="xs" variant="default" leftSection={<IconArchive size={14} aria-hidden />} onClick={() => setMaking(true)}>
      {t("disks.backup.create")}
    </Button>
  ) : undefined;
  return (
    <Section title={t("disks.backups")} text={t("disks.backups.what")} actions={make} flush>
      <BackupList disk={disk} may={may} action={make} />
      {making && <BackupCreate disk={disk} onClose={() => setMaking(false)} />}
    </Section>
  );
}

/** Of one instance or volume, or of the whole project. */
export function BackupList({ disk, may, action }: { disk?: Disk; may: boolean; action?: React.ReactNode }) {
  const t = useT();
  const format = useFormat();
  const project = useProject();
  const backups = useApiList("backupList", { project: project.id, ...disk } as never);
  const [dialog, setDialog] = useState<{ backup: Backup; kind: "restore" | "verify" | "delete" }>();
  const close = () => setDialog(undefined);
  const reason = (backup: Backup, what: string) => whyNot(backup, what, may, t(`disks.state.${backup.state}`));
  return (
    <>
      <DataList
        id="backups"
        label={t("disks.backups")}
        list={backups}
        rowKey={({ id }) => id}
        rowName={({ name }) => name}
        onOpen={(backup) => setDialog({ backup, kind: "verify" })}
        columns={[
          { key: "name", header: t("ui.name"), primary: true, width: "minmax(180px, 2fr)", cell: ({ name }) => name },
          ...(disk
            ? []
            : [
                {
                  key: "source",
                  header: t("disks.source"),
                  cell: ({ source }: Backup) => `${source.name} (${t(`disks.kind.${source.kind}`)})`,
                },
              ]),
          {
            key: "state",
            header: t("disks.state"),
            phone: "bare" as const,
            cell: ({ state }: Backup) => <StatusBadge tone={backupTones[state]}>{t(`disks.state.${state}`)}</StatusBadge>,
          },
          {
            key: "size",
            header: t("disks.size"),
            align: "right" as const,
            cell: ({ sizeBytes }: Backup) => (sizeBytes === undefined ? "–" : format.bytes(sizeBytes)),
          },
          { key: "bucket", header: t("disks.bucket"), cell: ({ bucketName }: Backup) => bucketName ?? "–" },
          {
            key: "proof",
            header: t("disks.drill"),
            width: "minmax(150px, 1.4fr)",
            cell: ({ verification, verifiedAt }: Backup) =>
              verification ? (
                <StatusBadge tone={verification === "passed" ? "good" : verification === "failed" ? "bad" : "busy"}>
                  {[t(`disks.drill.state.${verification}`), verifiedAt && format.timeAgo(verifiedAt)].filter(Boolean).join(" ")}
                </StatusBadge>
              ) : (
                t("disks.drill.none")
              ),
          },
          { key: "made", header: t("disks.made"), cell: ({ createdAt }: Backup) => <TimeAgo at={createdAt} /> },
        ]}
        rowActions={(backup: Backup) => [
          { label: t("disks.drills"), icon: IconShieldCheck, onClick: () => setDialog({ backup, kind: "verify" }) },
          {
            label: t("disks.backup.restore"),
            icon: IconRestore,
            disabledReason: reason(backup, "restore"),
            onClick: () => setDialog({ backup, kind: "restore" }),
          },
          {
            label: t("disks.backup.delete"),
            icon: IconTrash,
            danger: true,
            disabledReason: reason(backup, "delete"),
            onClick: () => setDialog({ backup, kind: "delete" }),
          },
        ]}
        empty={<EmptyState picture="disk" title={t("disks.backups.empty")} text={t("disks.backups.emptyText")} action={action} />}
      />
      {dialog?.kind === "restore" && (
        <CopyDialog
          title={t("disks.backup.restoreTitle", { name: dialog.backup.name })}
          kind={dialog.backup.source.kind}
          suggested={`${dialog.backup.source.name}-restored`}
          action={t("disks.backup.restore")}
          run={(values) => callApi("backupRestore", { backup: dialog.backup.id, ...values } as never)}
          onClose={close}
        />
      )}
      {dialog?.kind === "verify" && <BackupDrills backup={dialog.backup} may={may} onClose={close} />}
      {dialog?.kind === "delete" && (
        <ConfirmDestroy
          opened
          onClose={close}
          title={t("disks.backup.deleteTitle", { name: dialog.backup.name })}
          destroyed={[t("disks.backup.deleted", { key: dialog.backup.key, bucket: dialog.backup.bucketName ?? "–" })]}
          kept={[t("disks.backup.deleteKept", { name: dialog.backup.source.name })]}
          action={t("disks.backup.delete")}
          onConfirm={async () => {
            await callApi("backupDelete", { backup: dialog.backup.id });
            await refresh();
          }}
        />
      )}
    </>
  );
}

function BackupCreate({ disk, onClose }: { disk: Disk; onClose: () => void }) {
  const t = useT();
  const project = useProject();
  const buckets = useApiList("bucketList", { project: project.id });
  const form = useForm({
    initial: { bucket: "", name: "", description: "" },
    checks: { bucket: required },
    submit: async ({ bucket, name, description }) => {
      await callApi("backupCreate", {
        ...disk,
        bucket,
        ...(name ? { name } : {}),
        ...(description ? { description } : {}),
      } as never);
      await refresh();
      onClose();
    },
  });
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("disks.backup.create")}
      text={t("disks.backups.what")}
      form={form}
      action={t("disks.backup.create")}
      hint={<ApiHint route="backupCreate" args={{ ...disk, bucket: form.values.bucket, name: form.values.name || undefined }} />}
    >
      <Select
        label={t("disks.bucket")}
        description={t("disks.bucketText")}
        searchable
        data-autofocus
        nothingFoundMessage={t("disks.bucketNone")}
        data={(buckets.rows ?? []).map(({ id, name }) => ({ value: id, label: name }))}
        {...form.choice("bucket")}
      />
      <TextInput label={t("ui.name")} description={t("disks.backup.nameText")} {...form.field("name")} />
      <Textarea label={t("disks.description")} autosize minRows={2} {...form.field("description")} />
    </FormDialog>
  );
}
