import { Group, NumberInput, Select, Switch, TextInput } from "@mantine/core";
import { useState } from "react";
import type { AlertMetric, AlertRule } from "../../../services/compute/watch/contract.ts";
import { callApi, useApiList } from "../../api/api.ts";
import { useProject } from "../../frame/identity.ts";
import { useT } from "../../i18n/i18n.ts";
import { ApiHint } from "../../ui/ApiHint.tsx";
import { CopyField } from "../../ui/CopyField.tsx";
import { FormDialog } from "../../ui/FormDialog.tsx";
import { required, useForm } from "../../ui/form.ts";
import { SecretOnce } from "../../ui/SecretOnce.tsx";
import { isPercent } from "./conditions.ts";

const metrics: AlertMetric[] = [
  "cpu_percent",
  "memory_percent",
  "disk_percent",
  "volume_percent",
  "network_received_bytes_per_second",
  "network_sent_bytes_per_second",
  "not_running",
];
const megabyte = 1_000_000;

export function AlertRuleDialog(props: { rule: AlertRule | undefined; onClose: () => void; onDone: () => Promise<void> }) {
  const t = useT();
  const project = useProject();
  const { rule } = props;
  const instances = useApiList("instanceList", { project: project.id });
  const [secret, setSecret] = useState<string>();
  const unit = (metric: AlertMetric) => (isPercent(metric) ? 1 : megabyte);
  const form = useForm({
    initial: {
      name: rule?.name ?? "",
      metric: rule?.metric ?? ("cpu_percent" as AlertMetric),
      comparison: rule?.comparison ?? ("above" as "above" | "below"),
      threshold: rule ? rule.threshold / unit(rule.metric) : 90,
      forMinutes: (rule?.forSeconds ?? 300) / 60,
      scope: rule ? (rule.scope.kind === "instance" ? (rule.scope.instanceId as string) : rule.scope.kind) : "all",
      label: rule?.scope.kind === "label" ? (rule.scope.value ? `${rule.scope.key}=${rule.scope.value}` : rule.scope.key) : "",
      webhook: rule?.webhook?.url ?? "",
      enabled: rule?.enabled ?? true,
    },
    checks: {
      name: required,
      label: (label, all) => ((all as { scope: string }).scope === "label" && label === "" ? t("ui.required") : undefined),
      webhook: (url) => (url === "" || /^https?:\/\//.test(url) ? undefined : t("watch.rule.webhookRules")),
    },
    submit: async () => {
      const answer = await (rule
        ? callApi("alertRuleUpdate", { alertRule: rule.id, ...request } as never)
        : callApi("alertRuleCreate", { project: project.id, ...request } as never));
      await props.onDone();
      if (answer.webhookSecret) setSecret(answer.webhookSecret);
      else props.onClose();
    },
  });
  const { values } = form;
  const [key = "", ...rest] = values.label.split("=");
  const request = {
    name: values.name,
    metric: values.metric,
    ...(values.metric === "not_running"
      ? {}
      : { comparison: values.comparison, threshold: values.threshold * unit(values.metric) }),
    forSeconds: Math.round(values.forMinutes * 60),
    scope:
      values.scope === "all"
        ? { kind: "all" }
        : values.scope === "label"
          ? { kind: "label", key, ...(rest.length > 0 ? { value: rest.join("=") } : {}) }
          : { kind: "instance", instanceId: values.scope },
    enabled: values.enabled,
    ...(values.webhook && values.webhook !== rule?.webhook?.url ? { webhook: { url: values.webhook } } : {}),
    ...(rule?.webhook && values.webhook === "" ? { webhook: null } : {}),
  };
  if (secret) {
    return (
      <SecretOnce title={t("watch.rule.secret")} text={t("watch.rule.secretText")} onClose={props.onClose}>
        <CopyField label={t("watch.rule.secret")} value={secret} secret />
      </SecretOnce>
    );
  }
  return (
    <FormDialog
      opened
      onClose={props.onClose}
      size="lg"
      title={rule ? t("watch.rule.edit", { name: rule.name }) : t("watch.rule.create")}
      form={form}
      action={rule ? t("ui.save") : t("watch.rule.create")}
      hint={rule ? undefined : <ApiHint route="alertRuleCreate" args={{ project: project.id, ...request }} />}
    >
      <TextInput label={t("ui.name")} data-autofocus {...form.field("name")} />
      <Select
        label={t("watch.rule.metric")}
        allowDeselect={false}
        data={metrics.map((value) => ({ value, label: t(`watch.metric.${value}`) }))}
        {...form.choice("metric")}
      />
      {values.metric !== "not_running" && (
        <Group grow align="flex-start">
          <Select
            label={t("watch.rule.comparison")}
            allowDeselect={false}
            data={(["above", "below"] as const).map((value) => ({ value, label: t(`watch.comparison.${value}`) }))}
            {...form.choice("comparison")}
          />
          <NumberInput
            label={t("watch.rule.threshold")}
            min={0}
            suffix={isPercent(values.metric) ? " %" : " MB/s"}
            value={values.threshold}
            onChange={(value) => form.set("threshold", Number(value))}
          />
        </Group>
      )}
      <NumberInput
        label={t("watch.rule.for")}
        description={t("watch.rule.forText")}
        min={0}
        max={1440}
        value={values.forMinutes}
        onChange={(value) => form.set("forMinutes", Number(value))}
      />
      <Select
        label={t("watch.rule.scope")}
        allowDeselect={false}
        searchable
        data={[
          { value: "all", label: t("watch.scope.all") },
          { value: "label", label: t("watch.scope.label") },
          ...(instances.rows ?? []).map(({ id, name }) => ({ value: id as string, label: name })),
        ]}
        {...form.choice("scope")}
      />
      {values.scope === "label" && (
        <TextInput label={t("watch.scope.label")} placeholder="env=production" {...form.field("label")} />
      )}
      <TextInput
        label={t("watch.rule.webhook")}
        description={t("watch.rule.webhookText")}
        placeholder="https://"
        inputMode="url"
        {...form.field("webhook")}
      />
      <Switch
        label={t("watch.rule.enabled")}
        checked={values.enabled}
        onChange={(event) => form.set("enabled", event.currentTarget.checked)}
      />
    </FormDialog>
  );
}
