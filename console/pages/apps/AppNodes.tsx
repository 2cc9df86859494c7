import { Button, TextInput } from "@mantine/core";
import { IconLogout2, IconPlus, IconRotate, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { Node } from "../../../services/apps/nodes/contract.ts";
import { type Answer, callApi, client, invalidate, useApiList } from "../../api/api.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { CopyField } from "../../ui/CopyField.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { useForm } from "../../ui/form.ts";
import { DataList } from "../../ui/list/DataList.tsx";
import { SecretOnce } from "../../ui/SecretOnce.tsx";
import { Section } from "../../ui/Section.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { toastError } from "../../ui/toast.ts";

type Invitation = Answer<"nodeInvite">;

const refresh = () => invalidate(queries, ["nodeList"]);

/** The machines that apps run on, where there are several, and how another one joins. */
export function AppNodes() {
  const t = useT();
  const format = useFormat();
  const nodes = useApiList("nodeList", {}, { refetchInterval: 10_000 });
  const [inviting, setInviting] = useState(false);
  const [invitation, setInvitation] = useState<Invitation>();
  const [draining, setDraining] = useState<Node>();
  const [removing, setRemoving] = useState<Node>();
  const invite = (
    <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setInviting(true)}>
      {t("apps.nodes.invite")}
    </Button>
  );
  const state = ({ state, draining }: Node) =>
    state === "ready"
      ? draining
        ? { tone: "warn" as const, words: t("apps.nodes.draining") }
        : { tone: "good" as const, words: t("apps.nodes.ready") }
      : { tone: "bad" as const, words: t(`apps.nodes.${state}`) };
  const why = (node: Node, action: Node["allowedActions"][number]) =>
    node.allowedActions.includes(action)
      ? undefined
      : t(node.home ? "apps.nodes.whyHome" : action === "delete" ? "apps.nodes.whyDelete" : "apps.nodes.whyState");
  return (
    <>
      {nodes.rows?.length === 0 ? (
        <Section title={t("apps.nodes.title")} text={t("apps.nodes.text")}>
          <EmptyState
            picture="server"
            title={t("apps.nodes.empty")}
            text={t("apps.nodes.emptyText")}
            action={invite}
            command="khmara node invite node-2"
          />
        </Section>
      ) : (
        <Section title={t("apps.nodes.title")} text={t("apps.nodes.text")} actions={invite} flush>
          <DataList
            id="app-nodes"
            label={t("apps.nodes.title")}
            list={nodes}
            rowKey={({ name }) => name}
            rowName={({ name }) => name}
            columns={[
              {
                key: "name",
                header: t("ui.name"),
                primary: true,
                width: "minmax(200px, 2fr)",
                cell: ({ name, home }) => (home ? t("apps.nodes.home", { name }) : name),
              },
              {
                key: "state",
                header: t("apps.engine.state"),
                phone: "bare",
                cell: (node) => <StatusBadge tone={state(node).tone}>{state(node).words}</StatusBadge>,
              },
              { key: "address", header: t("apps.nodes.address"), cell: ({ address }) => <code>{address}</code> },
              {
                key: "containers",
                header: t("apps.nodes.containers"),
                align: "right",
                width: "minmax(72px, 96px)",
                cell: ({ containers }) => (containers === undefined ? "–" : format.number(containers)),
              },
              {
                key: "disks",
                header: t("apps.nodes.disks"),
                align: "right",
                width: "minmax(72px, 96px)",
                cell: ({ disks, home }) => (home ? "–" : format.number(disks.length)),
              },
              {
                key: "size",
                header: t("apps.engine.capacity"),
                align: "right",
                width: "minmax(164px, 1fr)",
                cell: ({ cpus, memoryBytes }) =>
                  `${t("apps.engine.cpus", { cpus: format.number(cpus) })} · ${format.memory(memoryBytes)}`,
              },
            ]}
            rowActions={(node: Node) => [
              node.draining
                ? {
                    label: t("apps.nodes.activate"),
                    icon: IconRotate,
                    disabledReason: why(node, "activate"),
                    onClick: () => void callApi("nodeActivate", { node: node.name }).then(refresh).catch(toastError),
                  }
                : {
                    label: t("apps.nodes.drain"),
                    icon: IconLogout2,
                    disabledReason: why(node, "drain"),
                    onClick: () => setDraining(node),
                  },
              {
                label: t("apps.nodes.delete"),
                icon: IconTrash,
                danger: true,
                disabledReason: why(node, "delete"),
                onClick: () => setRemoving(node),
              },
            ]}
            empty={null}
          />
        </Section>
      )}
      {inviting && (
        <Invite
          onClose={() => setInviting(false)}
          onMade={(made) => {
            setInviting(false);
            setInvitation(made);
          }}
        />
      )}
      {invitation && (
        <SecretOnce
          title={t("apps.nodes.invitedTitle", { name: invitation.name })}
          text={t("apps.nodes.invitedText")}
          onClose={() => setInvitation(undefined)}
        >
          <CopyField value={invitation.command} label={t("apps.nodes.command")} multiline />
        </SecretOnce>
      )}
      {draining && (
        <ConfirmDestroy
          opened
          onClose={() => setDraining(undefined)}
          title={t("apps.nodes.drainTitle", { name: draining.name })}
          text={t("apps.nodes.drainText")}
          {...(draining.disks.length > 0 && { kept: draining.disks.map(({ app }) => t("apps.nodes.stays", { app })) })}
          action={t("apps.nodes.drain")}
          onConfirm={async () => {
            await callApi("nodeDrain", { node: draining.name });
            await refresh();
          }}
        />
      )}
      {removing && (
        <ConfirmDestroy
          opened
          onClose={() => setRemoving(undefined)}
          title={t("apps.nodes.deleteTitle", { name: removing.name })}
          text={t("apps.nodes.deleteText")}
          {...(removing.disks.length > 0 && {
            destroyed: removing.disks.map(({ app, name }) => t("apps.nodes.lost", { app, disk: name })),
            typeName: removing.name,
          })}
          action={t("apps.nodes.delete")}
          onConfirm={async () => {
            await callApi("nodeDelete", {
              node: removing.name,
              ...(removing.disks.length > 0 && { abandonDisks: "true" }),
            } as never);
            await refresh();
          }}
        />
      )}
    </>
  );
}

function Invite({ onClose, onMade }: { onClose: () => void; onMade: (invitation: Invitation) => void }) {
  const t = useT();
  const form = useForm({
    initial: { name: "", address: "" },
    checks: {
      name: (name) => (/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name.trim()) ? undefined : t("apps.nodes.nameRules")),
      address: (address) =>
        address.trim() === "" || /^[0-9a-f.:]+$/i.test(address.trim()) ? undefined : t("apps.nodes.addressRules"),
    },
    submit: async ({ name, address }) => {
      onMade(await client.nodeInvite({ name: name.trim(), ...(address.trim() !== "" && { address: address.trim() }) }));
      await refresh();
    },
  });
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("apps.nodes.invite")}
      text={t("apps.nodes.inviteText")}
      form={form}
      action={t("apps.nodes.inviteAction")}
      hint={<ApiHint route="nodeInvite" args={{ name: form.values.name }} />}
    >
      <TextInput
        label={t("ui.name")}
        autoCapitalize="none"
        autoComplete="off"
        spellCheck={false}
        data-autofocus
        {...form.field("name")}
      />
      <TextInput
        label={t("apps.nodes.ownAddress")}
        description={t("apps.nodes.ownAddressText")}
        autoCapitalize="none"
        autoComplete="off"
        spellCheck={false}
        {...form.field("address")}
      />
    </FormDialog>
  );
}
