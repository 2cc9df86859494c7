import { Button } from "@mantine/core";
import { IconPencil, IconPlugConnected, IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { MailAccount } from "../../../services/apps/mailAccounts/contract.ts";
import { callApi, invalidate, useApiList } from "../../api/api.ts";
import { useCan, useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import { useAddressFlag } from "../../ui/addressFlag.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { DataList } from "../../ui/list/DataList.tsx";
import { PageHeader } from "../../ui/PageHeader.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { MailAccountDialog } from "./MailAccountDialog.tsx";
import { MailAccountTest } from "./MailAccountTest.tsx";

/** Accounts at mail servers that the project's apps send with. */
export default function MailAccountsPage() {
  const t = useT();
  const project = useProject();
  const may = useCan("project")("editor");
  const accounts = useApiList("mailAccountList", { project: project.id });
  const [adding, setAdding] = useAddressFlag("new");
  const [editing, setEditing] = useState<MailAccount>();
  const [trying, setTrying] = useState<MailAccount>();
  const [removing, setRemoving] = useState<MailAccount>();
  const add = may ? (
    <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setAdding(true)}>
      {t("mailAccounts.add")}
    </Button>
  ) : undefined;
  return (
    <>
      <PageHeader title={t("frame.nav.mailAccounts")} text={t("mailAccounts.text")} actions={add} />
      <DataList
        id="mail-accounts"
        label={t("frame.nav.mailAccounts")}
        list={accounts}
        rowKey={({ id }) => id}
        rowName={({ name }) => name}
        search={({ name, host, userName, sender, description }) => `${name} ${host} ${userName} ${sender} ${description}`}
        {...(may ? { onOpen: setEditing } : {})}
        columns={[
          { key: "name", header: t("ui.name"), primary: true, sort: ({ name }) => name, cell: ({ name }) => name },
          { key: "sender", header: t("mailAccounts.sender"), sort: ({ sender }) => sender, cell: ({ sender }) => sender },
          {
            key: "server",
            header: t("mailAccounts.server"),
            width: "minmax(180px, 1.5fr)",
            sort: ({ host }) => host,
            cell: ({ host, port }) => `${host}:${port}`,
          },
          {
            key: "security",
            header: t("mailAccounts.security"),
            cell: ({ security }) => t(`mailAccounts.security.${security}`),
          },
          {
            key: "linked",
            header: t("mailAccounts.linked"),
            sort: ({ linkedApps }) => linkedApps,
            cell: ({ linkedApps }) => (linkedApps === 0 ? t("mailAccounts.notLinked") : String(linkedApps)),
          },
          { key: "description", header: t("mailAccounts.description"), optional: true, cell: ({ description }) => description },
          {
            key: "created",
            header: t("ui.created"),
            optional: true,
            sort: ({ createdAt }) => createdAt,
            cell: ({ createdAt }) => <TimeAgo at={createdAt} />,
          },
        ]}
        {...(may
          ? {
              rowActions: (account: MailAccount) => [
                { label: t("mailAccounts.try"), icon: IconPlugConnected, onClick: () => setTrying(account) },
                { label: t("ui.edit"), icon: IconPencil, onClick: () => setEditing(account) },
                {
                  label: t("ui.delete"),
                  icon: IconTrash,
                  danger: true,
                  disabledReason: account.linkedApps > 0 ? t("mailAccounts.whyNotDelete") : undefined,
                  onClick: () => setRemoving(account),
                },
              ],
            }
          : {})}
        empty={
          <EmptyState
            picture="letter"
            title={t("mailAccounts.empty")}
            text={t("mailAccounts.emptyText")}
            action={add}
            command={
              may ? "khmara mail-account create --name post-office --host smtp.example.org --sender shop@example.org" : undefined
            }
          />
        }
      />
      {adding && may && <MailAccountDialog onClose={() => setAdding(false)} onMade={setTrying} />}
      {editing && <MailAccountDialog account={editing} onClose={() => setEditing(undefined)} />}
      {trying && <MailAccountTest account={trying} onClose={() => setTrying(undefined)} />}
      {removing && (
        <ConfirmDestroy
          opened
          onClose={() => setRemoving(undefined)}
          title={t("mailAccounts.deleteTitle", { name: removing.name })}
          destroyed={[t("mailAccounts.deleteGoes")]}
          kept={[t("mailAccounts.deleteKept", { host: removing.host })]}
          action={t("ui.delete")}
          onConfirm={async () => {
            await callApi("mailAccountDelete", { mailAccount: removing.id });
            await invalidate(queries, ["mailAccountList"]);
          }}
        />
      )}
    </>
  );
}
