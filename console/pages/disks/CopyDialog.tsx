import { Select, Switch, TextInput } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import type { Operation } from "../../../services/operations/contract.ts";
import { invalidate, useApiList } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useOrganisation, useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { useForm } from "../../ui/form.ts";

/** A new instance or volume with the content of a snapshot or backup. */
export function CopyDialog(props: {
  title: string;
  kind: "instance" | "volume";
  suggested: string;
  action: string;
  run: (values: { name: string; size?: string; start?: boolean }) => Promise<unknown>;
  onClose: () => void;
}) {
  const t = useT();
  const format = useFormat();
  const navigate = useNavigate();
  const organisation = useOrganisation();
  const project = useProject();
  const isInstance = props.kind === "instance";
  const sizes = useApiList("sizeList", {}, { enabled: isInstance });
  const form = useForm({
    initial: { name: props.suggested, size: "", start: true },
    checks: { name: (name) => (/^[a-z]([a-z0-9-]*[a-z0-9])?$/.test(name) ? undefined : t("disks.name.rules")) },
    submit: async ({ name, size, start }) => {
      const operation = (await props.run({ name, ...(isInstance ? { ...(size ? { size } : {}), start } : {}) })) as Operation;
      await invalidate(queries, ["instanceList", "volumeList"]);
      props.onClose();
      const made = operation.resource;
      if (made?.kind === "instance" || made?.kind === "volume")
        await navigate({ to: projectAddress(organisation.slug, project.slug, `${made.kind}s/${made.id}`) });
    },
  });
  return (
    <FormDialog
      opened
      onClose={props.onClose}
      title={props.title}
      text={t(isInstance ? "disks.copy.instanceText" : "disks.copy.volumeText")}
      form={form}
      action={props.action}
    >
      <TextInput label={t("ui.name")} description={t("disks.name.rules")} data-autofocus {...form.field("name")} />
      {isInstance && (
        <>
          <Select
            label={t("disks.copy.size")}
            placeholder={t("disks.copy.sameSize")}
            clearable
            data={(sizes.rows ?? []).map((size) => ({
              value: size.id,
              label: `${size.name} · ${size.vcpus} vCPU · ${format.memory(size.memoryBytes)} · ${format.memory(size.diskBytes)}`,
            }))}
            value={form.values.size || null}
            onChange={(size) => form.set("size", size ?? "")}
          />
          <Switch
            label={t("disks.copy.start")}
            checked={form.values.start}
            onChange={(event) => form.set("start", event.currentTarget.checked)}
          />
        </>
      )}
    </FormDialog>
  );
}
