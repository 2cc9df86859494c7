import { Button, Radio, Stack, TextInput } from "@mantine/core";
import { IconKey, IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { DatabaseUser } from "../../../services/databases/content/contract.ts";
import type { DatabaseView } from "../../../services/databases/contract.ts";
import { type Answer, callApi, invalidate, useApiList } from "../../api/api.ts";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { useAddressFlag } from "../../ui/addressFlag.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { CopyField } from "../../ui/CopyField.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { useForm } from "../../ui/form.ts";
import { DataList } from "../../ui/list/DataList.tsx";
import { SecretOnce } from "../../ui/SecretOnce.tsx";
import { Section } from "../../ui/Section.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import type { DatabaseTabProps } from "./DatabasePage.tsx";
import { whyNot } from "./words.ts";

type Credential = Answer<"databaseUserCreate">;
const refresh = () => invalidate(queries, ["databaseUserList"]);

/** Who may connect, and what each may do there. */
export default function DatabaseUsers({ database, may }: DatabaseTabProps) {
  const t = useT();
  const users = useApiList("databaseUserList", { database: database.id });
  const [adding, setAdding] = useAddressFlag("new");
  const [rotating, setRotating] = useState<DatabaseUser>();
  const [removing, setRemoving] = useState<DatabaseUser>();
  const [credential, setCredential] = useState<Credential>();
  const reason = whyNot(database, "change_users", may);
  const add = may ? (
    <Button
      leftSection={<IconPlus size={16} aria-hidden />}
      disabled={reason !== undefined}
      title={reason}
      onClick={() => setAdding(true)}
    >
      {t("databases.users.add")}
    </Button>
  ) : undefined;
  return (
    <>
      <Section title={t("databases.tab.users")} text={t("databases.users.text")} actions={add} flush>
        <DataList
          id="database-users"
          label={t("databases.tab.users")}
          list={users}
          rowKey={({ id }) => id}
          rowName={({ name }) => name}
          columns={[
            { key: "name", header: t("ui.name"), primary: true, cell: ({ name }) => name, sort: ({ name }) => name },
            {
              key: "access",
              header: t("databases.users.access"),
              width: "minmax(160px, 1.4fr)",
              cell: ({ access }) => t(`databases.access.${access}`),
              sort: ({ access }) => access,
            },
            {
              key: "state",
              header: t("databases.state"),
              cell: ({ state }) => (
                <StatusBadge tone={state === "active" ? "good" : "busy"}>{t(`databases.userState.${state}`)}</StatusBadge>
              ),
            },
            { key: "created", header: t("ui.created"), cell: ({ createdAt }) => <TimeAgo at={createdAt} /> },
          ]}
          {...(may
            ? {
                rowActions: (user: DatabaseUser) => [
                  {
                    label: t("databases.users.rotate"),
                    icon: IconKey,
                    disabledReason: reason,
                    onClick: () => setRotating(user),
                  },
                  {
                    label: t("databases.users.delete"),
                    icon: IconTrash,
                    danger: true,
                    disabledReason: reason ?? (user.access === "owner" ? t("databases.users.ownerStays") : undefined),
                    onClick: () => setRemoving(user),
                  },
                ],
              }
            : {})}
          empty={null}
        />
      </Section>
      {adding && may && <Add database={database} onClose={() => setAdding(false)} onMade={setCredential} />}
      {rotating && (
        <ConfirmDestroy
          opened
          onClose={() => setRotating(undefined)}
          title={t("databases.users.rotateTitle", { name: rotating.name })}
          text={t("databases.users.rotateText")}
          action={t("databases.users.rotate")}
          onConfirm={async () => setCredential(await callApi("databaseUserRotate", { databaseUser: rotating.id }))}
        />
      )}
      {removing && (
        <ConfirmDestroy
          opened
          onClose={() => setRemoving(undefined)}
          title={t("databases.users.deleteTitle", { name: removing.name })}
          destroyed={[t("databases.users.deleteLogin")]}
          kept={[t("databases.users.deleteKept", { owner: database.owner })]}
          action={t("databases.users.delete")}
          onConfirm={async () => {
            await callApi("databaseUserDelete", { databaseUser: removing.id });
            await refresh();
          }}
        />
      )}
      {credential && (
        <SecretOnce
          title={t("databases.users.secretTitle", { name: credential.user.name })}
          text={t("databases.users.secretText")}
          onClose={() => setCredential(undefined)}
        >
          <CopyField label={t("ui.password")} value={credential.password} secret />
          <CopyField label={t("databases.users.url")} value={credential.url} secret />
          <CopyField label={t("databases.users.internalUrl")} value={credential.internalUrl} secret />
        </SecretOnce>
      )}
    </>
  );
}

function Add(props: { database: DatabaseView; onClose: () => void; onMade: (credential: Credential) => void }) {
  const t = useT();
  const { database } = props;
  const form = useForm({
    initial: { name: "", access: "read_write" as "read_write" | "read_only" },
    checks: { name: (name) => (/^[a-z][a-z0-9_]{0,39}$/.test(name) ? undefined : t("databases.users.nameRules")) },
    submit: async ({ name, access }) => {
      props.onMade(await callApi("databaseUserCreate", { database: database.id, name, access }));
      await refresh();
      props.onClose();
    },
  });
  return (
    <FormDialog
      opened
      onClose={props.onClose}
      title={t("databases.users.add")}
      text={t("databases.users.addText")}
      form={form}
      action={t("databases.users.add")}
      hint={<ApiHint route="databaseUserCreate" args={{ database: database.id, ...form.values }} />}
    >
      <TextInput
        label={t("ui.name")}
        placeholder="reports"
        autoCapitalize="none"
        autoComplete="off"
        spellCheck={false}
        data-autofocus
        {...form.field("name")}
      />
      <Radio.Group
        label={t("databases.users.access")}
        {...form.choice("access")}
        onChange={(access) => form.set("access", access as "read_only")}
      >
        <Stack gap="sm" mt="xs">
          <Radio value="read_write" label={t("databases.access.read_write")} description={t("databases.access.read_writeText")} />
          <Radio value="read_only" label={t("databases.access.read_only")} description={t("databases.access.read_onlyText")} />
        </Stack>
      </Radio.Group>
    </FormDialog>
  );
}
