import { Button } from "@mantine/core";
import { IconBellPlus, IconCheck, IconPencil, IconPlayerPlay, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { Alert, AlertRule } from "../../../services/compute/watch/contract.ts";
import { callApi, invalidate, useApiList } from "../../api/api.ts";
import { projectAddress } from "../../frame/address.ts";
import { useCan, useOrganisation, useProject } from "../../frame/identity.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { useAddressFlag } from "../../ui/addressFlag.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { DataList } from "../../ui/list/DataList.tsx";
import { useListState } from "../../ui/list/state.ts";
import { PageHeader } from "../../ui/PageHeader.tsx";
import { Section } from "../../ui/Section.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { toastDone, toastError } from "../../ui/toast.ts";
import { AlertRuleDialog } from "./AlertRuleDialog.tsx";
import { useConditionWords, useMetricFormat } from "./conditions.ts";

const refresh = () => invalidate(queries, ["alertRuleList", "alertList"]);

export default function AlertsPage() {
  const t = useT();
  const format = useFormat();
  const condition = useConditionWords();
  const metricFormat = useMetricFormat();
  const organisation = useOrganisation();
  const project = useProject();
  const may = useCan()("editor");
  const { filter } = useListState();
  const state = filter("state") as Alert["state"] | undefined;
  const [creating, setCreating] = useAddressFlag("new");
  const [editing, setEditing] = useState<AlertRule>();
  const [removing, setRemoving] = useState<AlertRule>();
  const rules = useApiList("alertRuleList", { project: project.id });
  const alerts = useApiList("alertList", { project: project.id, ...(state ? { state } : {}) });
  const create = may ? (
    <Button leftSection={<IconBellPlus size={16} aria-hidden />} onClick={() => setCreating(true)}>
      {t("watch.rule.create")}
    </Button>
  ) : undefined;
  const test = (rule: AlertRule) =>
    void callApi("alertRuleTest", { alertRule: rule.id } as never)
      .then((result) =>
        result.delivered
          ? toastDone(t("watch.rule.tested", { ms: format.number(result.durationMs) }))
          : toastError(result.message),
      )
      .catch(toastError);
  return (
    <>
      <PageHeader title={t("frame.nav.alerts")} text={t("watch.text")} actions={create} />
      <Section title={t("watch.alerts")} flush>
        <DataList
          id="alerts"
          label={t("watch.alerts")}
          list={alerts}
          rowKey={({ id }) => id}
          rowName={({ ruleName, instanceName }) => `${ruleName}, ${instanceName}`}
          rowAddress={({ instanceId }) => projectAddress(organisation.slug, project.slug, `instances/${instanceId}/metrics`)}
          filters={[
            {
              key: "state",
              label: t("watch.state"),
              options: (["firing", "resolved"] as const).map((value) => ({ value, label: t(`watch.state.${value}`) })),
            },
          ]}
          columns={[
            {
              key: "rule",
              header: t("watch.rule"),
              primary: true,
              width: "minmax(150px, 1.5fr)",
              cell: ({ ruleName }) => ruleName,
            },
            {
              key: "state",
              header: t("watch.state"),
              phone: "bare",
              cell: (alert) => (
                <StatusBadge tone={alert.state === "resolved" ? "good" : alert.acknowledgedAt ? "warn" : "bad"}>
                  {alert.state === "firing" && alert.acknowledgedAt
                    ? t("watch.state.acknowledged")
                    : t(`watch.state.${alert.state}`)}
                </StatusBadge>
              ),
            },
            { key: "instance", header: t("watch.instance"), cell: ({ instanceName }) => instanceName },
            {
              key: "value",
              header: t("watch.value"),
              align: "right",
              cell: ({ metric, worstValue }) => metricFormat(metric, worstValue),
            },
            { key: "fired", header: t("watch.firedAt"), cell: ({ firedAt }) => <TimeAgo at={firedAt} /> },
            {
              key: "lasted",
              header: t("watch.lasted"),
              cell: ({ firedAt, resolvedAt }) =>
                resolvedAt ? format.duration(Date.parse(resolvedAt) - Date.parse(firedAt)) : t("watch.goesOn"),
            },
          ]}
          {...(may
            ? {
                rowActions: (alert: Alert) => [
                  {
                    label: t("watch.acknowledge"),
                    icon: IconCheck,
                    disabledReason: alert.state !== "firing" || alert.acknowledgedAt ? t("watch.notFiring") : undefined,
                    onClick: () => void callApi("alertAcknowledge", { alert: alert.id }).then(refresh).catch(toastError),
                  },
                ],
              }
            : {})}
          empty={<EmptyState picture="done" title={t("watch.quiet")} text={t("watch.quietText")} />}
        />
      </Section>
      <Section title={t("watch.rules")} text={t("watch.rulesText")} flush>
        <DataList
          id="alert-rules"
          label={t("watch.rules")}
          list={rules}
          rowKey={({ id }) => id}
          rowName={({ name }) => name}
          onOpen={may ? setEditing : () => {}}
          columns={[
            { key: "name", header: t("ui.name"), primary: true, cell: ({ name }) => name },
            { key: "when", header: t("watch.rule.when"), width: "minmax(240px, 3fr)", cell: (rule) => condition(rule) },
            {
              key: "state",
              header: t("watch.state"),
              phone: "bare",
              cell: ({ enabled, firing }) => (
                <StatusBadge tone={!enabled ? "off" : firing > 0 ? "bad" : "good"}>
                  {!enabled ? t("watch.rule.off") : firing > 0 ? t("watch.firing", { count: firing }) : t("watch.rule.calm")}
                </StatusBadge>
              ),
            },
          ]}
          {...(may
            ? {
                rowActions: (rule: AlertRule) => [
                  { label: t("ui.edit"), icon: IconPencil, onClick: () => setEditing(rule) },
                  {
                    label: t("watch.rule.test"),
                    icon: IconPlayerPlay,
                    disabledReason: rule.webhook ? undefined : t("watch.rule.noWebhook"),
                    onClick: () => test(rule),
                  },
                  { label: t("watch.rule.delete"), icon: IconTrash, danger: true, onClick: () => setRemoving(rule) },
                ],
              }
            : {})}
          empty={<EmptyState picture="chart" title={t("watch.rules.empty")} text={t("watch.rules.emptyText")} action={create} />}
        />
      </Section>
      {(creating || editing) && (
        <AlertRuleDialog
          rule={editing}
          onClose={() => {
            setEditing(undefined);
            if (creating) setCreating(false);
          }}
          onDone={refresh}
        />
      )}
      {removing && (
        <ConfirmDestroy
          opened
          onClose={() => setRemoving(undefined)}
          title={t("watch.rule.deleteTitle", { name: removing.name })}
          text={t("watch.rule.deleteText")}
          action={t("watch.rule.delete")}
          onConfirm={async () => {
            await callApi("alertRuleDelete", { alertRule: removing.id });
            await refresh();
          }}
        />
      )}
    </>
  );
}
