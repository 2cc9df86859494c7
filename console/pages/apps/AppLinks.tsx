import { Button, Select, Stack, Text, TextInput } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { App } from "../../../services/apps/deploying/contract.ts";
import type { AppLink } from "../../../services/apps/linking/contract.ts";
import { callApi, invalidate, useApiList } from "../../api/api.ts";
import { useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { useAddressFlag } from "../../ui/addressFlag.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { useForm } from "../../ui/form.ts";
import { DataList } from "../../ui/list/DataList.tsx";
import { Section } from "../../ui/Section.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import type { AppTabProps } from "./AppPage.tsx";

const refresh = () => invalidate(queries, ["appLinkList", "appGet", "settingList", "deploymentList", "mailAccountList"]);

/** Databases, buckets and mail accounts that the app uses. */
export default function AppLinks({ app, may }: AppTabProps) {
  const t = useT();
  const links = useApiList("appLinkList", { app: app.id });
  const [adding, setAdding] = useAddressFlag("new");
  const [removing, setRemoving] = useState<AppLink>();
  const add = may ? (
    <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setAdding(true)}>
      {t("apps.links.add")}
    </Button>
  ) : undefined;
  return (
    <>
      {links.rows?.length === 0 ? (
        <EmptyState
          picture="disk"
          title={t("apps.links.empty")}
          text={t("apps.links.emptyText")}
          action={add}
          command={may ? `khmara app-link create ${app.name} --database books` : undefined}
        />
      ) : (
        <Section title={t("apps.tab.links")} text={t("apps.links.text")} actions={add} flush>
          <DataList
            id="app-links"
            label={t("apps.tab.links")}
            list={links}
            rowKey={({ id }) => id}
            rowName={({ resourceName }) => resourceName}
            columns={[
              { key: "name", header: t("ui.name"), primary: true, cell: ({ resourceName }) => resourceName },
              { key: "kind", header: t("apps.links.kind"), cell: ({ kind }) => t(`apps.links.kind.${kind}`) },
              {
                key: "access",
                header: t("apps.links.access"),
                cell: ({ access, kind }) => (kind === "mail_account" ? null : t(`apps.links.access.${access}`)),
              },
              {
                key: "variables",
                header: t("apps.tab.variables"),
                width: "minmax(160px, 2fr)",
                cell: ({ variables, state }) =>
                  state === "active" ? <code title={variables.join("\n")}>{variables[0]}…</code> : t(`apps.links.state.${state}`),
              },
              { key: "created", header: t("ui.created"), cell: ({ createdAt }) => <TimeAgo at={createdAt} /> },
            ]}
            {...(may
              ? {
                  rowActions: (link: AppLink) =>
                    link.state === "active"
                      ? [{ label: t("apps.links.remove"), icon: IconTrash, danger: true, onClick: () => setRemoving(link) }]
                      : [],
                }
              : {})}
            empty={null}
          />
        </Section>
      )}
      {adding && may && <Add app={app} onClose={() => setAdding(false)} />}
      {removing && (
        <ConfirmDestroy
          opened
          onClose={() => setRemoving(undefined)}
          title={t("apps.links.removeTitle", { name: removing.resourceName })}
          text={t("apps.links.removeText")}
          destroyed={[t("apps.links.removeVariables", { names: removing.variables.join(", ") })]}
          action={t("apps.links.remove")}
          onConfirm={async () => {
            await callApi("appLinkDelete", { link: removing.id });
            await refresh();
          }}
        />
      )}
    </>
  );
}

function Add({ app, onClose }: { app: App; onClose: () => void }) {
  const t = useT();
  const project = useProject();
  const databases = useApiList("databaseList", { project: project.id });
  const buckets = useApiList("bucketList", { project: project.id });
  const mailAccounts = useApiList("mailAccountList", { project: project.id });
  const form = useForm({
    initial: { what: "", prefix: "", access: "read_write" },
    checks: {
      what: (what) => (what === "" ? t("apps.links.whatRules") : undefined),
      prefix: (prefix) => (/^([A-Z][A-Z0-9_]*[A-Z0-9]|[A-Z]?)$/.test(prefix) ? undefined : t("apps.links.prefixRules")),
    },
    submit: async ({ what, prefix, access }) => {
      await callApi("appLinkCreate", { ...bodyOf(app, what, prefix), access: access as AppLink["access"] });
      await refresh();
      onClose();
    },
  });
  const options = (rows: readonly { id: string; name: string }[] | undefined) =>
    (rows ?? []).map(({ id, name }) => ({ value: id, label: name }));
  const none = [databases, buckets, mailAccounts].every(({ rows }) => rows?.length === 0);
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("apps.links.addTitle", { name: app.name })}
      text={t("apps.links.addText")}
      form={form}
      action={t("apps.links.add")}
      hint={<ApiHint route="appLinkCreate" args={bodyOf(app, form.values.what, form.values.prefix)} />}
    >
      <Stack gap="md">
        {none && <Text size="sm">{t("apps.links.none")}</Text>}
        <Select
          label={t("apps.links.what")}
          placeholder={t("apps.links.choose")}
          data-autofocus
          searchable
          allowDeselect={false}
          data={[
            { group: t("apps.links.kind.database"), items: options(databases.rows) },
            { group: t("apps.links.kind.bucket"), items: options(buckets.rows) },
            { group: t("apps.links.kind.mail_account"), items: options(mailAccounts.rows) },
          ].filter(({ items }) => items.length > 0)}
          value={form.values.what || null}
          error={form.field("what").error}
          onChange={(what) => form.set("what", what ?? "")}
        />
        <TextInput
          label={t("apps.links.prefix")}
          description={t("apps.links.prefixText")}
          autoComplete="off"
          spellCheck={false}
          {...form.field("prefix")}
        />
        {!form.values.what.startsWith("mac_") && (
          <Select
            label={t("apps.links.access")}
            allowDeselect={false}
            data={(["read_write", "read_only"] as const).map((value) => ({ value, label: t(`apps.links.access.${value}`) }))}
            value={form.values.access}
            onChange={(access) => form.set("access", access ?? "read_write")}
          />
        )}
      </Stack>
    </FormDialog>
  );
}

const bodyOf = (app: App, what: string, prefix: string) => ({
  app: app.id,
  ...(what.startsWith("dbs_")
    ? { database: what as never }
    : what.startsWith("mac_")
      ? { mailAccount: what as never }
      : { bucket: what as never }),
  prefix,
});
