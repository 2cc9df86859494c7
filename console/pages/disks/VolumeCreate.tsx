import { NumberInput, Select, TextInput } from "@mantine/core";
import { callApi, invalidate, useApiList } from "../../api/api.ts";
import { useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { useForm } from "../../ui/form.ts";
import { finished } from "../objects/work.tsx";
import { gib } from "./words.ts";

const namePattern = /^[a-z]([a-z0-9-]*[a-z0-9])?$/;

/** A new volume, attached at once when an instance is chosen. */
export function VolumeCreate({ onClose, instance }: { onClose: () => void; instance?: string }) {
  const t = useT();
  const format = useFormat();
  const project = useProject();
  const instances = useApiList("instanceList", { project: project.id });
  const form = useForm({
    initial: { name: "", size: 20 as number, instance: instance ?? "", path: "/mnt/data" },
    checks: {
      name: (name) => (namePattern.test(name) && name.length <= 63 ? undefined : t("disks.name.rules")),
      size: (size) => (size >= 1 ? undefined : t("disks.size.least")),
      path: (path, all) =>
        (all as { instance: string }).instance === "" || /^(\/[\w.@+-]+)+$/.test(path) ? undefined : t("disks.path.rules"),
    },
    submit: async (values) => {
      const operation = await callApi("volumeCreate", {
        project: project.id,
        name: values.name,
        sizeBytes: Math.round(values.size * gib),
      } as never);
      await invalidate(queries, ["volumeList"]);
      if (values.instance !== "") {
        await finished(operation);
        await callApi("volumeAttach", {
          volume: operation.resource?.id as never,
          instance: values.instance as never,
          path: values.path,
        });
        await invalidate(queries, ["volumeList"]);
      }
      onClose();
    },
  });
  const { values } = form;
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("disks.volume.create")}
      text={t("disks.volume.createText")}
      form={form}
      action={t("disks.volume.create")}
      hint={
        <ApiHint
          route="volumeCreate"
          args={{ project: project.id, name: values.name || "data", sizeBytes: Math.round(values.size * gib) }}
        />
      }
    >
      <TextInput
        label={t("ui.name")}
        description={t("disks.name.rules")}
        placeholder="data"
        data-autofocus
        autoCapitalize="none"
        spellCheck={false}
        {...form.field("name")}
      />
      <NumberInput
        label={t("disks.size")}
        description={t("disks.size.text")}
        suffix={format.gibibytes}
        min={1}
        max={65_536}
        allowDecimal={false}
        value={values.size}
        onChange={(size) => form.set("size", Number(size))}
      />
      {instance === undefined && (
        <Select
          label={t("disks.attachTo")}
          clearable
          placeholder={t("disks.attachLater")}
          data={(instances.rows ?? []).map(({ id, name }) => ({ value: id, label: name }))}
          value={values.instance || null}
          onChange={(value) => form.set("instance", value ?? "")}
        />
      )}
      {values.instance !== "" && <TextInput label={t("disks.path")} description={t("disks.path.text")} {...form.field("path")} />}
    </FormDialog>
  );
}
