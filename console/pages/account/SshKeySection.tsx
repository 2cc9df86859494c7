import { Button, Skeleton, Text, Textarea, TextInput } from "@mantine/core";
import { IconKey, IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import { callApi, type Item, invalidate, useApi } from "../../api/api.ts";
import { errorText } from "../../api/errors.ts";
import { useCloud } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { CopyField } from "../../ui/CopyField.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { FormProblem } from "../../ui/FormProblem.tsx";
import { required, useForm } from "../../ui/form.ts";
import { RowMenu } from "../../ui/list/ListRow.tsx";
import { Section } from "../../ui/Section.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import css from "./Security.module.css";

type SshKey = Item<"personSshKeyList">;
const refresh = () => invalidate(queries, ["personSshKeyList"]);

/** Keys with which a person pushes code. */
export function SshKeySection() {
  const t = useT();
  const format = useFormat();
  const keys = useApi("personSshKeyList", { limit: 100 });
  const ssh = useCloud()?.ssh;
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<SshKey>();
  const items = keys.data?.items ?? [];
  return (
    <Section
      title={t("account.sshKeys")}
      text={t("account.sshKeysText")}
      actions={
        <Button variant="default" leftSection={<IconPlus size={16} stroke={1.8} />} onClick={() => setAdding(true)}>
          {t("account.sshKeyAdd")}
        </Button>
      }
      flush
    >
      {keys.error && keys.data === undefined && (
        <div className={css.row}>
          <FormProblem>{errorText(keys.error)}</FormProblem>
        </div>
      )}
      {keys.data === undefined && !keys.error && (
        <div className={css.row}>
          <Skeleton height={20} />
        </div>
      )}
      {keys.data !== undefined && items.length === 0 && (
        <div className={css.row}>
          <Text c="dimmed">{t("account.sshKeysNone")}</Text>
        </div>
      )}
      {items.map((key) => (
        <div key={key.id} className={css.row}>
          <span className={css.icon}>
            <IconKey size={18} stroke={1.6} aria-hidden />
          </span>
          <div className={css.words}>
            <div>
              {key.name}{" "}
              <Text span size="xs" c="dimmed">
                {key.type}
              </Text>
            </div>
            <Text size="xs" ff="monospace" style={{ overflowWrap: "anywhere" }}>
              {key.fingerprint}
            </Text>
            <Text size="xs" c="dimmed">
              {t("account.addedOn", { date: format.date(key.createdAt) })}
              {" · "}
              {key.lastUsedAt ? (
                <>
                  {t("ui.lastUsed")} <TimeAgo at={key.lastUsedAt} />
                </>
              ) : (
                t("account.sshKeyUnused")
              )}
            </Text>
          </div>
          <RowMenu
            name={key.name}
            actions={[{ label: t("ui.delete"), icon: IconTrash, danger: true, onClick: () => setRemoving(key) }]}
          />
        </div>
      ))}
      {ssh && (
        <div className={css.row} style={{ display: "block" }}>
          <CopyField label={t("account.sshHostKey")} value={ssh.fingerprint} />
        </div>
      )}
      {adding && <AddKey onClose={() => setAdding(false)} />}
      <ConfirmDestroy
        opened={removing !== undefined}
        onClose={() => setRemoving(undefined)}
        title={t("account.sshKeyDeleteTitle", { name: removing?.name ?? "" })}
        text={t("account.sshKeyDeleteText")}
        action={t("ui.delete")}
        onConfirm={async () => {
          if (removing) await callApi("personSshKeyDelete", { personSshKey: removing.id });
          await refresh();
        }}
      />
    </Section>
  );
}

function AddKey({ onClose }: { onClose: () => void }) {
  const t = useT();
  const form = useForm({
    initial: { name: "", publicKey: "" },
    checks: { name: required, publicKey: required },
    submit: async ({ name, publicKey }) => {
      await callApi("personSshKeyCreate", { name: name.trim(), publicKey: publicKey.trim() });
      await refresh();
      onClose();
    },
  });
  // The end of a key is what its owner calls it.
  const take = (publicKey: string) => {
    form.set("publicKey", publicKey);
    const comment = publicKey.trim().split(/\s+/).slice(2).join(" ").slice(0, 60);
    if (form.values.name === "" && comment !== "") form.set("name", comment);
  };
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("account.sshKeyAdd")}
      text={t("account.sshKeyAddText")}
      form={form}
      action={t("account.sshKeyAdd")}
      hint={<ApiHint route="personSshKeyCreate" args={{ name: form.values.name, publicKey: "ssh-ed25519 AAAA…" }} />}
    >
      <Textarea
        label={t("account.sshPublicKey")}
        placeholder="ssh-ed25519 AAAA… me@laptop"
        autosize
        minRows={3}
        maxRows={8}
        spellCheck={false}
        autoComplete="off"
        data-autofocus
        styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)", fontSize: 13 } }}
        {...form.field("publicKey")}
        onChange={(event) => take(event.currentTarget.value)}
      />
      <TextInput label={t("ui.name")} {...form.field("name")} />
    </FormDialog>
  );
}
