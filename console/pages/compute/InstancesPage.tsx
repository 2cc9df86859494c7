import { Button } from "@mantine/core";
import { IconPlayerPlay, IconPlayerStop, IconPlus, IconTerminal2, IconTrash } from "@tabler/icons-react";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import type { Instance, InstanceState } from "../../../services/compute/instances/contract.ts";
import { callApi, useApiList } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useCan, useOrganisation, useProject } from "../../frame/identity.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { CopyButton } from "../../ui/CopyField.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { DataList } from "../../ui/list/DataList.tsx";
import { useListState } from "../../ui/list/state.ts";
import { PageHeader } from "../../ui/PageHeader.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { toastError } from "../../ui/toast.ts";
import css from "./compute.module.css";
import { EngineNotice } from "./EngineNotice.tsx";
import { InstanceDelete } from "./InstanceDelete.tsx";
import { instanceTones, whyNot } from "./words.ts";

const states: InstanceState[] = ["running", "stopped", "frozen", "error", "missing"];

export default function InstancesPage() {
  const t = useT();
  const format = useFormat();
  const navigate = useNavigate();
  const organisation = useOrganisation();
  const project = useProject();
  const may = useCan()("editor");
  const { words, filter } = useListState();
  const [removing, setRemoving] = useState<Instance[]>([]);
  const state = filter("state") as InstanceState | undefined;
  const instances = useApiList("instanceList", {
    project: project.id,
    ...(words ? { search: words } : {}),
    ...(state ? { state } : {}),
  });
  const here = projectAddress(organisation.slug, project.slug, "instances");
  const create = may ? (
    <Button component={Link} to={`${here}/new`} leftSection={<IconPlus size={16} aria-hidden />}>
      {t("compute.instance.create")}
    </Button>
  ) : undefined;
  const each = (rows: Instance[], action: "instanceStart" | "instanceStop", when: "start" | "stop") =>
    void Promise.all(
      rows
        .filter(({ allowedActions }) => allowedActions.includes(when))
        .map(({ id }) => callApi(action, { instance: id } as never)),
    ).catch(toastError);
  return (
    <>
      <PageHeader title={t("compute.instances")} text={t("compute.instances.text")} actions={create} />
      <EngineNotice />
      <DataList
        id="instances"
        label={t("compute.instances")}
        list={instances}
        rowKey={({ id }) => id}
        rowName={({ name }) => name}
        rowAddress={({ id }) => `${here}/${id}`}
        search="server"
        filters={[
          {
            key: "state",
            label: t("compute.state"),
            options: states.map((value) => ({ value, label: t(`compute.state.${value}`) })),
          },
        ]}
        columns={[
          {
            key: "name",
            header: t("ui.name"),
            primary: true,
            width: "minmax(140px, 2fr)",
            cell: ({ name }) => name,
            sort: ({ name }) => name,
          },
          {
            key: "state",
            header: t("compute.state"),
            width: "minmax(116px, 150px)",
            phone: "bare",
            cell: (instance) => (
              <StatusBadge tone={instanceTones[instance.state]}>{t(`compute.state.${instance.state}`)}</StatusBadge>
            ),
            sort: (instance) => instance.state,
          },
          {
            key: "address",
            header: t("compute.address"),
            width: "minmax(144px, 190px)",
            cell: ({ ports }) => {
              const address = ports.find(({ floatingAddress }) => floatingAddress)?.floatingAddress ?? ports[0]?.ipv4;
              return address ? (
                <span className={css.address}>
                  <code>{address}</code>
                  <CopyButton value={address} />
                </span>
              ) : (
                "–"
              );
            },
          },
          {
            key: "size",
            header: t("compute.size"),
            width: "minmax(136px, 1fr)",
            cell: (instance) =>
              t("compute.capacity.short", { vcpus: instance.vcpus, memory: format.memory(instance.memoryBytes) }),
            sort: ({ vcpus }) => vcpus,
          },
          { key: "image", header: t("compute.image"), cell: ({ imageName }) => imageName, sort: ({ imageName }) => imageName },
          {
            key: "created",
            header: t("ui.created"),
            cell: ({ createdAt }) => <TimeAgo at={createdAt} />,
            sort: ({ createdAt }) => createdAt,
          },
          { key: "member", header: t("compute.member"), optional: true, cell: ({ member }) => member ?? "–" },
          {
            key: "labels",
            header: t("compute.labels"),
            optional: true,
            cell: ({ labels }) =>
              Object.entries(labels)
                .map(([key, value]) => (value ? `${key}=${value}` : key))
                .join(", ") || "–",
          },
        ]}
        {...(may
          ? {
              rowActions: (instance: Instance) => [
                {
                  label: t("compute.action.terminal"),
                  icon: IconTerminal2,
                  disabledReason: whyNot(instance, "terminal", may),
                  onClick: () => void navigate({ to: `${here}/${instance.id}/terminal` }),
                },
                {
                  label: t("compute.action.start"),
                  icon: IconPlayerPlay,
                  disabledReason: whyNot(instance, "start", may),
                  onClick: () => each([instance], "instanceStart", "start"),
                },
                {
                  label: t("compute.action.stop"),
                  icon: IconPlayerStop,
                  disabledReason: whyNot(instance, "stop", may),
                  onClick: () => each([instance], "instanceStop", "stop"),
                },
                {
                  label: t("compute.action.delete"),
                  icon: IconTrash,
                  danger: true,
                  disabledReason: instance.protected ? t("compute.why.protected") : undefined,
                  onClick: () => setRemoving([instance]),
                },
              ],
              bulkActions: [
                {
                  label: t("compute.action.start"),
                  icon: IconPlayerPlay,
                  run: (rows: Instance[]) => each(rows, "instanceStart", "start"),
                },
                {
                  label: t("compute.action.stop"),
                  icon: IconPlayerStop,
                  run: (rows: Instance[]) => each(rows, "instanceStop", "stop"),
                },
                {
                  label: t("compute.action.delete"),
                  icon: IconTrash,
                  danger: true,
                  run: (rows: Instance[]) => setRemoving(rows),
                },
              ],
            }
          : {})}
        empty={
          <EmptyState
            picture="server"
            title={t("compute.instances.empty")}
            text={t("compute.instances.emptyText")}
            action={create}
            command={may ? "khmara instance create web-1 --size small --image debian-12" : undefined}
          />
        }
      />
      {removing.length > 0 && <InstanceDelete instances={removing} onClose={() => setRemoving([])} />}
    </>
  );
}
