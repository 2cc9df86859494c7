import { ActionIcon, Button, Group, Select, Table, TextInput } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { useParams } from "@tanstack/react-router";
import { useState } from "react";
import type { SecurityGroup, SecurityRule } from "../../../services/compute/networks/contract.ts";
import { callApi, invalidate, useApi, useApiList } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useCan, useOrganisation, useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { ErrorPage } from "../../ui/ErrorPage.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { useForm } from "../../ui/form.ts";
import { DataList } from "../../ui/list/DataList.tsx";
import { PageHeader } from "../../ui/PageHeader.tsx";
import { PageSkeleton } from "../../ui/PageSkeleton.tsx";
import { Section } from "../../ui/Section.tsx";
import { toastError, toastUndo } from "../../ui/toast.ts";
import { knownPorts, portWords, remoteWords } from "./rules.ts";
import css from "./SecurityGroup.module.css";

type Direction = SecurityRule["direction"];

export default function SecurityGroupPage() {
  const t = useT();
  const { group: id } = useParams({ strict: false }) as { group: string };
  const organisation = useOrganisation();
  const project = useProject();
  const may = useCan()("editor");
  const query = useApi("securityGroupGet", { securityGroup: id as never });
  const groups = useApiList("securityGroupList", { project: project.id });
  const ports = useApiList("portList", { project: project.id, securityGroup: id as never });
  const [adding, setAdding] = useState<Direction>();
  const at = (path: string) => projectAddress(organisation.slug, project.slug, path);
  if (query.error && !query.data) return <ErrorPage error={query.error} reset={() => void query.refetch()} />;
  const group = query.data;
  if (!group) return <PageSkeleton />;
  const names = new Map(groups.rows?.map((one) => [one.id as string, one.name]));
  const save = async (rules: SecurityRule[]) => {
    await callApi("securityGroupUpdate", { securityGroup: group.id, rules } as never);
    await invalidate(queries, ["securityGroupGet", "securityGroupList"]);
  };
  const remove = (rule: SecurityRule) =>
    void save(group.rules.filter((one) => one !== rule))
      .then(() => toastUndo(t("networks.rule.removed"), () => save(group.rules)))
      .catch(toastError);
  const rules = (direction: Direction) => {
    const own = group.rules.filter((rule) => rule.direction === direction);
    return (
      <Section
        title={t(`networks.rules.${direction}`)}
        text={t(`networks.rules.${direction}Text`)}
        flush={own.length > 0}
        actions={
          may && (
            <Button
              size="xs"
              variant="default"
              leftSection={<IconPlus size={14} aria-hidden />}
              onClick={() => setAdding(direction)}
            >
              {t("networks.rule.add")}
            </Button>
          )
        }
      >
        {own.length === 0 ? (
          t("networks.rules.nothing")
        ) : (
          <Table verticalSpacing="sm" horizontalSpacing="lg" className={css.rules}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t("networks.rule.what")}</Table.Th>
                <Table.Th>{t(direction === "in" ? "networks.rule.source" : "networks.rule.target")}</Table.Th>
                <Table.Th>{t("networks.description")}</Table.Th>
                <Table.Th aria-label={t("ui.actions")} />
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {own.map((rule, index) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: rules have no id of their own
                <Table.Tr key={index}>
                  <Table.Td>{portWords(rule)}</Table.Td>
                  <Table.Td>{remoteWords(rule, names)}</Table.Td>
                  <Table.Td>{rule.description || "–"}</Table.Td>
                  <Table.Td align="right">
                    {may && (
                      <ActionIcon
                        variant="subtle"
                        color="gray"
                        aria-label={t("networks.rule.remove", { rule: portWords(rule) })}
                        onClick={() => remove(rule)}
                      >
                        <IconTrash size={16} stroke={1.6} />
                      </ActionIcon>
                    )}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        )}
      </Section>
    );
  };
  return (
    <>
      <PageHeader
        title={group.name}
        text={group.description || t("networks.group.text")}
        back={{ to: at("security-groups"), label: t("networks.tab.security-groups") }}
      />
      {rules("in")}
      {rules("out")}
      <Section title={t("networks.group.usedBy")} flush>
        <DataList
          id="group-ports"
          label={t("networks.group.usedBy")}
          list={ports}
          rowKey={({ id: port }) => port}
          rowName={({ instanceName }) => instanceName}
          rowAddress={({ instanceId }) => at(`instances/${instanceId}/network`)}
          columns={[
            { key: "instance", header: t("networks.instance"), primary: true, cell: ({ instanceName }) => instanceName },
            { key: "network", header: t("networks.network"), cell: ({ networkName }) => networkName },
            { key: "ipv4", header: t("networks.address"), cell: ({ ipv4 }) => <code>{ipv4}</code> },
          ]}
          empty={<EmptyState picture="server" title={t("networks.group.nobody")} />}
        />
      </Section>
      {adding && (
        <AddRule
          direction={adding}
          group={group}
          groups={groups.rows ?? []}
          onClose={() => setAdding(undefined)}
          onAdd={(rule) => save([...group.rules, rule])}
        />
      )}
    </>
  );
}

const services = [22, 80, 443, 25, 587, 993, 5432, 3306, 5060] as const;

function AddRule(props: {
  direction: Direction;
  group: SecurityGroup;
  groups: SecurityGroup[];
  onClose: () => void;
  onAdd: (rule: SecurityRule) => Promise<void>;
}) {
  const t = useT();
  const form = useForm({
    initial: { preset: "443", protocol: "tcp", from: "443", to: "", who: "everybody", cidr: "", description: "" },
    checks: {
      from: (from, all) => {
        const { protocol } = all as { protocol: string };
        if (protocol === "any" || protocol === "icmp" || from === "") return undefined;
        return Number(from) >= 1 && Number(from) <= 65_535 ? undefined : t("networks.rule.portRange");
      },
      cidr: (cidr, all) =>
        (all as { who: string }).who !== "cidr" || /^\d+(\.\d+){3}(\/\d+)?$/.test(cidr)
          ? undefined
          : t("networks.rule.cidrRules"),
    },
    submit: async (values) => {
      const hasPorts = (values.protocol === "tcp" || values.protocol === "udp") && values.from !== "";
      await props.onAdd({
        direction: props.direction,
        protocol: values.protocol as SecurityRule["protocol"],
        description: values.description,
        ...(hasPorts ? { ports: { from: Number(values.from), to: Number(values.to || values.from) } } : {}),
        ...(values.who === "everybody"
          ? {}
          : values.who === "cidr"
            ? { remote: { cidr: values.cidr.includes("/") ? values.cidr : `${values.cidr}/32` } }
            : { remote: { securityGroupId: values.who as never } }),
      });
      props.onClose();
    },
  });
  const { values } = form;
  const choose = (preset: string | null) => {
    if (preset === null) return;
    form.set("preset", preset);
    if (preset === "custom") return;
    if (preset === "any" || preset === "icmp") {
      form.set("protocol", preset);
      form.set("from", "");
    } else {
      form.set("protocol", "tcp");
      form.set("from", preset);
    }
    form.set("to", "");
  };
  return (
    <FormDialog
      opened
      onClose={props.onClose}
      title={t("networks.rule.add")}
      text={t(props.direction === "in" ? "networks.rule.addIn" : "networks.rule.addOut")}
      form={form}
      action={t("networks.rule.add")}
    >
      <Select
        label={t("networks.rule.what")}
        allowDeselect={false}
        data-autofocus
        value={values.preset}
        onChange={choose}
        data={[
          ...services.map((port) => ({ value: String(port), label: `${knownPorts[port]} (TCP ${port})` })),
          { value: "icmp", label: "ICMP (ping)" },
          { value: "any", label: t("networks.rule.everything") },
          { value: "custom", label: t("networks.rule.custom") },
        ]}
      />
      {values.preset === "custom" && (
        <Group grow align="flex-start">
          <Select label={t("networks.rule.protocol")} allowDeselect={false} data={["tcp", "udp"]} {...form.choice("protocol")} />
          <TextInput label={t("networks.rule.firstPort")} inputMode="numeric" {...form.field("from")} />
          <TextInput label={t("networks.rule.lastPort")} inputMode="numeric" placeholder={values.from} {...form.field("to")} />
        </Group>
      )}
      <Select
        label={t(props.direction === "in" ? "networks.rule.source" : "networks.rule.target")}
        allowDeselect={false}
        {...form.choice("who")}
        data={[
          { value: "everybody", label: t(props.direction === "in" ? "networks.rule.everybody" : "networks.rule.anywhere") },
          { value: "cidr", label: t("networks.rule.range") },
          ...props.groups.map(({ id, name }) => ({ value: id as string, label: t("networks.rule.group", { name }) })),
        ]}
      />
      {values.who === "cidr" && (
        <TextInput label={t("networks.rule.range")} placeholder="198.51.100.0/24" {...form.field("cidr")} />
      )}
      <TextInput label={t("networks.description")} {...form.field("description")} />
    </FormDialog>
  );
}
