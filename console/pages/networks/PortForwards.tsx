import { Group, NumberInput, Select, TextInput } from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";
import { type ReactNode, useState } from "react";
import type { PortForward } from "../../../services/compute/networks/edge/contract.ts";
import { callApi, invalidate, useApiList } from "../../api/api.ts";
import { useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { CopyButton } from "../../ui/CopyField.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { required, useForm } from "../../ui/form.ts";
import { DataList } from "../../ui/list/DataList.tsx";

const refresh = () => invalidate(queries, ["portForwardList"]);

/** Of the project, or of one instance. */
export function PortForwards({ instance, may, action }: { instance?: string; may: boolean; action?: ReactNode }) {
  const t = useT();
  const project = useProject();
  const [removing, setRemoving] = useState<PortForward>();
  const forwards = useApiList("portForwardList", { project: project.id, ...(instance ? { instance } : {}) } as never);
  const outer = ({ listenAddress, listenPort }: PortForward) =>
    `${listenAddress === "0.0.0.0" ? location.hostname : listenAddress}:${listenPort}`;
  return (
    <>
      <DataList
        id="port-forwards"
        label={t("networks.tab.port-forwards")}
        list={forwards}
        rowKey={({ id }) => id}
        rowName={outer}
        columns={[
          {
            key: "from",
            header: t("networks.forward.from"),
            primary: true,
            width: "minmax(180px, 1.5fr)",
            cell: (forward) => (
              <span style={{ display: "inline-flex", alignItems: "center", gap: 4 }}>
                <code>{outer(forward)}</code>
                <CopyButton value={outer(forward)} />
              </span>
            ),
            sort: ({ listenPort }) => listenPort,
          },
          { key: "protocol", header: t("networks.rule.protocol"), cell: ({ protocol }) => protocol.toUpperCase() },
          {
            key: "to",
            header: t("networks.forward.to"),
            width: "minmax(180px, 1.5fr)",
            cell: ({ instanceName, targetAddress, targetPort }) => `${instanceName} · ${targetAddress}:${targetPort}`,
          },
          { key: "description", header: t("networks.description"), cell: ({ description }) => description || "–" },
        ]}
        {...(may
          ? {
              rowActions: (forward: PortForward) => [
                { label: t("networks.forward.delete"), icon: IconTrash, danger: true, onClick: () => setRemoving(forward) },
              ],
            }
          : {})}
        empty={
          <EmptyState
            picture="network"
            title={t("networks.forward.empty")}
            text={t("networks.forward.emptyText")}
            action={action}
          />
        }
      />
      {removing && (
        <ConfirmDestroy
          opened
          onClose={() => setRemoving(undefined)}
          title={t("networks.forward.deleteTitle", { from: outer(removing) })}
          text={t("networks.forward.deleteText", { name: removing.instanceName })}
          action={t("networks.forward.delete")}
          onConfirm={async () => {
            await callApi("portForwardDelete", { portForward: removing.id });
            await refresh();
          }}
        />
      )}
    </>
  );
}

export function PortForwardCreate({ onClose, instance }: { onClose: () => void; instance?: string }) {
  const t = useT();
  const project = useProject();
  const instances = useApiList("instanceList", { project: project.id }, { enabled: instance === undefined });
  const form = useForm({
    initial: {
      instance: instance ?? "",
      protocol: "tcp",
      targetPort: 80 as number,
      listenPort: "" as number | "",
      description: "",
    },
    checks: { instance: required },
    submit: async () => {
      await callApi("portForwardCreate", request as never);
      await refresh();
      onClose();
    },
  });
  const { values } = form;
  const request = {
    instance: values.instance,
    protocol: values.protocol,
    targetPort: values.targetPort,
    ...(values.listenPort === "" ? {} : { listenPort: values.listenPort }),
    ...(values.description ? { description: values.description } : {}),
  };
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("networks.forward.create")}
      text={t("networks.forward.createText")}
      form={form}
      action={t("networks.forward.create")}
      hint={<ApiHint route="portForwardCreate" args={request} />}
    >
      {instance === undefined && (
        <Select
          label={t("networks.instance")}
          searchable
          data-autofocus
          data={(instances.rows ?? []).map(({ id, name }) => ({ value: id, label: name }))}
          {...form.choice("instance")}
        />
      )}
      <Group grow align="flex-start">
        <Select
          label={t("networks.rule.protocol")}
          allowDeselect={false}
          data={[
            { value: "tcp", label: "TCP" },
            { value: "udp", label: "UDP" },
          ]}
          {...form.choice("protocol")}
        />
        <NumberInput
          label={t("networks.forward.targetPort")}
          min={1}
          max={65_535}
          value={values.targetPort}
          onChange={(value) => form.set("targetPort", Number(value))}
        />
        <NumberInput
          label={t("networks.forward.listenPort")}
          placeholder={t("networks.forward.free")}
          min={1024}
          max={65_535}
          value={values.listenPort}
          onChange={(value) => form.set("listenPort", value === "" ? "" : Number(value))}
        />
      </Group>
      <TextInput label={t("networks.description")} {...form.field("description")} />
    </FormDialog>
  );
}
