import { Autocomplete, Checkbox, TextInput } from "@mantine/core";
import type { Bucket } from "../../../../services/objects/contract.ts";
import { client, type Item, invalidate, useApiList } from "../../../api/api.ts";
import { useProject } from "../../../frame/identity.ts";
import { queries } from "../../../frame/queries.ts";
import { useFormat } from "../../../i18n/format.ts";
import { useT } from "../../../i18n/i18n.ts";
import { ApiHint } from "../../../ui/ApiHint.tsx";
import { FormDialog } from "../../../ui/FormDialog.tsx";
import { required, useForm } from "../../../ui/form.ts";
import { toastDone } from "../../../ui/toast.ts";
import type { Restoring } from "./RestoreOutcome.tsx";

/** Into which bucket, and what becomes of that which is there. */
export function RestoreDialog(props: {
  bucket: Bucket;
  backup: Item<"bucketBackupList">;
  onBegun: (restoring: Restoring) => void;
  onClose: () => void;
}) {
  const t = useT();
  const format = useFormat();
  const { bucket, backup } = props;
  const buckets = useApiList("bucketList", { project: useProject().id }).rows ?? [];
  const isThere = (name: string) => name.trim() === bucket.name || buckets.some((each) => each.name === name.trim());
  /** A new bucket is set as the old one was without being asked. */
  const asked = ({ settings, ...values }: { bucket: string; prefix: string; overwrite: boolean; settings: boolean }) => ({
    bucketBackup: backup.id,
    ...values,
    bucket: values.bucket.trim(),
    ...(settings && isThere(values.bucket) ? { settings } : {}),
  });
  const form = useForm({
    initial: { bucket: bucket.name, prefix: "", overwrite: false, settings: false },
    checks: { bucket: required },
    submit: async (values) => {
      const into = values.bucket.trim();
      const { id } = await client.bucketBackupRestore(asked(values));
      toastDone(t("bucketBackups.restoring", { bucket: into }));
      props.onBegun({ operationId: id, bucket: into });
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
      hint={<ApiHint route="bucketBackupRestore" args={asked(form.values)} />}
    >
      <Autocomplete
        label={t("bucketBackups.restoreBucket")}
        description={t("bucketBackups.restoreBucketText")}
        spellCheck={false}
        data={buckets.map(({ name }) => name)}
        // All of them while the field says what it said at first.
        {...(form.values.bucket === bucket.name && { filter: ({ options }) => options })}
        {...form.choice("bucket")}
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
      {isThere(form.values.bucket) && (
        <Checkbox
          label={t("bucketBackups.settings")}
          description={t("bucketBackups.settingsText")}
          checked={form.values.settings}
          onChange={(event) => form.set("settings", event.currentTarget.checked)}
        />
      )}
    </FormDialog>
  );
}
