import { ActionIcon, Button, TextInput } from "@mantine/core";
import { IconPlus, IconX } from "@tabler/icons-react";
import { useT } from "../../i18n/i18n.ts";
import { newTagRow, type TagRow } from "./tags.ts";
import css from "./versions/versions.module.css";

/** Tags as rows of names and values, to be changed. */
export function TagRows(props: { rows: TagRow[]; most: number; onChange: (rows: TagRow[]) => void }) {
  const t = useT();
  const { rows, onChange } = props;
  const change = (id: number, to: Partial<TagRow>) => onChange(rows.map((row) => (row.id === id ? { ...row, ...to } : row)));
  return (
    <>
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
            onClick={() => onChange(rows.filter((row) => row.id !== id))}
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
          disabled={rows.length >= props.most}
          onClick={() => onChange([...rows, newTagRow(rows)])}
        >
          {t("versions.tags.add")}
        </Button>
      </div>
    </>
  );
}
