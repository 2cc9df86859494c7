import { Button, TextInput } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import type { SecurityGroup } from "../../../services/compute/networks/contract.ts";
import { callApi, invalidate, useApiList } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useCan, useOrganisation, useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { useAddressFlag } from "../../ui/addressFlag.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { required, useForm } from "../../ui/form.ts";
import { DataList } from "../../ui/list/DataList.tsx";
import { NetworksHeader } from "./NetworksHeader.tsx";
import { ruleWords } from "./rules.ts";

export default function SecurityGroupsPage() {
  const t = useT();
  const format = useFormat();
  const organisation = useOrganisation();
  const project = useProject();
  const may = useCan()("editor");
  const [creating, setCreating] = useAddressFlag("new");
  const [removing, setRemoving] = useState<SecurityGroup>();
  const groups = useApiList("securityGroupList", { project: project.id });
  const names = new Map(groups.rows?.map(({ id, name }) => [id as string, name]));
  const create = may ? (
    <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setCreating(true)}>
      {t("networks.group.create")}
    </Button>
  ) : undefined;
  return (
    <>
      <NetworksHeader tab="security-groups" actions={create} />
      <DataList
        id="security-groups"
        label={t("networks.tab.security-groups")}
        list={groups}
        rowKey={({ id }) => id}
        rowName={({ name }) => name}
        rowAddress={({ id }) => projectAddress(organisation.slug, project.slug, `security-groups/${id}`)}
        search={({ name, description }) => `${name} ${description}`}
        columns={[
          {
            key: "name",
            header: t("ui.name"),
            primary: true,
            width: "minmax(150px, 1fr)",
            cell: ({ name }) => name,
            sort: ({ name }) => name,
          },
          {
            key: "in",
            header: t("networks.rules.in"),
            width: "minmax(240px, 3fr)",
            cell: ({ rules }) =>
              rules
                .filter(({ direction }) => direction === "in")
                .map((rule) => ruleWords(rule, names))
                .join(" · ") || t("networks.rules.nothing"),
          },
          {
            key: "ports",
            header: t("networks.group.usedBy"),
            align: "right",
            cell: ({ ports }) => format.number(ports),
            sort: ({ ports }) => ports,
          },
        ]}
        {...(may
          ? {
              rowActions: (group: SecurityGroup) => [
                {
                  label: t("networks.group.delete"),
                  icon: IconTrash,
                  danger: true,
                  disabledReason: group.default
                    ? t("networks.group.isDefault")
                    : group.ports > 0
                      ? t("networks.group.inUse")
                      : undefined,
                  onClick: () => setRemoving(group),
                },
              ],
            }
          : {})}
        empty={
          <EmptyState picture="network" title={t("networks.group.empty")} text={t("networks.group.emptyText")} action={create} />
        }
      />
      {creating && <SecurityGroupCreate onClose={() => setCreating(false)} />}
      {removing && (
        <ConfirmDestroy
          opened
          onClose={() => setRemoving(undefined)}
          title={t("networks.group.deleteTitle", { name: removing.name })}
          text={t("networks.group.deleteText")}
          action={t("networks.group.delete")}
          onConfirm={async () => {
            await callApi("securityGroupDelete", { securityGroup: removing.id });
            await invalidate(queries, ["securityGroupList"]);
          }}
        />
      )}
    </>
  );
}

function SecurityGroupCreate({ onClose }: { onClose: () => void }) {
  const t = useT();
  const navigate = useNavigate();
  const organisation = useOrganisation();
  const project = useProject();
  const form = useForm({
    initial: { name: "", description: "" },
    checks: { name: required },
    submit: async ({ name, description }) => {
      const group = await callApi("securityGroupCreate", {
        project: project.id,
        name,
        ...(description ? { description } : {}),
      } as never);
      await invalidate(queries, ["securityGroupList"]);
      await navigate({ to: projectAddress(organisation.slug, project.slug, `security-groups/${group.id}`) });
    },
  });
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("networks.group.create")}
      text={t("networks.group.createText")}
      form={form}
      action={t("networks.group.create")}
      hint={<ApiHint route="securityGroupCreate" args={{ project: project.id, name: form.values.name || "web" }} />}
    >
      <TextInput label={t("ui.name")} data-autofocus {...form.field("name")} />
      <TextInput label={t("networks.description")} {...form.field("description")} />
    </FormDialog>
  );
}
