import { Checkbox, TextInput } from "@mantine/core";
import type { Bucket } from "../../../../services/objects/contract.ts";
import { client, type Item, invalidate } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useFormat } from "../../../i18n/format.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ApiHint } from "../../../ui/ApiHint.tsx";
import { FormDialog } from "../../../ui/FormDialog.tsx";
import { required, useForm } from "../../../ui/form.ts";
import { toastDone } from "../../../ui/toast.ts";

/** Into which bucket, and what becomes of that which is there. */
export function RestoreDialog(props: { bucket: Bucket; backup: Item<"bucketBackupList">; onClose: () => void }) {
  const t = useT();
  const format = useFormat();
  const { bucket, backup } = props;
  const form = useForm({
    initial: { bucket: bucket.name, prefix: "", overwrite: false },
    checks: { bucket: required },
    submit: async (values) => {
      await client.bucketBackupRestore({ bucketBackup: backup.id, ...values, bucket: values.bucket.trim() });
      toastDone(t("bucketBackups.restoring", { bucket: values.bucket.trim() }));
      props.onClose();
      await invalidate(queries, ["bucketBackupList", "bucketList"]);
    },
  });
  return (
    <FormDialog
      opened
      onClose={props.onClose}
      title={t("bucketBackups.restoreTitle", { at: format.dateTime(backup.createdAt) })}
      text={t("bucketBackups.restoreText")}
      form={form}
      action={t("bucketBackups.restoreInto", { bucket: form.values.bucket.trim() })}
      hint={<ApiHint route="bucketBackupRestore" args={{ bucketBackup: backup.id, ...form.values }} />}
    >
      <TextInput
        label={t("bucketBackups.restoreBucket")}
        description={t("bucketBackups.restoreBucketText")}
        spellCheck={false}
        data-autofocus
        {...form.field("bucket")}
      />
      <TextInput
        label={t("bucketBackups.restorePrefix")}
        description={t("bucketBackups.restorePrefixText")}
        spellCheck={false}
        maxLength={1024}
        {...form.field("prefix")}
      />
      <Checkbox
        label={t("bucketBackups.overwrite")}
        description={t(form.values.overwrite ? "bucketBackups.overwriteText" : "bucketBackups.keepText")}
        checked={form.values.overwrite}
        onChange={(event) => form.set("overwrite", event.currentTarget.checked)}
      />
    </FormDialog>
  );
}
