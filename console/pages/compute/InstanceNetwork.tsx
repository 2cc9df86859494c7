import { Button, Checkbox, Group, Stack } from "@mantine/core";
import { IconPlus, IconShield, IconTrash } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { Port } from "../../../services/compute/networks/contract.ts";
import { callApi, invalidate, useApiList } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useOrganisation, useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { useForm } from "../../ui/form.ts";
import { DataList } from "../../ui/list/DataList.tsx";
import { Section } from "../../ui/Section.tsx";
import { toastError } from "../../ui/toast.ts";
import { AddressCreate } from "../networks/AddressesPage.tsx";
import { PortForwardCreate, PortForwards } from "../networks/PortForwards.tsx";
import { ruleWords } from "../networks/rules.ts";
import type { InstanceTabProps } from "./InstancePage.tsx";

const refresh = () => invalidate(queries, ["portList", "addressList", "instanceGet", "networkList"]);

/** Its addresses, who may reach it, and what leads to it from outside. */
export default function InstanceNetwork({ instance, may }: InstanceTabProps) {
  const t = useT();
  const organisation = useOrganisation();
  const project = useProject();
  const ports = useApiList("portList", { project: project.id, instance: instance.id });
  const groups = useApiList("securityGroupList", { project: project.id });
  const addresses = useApiList("addressList", { project: project.id });
  const own = addresses.rows?.filter(({ instanceId }) => instanceId === instance.id) ?? [];
  const names = new Map(groups.rows?.map(({ id, name }) => [id as string, name]));
  const used = (groups.rows ?? []).filter(({ id }) => ports.rows?.some(({ securityGroupIds }) => securityGroupIds.includes(id)));
  const [giving, setGiving] = useState(false);
  const [forwarding, setForwarding] = useState(false);
  const [choosing, setChoosing] = useState<Port>();
  const at = (path: string) => projectAddress(organisation.slug, project.slug, path);
  return (
    <>
      <Section title={t("networks.ports")} text={t("networks.portsText")} flush>
        <DataList
          id="instance-ports"
          label={t("networks.ports")}
          list={ports}
          rowKey={({ id }) => id}
          rowName={({ networkName }) => networkName}
          rowAddress={({ networkId }) => at(`networks/${networkId}`)}
          columns={[
            { key: "network", header: t("networks.network"), primary: true, cell: ({ networkName }) => networkName },
            { key: "ipv4", header: t("networks.address"), cell: ({ ipv4 }) => <code>{ipv4}</code> },
            { key: "dns", header: t("networks.dnsName"), width: "minmax(160px, 2fr)", cell: ({ dnsName }) => dnsName },
            {
              key: "groups",
              header: t("networks.tab.security-groups"),
              cell: ({ securityGroupIds }) =>
                securityGroupIds.map((id) => names.get(id) ?? id).join(", ") || t("networks.group.none"),
            },
            { key: "floating", header: t("networks.floating"), cell: ({ floatingAddress }) => floatingAddress ?? "–" },
          ]}
          {...(may
            ? {
                rowActions: (port: Port) => [
                  { label: t("networks.group.choose"), icon: IconShield, onClick: () => setChoosing(port) },
                  {
                    label: t("networks.port.delete"),
                    icon: IconTrash,
                    danger: true,
                    disabledReason: (ports.rows?.length ?? 0) < 2 ? t("networks.port.last") : undefined,
                    onClick: () => void callApi("portDelete", { port: port.id }).then(refresh).catch(toastError),
                  },
                ],
              }
            : {})}
          empty={<EmptyState picture="network" title={t("networks.port.none")} />}
        />
      </Section>
      <Section
        title={t("networks.tab.addresses")}
        text={t("networks.text.addresses")}
        actions={
          may && (
            <Button size="xs" variant="default" leftSection={<IconPlus size={14} aria-hidden />} onClick={() => setGiving(true)}>
              {t("networks.address.create")}
            </Button>
          )
        }
      >
        {own.length === 0 ? (
          t("networks.address.noneHere")
        ) : (
          <Stack gap="xs">
            {own.map((address) => (
              <Group key={address.id} justify="space-between">
                <code>{address.address}</code>
                {may && (
                  <Button
                    size="xs"
                    variant="default"
                    onClick={() =>
                      void callApi("addressDetach", { address: address.id } as never)
                        .then(refresh)
                        .catch(toastError)
                    }
                  >
                    {t("networks.address.detach")}
                  </Button>
                )}
              </Group>
            ))}
          </Stack>
        )}
      </Section>
      <Section title={t("networks.firewall")} text={t("networks.firewallText")}>
        {used.length === 0
          ? t("networks.group.none")
          : used.map((group) => (
              <p key={group.id}>
                <Link to={at(`security-groups/${group.id}`)}>
                  <b>{group.name}</b>
                </Link>
                {": "}
                {group.rules
                  .filter(({ direction }) => direction === "in")
                  .map((rule) => ruleWords(rule, names))
                  .join(" · ") || t("networks.rules.nothing")}
              </p>
            ))}
      </Section>
      <Section
        title={t("networks.tab.port-forwards")}
        text={t("networks.text.port-forwards")}
        flush
        actions={
          may && (
            <Button
              size="xs"
              variant="default"
              leftSection={<IconPlus size={14} aria-hidden />}
              onClick={() => setForwarding(true)}
            >
              {t("networks.forward.create")}
            </Button>
          )
        }
      >
        <PortForwards instance={instance.id} may={may} />
      </Section>
      {giving && <AddressCreate instance={instance.id} onClose={() => setGiving(false)} />}
      {forwarding && <PortForwardCreate instance={instance.id} onClose={() => setForwarding(false)} />}
      {choosing && <ChooseGroups port={choosing} onClose={() => setChoosing(undefined)} />}
    </>
  );
}

function ChooseGroups({ port, onClose }: { port: Port; onClose: () => void }) {
  const t = useT();
  const project = useProject();
  const groups = useApiList("securityGroupList", { project: project.id });
  const form = useForm({
    initial: { securityGroups: port.securityGroupIds as string[] },
    submit: async ({ securityGroups }) => {
      await callApi("portUpdate", { port: port.id, securityGroups: securityGroups as never });
      await refresh();
      onClose();
    },
  });
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={t("networks.group.chooseTitle", { network: port.networkName })}
      text={t("networks.group.chooseText")}
      form={form}
      action={t("ui.save")}
    >
      <Checkbox.Group value={form.values.securityGroups} onChange={(chosen) => form.set("securityGroups", chosen)}>
        <Stack gap="sm">
          {groups.rows?.map((group) => (
            <Checkbox key={group.id} value={group.id} label={group.name} description={group.description} />
          ))}
        </Stack>
      </Checkbox.Group>
    </FormDialog>
  );
}
