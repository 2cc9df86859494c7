import { Checkbox, TextInput } from "@mantine/core";
import { type Item, useChange } from "../../api/api.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { required, useForm } from "../../ui/form.ts";

export function RenameAccessKey({ accessKey, onClose }: { accessKey: Item<"accessKeyList">; onClose: () => void }) {
  const t = useT();
  const update = useChange("accessKeyUpdate", { refresh: ["accessKeyList"] });
  const form = useForm({
    initial: { name: accessKey.name, readOnly: accessKey.readOnly },
    checks: { name: required },
    submit: async (values) => {
      await update.mutateAsync({ accessKey: accessKey.id, ...values });
      onClose();
    },
  });
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("access.editKey")}
      text={accessKey.accessKeyId}
      form={form}
      action={t("ui.save")}
      hint={<ApiHint route="accessKeyUpdate" args={{ accessKey: accessKey.id, ...form.values }} />}
    >
      <TextInput label={t("ui.name")} data-autofocus {...form.field("name")} />
      <Checkbox
        label={t("access.readOnly")}
        description={t("access.readOnlyHint")}
        checked={form.values.readOnly}
        onChange={(event) => form.set("readOnly", event.currentTarget.checked)}
      />
    </FormDialog>
  );
}
