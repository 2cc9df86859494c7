import { NumberInput, Select, TextInput } from "@mantine/core";
import type { Volume } from "../../../services/compute/volumes/contract.ts";
import { callApi, invalidate, useApiList } from "../../api/api.ts";
import { useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { required, useForm } from "../../ui/form.ts";
import { gib } from "./words.ts";

interface Props {
  volume: Volume;
  onClose: () => void;
}
const refresh = () => invalidate(queries, ["volumeList", "volumeGet"]);

export function VolumeAttach({ volume, onClose }: Props) {
  const t = useT();
  const project = useProject();
  const instances = useApiList("instanceList", { project: project.id });
  const possible = (instances.rows ?? []).filter(({ allowedActions }) => allowedActions.includes("attachVolume"));
  const form = useForm({
    initial: { instance: "", path: "/mnt/data" },
    checks: { instance: required, path: required },
    submit: async ({ instance, path }) => {
      await callApi("volumeAttach", { volume: volume.id, instance: instance as never, path });
      await refresh();
      onClose();
    },
  });
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("disks.attach.title", { name: volume.name })}
      text={t("disks.attach.text")}
      form={form}
      action={t("disks.attach")}
      hint={<ApiHint route="volumeAttach" args={{ volume: volume.id, ...form.values }} />}
    >
      <Select
        label={t("disks.instance")}
        searchable
        data-autofocus
        nothingFoundMessage={t("disks.attach.none")}
        data={possible.map(({ id, name }) => ({ value: id, label: name }))}
        {...form.choice("instance")}
      />
      <TextInput label={t("disks.path")} description={t("disks.path.text")} {...form.field("path")} />
    </FormDialog>
  );
}

export function VolumeDetach({ volume, onClose }: Props) {
  const t = useT();
  return (
    <ConfirmDestroy
      opened
      onClose={onClose}
      title={t("disks.detach.title", { name: volume.name, instance: volume.attachment?.instanceName ?? "" })}
      text={t("disks.detach.text", { path: volume.attachment?.path ?? "" })}
      kept={[t("disks.detach.kept")]}
      action={t("disks.detach")}
      onConfirm={async () => {
        await callApi("volumeDetach", { volume: volume.id } as never);
        await refresh();
      }}
    />
  );
}

export function VolumeResize({ volume, onClose }: Props) {
  const t = useT();
  const format = useFormat();
  const form = useForm({
    initial: { size: Math.ceil(volume.sizeBytes / gib) + 10 },
    checks: { size: (size) => (size * gib > volume.sizeBytes ? undefined : t("disks.resize.grows")) },
    submit: async ({ size }) => {
      await callApi("volumeResize", { volume: volume.id, sizeBytes: Math.round(size * gib) });
      await refresh();
      onClose();
    },
  });
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("disks.resize.title", { name: volume.name })}
      text={t("disks.resize.text", { size: format.memory(volume.sizeBytes) })}
      form={form}
      action={t("disks.resize")}
    >
      <NumberInput
        label={t("disks.resize.to")}
        suffix={format.gibibytes}
        min={1}
        max={65_536}
        allowDecimal={false}
        data-autofocus
        value={form.values.size}
        onChange={(size) => form.set("size", Number(size))}
      />
    </FormDialog>
  );
}

export function VolumeDelete({ volume, onClose, onGone }: Props & { onGone?: () => void }) {
  const t = useT();
  const format = useFormat();
  return (
    <ConfirmDestroy
      opened
      onClose={onClose}
      title={t("disks.delete.title", { name: volume.name })}
      destroyed={[
        t("disks.delete.content", { size: format.memory(volume.usedBytes ?? volume.sizeBytes) }),
        ...(volume.snapshots > 0 ? [t("disks.delete.snapshots", { count: volume.snapshots })] : []),
      ]}
      kept={[t("disks.delete.backups")]}
      typeName={volume.name}
      action={t("disks.volume.delete")}
      onConfirm={async () => {
        await callApi("volumeDelete", { volume: volume.id, confirm: volume.name });
        onGone?.();
        await refresh();
      }}
    />
  );
}
