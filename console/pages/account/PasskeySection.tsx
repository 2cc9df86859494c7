import { Button, Skeleton, Text, TextInput } from "@mantine/core";
import { IconFingerprint, IconPencil, IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import { callApi, type Item, invalidate, useApi } from "../../api/api.ts";
import { errorText, isCloudError } from "../../api/errors.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { required, useForm } from "../../ui/form.ts";
import { RowMenu } from "../../ui/list/ListRow.tsx";
import { Section } from "../../ui/Section.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { deviceName } from "./device.ts";
import { RecoveryCodes } from "./RecoveryCodes.tsx";
import css from "./Security.module.css";

type Passkey = Item<"passkeyList">;
const refresh = () => invalidate(queries, ["passkeyList", "identityGet", "memberList"]);
const work = "PublicKeyCredential" in globalThis;

export function PasskeySection() {
  const t = useT();
  const format = useFormat();
  const passkeys = useApi("passkeyList", { limit: 100 });
  const [adding, setAdding] = useState(false);
  const [renaming, setRenaming] = useState<Passkey>();
  const [removing, setRemoving] = useState<Passkey>();
  const [codes, setCodes] = useState<string[]>();
  const items = passkeys.data?.items ?? [];
  return (
    <Section
      title={t("account.passkeys")}
      text={t("account.passkeysText")}
      actions={
        <Button
          variant="default"
          leftSection={<IconPlus size={16} stroke={1.8} />}
          disabled={!work}
          onClick={() => setAdding(true)}
        >
          {t("account.passkeyAdd")}
        </Button>
      }
      flush
    >
      {passkeys.data === undefined && (
        <div className={css.row}>
          <Skeleton height={20} />
        </div>
      )}
      {passkeys.data !== undefined && items.length === 0 && (
        <div className={css.row}>
          <Text c="dimmed">{work ? t("account.passkeysNone") : t("account.passkeysCannot")}</Text>
        </div>
      )}
      {items.map((passkey) => (
        <div key={passkey.id} className={css.row}>
          <span className={css.icon}>
            <IconFingerprint size={18} stroke={1.6} aria-hidden />
          </span>
          <div className={css.words}>
            <div>{passkey.name}</div>
            <Text size="xs" c="dimmed">
              {t("account.addedOn", { date: format.date(passkey.createdAt) })}
              {passkey.lastUsedAt && (
                <>
                  {" · "}
                  {t("ui.lastUsed")} <TimeAgo at={passkey.lastUsedAt} />
                </>
              )}
            </Text>
          </div>
          <RowMenu
            name={passkey.name}
            actions={[
              { label: t("ui.rename"), icon: IconPencil, onClick: () => setRenaming(passkey) },
              { label: t("ui.remove"), icon: IconTrash, danger: true, onClick: () => setRemoving(passkey) },
            ]}
          />
        </div>
      ))}
      {adding && (
        <NamePasskey
          title={t("account.passkeyAdd")}
          text={t("account.passkeyAddText")}
          action={t("ui.next")}
          name={deviceName(navigator.userAgent) ?? ""}
          onClose={() => setAdding(false)}
          onSend={async (name) => {
            const [{ startRegistration }, { challengeId, options }] = await Promise.all([
              import("@simplewebauthn/browser"),
              callApi("passkeyRegister", {}),
            ]);
            const response = await startRegistration({ optionsJSON: options as never });
            const made = await callApi("passkeyCreate", {
              challengeId,
              name,
              response: response as unknown as Record<string, unknown>,
            });
            await refresh();
            if (made.recoveryCodes) setCodes(made.recoveryCodes);
          }}
        />
      )}
      {renaming && (
        <NamePasskey
          title={t("account.passkeyRename")}
          action={t("ui.save")}
          name={renaming.name}
          onClose={() => setRenaming(undefined)}
          onSend={async (name) => {
            await callApi("passkeyUpdate", { passkey: renaming.id, name });
            await refresh();
          }}
        />
      )}
      <ConfirmDestroy
        opened={removing !== undefined}
        onClose={() => setRemoving(undefined)}
        title={t("account.passkeyRemoveTitle", { name: removing?.name ?? "" })}
        text={t("account.passkeyRemoveText")}
        action={t("ui.remove")}
        onConfirm={async () => {
          if (removing) await callApi("passkeyDelete", { passkey: removing.id });
          await refresh();
        }}
      />
      {codes && <RecoveryCodes codes={codes} onClose={() => setCodes(undefined)} />}
    </Section>
  );
}

function NamePasskey(props: {
  title: string;
  text?: string;
  action: string;
  name: string;
  onClose: () => void;
  onSend: (name: string) => Promise<void>;
}) {
  const t = useT();
  const form = useForm({
    initial: { name: props.name },
    checks: { name: required },
    submit: async ({ name }) => {
      try {
        await props.onSend(name);
        props.onClose();
      } catch (error) {
        // What the browser throws is no sentence for people.
        form.setProblem(isCloudError(error) ? errorText(error) : t("account.passkeyFailed"));
      }
    },
  });
  return (
    <FormDialog opened onClose={props.onClose} title={props.title} text={props.text} form={form} action={props.action}>
      <TextInput label={t("ui.name")} data-autofocus {...form.field("name")} />
    </FormDialog>
  );
}
