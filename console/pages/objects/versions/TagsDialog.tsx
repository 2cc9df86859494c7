import { Skeleton } from "@mantine/core";
import { client, useApi } from "../../../api/api.ts";
import { useT } from "../../../i18n/i18n.ts";
import { FormDialog } from "../../../ui/FormDialog.tsx";
import { useForm } from "../../../ui/form.ts";
import { toastDone } from "../../../ui/toast.ts";
import { nameOf } from "../keys.ts";
import { TagRows } from "../TagRows.tsx";
import { tagProblem, tagRowsOf, tagsOf } from "../tags.ts";

interface Props {
  bucket: string;
  objectKey: string;
  versionId?: string | undefined;
  onClose: () => void;
  onDone: () => Promise<void>;
}
const most = 10;

export function TagsDialog(props: Props) {
  const { bucket, objectKey: key, versionId } = props;
  const detail = useApi("objectGet", { bucket, key, ...(versionId === undefined ? {} : { versionId }) });
  return detail.data ? <Form {...props} tags={detail.data.tags} /> : <Skeleton height={0} />;
}

function Form({ bucket, objectKey, versionId, tags, onClose, onDone }: Props & { tags: Record<string, string> }) {
  const t = useT();
  const form = useForm({
    initial: { rows: tagRowsOf(tags) },
    submit: async ({ rows }): Promise<void> => {
      const problem = tagProblem(rows, t);
      if (problem) {
        form.setProblem(problem);
        return;
      }
      await client.objectTagsUpdate({
        bucket,
        key: objectKey,
        tags: tagsOf(rows),
        ...(versionId === undefined ? {} : { versionId }),
      });
      toastDone(t("ui.saved"));
      await onDone();
      onClose();
    },
  });
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("versions.tags.title", { name: nameOf(objectKey) })}
      text={t("versions.tags.text")}
      form={form}
      action={t("ui.save")}
    >
      <TagRows rows={form.values.rows} most={most} onChange={(rows) => form.set("rows", rows)} />
    </FormDialog>
  );
}
