import { Alert, Button, Group, Select, TextInput } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { lazy, Suspense } from "react";
import type { ReportGroup } from "../../../../services/voice/records/contract.ts";
import { useApi } from "../../../api/api.ts";
import { useFormat } from "../../../i18n/format.ts";
import { useLanguage, useT } from "../../../i18n/i18n.ts";
import { EmptyState } from "../../../ui/EmptyState.tsx";
import { ErrorPage } from "../../../ui/ErrorPage.tsx";
import { DataList } from "../../../ui/list/DataList.tsx";
import { useListState } from "../../../ui/list/state.ts";
import { PageSkeleton } from "../../../ui/PageSkeleton.tsx";
import { Section } from "../../../ui/Section.tsx";
import { csv, saveCsv } from "../../usage/csv.ts";
import css from "../phone.module.css";
import { PhonePage, type PhonePlace } from "../shared/PhonePage.tsx";
import { clock } from "../softphone/numbers.ts";
import { dayOf, ownSpan, type Span, spanStart, spans } from "./period.ts";

const ReportChart = lazy(() => import("./ReportChart.tsx"));
const groups = [
  "day",
  "hour",
  "weekday",
  "extension",
  "queue",
  "trunk",
  "country",
  "direction",
  "outcome",
] as const satisfies ReportGroup[];

export default function ReportsPage() {
  const t = useT();
  return (
    <PhonePage tab="reports" text={t("phoneRecords.reportsText")}>
      {(place) =>
        place.may ? <Report {...place} /> : <Alert color="gray">{t("ui.needsRole", { role: t("ui.role.editor") })}</Alert>
      }
    </PhonePage>
  );
}

function Report({ system }: PhonePlace) {
  const t = useT();
  const format = useFormat();
  const language = useLanguage();
  const state = useListState();
  const by = groups.find((one) => one === state.filter("by")) ?? "day";
  const span: Span | "own" = [...spans, "own" as const].find((one) => one === state.filter("span")) ?? "month";
  // On the hour, as its beginning: the same question is not asked anew with every look.
  const hour = Math.ceil(Date.now() / 3_600_000) * 3_600_000;
  const today = dayOf(Date.now(), system.timeZone);
  const days = { from: state.filter("from") ?? today, to: state.filter("to") ?? today };
  const own =
    span === "own" ? (ownSpan(days.from, days.to, system.timeZone) ?? ownSpan(today, today, system.timeZone)) : undefined;
  const usual = span === "own" ? "day" : span;
  const range = own ?? { from: spanStart(usual, hour) ?? "", to: new Date(hour).toISOString() };
  const report = useApi("phoneReportGet", { phoneSystem: system.id, by, ...range }, { keepPrevious: true });
  if (report.error && !report.data) return <ErrorPage error={report.error} reset={() => void report.refetch()} />;
  if (!report.data) return <PageSkeleton />;
  const { total, lines } = report.data;
  const words = (line: { key: string; name?: string | undefined }): string => {
    if (line.name) return line.name;
    if (by === "day") return format.date(`${line.key}T12:00:00Z`);
    if (by === "hour") return `${line.key.padStart(2, "0")}:00`;
    if (by === "weekday")
      return new Intl.DateTimeFormat(language, { weekday: "long", timeZone: "UTC" }).format(
        new Date((3 + Number(line.key)) * 86_400_000),
      );
    if (by === "direction") return t(`phoneRecords.direction.${line.key as "inbound"}`);
    if (by === "outcome") return t(`phoneRecords.outcome.${line.key as "missed"}`);
    if (by === "country" && /^[A-Z]{2}$/.test(line.key))
      return new Intl.DisplayNames([language], { type: "region" }).of(line.key) ?? line.key;
    return line.key === "" ? t("phoneRecords.withoutOne") : line.key;
  };
  const money = (amount: string) => format.money(Number(amount), system.currency);
  // Figures without words, so that a spreadsheet can add them up.
  const table = [
    ["group", "calls", "answered", "answered_percent", "talk_seconds", "average_wait_seconds", "price", "currency"],
    ...lines.map((line) => [
      by === "day" ? line.key : words(line),
      ...[line.calls, line.answered, line.answeredPercent, line.talkSeconds, line.averageWaitSeconds, line.price],
      system.currency,
    ]),
  ];
  const tiles: [string, string][] = [
    [t("phoneRecords.calls"), format.number(total.calls)],
    [t("phoneRecords.answered"), format.percent(total.answeredPercent / 100)],
    [t("phoneRecords.averageTalk"), clock(total.averageTalkSeconds * 1000)],
    [t("phoneRecords.averageWait"), clock(total.averageWaitSeconds * 1000)],
    ...(total.serviceLevelPercent === undefined
      ? []
      : ([[t("phoneRecords.serviceLevel"), format.percent(total.serviceLevelPercent / 100)]] as [string, string][])),
    [t("phoneRecords.price"), money(total.price)],
  ];
  return (
    <>
      <Group gap="sm" mb="lg">
        <Select
          aria-label={t("phoneRecords.by")}
          value={by}
          onChange={(value) => state.set({ by: value ?? undefined })}
          data={groups.map((value) => ({ value, label: t(`phoneRecords.by.${value}`) }))}
        />
        <Select
          aria-label={t("phoneRecords.period")}
          value={span}
          onChange={(value) => {
            const chosen = value === "own" ? { from: dayOf(Date.parse(range.from), system.timeZone), to: today } : undefined;
            state.set({ span: value ?? undefined, from: chosen?.from, to: chosen?.to });
          }}
          data={[...spans, "own" as const].map((value) => ({ value, label: t(`phoneRecords.span.${value}`) }))}
        />
        {span === "own" && (
          <>
            <TextInput
              type="date"
              aria-label={t("phoneRecords.firstDay")}
              value={days.from}
              max={days.to}
              onChange={(event) => event.currentTarget.value && state.set({ from: event.currentTarget.value })}
            />
            <TextInput
              type="date"
              aria-label={t("phoneRecords.lastDay")}
              value={days.to}
              min={days.from}
              max={today}
              onChange={(event) => event.currentTarget.value && state.set({ to: event.currentTarget.value })}
            />
          </>
        )}
        <Button
          variant="default"
          disabled={lines.length === 0}
          leftSection={<IconDownload size={16} aria-hidden />}
          onClick={() => saveCsv(`${t("phone.tab.reports")} ${dayOf(Date.parse(range.from), system.timeZone)}.csv`, [csv(table)])}
        >
          {t("phoneRecords.downloadReport")}
        </Button>
      </Group>
      <div className={css.tiles}>
        {tiles.map(([label, value]) => (
          <div key={label} className={css.tile}>
            <small>{label}</small>
            <b>{value}</b>
          </div>
        ))}
      </div>
      {lines.length > 0 && (
        <Section title={t("phoneRecords.chart")}>
          <Suspense fallback={<PageSkeleton />}>
            <ReportChart
              lines={lines.map((line) => ({ name: words(line), answered: line.answered, rest: line.calls - line.answered }))}
            />
          </Suspense>
        </Section>
      )}
      <DataList
        id="phone-report"
        label={t("phone.tab.reports")}
        list={{ rows: lines }}
        rowKey={({ key }) => key}
        rowName={words}
        columns={[
          { key: "name", header: t(`phoneRecords.by.${by}`), primary: true, width: "minmax(140px, 1.4fr)", cell: words },
          {
            key: "calls",
            header: t("phoneRecords.calls"),
            align: "right",
            cell: ({ calls }) => format.number(calls),
            sort: ({ calls }) => calls,
          },
          {
            key: "answered",
            header: t("phoneRecords.answered"),
            align: "right",
            cell: ({ answeredPercent }) => format.percent(answeredPercent / 100),
            sort: ({ answeredPercent }) => answeredPercent,
          },
          {
            key: "talk",
            header: t("phoneRecords.talk"),
            align: "right",
            cell: ({ talkSeconds }) => clock(talkSeconds * 1000),
            sort: ({ talkSeconds }) => talkSeconds,
          },
          {
            key: "wait",
            header: t("phoneRecords.averageWait"),
            align: "right",
            cell: ({ averageWaitSeconds }) => clock(averageWaitSeconds * 1000),
          },
          {
            key: "price",
            header: t("phoneRecords.price"),
            align: "right",
            cell: ({ price }) => money(price),
            sort: ({ price }) => Number(price),
          },
        ]}
        empty={<EmptyState picture="search" title={t("phoneRecords.noCalls")} text={t("phoneRecords.noCallsText")} />}
      />
    </>
  );
}
