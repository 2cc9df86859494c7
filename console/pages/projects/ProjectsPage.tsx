import { Button, TextInput } from "@mantine/core";
import { IconPencil, IconPlus, IconTrash } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { callApi, type Item, invalidate, useApiList, useChange } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useCan, useOrganisation } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { useAddressFlag } from "../../ui/addressFlag.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { required, slugCheck, useForm } from "../../ui/form.ts";
import { DataList } from "../../ui/list/DataList.tsx";
import { PageHeader } from "../../ui/PageHeader.tsx";
import { slugOf } from "../../ui/slugOf.ts";
import { TimeAgo } from "../../ui/TimeAgo.tsx";

type Project = Item<"projectList">;
const stale = ["projectList", "identityGet", "quotaList"] as const;

export default function ProjectsPage() {
  const t = useT();
  const organisation = useOrganisation();
  const admin = useCan("organisation")("admin");
  const projects = useApiList("projectList", { organisation: organisation.id });
  const [creating, setCreating] = useAddressFlag("create");
  const [editing, setEditing] = useState<Project>();
  const [deleting, setDeleting] = useState<Project>();
  const remove = useChange("projectDelete", { refresh: stale });
  const needsAdmin = admin ? undefined : t("ui.needsRole", { role: t("ui.role.admin") });
  const create = (
    <Button leftSection={<IconPlus size={16} stroke={1.8} />} onClick={() => setCreating(true)} disabled={!admin}>
      {t("projects.create")}
    </Button>
  );
  return (
    <>
      <PageHeader title={t("projects.title")} text={t("projects.text")} actions={create} />
      <DataList
        id="projects"
        label={t("projects.title")}
        list={projects}
        rowKey={({ id }) => id}
        rowName={({ name }) => name}
        rowAddress={({ slug }) => projectAddress(organisation.slug, slug)}
        search={({ name, slug }) => `${name} ${slug}`}
        columns={[
          {
            key: "name",
            header: t("ui.name"),
            primary: true,
            width: "minmax(180px, 2fr)",
            sort: ({ name }) => name,
            cell: ({ name }) => name,
          },
          { key: "slug", header: t("projects.slug"), sort: ({ slug }) => slug, cell: ({ slug }) => <code>{slug}</code> },
          {
            key: "created",
            header: t("ui.created"),
            sort: ({ createdAt }) => createdAt,
            cell: ({ createdAt }) => <TimeAgo at={createdAt} />,
          },
        ]}
        rowActions={(project) => [
          { label: t("ui.rename"), icon: IconPencil, onClick: () => setEditing(project), disabledReason: needsAdmin },
          {
            label: t("projects.delete"),
            icon: IconTrash,
            danger: true,
            onClick: () => setDeleting(project),
            disabledReason: needsAdmin,
          },
        ]}
        empty={
          <EmptyState
            picture="project"
            title={t("projects.none")}
            text={t("projects.noneText")}
            action={create}
            command={`khmara project create --organisation ${organisation.id} --name Website`}
          />
        }
      />
      {creating && <CreateProject onClose={() => setCreating(false)} />}
      {editing && <EditProject project={editing} onClose={() => setEditing(undefined)} />}
      <ConfirmDestroy
        opened={deleting !== undefined}
        onClose={() => setDeleting(undefined)}
        title={t("projects.deleteTitle", { name: deleting?.name ?? "" })}
        text={t("projects.deleteText")}
        destroyed={[t("projects.deleteGoes")]}
        kept={[t("projects.deleteStays")]}
        typeName={deleting?.name}
        action={t("projects.delete")}
        onConfirm={async () => {
          if (deleting) await remove.mutateAsync({ project: deleting.id });
        }}
      />
    </>
  );
}

function CreateProject({ onClose }: { onClose: () => void }) {
  const t = useT();
  const organisation = useOrganisation();
  const navigate = useNavigate();
  const form = useForm({
    initial: { name: "", slug: "" },
    checks: { name: required, slug: (slug) => (slug === "" ? undefined : slugCheck(slug, undefined as never)) },
    submit: async ({ name, slug }) => {
      const project = await callApi("projectCreate", { organisation: organisation.id, name, ...(slug ? { slug } : {}) });
      await invalidate(queries, stale);
      await navigate({ to: projectAddress(organisation.slug, project.slug) });
    },
  });
  const { name, slug } = form.values;
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("projects.create")}
      text={t("projects.createText")}
      form={form}
      action={t("projects.createAction")}
      hint={
        <ApiHint
          route="projectCreate"
          args={{ organisation: organisation.id, name: name || "Website", slug: slug || undefined }}
        />
      }
    >
      <TextInput label={t("ui.name")} data-autofocus autoComplete="off" {...form.field("name")} />
      <TextInput
        label={t("projects.slug")}
        description={t("projects.slugHint")}
        placeholder={slugOf(name)}
        autoComplete="off"
        {...form.field("slug")}
      />
    </FormDialog>
  );
}

function EditProject({ project, onClose }: { project: Project; onClose: () => void }) {
  const t = useT();
  const form = useForm({
    initial: { name: project.name, slug: project.slug },
    checks: { name: required, slug: slugCheck },
    submit: async (values) => {
      await callApi("projectUpdate", { project: project.id, ...values });
      await invalidate(queries, stale);
      onClose();
    },
  });
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("projects.renameTitle")}
      form={form}
      action={t("ui.save")}
      hint={<ApiHint route="projectUpdate" args={{ project: project.id, ...form.values }} />}
    >
      <TextInput label={t("ui.name")} data-autofocus {...form.field("name")} />
      <TextInput label={t("projects.slug")} description={t("projects.slugChange")} {...form.field("slug")} />
    </FormDialog>
  );
}
