import { Button, TextInput } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { App } from "../../../services/apps/deploying/contract.ts";
import type { AppDisk } from "../../../services/apps/running/contract.ts";
import { callApi, invalidate, useApiList } from "../../api/api.ts";
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
import { DiskBackups } from "../catalogue/DiskBackups.tsx";
import type { AppTabProps } from "./AppPage.tsx";

const refresh = () => invalidate(queries, ["appDiskList", "appGet"]);

/** What stays over all releases. */
export default function AppDisks({ app, may }: AppTabProps) {
  const t = useT();
  const disks = useApiList("appDiskList", { app: app.id });
  const [adding, setAdding] = useAddressFlag("new");
  const [removing, setRemoving] = useState<AppDisk>();
  const add = may ? (
    <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setAdding(true)}>
      {t("apps.disks.add")}
    </Button>
  ) : undefined;
  return (
    <>
      {disks.rows?.length === 0 ? (
        <EmptyState
          picture="disk"
          title={t("apps.disks.empty")}
          text={t("apps.disks.emptyText")}
          action={add}
          command={may ? `khmara app-disk create ${app.name} --name uploads --path /data` : undefined}
        />
      ) : (
        <Section title={t("apps.tab.disks")} text={t("apps.disks.text")} actions={add} flush>
          <DataList
            id="app-disks"
            label={t("apps.tab.disks")}
            list={disks}
            rowKey={({ id }) => id}
            rowName={({ name }) => name}
            columns={[
              { key: "name", header: t("ui.name"), primary: true, cell: ({ name }) => name },
              { key: "path", header: t("apps.disks.path"), width: "minmax(160px, 2fr)", cell: ({ path }) => <code>{path}</code> },
              { key: "created", header: t("ui.created"), cell: ({ createdAt }) => <TimeAgo at={createdAt} /> },
            ]}
            {...(may
              ? {
                  rowActions: (disk: AppDisk) => [
                    { label: t("apps.disks.delete"), icon: IconTrash, danger: true, onClick: () => setRemoving(disk) },
                  ],
                }
              : {})}
            empty={null}
          />
        </Section>
      )}
      {disks.rows !== undefined && disks.rows.length > 0 && <DiskBackups app={app} may={may} />}
      {adding && may && <Add app={app} onClose={() => setAdding(false)} />}
      {removing && (
        <ConfirmDestroy
          opened
          onClose={() => setRemoving(undefined)}
          title={t("apps.disks.deleteTitle", { name: removing.name })}
          text={t("apps.disks.deleteWhen")}
          destroyed={[t("apps.disks.deleteText", { path: removing.path })]}
          typeName={removing.name}
          action={t("apps.disks.delete")}
          onConfirm={async () => {
            await callApi("appDiskDelete", { disk: removing.id, confirm: removing.name });
            await refresh();
          }}
        />
      )}
    </>
  );
}

function Add({ app, onClose }: { app: App; onClose: () => void }) {
  const t = useT();
  const form = useForm({
    initial: { name: "", path: "/data" },
    checks: {
      name: (name) => (/^[a-z][a-z0-9-]{0,30}$/.test(name) ? undefined : t("apps.disks.nameRules")),
      path: (path) =>
        /^\/[A-Za-z0-9._/-]+$/.test(path) && !path.split("/").some((part) => part === "." || part === "..")
          ? undefined
          : t("apps.disks.pathRules"),
    },
    submit: async ({ name, path }) => {
      await callApi("appDiskCreate", { app: app.id, name, path });
      await refresh();
      onClose();
    },
  });
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("apps.disks.add")}
      text={t("apps.disks.addText")}
      form={form}
      action={t("apps.disks.add")}
      hint={<ApiHint route="appDiskCreate" args={{ app: app.id, ...form.values }} />}
    >
      <TextInput
        label={t("ui.name")}
        placeholder="uploads"
        autoCapitalize="none"
        autoComplete="off"
        spellCheck={false}
        data-autofocus
        {...form.field("name")}
      />
      <TextInput
        label={t("apps.disks.path")}
        description={t("apps.disks.pathText")}
        autoCapitalize="none"
        autoComplete="off"
        spellCheck={false}
        {...form.field("path")}
      />
    </FormDialog>
  );
}
