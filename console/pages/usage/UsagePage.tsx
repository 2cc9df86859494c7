import { Alert, Button, Group, SegmentedControl, Select, Skeleton, TextInput } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { useMemo, useState } from "react";
import { client, useApi } from "../../api/api.ts";
import { errorText } from "../../api/errors.ts";
import { useCloud, useOrganisation } from "../../frame/identity.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { useListState } from "../../ui/list/state.ts";
import { PageHeader } from "../../ui/PageHeader.tsx";
import { toastError } from "../../ui/toast.ts";
import { csv, saveCsv } from "./csv.ts";
import { rank } from "./meters.ts";
import { type PeriodChoice, periodBefore, periodOf } from "./period.ts";
import { ResourceUsage } from "./ResourceUsage.tsx";
import { UsageMeters } from "./UsageMeters.tsx";
import css from "./usage.module.css";

const choices: PeriodChoice[] = ["month", "last7", "last30", "custom"];

export default function UsagePage() {
  const t = useT();
  const format = useFormat();
  const organisation = useOrganisation();
  const cloud = useCloud();
  const address = useListState();
  const choice = choices.find((one) => one === address.filter("period")) ?? "month";
  const [from, to] = [address.filter("from"), address.filter("to")];
  const project = organisation.projects.find(({ slug }) => slug === address.filter("project"));
  // Held for a minute's page, so that a render does not ask anew.
  const [now] = useState(() => new Date());
  const period = useMemo(() => periodOf(choice, now, { from, to }), [choice, now, from, to]);
  const place = { organisation: organisation.id, ...(project ? { project: project.id } : {}) };
  const range = (of: typeof period) => ({ from: of.from.toISOString(), to: of.to.toISOString(), step: of.step });
  const usage = useApi("usageSummarize", { ...place, ...range(period) }, { keepPrevious: true, refetchInterval: 60_000 });
  const before = useApi("usageSummarize", { ...place, ...range(periodBefore(period)) }, { keepPrevious: true });

  const series = [...(usage.data?.series ?? [])].sort((a, b) => rank(a.meter) - rank(b.meter));
  const nothing = usage.data !== undefined && series.every(({ total }) => Number(total) === 0);
  const last = new Date(period.to.getTime() - 1);

  return (
    <>
      <PageHeader
        title={t("usage.title")}
        text={t("usage.text")}
        actions={<ExportButton args={{ ...place, from: range(period).from, to: range(period).to }} disabled={nothing} />}
      />
      <Group gap="sm" mb="md" align="flex-end">
        <SegmentedControl
          className={css.periods}
          aria-label={t("usage.period")}
          value={choice}
          onChange={(value) =>
            address.set({
              period: value === "month" ? undefined : value,
              from: value === "custom" ? period.from.toISOString().slice(0, 10) : undefined,
              to: value === "custom" ? last.toISOString().slice(0, 10) : undefined,
            })
          }
          data={choices.map((value) => ({ value, label: t(`usage.period.${value}`) }))}
        />
        {choice === "custom" && (
          <>
            <TextInput
              type="date"
              aria-label={t("usage.from")}
              value={period.from.toISOString().slice(0, 10)}
              max={now.toISOString().slice(0, 10)}
              onChange={(event) => event.currentTarget.value && address.set({ from: event.currentTarget.value })}
            />
            <TextInput
              type="date"
              aria-label={t("usage.to")}
              value={last.toISOString().slice(0, 10)}
              min={period.from.toISOString().slice(0, 10)}
              max={now.toISOString().slice(0, 10)}
              onChange={(event) => event.currentTarget.value && address.set({ to: event.currentTarget.value })}
            />
          </>
        )}
        {organisation.projects.length > 1 && (
          <Select
            aria-label={t("usage.project")}
            w={220}
            value={project?.slug ?? ""}
            onChange={(value) => address.set({ project: value || undefined })}
            data={[
              { value: "", label: t("usage.allProjects") },
              ...organisation.projects.map(({ slug, name }) => ({ value: slug, label: name })),
            ]}
          />
        )}
      </Group>
      <p className={css.range}>
        {t("usage.range", { from: format.date(new Date(period.from.getTime() + noon)), to: format.date(last) })}
      </p>
      {usage.error && !usage.data ? (
        <Alert color="red" role="alert" title={t("ui.errorTitle")}>
          {errorText(usage.error)}
        </Alert>
      ) : !usage.data ? (
        <div className={css.meters} aria-busy="true">
          <Skeleton height={300} />
          <Skeleton height={300} />
          <Skeleton height={300} />
        </div>
      ) : nothing ? (
        <EmptyState
          picture="chart"
          title={t("usage.empty")}
          text={t("usage.emptyText")}
          command={cloud ? `aws --endpoint-url ${cloud.s3.endpoint} s3 cp report.pdf s3://my-bucket/` : undefined}
        />
      ) : (
        <>
          <UsageMeters usage={usage.data} series={series} before={before.data} period={period} now={now} />
          <ResourceUsage rows={usage.data.byResource} period={period} now={now} />
          <p className={css.units}>{t("usage.units")}</p>
        </>
      )}
    </>
  );
}

/** Periods are days of UTC; shown in any time zone their noon is the same day. */
const noon = 12 * 3_600_000;

type ExportArgs = Parameters<typeof client.usageRecordList>[0];

/** All single facts of the period, as far as there are; thousands of them come page by page. */
function ExportButton({ args, disabled }: { args: ExportArgs; disabled: boolean }) {
  const t = useT();
  const [count, setCount] = useState<number>();
  const run = async () => {
    setCount(0);
    try {
      const chunks = [
        csv([["id", "from", "to", "meter", "quantity", "unit", "resource_kind", "resource_id", "resource_name", "project_id"]]),
      ];
      let rows = 0;
      for await (const page of client.pages("usageRecordList", { ...args, limit: 1000 })) {
        chunks.push(
          csv(
            page.items.map((record) => [
              record.id,
              record.from,
              record.to,
              record.meter,
              record.quantity,
              record.unit,
              record.resource.kind,
              record.resource.id,
              record.resource.name,
              record.projectId,
            ]),
          ),
        );
        rows += page.items.length;
        setCount(rows);
      }
      saveCsv(`khmara-usage-${String(args.from).slice(0, 10)}-${String(args.to).slice(0, 10)}.csv`, chunks);
    } catch (error) {
      toastError(error);
    } finally {
      setCount(undefined);
    }
  };
  return (
    <Button
      variant="default"
      disabled={disabled || count !== undefined}
      leftSection={<IconDownload size={16} aria-hidden />}
      onClick={() => void run()}
    >
      {count === undefined ? t("usage.export") : t("usage.exporting", { count })}
    </Button>
  );
}
