import { ActionIcon, Button, Group, NumberInput, Select, Stack, Text, TextInput } from "@mantine/core";
import { IconPlus, IconX } from "@tabler/icons-react";
import type { LoadBalancer } from "../../../services/compute/networks/edge/contract.ts";
import { callApi, invalidate, useApiList } from "../../api/api.ts";
import { useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { useForm } from "../../ui/form.ts";

interface Member {
  instance: string;
  targetPort: number;
  weight: number;
}

export function LoadBalancerDialog({
  balancer,
  may,
  onClose,
}: {
  balancer: LoadBalancer | undefined;
  may: boolean;
  onClose: () => void;
}) {
  const t = useT();
  const project = useProject();
  const instances = useApiList("instanceList", { project: project.id });
  const addresses = useApiList("addressList", { project: project.id });
  const networks = useApiList("networkList", { project: project.id });
  const form = useForm({
    initial: {
      name: balancer?.name ?? "",
      listen: "host",
      listenPort: (balancer?.listenPort ?? 8080) as number | "",
      algorithm: balancer?.algorithm ?? ("round_robin" as LoadBalancer["algorithm"]),
      members: (balancer?.members.map(({ instanceId, targetPort, weight }) => ({ instance: instanceId, targetPort, weight })) ??
        []) as Member[],
      intervalSeconds: balancer?.check.intervalSeconds ?? 5,
      failures: balancer?.check.failures ?? 3,
    },
    checks: { name: (name) => (/^[a-z]([a-z0-9-]*[a-z0-9])?$/.test(name) ? undefined : t("networks.nameRules")) },
    submit: async () => {
      await (balancer
        ? callApi("loadBalancerUpdate", { loadBalancer: balancer.id, ...shared } as never)
        : callApi("loadBalancerCreate", request as never));
      await invalidate(queries, ["loadBalancerList", "addressList"]);
      onClose();
    },
  });
  const { values } = form;
  const shared = {
    name: values.name,
    algorithm: values.algorithm,
    members: values.members.filter(({ instance }) => instance !== ""),
    check: { intervalSeconds: values.intervalSeconds, failures: values.failures },
  };
  const [kind, id] = values.listen.split(":");
  const request = {
    project: project.id,
    ...shared,
    ...(kind === "address" ? { address: id } : kind === "network" ? { network: id } : {}),
    ...(values.listenPort === "" ? {} : { listenPort: values.listenPort }),
  };
  const change = (index: number, to: Partial<Member>) =>
    form.set(
      "members",
      values.members.map((member, at) => (at === index ? { ...member, ...to } : member)),
    );
  return (
    <FormDialog
      opened
      onClose={onClose}
      size="lg"
      title={balancer ? t("networks.balancer.edit", { name: balancer.name }) : t("networks.balancer.create")}
      text={t("networks.balancer.createText")}
      form={form}
      action={balancer ? t("ui.save") : t("networks.balancer.create")}
      disabled={!may}
      hint={balancer ? undefined : <ApiHint route="loadBalancerCreate" args={request} />}
    >
      <TextInput label={t("ui.name")} description={t("networks.nameRules")} data-autofocus {...form.field("name")} />
      {!balancer && (
        <Group grow align="flex-start">
          <Select
            label={t("networks.balancer.listens")}
            allowDeselect={false}
            data={[
              { value: "host", label: t("networks.balancer.onHost") },
              ...(addresses.rows ?? [])
                .filter(({ portId }) => portId === undefined)
                .map(({ id: address, address: label }) => ({ value: `address:${address}`, label })),
              ...(networks.rows ?? []).map(({ id: network, name }) => ({
                value: `network:${network}`,
                label: t("networks.balancer.inNetwork", { name }),
              })),
            ]}
            {...form.choice("listen")}
            onChange={(to) => {
              form.set("listen", to ?? "host");
              // Below 1024 only where the address is its own.
              if (values.listenPort === 8080 && to !== "host") form.set("listenPort", 80);
              if (values.listenPort === 80 && to === "host") form.set("listenPort", 8080);
            }}
          />
          <NumberInput
            label={t("networks.balancer.port")}
            placeholder={t("networks.forward.free")}
            description={values.listen === "host" ? t("networks.balancer.hostPort") : undefined}
            min={1}
            max={65_535}
            value={values.listenPort}
            onChange={(value) => form.set("listenPort", value === "" ? "" : Number(value))}
          />
        </Group>
      )}
      <Stack gap="xs">
        <Text size="sm" fw={500}>
          {t("networks.balancer.members")}
        </Text>
        <Text size="sm" c="dimmed">
          {t("networks.balancer.membersText")}
        </Text>
        {values.members.map((member, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: rows of a form have no id
          <Group key={index} gap="xs" wrap="nowrap" align="flex-end">
            <Select
              style={{ flex: 2 }}
              aria-label={t("networks.instance")}
              placeholder={t("networks.instance")}
              searchable
              data={(instances.rows ?? []).map(({ id: one, name }) => ({ value: one, label: name }))}
              value={member.instance || null}
              onChange={(instance) => change(index, { instance: instance ?? "" })}
            />
            <NumberInput
              style={{ flex: 1 }}
              aria-label={t("networks.forward.targetPort")}
              min={1}
              max={65_535}
              value={member.targetPort}
              onChange={(value) => change(index, { targetPort: Number(value) })}
            />
            <ActionIcon
              variant="subtle"
              color="gray"
              size={36}
              aria-label={t("networks.balancer.removeMember")}
              onClick={() =>
                form.set(
                  "members",
                  values.members.filter((_, at) => at !== index),
                )
              }
            >
              <IconX size={16} />
            </ActionIcon>
          </Group>
        ))}
        <Group>
          <Button
            variant="default"
            size="xs"
            leftSection={<IconPlus size={14} aria-hidden />}
            onClick={() => form.set("members", [...values.members, { instance: "", targetPort: 80, weight: 1 }])}
          >
            {t("networks.balancer.addMember")}
          </Button>
        </Group>
      </Stack>
      <Select
        label={t("networks.balancer.algorithm")}
        allowDeselect={false}
        data={(["round_robin", "least_connections", "source"] as const).map((value) => ({
          value,
          label: t(`networks.algorithm.${value}`),
        }))}
        {...form.choice("algorithm")}
      />
      <Group grow>
        <NumberInput
          label={t("networks.balancer.interval")}
          min={1}
          max={300}
          value={values.intervalSeconds}
          onChange={(value) => form.set("intervalSeconds", Number(value) || 5)}
        />
        <NumberInput
          label={t("networks.balancer.failures")}
          min={1}
          max={10}
          value={values.failures}
          onChange={(value) => form.set("failures", Number(value) || 3)}
        />
      </Group>
    </FormDialog>
  );
}
