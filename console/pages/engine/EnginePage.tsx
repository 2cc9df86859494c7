import { Alert, Button, Group, Progress, Skeleton, Text } from "@mantine/core";
import { IconHeartbeat, IconLogout2, IconRotate } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { lazy, type ReactNode, Suspense, useState } from "react";
import type { Difference, DifferenceAction, EngineMember } from "../../../services/compute/engine/contract.ts";
import { callApi, client, invalidate, useApi, useApiList } from "../../api/api.ts";
import { useCan } from "../../frame/identity.ts";
import { NotFoundPage } from "../../frame/NotFoundPage.tsx";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { DataList } from "../../ui/list/DataList.tsx";
import { Facts, Section } from "../../ui/Section.tsx";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { toastDone, toastError } from "../../ui/toast.ts";
import { CloudHeader } from "../cloud/CloudHeader.tsx";
import { EngineNotice } from "../compute/EngineNotice.tsx";
import charts from "../watch/charts.module.css";
import { SpanChoice } from "../watch/SpanChoice.tsx";
import { useSpan } from "../watch/span.ts";

const MetricChart = lazy(() => import("../watch/MetricChart.tsx"));
const refresh = () => invalidate(queries, ["engineGet", "engineMemberList", "differenceList"]);

export default function EnginePage() {
  const t = useT();
  const admin = useCan("cloud")("admin");
  if (!admin) return <NotFoundPage />;
  return (
    <>
      <CloudHeader
        actions={
          <Button
            variant="default"
            leftSection={<IconHeartbeat size={16} aria-hidden />}
            onClick={() =>
              void callApi("engineReconcile", {} as never)
                .then(({ differences }) => {
                  toastDone(differences === 0 ? t("engine.compared") : t("engine.differ", { count: differences }));
                  return refresh();
                })
                .catch(toastError)
            }
          >
            {t("engine.compare")}
          </Button>
        }
      />
      <EngineNotice />
      <Capacity />
      <Load />
      <Members />
      <Differences />
    </>
  );
}

function Capacity() {
  const t = useT();
  const format = useFormat();
  const engine = useApi("engineGet", {}, { refetchInterval: 30_000 }).data;
  if (engine === undefined) return <Skeleton height={200} mb="lg" />;
  if (!engine.available) return null;
  const { capacity } = engine;
  const bar = (label: string, part: number, whole: number, words: string) => (
    <div>
      <Group justify="space-between" gap="sm">
        <Text size="sm" fw={500}>
          {label}
        </Text>
        <Text size="sm" c="dimmed">
          {words}
        </Text>
      </Group>
      <Progress
        value={whole > 0 ? Math.min(Math.round((part / whole) * 1000) / 10, 100) : 0}
        color={part > whole * 0.9 ? "orange" : "sky"}
        aria-label={label}
      />
    </div>
  );
  return (
    <Section title={t("engine.capacity")} text={t("engine.capacityText")}>
      <div style={{ display: "grid", gap: 16 }}>
        {capacity && (
          <>
            {bar(
              t("engine.cpus"),
              capacity.promised.vcpus,
              capacity.cpus,
              t("engine.promised", { promised: format.number(capacity.promised.vcpus), all: format.number(capacity.cpus) }),
            )}
            {bar(
              t("engine.memory"),
              capacity.memoryUsedBytes,
              capacity.memoryBytes,
              t("engine.usedOf", {
                used: format.memory(capacity.memoryUsedBytes),
                all: format.memory(capacity.memoryBytes),
                promised: format.memory(capacity.promised.memoryBytes),
              }),
            )}
            {bar(
              t("engine.pool", { name: capacity.pool.name }),
              capacity.pool.usedBytes,
              capacity.pool.totalBytes,
              t("engine.usedOf", {
                used: format.memory(capacity.pool.usedBytes),
                all: format.memory(capacity.pool.totalBytes),
                promised: format.memory(capacity.promised.diskBytes),
              }),
            )}
          </>
        )}
        <Facts
          items={[
            [t("engine.software"), `${engine.kind === "incus" ? "Incus" : "LXD"} ${engine.version ?? ""}`],
            [
              t("engine.containers"),
              engine.kinds?.container.available ? t("engine.yes") : (engine.kinds?.container.reason ?? "–"),
            ],
            [t("engine.vms"), engine.kinds?.vm.available ? t("engine.yes") : (engine.kinds?.vm.reason ?? "–")],
            [t("engine.networks"), engine.network.available ? t("engine.yes") : (engine.network.reason ?? "–")],
            ...(capacity
              ? [
                  [
                    t("engine.instances"),
                    t("engine.running", {
                      running: format.number(capacity.promised.runningInstances),
                      all: format.number(capacity.promised.instances),
                    }),
                  ] as [string, string],
                ]
              : []),
          ]}
        />
      </div>
    </Section>
  );
}

function Load() {
  const t = useT();
  const format = useFormat();
  const { span, setSpan, seconds, refreshMs } = useSpan();
  const metrics = useQuery({
    queryKey: ["engineMetricsGet", span],
    queryFn: () => client.engineMetricsGet({ from: new Date(Date.now() - seconds * 1000).toISOString() } as never),
    refetchInterval: refreshMs,
  });
  const points = metrics.data?.points ?? [];
  if (metrics.error || (metrics.data && !points.some(({ cpuPercent }) => cpuPercent !== undefined))) return null;
  const at = points.map((point) => point.at);
  const shared = {
    at,
    stepSeconds: metrics.data?.stepSeconds ?? 10,
    most: 100,
    format: (value: number) => format.percent(value / 100),
  };
  return (
    <Section title={t("engine.load")} actions={<SpanChoice value={span} onChange={setSpan} />}>
      <div className={charts.charts} style={{ marginTop: 0 }}>
        <Figure title={t("engine.loadOfCpus")}>
          <MetricChart
            {...shared}
            lines={[{ name: t("engine.cpus"), color: "sky.6", values: points.map(({ cpuPercent }) => cpuPercent) }]}
          />
        </Figure>
        <Figure title={t("engine.loadOfRoom")}>
          <MetricChart
            {...shared}
            lines={[
              { name: t("engine.memory"), color: "grape.6", values: points.map(({ memoryPercent }) => memoryPercent) },
              { name: t("engine.storage"), color: "indigo.5", values: points.map(({ poolPercent }) => poolPercent) },
            ]}
          />
        </Figure>
      </div>
    </Section>
  );
}

function Figure({ title, children }: { title: string; children: ReactNode }) {
  return (
    <figure className={charts.chart} style={{ margin: 0 }}>
      <figcaption>{title}</figcaption>
      <Suspense fallback={<Skeleton height={200} />}>{children}</Suspense>
    </figure>
  );
}

function Members() {
  const t = useT();
  const format = useFormat();
  const members = useApiList("engineMemberList", {});
  const [leaving, setLeaving] = useState<EngineMember>();
  const reason = (member: EngineMember, action: "evacuate" | "restore") =>
    member.allowedActions.includes(action) ? undefined : t("engine.member.why");
  return (
    <Section title={t("engine.members")} text={t("engine.membersText")} flush>
      <DataList
        id="members"
        label={t("engine.members")}
        list={members}
        rowKey={({ name }) => name}
        rowName={({ name }) => name}
        columns={[
          { key: "name", header: t("ui.name"), primary: true, cell: ({ name }) => name },
          {
            key: "state",
            header: t("engine.state"),
            phone: "bare",
            cell: ({ state, message, offlineSince }) => (
              <span title={message}>
                <StatusBadge tone={state === "online" ? "good" : state === "offline" ? "bad" : "warn"}>
                  {offlineSince ? `${t(`engine.member.${state}`)} ${format.timeAgo(offlineSince)}` : t(`engine.member.${state}`)}
                </StatusBadge>
              </span>
            ),
          },
          { key: "address", header: t("engine.address"), optional: true, cell: ({ address }) => address || "–" },
          {
            key: "instances",
            header: t("engine.instances"),
            align: "right",
            cell: ({ runningInstances, instances }) =>
              t("engine.running", { running: format.number(runningInstances), all: format.number(instances) }),
          },
          {
            key: "cpus",
            header: t("engine.cpus"),
            align: "right",
            cell: ({ vcpus, cpus }) => t("engine.promised", { promised: format.number(vcpus), all: format.number(cpus) }),
          },
          {
            key: "memory",
            header: t("engine.memory"),
            align: "right",
            cell: ({ memoryUsedBytes, memoryBytes }) => `${format.memory(memoryUsedBytes)} / ${format.memory(memoryBytes)}`,
          },
          {
            key: "disk",
            header: t("engine.storage"),
            align: "right",
            cell: ({ pool }) => `${format.memory(pool.usedBytes)} / ${format.memory(pool.totalBytes)}`,
          },
        ]}
        rowActions={(member: EngineMember) => [
          {
            label: t("engine.member.evacuate"),
            icon: IconLogout2,
            disabledReason: (members.rows?.length ?? 0) < 2 ? t("engine.member.alone") : reason(member, "evacuate"),
            onClick: () => setLeaving(member),
          },
          {
            label: t("engine.member.restore"),
            icon: IconRotate,
            disabledReason: reason(member, "restore"),
            onClick: () =>
              void callApi("engineMemberRestore", { member: member.name } as never)
                .then(refresh)
                .catch(toastError),
          },
        ]}
        empty={<EmptyState picture="server" title={t("engine.noMembers")} />}
      />
      {leaving && (
        <ConfirmDestroy
          opened
          onClose={() => setLeaving(undefined)}
          title={t("engine.member.evacuateTitle", { name: leaving.name })}
          text={t("engine.member.evacuateText", { count: leaving.runningInstances })}
          action={t("engine.member.evacuate")}
          onConfirm={async () => {
            await callApi("engineMemberEvacuate", { member: leaving.name } as never);
            await refresh();
          }}
        />
      )}
    </Section>
  );
}

function Differences() {
  const t = useT();
  const differences = useApiList("differenceList", { ignored: "false" } as never);
  const [repairing, setRepairing] = useState<{ difference: Difference; action: DifferenceAction }>();
  if (differences.error) return null;
  return (
    <Section title={t("engine.differences")} text={t("engine.differencesText")} flush={(differences.rows?.length ?? 0) > 0}>
      {differences.rows?.length === 0 ? (
        <Alert color="green">{t("engine.compared")}</Alert>
      ) : (
        <DataList
          id="differences"
          label={t("engine.differences")}
          list={differences}
          rowKey={({ id }) => id}
          rowName={({ resource }) => resource.name}
          columns={[
            { key: "what", header: t("engine.difference"), primary: true, cell: ({ resource }) => resource.name },
            {
              key: "kind",
              header: t("engine.difference.kind"),
              phone: "bare",
              cell: ({ kind }) => <StatusBadge tone="warn">{t(`engine.kind.${kind}`)}</StatusBadge>,
            },
            {
              key: "detail",
              header: t("engine.difference.detail"),
              phone: "bare",
              width: "minmax(240px, 3fr)",
              cell: ({ detail }) => detail,
            },
            { key: "since", header: t("engine.since"), cell: ({ firstSeenAt }) => <TimeAgo at={firstSeenAt} /> },
          ]}
          rowActions={(difference: Difference) => [
            ...difference.allowedActions.map((action) => ({
              label: t(`engine.repair.${action}`),
              danger: action === "delete" || action === "forget",
              onClick: () => setRepairing({ difference, action }),
            })),
            {
              label: t("engine.ignore"),
              onClick: () =>
                void callApi("differenceUpdate", { difference: difference.id, ignored: true }).then(refresh).catch(toastError),
            },
          ]}
          empty={<EmptyState picture="done" title={t("engine.compared")} />}
        />
      )}
      {repairing && (
        <ConfirmDestroy
          opened
          onClose={() => setRepairing(undefined)}
          title={t(`engine.repair.${repairing.action}.title`, { name: repairing.difference.resource.name })}
          text={t(`engine.repair.${repairing.action}.text`)}
          action={t(`engine.repair.${repairing.action}`)}
          onConfirm={async () => {
            await callApi("differenceRepair", { difference: repairing.difference.id, action: repairing.action });
            await refresh();
          }}
        />
      )}
    </Section>
  );
}
