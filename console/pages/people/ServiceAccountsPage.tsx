import { Button, Textarea, TextInput } from "@mantine/core";
import { IconPlayerPause, IconPlayerPlay, IconPlus, IconTrash } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import type { Role } from "../../../kernel/contract.ts";
import { callApi, type Item, invalidate, useApiList, useChange } from "../../api/api.ts";
import { organisationAddress } from "../../frame/address.ts";
import { useCan, useOrganisation } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { useAddressFlag } from "../../ui/addressFlag.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { required, useForm } from "../../ui/form.ts";
import { DataList } from "../../ui/list/DataList.tsx";
import { PersonCell } from "../../ui/PersonCell.tsx";
import { RoleSelect } from "../../ui/RoleSelect.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { toastError, toastUndo } from "../../ui/toast.ts";
import { PeopleHeader } from "./PeopleHeader.tsx";

export type ServiceAccount = Item<"serviceAccountList">;

export default function ServiceAccountsPage() {
  const t = useT();
  const organisation = useOrganisation();
  const admin = useCan("organisation")("admin");
  const accounts = useApiList("serviceAccountList", { organisation: organisation.id });
  const [creating, setCreating] = useAddressFlag("create");
  const [deleting, setDeleting] = useState<ServiceAccount>();
  const remove = useChange("serviceAccountDelete", { refresh: ["serviceAccountList", "memberList"] });
  const needsAdmin = admin ? undefined : t("ui.needsRole", { role: t("ui.role.admin") });
  const address = ({ id }: { id: string }) => organisationAddress(organisation.slug, `people/service-accounts/${id}`);

  const setState = async (account: ServiceAccount, state: ServiceAccount["state"]) => {
    await callApi("serviceAccountUpdate", { serviceAccount: account.id, state });
    await invalidate(queries, ["serviceAccountList", "memberList"]);
  };
  const suspend = (account: ServiceAccount) =>
    setState(account, "suspended")
      .then(() => toastUndo(t("people.suspendedNow", { name: account.name }), () => setState(account, "active")))
      .catch(toastError);

  const create = (
    <Button leftSection={<IconPlus size={16} stroke={1.8} />} onClick={() => setCreating(true)} disabled={!admin}>
      {t("people.createAccount")}
    </Button>
  );
  return (
    <>
      <PeopleHeader actions={create} />
      <p style={{ margin: "-8px 0 16px", color: "var(--k-muted)" }}>{t("people.accountsText")}</p>
      <DataList
        id="service-accounts"
        label={t("people.serviceAccounts")}
        list={accounts}
        rowKey={({ id }) => id}
        rowName={({ name }) => name}
        rowAddress={address}
        search={({ name, description }) => `${name} ${description}`}
        columns={[
          {
            key: "name",
            header: t("ui.name"),
            primary: true,
            width: "minmax(220px, 2fr)",
            sort: ({ name }) => name,
            cell: ({ name, description }) => <PersonCell machine name={name} detail={description} />,
          },
          {
            key: "state",
            header: t("ui.status"),
            cell: ({ state }) => (
              <StatusBadge tone={state === "active" ? "good" : "bad"}>
                {state === "active" ? t("ui.active") : t("ui.suspended")}
              </StatusBadge>
            ),
          },
          {
            key: "created",
            header: t("ui.created"),
            sort: ({ createdAt }) => createdAt,
            cell: ({ createdAt }) => <TimeAgo at={createdAt} />,
          },
        ]}
        rowActions={(account) => [
          account.state === "active"
            ? {
                label: t("people.suspendAccount"),
                icon: IconPlayerPause,
                onClick: () => void suspend(account),
                disabledReason: needsAdmin,
              }
            : {
                label: t("people.resumeAccount"),
                icon: IconPlayerPlay,
                onClick: () => void setState(account, "active").catch(toastError),
                disabledReason: needsAdmin,
              },
          {
            label: t("people.deleteAccount"),
            icon: IconTrash,
            danger: true,
            onClick: () => setDeleting(account),
            disabledReason: needsAdmin,
          },
        ]}
        empty={
          <EmptyState
            picture="robot"
            title={t("people.noAccounts")}
            text={t("people.noAccountsText")}
            action={create}
            command={`khmara service-account create --organisation ${organisation.id} --name backup`}
          />
        }
      />
      {creating && <CreateServiceAccount onClose={() => setCreating(false)} address={address} />}
      <ConfirmDestroy
        opened={deleting !== undefined}
        onClose={() => setDeleting(undefined)}
        title={t("people.deleteAccountTitle", { name: deleting?.name ?? "" })}
        destroyed={[t("people.deleteAccountGoes")]}
        kept={[t("people.deleteAccountStays")]}
        typeName={deleting?.name}
        action={t("people.deleteAccount")}
        onConfirm={async () => {
          if (deleting) await remove.mutateAsync({ serviceAccount: deleting.id });
        }}
      />
    </>
  );
}

function CreateServiceAccount({ onClose, address }: { onClose: () => void; address: (account: { id: string }) => string }) {
  const t = useT();
  const organisation = useOrganisation();
  const navigate = useNavigate();
  const form = useForm({
    initial: { name: "", description: "", role: "editor" as Role },
    checks: { name: required },
    submit: async ({ role, ...values }) => {
      const account = await callApi("serviceAccountCreate", { organisation: organisation.id, ...values });
      // Without a role it could do nothing at all, which nobody makes one for.
      await callApi("roleBindingCreate", { principal: account.id, role, organisation: organisation.id });
      await invalidate(queries, ["serviceAccountList", "memberList"]);
      await navigate({ to: address(account) });
    },
  });
  const { name, description } = form.values;
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("people.createAccount")}
      text={t("people.accountsText")}
      form={form}
      action={t("people.createAccountAction")}
      hint={
        <ApiHint
          route="serviceAccountCreate"
          args={{ organisation: organisation.id, name, description: description || undefined }}
        />
      }
    >
      <TextInput label={t("ui.name")} data-autofocus {...form.field("name")} />
      <Textarea label={t("people.description")} description={t("people.descriptionHint")} {...form.field("description")} />
      <RoleSelect label={t("people.startRole")} roles={["viewer", "editor", "admin"]} {...form.choice("role")} />
    </FormDialog>
  );
}
