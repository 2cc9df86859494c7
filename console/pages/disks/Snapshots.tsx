import { Button, Checkbox, Textarea, TextInput } from "@mantine/core";
import { IconArrowBackUp, IconCamera, IconCopy, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { Snapshot } from "../../../services/compute/volumes/snapshots/contract.ts";
import { callApi, invalidate, useApiList } from "../../api/api.ts";
import { useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { useForm } from "../../ui/form.ts";
import { DataList } from "../../ui/list/DataList.tsx";
import { Section } from "../../ui/Section.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { CopyDialog } from "./CopyDialog.tsx";
import { type Disk, snapshotTones, whyNot } from "./words.ts";

const refresh = () => invalidate(queries, ["snapshotList", "volumeGet", "instanceGet", "instanceList", "volumeList"]);

/** The snapshots of an instance or a volume: take, go back, copy, delete. */
export function Snapshots({ disk, name, may, running }: { disk: Disk; name: string; may: boolean; running: boolean }) {
  const t = useT();
  const format = useFormat();
  const project = useProject();
  const snapshots = useApiList("snapshotList", { project: project.id, ...disk } as never);
  const [taking, setTaking] = useState(false);
  const [dialog, setDialog] = useState<{ snapshot: Snapshot; kind: "restore" | "clone" | "delete" }>();
  const close = () => setDialog(undefined);
  const take = may ? (
    <Button size="xs" variant="default" leftSection={<IconCamera size={14} aria-hidden />} onClick={() => setTaking(true)}>
      {t("disks.snapshot.take")}
    </Button>
  ) : undefined;
  const reason = (snapshot: Snapshot, action: string) => whyNot(snapshot, action, may, t(`disks.state.${snapshot.state}`));
  return (
    <Section title={t("disks.snapshots")} text={t("disks.snapshots.text")} actions={take} flush>
      <DataList
        id="snapshots"
        label={t("disks.snapshots")}
        list={snapshots}
        rowKey={({ id }) => id}
        rowName={(snapshot) => snapshot.name}
        columns={[
          { key: "name", header: t("ui.name"), primary: true, width: "minmax(180px, 2fr)", cell: (snapshot) => snapshot.name },
          {
            key: "state",
            header: t("disks.state"),
            phone: "bare",
            cell: ({ state }) => <StatusBadge tone={snapshotTones[state]}>{t(`disks.state.${state}`)}</StatusBadge>,
          },
          {
            key: "used",
            header: t("disks.used"),
            align: "right",
            cell: ({ usedBytes }) => (usedBytes === undefined ? "–" : format.memory(usedBytes)),
          },
          { key: "made", header: t("disks.made"), cell: ({ createdAt }) => <TimeAgo at={createdAt} /> },
        ]}
        {...(may
          ? {
              rowActions: (snapshot: Snapshot) => [
                {
                  label: t("disks.snapshot.restore"),
                  icon: IconArrowBackUp,
                  disabledReason: reason(snapshot, "restore"),
                  onClick: () => setDialog({ snapshot, kind: "restore" }),
                },
                {
                  label: t("disks.snapshot.clone"),
                  icon: IconCopy,
                  disabledReason: reason(snapshot, "clone"),
                  onClick: () => setDialog({ snapshot, kind: "clone" }),
                },
                {
                  label: t("disks.snapshot.delete"),
                  icon: IconTrash,
                  danger: true,
                  disabledReason: reason(snapshot, "delete"),
                  onClick: () => setDialog({ snapshot, kind: "delete" }),
                },
              ],
            }
          : {})}
        empty={
          <EmptyState picture="disk" title={t("disks.snapshots.empty")} text={t("disks.snapshots.emptyText")} action={take} />
        }
      />
      {taking && <TakeSnapshot disk={disk} onClose={() => setTaking(false)} />}
      {dialog?.kind === "restore" && <Restore snapshot={dialog.snapshot} name={name} running={running} onClose={close} />}
      {dialog?.kind === "clone" && (
        <CopyDialog
          title={t("disks.snapshot.cloneTitle", { name: dialog.snapshot.name })}
          kind={dialog.snapshot.source.kind}
          suggested={`${name}-copy`}
          action={t("disks.snapshot.clone")}
          run={(values) => callApi("snapshotClone", { snapshot: dialog.snapshot.id, ...values } as never)}
          onClose={close}
        />
      )}
      {dialog?.kind === "delete" && (
        <ConfirmDestroy
          opened
          onClose={close}
          title={t("disks.snapshot.deleteTitle", { name: dialog.snapshot.name })}
          text={t("disks.snapshot.deleteText")}
          action={t("disks.snapshot.delete")}
          onConfirm={async () => {
            await callApi("snapshotDelete", { snapshot: dialog.snapshot.id });
            await refresh();
          }}
        />
      )}
    </Section>
  );
}

function TakeSnapshot({ disk, onClose }: { disk: Disk; onClose: () => void }) {
  const t = useT();
  const form = useForm({
    initial: { name: "", description: "" },
    submit: async ({ name, description }) => {
      await callApi("snapshotCreate", { ...disk, ...(name ? { name } : {}), ...(description ? { description } : {}) } as never);
      await refresh();
      onClose();
    },
  });
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("disks.snapshot.take")}
      text={t("disks.snapshot.takeText")}
      form={form}
      action={t("disks.snapshot.take")}
      hint={<ApiHint route="snapshotCreate" args={{ ...disk, name: form.values.name || undefined }} />}
    >
      <TextInput label={t("ui.name")} description={t("disks.snapshot.nameText")} data-autofocus {...form.field("name")} />
      <Textarea label={t("disks.description")} autosize minRows={2} {...form.field("description")} />
    </FormDialog>
  );
}

function Restore(props: { snapshot: Snapshot; name: string; running: boolean; onClose: () => void }) {
  const t = useT();
  const format = useFormat();
  const { snapshot } = props;
  const [stopFirst, setStopFirst] = useState(true);
  return (
    <ConfirmDestroy
      opened
      onClose={props.onClose}
      title={t("disks.snapshot.restoreTitle", { name: props.name })}
      destroyed={[
        t("disks.snapshot.restoreLost", { at: format.dateTime(snapshot.createdAt), ago: format.timeAgo(snapshot.createdAt) }),
      ]}
      kept={[t("disks.snapshot.restoreKept")]}
      typeName={props.name}
      action={t("disks.snapshot.restore")}
      onConfirm={async () => {
        await callApi("snapshotRestore", { snapshot: snapshot.id, confirm: props.name, stopFirst: props.running && stopFirst });
        await refresh();
      }}
    >
      {props.running && (
        <Checkbox
          label={t("disks.snapshot.stopFirst")}
          description={t("disks.snapshot.stopFirstText")}
          checked={stopFirst}
          onChange={(event) => setStopFirst(event.currentTarget.checked)}
        />
      )}
    </ConfirmDestroy>
  );
}
