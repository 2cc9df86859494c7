import { Alert, Checkbox, Textarea, TextInput } from "@mantine/core";
import { useState } from "react";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { useForm } from "../../ui/form.ts";
import { looksSecret, parseDotenv, type Variable } from "./dotenv.ts";
import type { Draft, VariableRow } from "./variables.ts";

const mono = { input: { fontFamily: "var(--mantine-font-family-monospace)", fontSize: 13 } };

export function VariableDialog(props: {
  row: VariableRow | undefined;
  taken: readonly string[];
  onClose: () => void;
  onSet: (name: string, draft: Draft) => void;
}) {
  const t = useT();
  const { row } = props;
  const was = row?.draft?.kind === "set" ? row.draft : undefined;
  const wasSecret = row?.setting?.isSecret === true && !row.setting.isMissing;
  // What the name says, until somebody says otherwise.
  const [chosen, setChosen] = useState<boolean>();
  const secretOf = (name: string): boolean =>
    wasSecret || (chosen ?? was?.isSecret ?? row?.setting?.isSecret ?? looksSecret(name));
  const form = useForm({
    initial: { name: row?.name ?? "", value: was?.value ?? (row?.setting?.isSecret ? "" : (row?.setting?.value ?? "")) },
    checks: {
      name: (name) =>
        !/^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(name)
          ? t("apps.variables.nameRules")
          : row === undefined && props.taken.includes(name)
            ? t("apps.variables.taken")
            : undefined,
      value: (value) => (value.length > 65_536 ? t("apps.variables.tooLong") : undefined),
    },
    submit: async ({ name, value }) => props.onSet(name, { kind: "set", value, isSecret: secretOf(name) }),
  });
  return (
    <FormDialog
      opened
      onClose={props.onClose}
      title={
        row
          ? t(row.setting?.isSecret ? "apps.variables.replaceTitle" : "apps.variables.editTitle", { name: row.name })
          : t("apps.variables.add")
      }
      form={form}
      action={t("apps.variables.take")}
    >
      {row === undefined && (
        <TextInput
          label={t("ui.name")}
          placeholder="LOG_LEVEL"
          data-autofocus
          autoCapitalize="characters"
          autoComplete="off"
          spellCheck={false}
          {...form.field("name")}
        />
      )}
      <Textarea
        label={t("ui.value")}
        autosize
        minRows={1}
        maxRows={12}
        spellCheck={false}
        autoComplete="off"
        styles={mono}
        data-autofocus={row !== undefined || undefined}
        {...form.field("value")}
      />
      <Checkbox
        label={t("apps.variables.isSecret")}
        description={t(wasSecret ? "apps.variables.staysSecret" : "apps.variables.isSecretText")}
        checked={secretOf(form.values.name)}
        disabled={wasSecret}
        onChange={(event) => setChosen(event.currentTarget.checked)}
      />
    </FormDialog>
  );
}

export function PasteDialog(props: { onClose: () => void; onPaste: (variables: Variable[]) => void }) {
  const t = useT();
  const format = useFormat();
  const form = useForm({
    initial: { text: "" },
    submit: async ({ text }) => props.onPaste(parseDotenv(text).variables),
  });
  const { variables, badLines } = parseDotenv(form.values.text);
  const secrets = variables.filter(({ name }) => looksSecret(name)).map(({ name }) => name);
  return (
    <FormDialog
      opened
      onClose={props.onClose}
      size="lg"
      title={t("apps.variables.paste")}
      text={t("apps.variables.pasteText")}
      form={form}
      action={t("apps.variables.take")}
      disabled={variables.length === 0}
    >
      <Textarea
        aria-label={t("apps.variables.paste")}
        placeholder={"LOG_LEVEL=info\nAPI_TOKEN=…"}
        autosize
        minRows={8}
        maxRows={18}
        spellCheck={false}
        autoComplete="off"
        styles={mono}
        data-autofocus
        {...form.field("text")}
      />
      {form.values.text.trim() !== "" && (
        <div role="status">
          {t("apps.variables.found", { count: variables.length })}
          {secrets.length > 0 && ` ${t("apps.variables.foundSecrets", { names: format.list(secrets) })}`}
        </div>
      )}
      {badLines.length > 0 && (
        <Alert color="yellow" p="sm">
          {t("apps.variables.badLines", { lines: format.list(badLines.map(String)) })}
        </Alert>
      )}
    </FormDialog>
  );
}
