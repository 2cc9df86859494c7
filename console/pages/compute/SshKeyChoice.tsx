import { Button, Checkbox, Group, Stack, Text, Textarea, TextInput } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useState } from "react";
import { callApi, invalidate, useApiList } from "../../api/api.ts";
import { useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { required, useForm } from "../../ui/form.ts";

/** The keys of the project to put into a new instance; another one can be added on the spot. */
export function SshKeyChoice({ value, onChange }: { value: string[]; onChange: (ids: string[]) => void }) {
  const t = useT();
  const project = useProject();
  const keys = useApiList("sshKeyList", { project: project.id });
  const [adding, setAdding] = useState(false);
  return (
    <Stack gap="sm">
      {keys.rows?.map((key) => (
        <Checkbox
          key={key.id}
          label={key.name}
          description={<code>{`${key.type} ${key.fingerprint}`}</code>}
          checked={value.includes(key.id)}
          onChange={(event) => onChange(event.currentTarget.checked ? [...value, key.id] : value.filter((id) => id !== key.id))}
        />
      ))}
      {keys.rows?.length === 0 && (
        <Text size="sm" c="dimmed">
          {t("compute.sshKeys.none")}
        </Text>
      )}
      <Group>
        <Button variant="default" size="xs" leftSection={<IconPlus size={14} aria-hidden />} onClick={() => setAdding(true)}>
          {t("compute.sshKeys.add")}
        </Button>
      </Group>
      {adding && (
        <SshKeyCreate
          onClose={() => setAdding(false)}
          onMade={(id) => {
            setAdding(false);
            onChange([...value, id]);
          }}
        />
      )}
    </Stack>
  );
}

export function SshKeyCreate({ onClose, onMade }: { onClose: () => void; onMade: (id: string) => void }) {
  const t = useT();
  const project = useProject();
  const form = useForm({
    initial: { name: "", publicKey: "" },
    checks: { publicKey: required },
    submit: async ({ name, publicKey }) => {
      // The comment at the end of a public key usually says whose it is.
      const comment = publicKey.trim().split(/\s+/).slice(2).join(" ");
      const key = await callApi("sshKeyCreate", {
        project: project.id,
        name: name.trim() || comment || t("compute.sshKeys.key"),
        publicKey,
      });
      await invalidate(queries, ["sshKeyList"]);
      onMade(key.id);
    },
  });
  return (
    <FormDialog opened onClose={onClose} title={t("compute.sshKeys.add")} form={form} action={t("compute.sshKeys.add")} size="lg">
      <Textarea
        label={t("compute.sshKeys.publicKey")}
        description={t("compute.sshKeys.publicKeyText")}
        placeholder="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA… anna@laptop"
        autosize
        minRows={3}
        maxRows={8}
        data-autofocus
        spellCheck={false}
        styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)", fontSize: 13 } }}
        {...form.field("publicKey")}
      />
      <TextInput label={t("ui.name")} description={t("compute.sshKeys.nameText")} {...form.field("name")} />
    </FormDialog>
  );
}
