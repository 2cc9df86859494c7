import { Button, Group, Stack, Switch, TagsInput, TextInput } from "@mantine/core";
import { useParams } from "@tanstack/react-router";
import type { Network } from "../../../services/compute/networks/contract.ts";
import { callApi, invalidate, useApi, useApiList } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useCan, useOrganisation, useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { CopyField } from "../../ui/CopyField.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { ErrorPage } from "../../ui/ErrorPage.tsx";
import { FormProblem } from "../../ui/FormProblem.tsx";
import { useForm } from "../../ui/form.ts";
import { DataList } from "../../ui/list/DataList.tsx";
import { PageHeader } from "../../ui/PageHeader.tsx";
import { PageSkeleton } from "../../ui/PageSkeleton.tsx";
import { Facts, Section } from "../../ui/Section.tsx";

export default function NetworkPage() {
  const t = useT();
  const format = useFormat();
  const { network: id } = useParams({ strict: false }) as { network: string };
  const organisation = useOrganisation();
  const project = useProject();
  const may = useCan()("editor");
  const query = useApi("networkGet", { network: id as never });
  const ports = useApiList("portList", { project: project.id, network: id as never });
  const at = (path: string) => projectAddress(organisation.slug, project.slug, path);
  if (query.error && !query.data) return <ErrorPage error={query.error} reset={() => void query.refetch()} />;
  const network = query.data;
  if (!network) return <PageSkeleton />;
  return (
    <>
      <PageHeader
        title={network.name}
        text={network.description || undefined}
        back={{ to: at("networks"), label: t("frame.nav.networks") }}
      />
      <Section title={t("networks.about")}>
        <Facts
          items={[
            [t("networks.range"), <CopyField key="range" value={network.cidr} />],
            [t("networks.gateway"), <CopyField key="gateway" value={network.gateway} />],
            [t("networks.domain"), <CopyField key="domain" value={network.dnsDomain} />],
            [
              t("networks.instances"),
              t("networks.ofCapacity", { used: format.number(network.ports), all: format.number(network.capacity) }),
            ],
            [t("networks.id"), <CopyField key="id" value={network.id} />],
          ]}
        />
      </Section>
      <Section title={t("networks.ports")} text={t("networks.portsText")} flush>
        <DataList
          id="ports"
          label={t("networks.ports")}
          list={ports}
          rowKey={({ id: port }) => port}
          rowName={({ instanceName }) => instanceName}
          rowAddress={({ instanceId }) => at(`instances/${instanceId}/network`)}
          columns={[
            { key: "instance", header: t("networks.instance"), primary: true, cell: ({ instanceName }) => instanceName },
            { key: "ipv4", header: t("networks.address"), cell: ({ ipv4 }) => <code>{ipv4}</code>, sort: ({ ipv4 }) => ipv4 },
            { key: "dns", header: t("networks.dnsName"), width: "minmax(160px, 2fr)", cell: ({ dnsName }) => dnsName },
            { key: "floating", header: t("networks.floating"), cell: ({ floatingAddress }) => floatingAddress ?? "–" },
            { key: "mac", header: "MAC", optional: true, cell: ({ macAddress }) => <code>{macAddress}</code> },
          ]}
          empty={<EmptyState picture="server" title={t("networks.nobody")} />}
        />
      </Section>
      {may && <Settings key={network.revision} network={network} />}
    </>
  );
}

function Settings({ network }: { network: Network }) {
  const t = useT();
  const form = useForm({
    initial: {
      name: network.name,
      description: network.description,
      dnsServers: network.dnsServers,
      internet: network.internet,
      routed: network.routed,
    },
    submit: async (values) => {
      await callApi("networkUpdate", { network: network.id, ...values });
      await invalidate(queries, ["networkGet", "networkList"]);
    },
  });
  return (
    <Section title={t("networks.settings")}>
      <form onSubmit={form.onSubmit} noValidate>
        <Stack gap="md" maw={520}>
          <FormProblem>{form.problem}</FormProblem>
          <TextInput label={t("ui.name")} {...form.field("name")} />
          <TextInput label={t("networks.description")} {...form.field("description")} />
          <TagsInput
            label={t("networks.dnsServers")}
            description={t("networks.dnsServersText")}
            value={form.values.dnsServers}
            maxTags={3}
            onChange={(servers) => form.set("dnsServers", servers)}
          />
          <Switch
            label={t("networks.internet")}
            description={t("networks.internetText")}
            checked={form.values.internet}
            onChange={(event) => form.set("internet", event.currentTarget.checked)}
          />
          <Switch
            label={t("networks.routed")}
            description={t("networks.routedText")}
            checked={form.values.routed}
            onChange={(event) => form.set("routed", event.currentTarget.checked)}
          />
          <Group>
            <Button type="submit" loading={form.sending}>
              {t("ui.save")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Section>
  );
}
