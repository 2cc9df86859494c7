import { Alert, Button, CloseButton, Group, Select, Skeleton, TextInput } from "@mantine/core";
import { useDebouncedCallback, useIntersection } from "@mantine/hooks";
import { IconSearch } from "@tabler/icons-react";
import { useEffect, useMemo, useState } from "react";
import type { AuditEntry } from "../../../services/audit/contract.ts";
import { useApi, useApiList } from "../../api/api.ts";
import { errorText } from "../../api/errors.ts";
import { useOrganisation } from "../../frame/identity.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { useListState } from "../../ui/list/state.ts";
import { PageHeader } from "../../ui/PageHeader.tsx";
import { AuditEntryRow } from "./AuditEntryRow.tsx";
import css from "./audit.module.css";
import { ExportAudit } from "./ExportAudit.tsx";
import { VerifyButton } from "./VerifyButton.tsx";

const actions = [
  "compute.instance",
  "compute.volume",
  "compute.backup",
  "compute.image",
  "compute.network",
  "compute.security_group",
  "compute.address",
  "compute.job",
  "apps.app",
  "apps.domain",
  "objects.bucket",
  "objects.object",
  "objects.share",
  "identity.session",
  "identity.member",
  "identity.role_binding",
  "identity.invitation",
  "identity.access_key",
  "identity.service_account",
  "identity.project",
  "identity.organisation",
  "identity.quota",
  "operations.operation",
  "audit.entry",
] as const;
const times = ["1", "7", "30"] as const;
const day = 24 * 3_600_000;

export default function AuditPage() {
  const t = useT();
  const format = useFormat();
  const organisation = useOrganisation();
  const address = useListState();
  const [opened, setOpened] = useState<ReadonlySet<string>>(new Set());
  const filters = { action: address.filter("action"), actor: address.filter("actor"), resource: address.filter("resource") };
  const time = address.filter("time");
  // To the minute: a filter that moves with every render would ask without end.
  const minute = Math.floor(Date.now() / 60_000) * 60_000;
  const since = times.some((one) => one === time) ? new Date(minute - Number(time) * day).toISOString() : undefined;
  const [from] = useStable(since, time);
  const args = {
    organisation: organisation.id,
    ...(filters.action ? { action: filters.action } : {}),
    ...(filters.actor ? { actor: filters.actor } : {}),
    ...(filters.resource ? { resource: filters.resource } : {}),
    ...(address.words ? { search: address.words } : {}),
    ...(from ? { from } : {}),
  };
  const list = useApiList("auditEntryList", args, { limit: 100 });
  const members = useApi("memberList", { organisation: organisation.id, limit: 1000 });
  const narrowed = address.words !== "" || time !== undefined || Object.values(filters).some((value) => value !== undefined);
  const days = useMemo(() => byDay(list.rows ?? [], format.date), [list.rows, format]);
  const { ref: end, entry: seen } = useIntersection({ rootMargin: "600px" });
  const { hasMore, loadingMore, loadMore } = list;
  const atEnd = seen?.isIntersecting ?? false;
  useEffect(() => {
    if (atEnd && hasMore && !loadingMore) loadMore();
  }, [atEnd, hasMore, loadingMore, loadMore]);

  const people = (members.data?.items ?? []).map(({ principal }) => ({ value: principal.id, label: principal.name }));
  // Somebody who has left is still in the log, and in addresses that were sent around.
  if (filters.actor && !people.some(({ value }) => value === filters.actor)) {
    const known = list.rows?.find(({ actor }) => actor.id === filters.actor)?.actor.name;
    people.push({ value: filters.actor, label: known ?? filters.actor });
  }
  const clear = () => address.clear(["action", "actor", "resource", "time"]);
  const toggle = (id: string) => {
    const next = new Set(opened);
    if (!next.delete(id)) next.add(id);
    setOpened(next);
  };

  return (
    <>
      <PageHeader
        title={t("audit.title")}
        text={t("audit.text")}
        actions={
          <>
            <VerifyButton />
            <ExportAudit args={args} />
          </>
        }
      />
      <Group gap="sm" mb="md">
        <WordsInput value={address.words} onChange={(words) => address.set({ q: words || undefined })} />
        <Select
          w={200}
          clearable
          searchable
          aria-label={t("audit.action")}
          placeholder={t("audit.action")}
          value={filters.action ?? null}
          onChange={(value) => address.set({ action: value ?? undefined })}
          clearButtonProps={{ "aria-label": t("ui.clear") }}
          data={[...new Set([...actions, ...(filters.action ? [filters.action] : [])])].map((value) => ({
            value,
            label: actions.some((one) => one === value) ? t(`audit.about.${value as (typeof actions)[number]}`) : value,
          }))}
        />
        <Select
          w={200}
          clearable
          searchable
          aria-label={t("audit.actor")}
          placeholder={t("audit.actor")}
          value={filters.actor ?? null}
          onChange={(value) => address.set({ actor: value ?? undefined })}
          clearButtonProps={{ "aria-label": t("ui.clear") }}
          data={people}
        />
        <Select
          w={150}
          clearable
          aria-label={t("audit.time")}
          placeholder={t("audit.time")}
          value={time ?? null}
          onChange={(value) => address.set({ time: value ?? undefined })}
          clearButtonProps={{ "aria-label": t("ui.clear") }}
          data={times.map((value) => ({ value, label: t(`audit.time.${value}`) }))}
        />
        {filters.resource && (
          <span className={css.chip}>
            {t("audit.onlyResource", {
              id: list.rows?.find(({ resource }) => resource.id === filters.resource)?.resource.name ?? filters.resource,
            })}
            <CloseButton size="xs" aria-label={t("ui.clear")} onClick={() => address.set({ resource: undefined })} />
          </span>
        )}
      </Group>
      {list.error && !list.rows ? (
        <Alert color="red" role="alert" title={t("ui.errorTitle")}>
          {errorText(list.error)}
        </Alert>
      ) : !list.rows ? (
        <div aria-busy="true">
          {[70, 50, 60, 45, 65, 55].map((width) => (
            <Skeleton key={width} height={16} width={`${width}%`} my={24} />
          ))}
        </div>
      ) : list.rows.length === 0 ? (
        narrowed ? (
          <EmptyState
            picture="search"
            title={t("ui.nothingFits")}
            text={t("ui.nothingFitsText")}
            action={
              <Button variant="default" onClick={clear}>
                {t("ui.clearFilters")}
              </Button>
            }
          />
        ) : (
          <EmptyState picture="journal" title={t("audit.empty")} text={t("audit.emptyText")} command="khmara audit-entry list" />
        )
      ) : (
        <>
          {days.map(({ date, entries }) => (
            <section key={date} className={css.day} aria-label={date}>
              <h2>{date}</h2>
              <ul>
                {entries.map((entry) => (
                  <AuditEntryRow
                    key={entry.id}
                    entry={entry}
                    opened={opened.has(entry.id)}
                    onToggle={() => toggle(entry.id)}
                    onFilter={(change) => address.set(change)}
                  />
                ))}
              </ul>
            </section>
          ))}
          <div ref={end} className={css.end}>
            {loadingMore ? <Skeleton height={16} width="50%" /> : hasMore ? null : t("audit.end", { count: list.rows.length })}
          </div>
        </>
      )}
    </>
  );
}

/** Keeps the moment that a choice began with, until another choice is made. */
function useStable<T>(value: T, choice: string | undefined): [T] {
  const [kept, setKept] = useState({ value, choice });
  if (kept.choice === choice) return [kept.value];
  setKept({ value, choice });
  return [value];
}

function WordsInput({ value, onChange }: { value: string; onChange: (words: string) => void }) {
  const t = useT();
  const [words, setWords] = useState(value);
  const settle = useDebouncedCallback(onChange, 250);
  useEffect(() => setWords(value), [value]);
  return (
    <TextInput
      className={css.words}
      aria-label={t("audit.search")}
      placeholder={t("audit.search")}
      leftSection={<IconSearch size={15} stroke={1.8} aria-hidden />}
      value={words}
      onChange={(event) => {
        setWords(event.currentTarget.value);
        settle(event.currentTarget.value.trim());
      }}
    />
  );
}

function byDay(rows: AuditEntry[], dateOf: (at: string) => string): { date: string; entries: AuditEntry[] }[] {
  const days: { date: string; entries: AuditEntry[] }[] = [];
  for (const entry of rows) {
    const date = dateOf(entry.at);
    const last = days.at(-1);
    if (last?.date === date) last.entries.push(entry);
    else days.push({ date, entries: [entry] });
  }
  return days;
}
