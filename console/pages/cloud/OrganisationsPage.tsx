import { Button, TextInput } from "@mantine/core";
import { IconPlayerPause, IconPlayerPlay, IconPlus } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { callApi, type Item, invalidate, useApiList } from "../../api/api.ts";
import { organisationAddress } from "../../frame/address.ts";
import { useCan } from "../../frame/identity.ts";
import { NotFoundPage } from "../../frame/NotFoundPage.tsx";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { useAddressFlag } from "../../ui/addressFlag.ts";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { required, slugCheck, useForm } from "../../ui/form.ts";
import { DataList } from "../../ui/list/DataList.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { slugOf } from "../../ui/slugOf.ts";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { toastDone, toastError } from "../../ui/toast.ts";
import { CloudHeader } from "./CloudHeader.tsx";
import { ReasonDialog } from "./ReasonDialog.tsx";

type Organisation = Item<"organisationList">;
const refresh = () => invalidate(queries, ["organisationList", "identityGet"]);

export default function OrganisationsPage() {
  const t = useT();
  const admin = useCan("cloud")("admin");
  const organisations = useApiList("organisationList", {}, { enabled: admin });
  const [creating, setCreating] = useAddressFlag("create");
  const [suspending, setSuspending] = useState<Organisation>();
  if (!admin) return <NotFoundPage />;
  const resume = async (organisation: Organisation) => {
    await callApi("organisationResume", { organisation: organisation.id });
    await refresh();
    toastDone(t("cloud.resumed", { name: organisation.name }));
  };
  const create = (
    <Button leftSection={<IconPlus size={16} stroke={1.8} />} onClick={() => setCreating(true)}>
      {t("cloud.createOrganisation")}
    </Button>
  );
  return (
    <>
      <CloudHeader actions={create} />
      <DataList
        id="organisations"
        label={t("cloud.organisations")}
        list={organisations}
        rowKey={({ id }) => id}
        rowName={({ name }) => name}
        rowAddress={({ slug }) => organisationAddress(slug)}
        search={({ name, slug }) => `${name} ${slug}`}
        filters={[stateFilter(t("ui.status"), t("ui.active"), t("ui.suspended"))]}
        columns={[
          {
            key: "name",
            header: t("ui.name"),
            primary: true,
            width: "minmax(180px, 2fr)",
            sort: ({ name }) => name,
            cell: ({ name }) => name,
          },
          { key: "slug", header: t("cloud.slug"), sort: ({ slug }) => slug, cell: ({ slug }) => <code>{slug}</code> },
          {
            key: "state",
            header: t("ui.status"),
            cell: ({ state }) => (
              <StatusBadge tone={state === "active" ? "good" : "bad"}>
                {state === "active" ? t("ui.active") : t("ui.suspended")}
              </StatusBadge>
            ),
          },
          { key: "reason", header: t("cloud.reason"), optional: true, cell: ({ suspendedReason }) => suspendedReason ?? "—" },
          {
            key: "created",
            header: t("ui.created"),
            sort: ({ createdAt }) => createdAt,
            cell: ({ createdAt }) => <TimeAgo at={createdAt} />,
          },
        ]}
        rowActions={(organisation) => [
          organisation.state === "active"
            ? { label: t("cloud.suspend"), icon: IconPlayerPause, danger: true, onClick: () => setSuspending(organisation) }
            : { label: t("cloud.resume"), icon: IconPlayerPlay, onClick: () => void resume(organisation).catch(toastError) },
        ]}
        empty={<EmptyState picture="project" title={t("cloud.noOrganisations")} action={create} />}
      />
      {creating && <CreateOrganisation onClose={() => setCreating(false)} />}
      {suspending && (
        <ReasonDialog
          title={t("cloud.suspendTitle", { name: suspending.name })}
          text={t("cloud.suspendOrganisationText")}
          action={t("cloud.suspend")}
          onClose={() => setSuspending(undefined)}
          onSend={async (reason) => {
            await callApi("organisationSuspend", { organisation: suspending.id, reason });
            await refresh();
          }}
        />
      )}
    </>
  );
}

export const stateFilter = (label: string, active: string, suspended: string) => ({
  key: "state",
  label,
  options: [
    { value: "active", label: active },
    { value: "suspended", label: suspended },
  ],
  fits: (row: { state: string }, value: string) => row.state === value,
});

function CreateOrganisation({ onClose }: { onClose: () => void }) {
  const t = useT();
  const navigate = useNavigate();
  const form = useForm({
    initial: { name: "", slug: "" },
    checks: { name: required, slug: (slug) => (slug === "" ? undefined : slugCheck(slug, undefined as never)) },
    submit: async ({ name, slug }) => {
      const organisation = await callApi("organisationCreate", { name, ...(slug ? { slug } : {}) });
      await refresh();
      await navigate({ to: organisationAddress(organisation.slug) });
    },
  });
  const { name, slug } = form.values;
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("cloud.createOrganisation")}
      text={t("cloud.createOrganisationText")}
      form={form}
      action={t("cloud.createOrganisationAction")}
      hint={<ApiHint route="organisationCreate" args={{ name, slug: slug || undefined }} />}
    >
      <TextInput label={t("ui.name")} data-autofocus {...form.field("name")} />
      <TextInput label={t("cloud.slug")} description={t("cloud.slugHint")} placeholder={slugOf(name)} {...form.field("slug")} />
    </FormDialog>
  );
}
