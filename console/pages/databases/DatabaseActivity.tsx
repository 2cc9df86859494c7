import { Code, Modal } from "@mantine/core";
import { IconCode, IconPlugConnectedX } from "@tabler/icons-react";
import { useState } from "react";
import type { DatabaseSession } from "../../../services/databases/watching/contract.ts";
import { type Answer, callApi, invalidate, useApi, useApiList } from "../../api/api.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ConfirmDestroy } from "../../ui/ConfirmDestroy.tsx";
import { CopyButton } from "../../ui/CopyField.tsx";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { DataList } from "../../ui/list/DataList.tsx";
import { Section } from "../../ui/Section.tsx";
import { StatusBadge, type Tone } from "../../ui/StatusBadge.tsx";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import type { DatabaseTabProps } from "./DatabasePage.tsx";
import css from "./sql.module.css";

type Statement = Answer<"databaseStatementList">["items"][number];
const tones: Record<DatabaseSession["state"], Tone> = {
  active: "busy",
  idle: "off",
  idle_in_transaction: "warn",
  idle_in_failed_transaction: "bad",
  other: "off",
};
const refreshMs = 5000;

/** Who is connected and what they do now, and which statements took the most time so far. */
export default function DatabaseActivity({ database, may }: DatabaseTabProps) {
  const t = useT();
  const format = useFormat();
  const sessions = useApi("databaseSessionList", { database: database.id, limit: 200 }, { refetchInterval: refreshMs });
  const statements = useApiList("databaseStatementList", { database: database.id }, { limit: 50 });
  const [ending, setEnding] = useState<DatabaseSession>();
  const [reading, setReading] = useState<string>();
  const milliseconds = (value: number) =>
    value < 1000 ? t("sql.milliseconds", { amount: format.small(value) }) : format.duration(value);
  const read = (query: string | undefined) => ({
    label: t("sql.readStatement"),
    icon: IconCode,
    disabledReason: query === undefined ? "–" : undefined,
    onClick: () => setReading(query),
  });
  return (
    <>
      <Section title={t("sql.sessions")} text={t("sql.sessionsText")} flush>
        <DataList
          id="database-sessions"
          label={t("sql.sessions")}
          list={{ rows: sessions.data?.items, error: sessions.error }}
          rowKey={({ pid }) => String(pid)}
          rowName={({ pid, user }) => `${user ?? ""} ${pid}`}
          columns={[
            {
              key: "user",
              header: t("sql.user"),
              primary: true,
              width: "minmax(120px, 1fr)",
              cell: ({ user, pid }) => (
                <>
                  {user ?? "–"} <span className={css.muted}>{pid}</span>
                </>
              ),
            },
            {
              key: "state",
              header: t("databases.state"),
              width: "minmax(128px, 1fr)",
              cell: ({ state, blockedBy }) => (
                <StatusBadge tone={blockedBy.length > 0 ? "bad" : tones[state]}>
                  {blockedBy.length > 0 ? t("sql.blockedBy", { pids: blockedBy.join(", ") }) : t(`sql.session.${state}`)}
                </StatusBadge>
              ),
            },
            {
              key: "query",
              header: t("sql.statement"),
              width: "minmax(180px, 2.4fr)",
              cell: ({ query, waitsFor }) => (
                <span className={css.oneLine} title={waitsFor}>
                  <code>{query ?? "–"}</code>
                </span>
              ),
            },
            {
              key: "since",
              header: t("sql.since"),
              width: "minmax(104px, 1fr)",
              cell: ({ queryStartedAt, startedAt }) => <TimeAgo at={queryStartedAt ?? startedAt} />,
            },
            {
              key: "client",
              header: t("sql.client"),
              width: "minmax(120px, 1fr)",
              cell: ({ application, address }) => [application, address].filter(Boolean).join(" · ") || "–",
            },
          ]}
          rowActions={(session: DatabaseSession) => [
            read(session.query),
            ...(may ? [{ label: t("sql.end"), icon: IconPlugConnectedX, danger: true, onClick: () => setEnding(session) }] : []),
          ]}
          empty={<EmptyState picture="people" title={t("sql.noSessions")} text={t("sql.noSessionsText")} />}
        />
      </Section>
      <Section title={t("sql.slow")} text={t("sql.slowText")} flush>
        <DataList
          id="database-statements"
          label={t("sql.slow")}
          list={{ ...statements, rows: statements.rows?.map((row, index) => ({ ...row, index })) }}
          rowKey={({ index }) => String(index)}
          rowName={({ query }) => query.slice(0, 80)}
          onOpen={({ query }) => setReading(query)}
          columns={[
            {
              key: "query",
              header: t("sql.statement"),
              primary: true,
              width: "minmax(220px, 4fr)",
              cell: ({ query }) => (
                <span className={css.oneLine}>
                  <code>{query.replaceAll(/\s+/g, " ")}</code>
                </span>
              ),
            },
            {
              key: "total",
              header: t("sql.total"),
              align: "right",
              cell: ({ totalMilliseconds }) => milliseconds(totalMilliseconds),
              sort: ({ totalMilliseconds }) => totalMilliseconds,
            },
            {
              key: "mean",
              header: t("sql.mean"),
              align: "right",
              cell: ({ meanMilliseconds }) => milliseconds(meanMilliseconds),
              sort: ({ meanMilliseconds }) => meanMilliseconds,
            },
            {
              key: "most",
              header: t("sql.slowest"),
              align: "right",
              cell: ({ maxMilliseconds }) => milliseconds(maxMilliseconds),
              sort: ({ maxMilliseconds }) => maxMilliseconds,
            },
            {
              key: "calls",
              header: t("sql.calls"),
              align: "right",
              width: "minmax(88px, 1fr)",
              cell: ({ calls }) => format.number(calls),
              sort: ({ calls }) => calls,
            },
            {
              key: "rows",
              header: t("sql.rows"),
              align: "right",
              optional: true,
              cell: ({ rows }: Statement) => format.number(rows),
              sort: ({ rows }: Statement) => rows,
            },
            { key: "user", header: t("sql.user"), optional: true, cell: ({ user }: Statement) => user ?? "–" },
          ]}
          empty={<EmptyState picture="chart" title={t("sql.noSlow")} text={t("sql.noSlowText")} />}
        />
      </Section>
      {ending && (
        <ConfirmDestroy
          opened
          onClose={() => setEnding(undefined)}
          title={t("sql.endTitle", { user: ending.user ?? String(ending.pid) })}
          text={t("sql.endText")}
          action={t("sql.end")}
          onConfirm={async () => {
            await callApi("databaseSessionTerminate", { database: database.id, pid: ending.pid });
            await invalidate(queries, ["databaseSessionList"]);
          }}
        />
      )}
      <Modal
        opened={reading !== undefined}
        onClose={() => setReading(undefined)}
        title={t("sql.statement")}
        size="lg"
        closeButtonProps={{ "aria-label": t("ui.close") }}
      >
        <div className={css.reading}>
          <Code block>{reading}</Code>
          <CopyButton value={reading ?? ""} />
        </div>
      </Modal>
    </>
  );
}
