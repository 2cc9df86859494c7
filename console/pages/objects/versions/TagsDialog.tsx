import { ActionIcon, Button, Skeleton, TextInput } from "@mantine/core";
import { IconPlus, IconX } from "@tabler/icons-react";
import { client, useApi } from "../../../api/api.ts";
import { useT } from "../../../i18n/i18n.ts";
import { FormDialog } from "../../../ui/FormDialog.tsx";
import { useForm } from "../../../ui/form.ts";
import { toastDone } from "../../../ui/toast.ts";
import { nameOf } from "../keys.ts";
import css from "./versions.module.css";

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
    initial: { rows: Object.entries(tags).map(([name, value], id) => ({ id, name, value })) },
    submit: async ({ rows }): Promise<void> => {
      const named = rows.map(({ name, value }) => [name.trim(), value.trim()] as const);
      const twice = named.find(([name], index) => named.findIndex(([other]) => other === name) < index);
      const problem = named.some(([name]) => name === "")
        ? t("versions.tags.unnamed")
        : twice && t("versions.tags.twice", { name: twice[0] });
      if (problem) {
        form.setProblem(problem);
        return;
      }
      await client.objectTagsUpdate({
        bucket,
        key: objectKey,
        tags: Object.fromEntries(named),
        ...(versionId === undefined ? {} : { versionId }),
      });
      toastDone(t("ui.saved"));
      await onDone();
      onClose();
    },
  });
  const { rows } = form.values;
  const change = (id: number, to: { name?: string; value?: string }) =>
    form.set(
      "rows",
      rows.map((row) => (row.id === id ? { ...row, ...to } : row)),
    );
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("versions.tags.title", { name: nameOf(objectKey) })}
      text={t("versions.tags.text")}
      form={form}
      action={t("ui.save")}
    >
      {rows.map(({ id, name, value }) => (
        <div key={id} className={css.tag}>
          <TextInput
            label={t("versions.tags.name")}
            value={name}
            maxLength={128}
            spellCheck={false}
            onChange={(event) => change(id, { name: event.currentTarget.value })}
          />
          <TextInput
            label={t("versions.tags.value")}
            value={value}
            maxLength={256}
            spellCheck={false}
            onChange={(event) => change(id, { value: event.currentTarget.value })}
          />
          <ActionIcon
            variant="subtle"
            color="gray"
            size={36}
            aria-label={t("versions.tags.remove", { name })}
            onClick={() =>
              form.set(
                "rows",
                rows.filter((row) => row.id !== id),
              )
            }
          >
            <IconX size={18} aria-hidden />
          </ActionIcon>
        </div>
      ))}
      <div>
        <Button
          variant="default"
          size="compact-md"
          leftSection={<IconPlus size={16} aria-hidden />}
          disabled={rows.length >= most}
          onClick={() => form.set("rows", [...rows, { id: Math.max(0, ...rows.map(({ id }) => id)) + 1, name: "", value: "" }])}
        >
          {t("versions.tags.add")}
        </Button>
      </div>
    </FormDialog>
  );
}
