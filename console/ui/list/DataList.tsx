// biome-ignore-all lint/a11y/useSemanticElements: rows lie on a CSS grid and are virtualised, which table elements cannot do
// biome-ignore-all lint/a11y/useFocusableInteractive: a table is for reading; what acts in it is focusable
import { Alert, Button } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { useNavigate } from "@tanstack/react-router";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useContext, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { errorText } from "../../api/errors.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { EmptyState } from "../EmptyState.tsx";
import { InSection } from "../Section.tsx";
import css from "./DataList.module.css";
import { useListKeys } from "./keyboard.ts";
import { ListHead } from "./ListHead.tsx";
import { ListRow, SkeletonRow } from "./ListRow.tsx";
import { ListTools } from "./ListTools.tsx";
import { useChosenColumns, useListState } from "./state.ts";
import type { BulkAction, Column, Filter, RowAction } from "./types.ts";

export interface ListRows<T> {
  /** Undefined while loading. */
  rows: T[] | undefined;
  error?: unknown;
  hasMore?: boolean;
  loadMore?: () => void;
  loadingMore?: boolean;
}

export interface DataListProps<T> {
  /** Names the list for screen readers, and in the store of chosen columns (`id`). */
  id: string;
  label: string;
  /** As `useApiList` gives it; of what is known already, its rows are enough. */
  list: ListRows<T>;
  rowKey: (row: T) => string;
  rowName: (row: T) => string;
  columns: Column<T>[];
  /** The words of a row to search in, here in the browser. `"server"`: the page asks the API with `useListState().words`. */
  search?: ((row: T) => string) | "server";
  filters?: Filter<T>[];
  /** Where a row leads, or what it does. */
  rowAddress?: (row: T) => string | undefined;
  onOpen?: (row: T) => void;
  rowActions?: (row: T) => RowAction[];
  bulkActions?: BulkAction<T>[];
  /** What stands here while there is nothing at all. */
  empty: ReactNode;
  /** More controls beside the search. */
  tools?: ReactNode;
}

const usualWidth = "minmax(112px, 1fr)";
const rowHeight = 48;
const virtualFrom = 80;

/** The narrowest that a column of this width may be, in pixels. */
const narrowest = (width = usualWidth) => Number.parseInt(width.replace("minmax(", ""), 10);
/** The same column, at least as wide as its widest cell asks for. */
const growing = (width = usualWidth) => `minmax(auto, ${/, (.*)\)$/.exec(width)?.[1] ?? width})`;

export function DataList<T>(props: DataListProps<T>) {
  const t = useT();
  const format = useFormat();
  const navigate = useNavigate();
  const phone = useMediaQuery("(max-width: 820px)", matchMedia("(max-width: 820px)").matches) ?? false;
  const state = useListState();
  const search = useRef<HTMLInputElement>(null);
  const body = useRef<HTMLDivElement>(null);
  const [chosen, setChosen] = useState<Set<string>>(new Set());
  const [cursor, setCursor] = useState(-1);
  const [hidden, toggleColumn] = useChosenColumns(
    props.id,
    props.columns.filter(({ optional }) => optional).map(({ key }) => key),
  );
  const columns = props.columns.filter(({ key, primary }) => primary || !hidden.has(key));
  const filters = props.filters ?? [];
  const active = filters.filter(({ key }) => state.filter(key) !== undefined);

  const {
    list: { rows: given, error, hasMore, loadMore, loadingMore },
    search: searchText,
  } = props;
  const words = state.words.toLocaleLowerCase();
  const rows = useMemo(() => {
    if (given === undefined) return undefined;
    let list = given;
    if (words && typeof searchText === "function")
      list = list.filter((row) => searchText(row).toLocaleLowerCase().includes(words));
    for (const { key, fits } of filters) {
      const value = state.filter(key);
      if (value !== undefined && fits) list = list.filter((row) => fits(row, value));
    }
    const by = state.sort && props.columns.find(({ key }) => key === state.sort?.key)?.sort;
    if (by) {
      const sign = state.sort?.descending ? -1 : 1;
      list = [...list].sort((a, b) => {
        const [left, right] = [by(a), by(b)];
        if (left === undefined || right === undefined) return left === right ? 0 : left === undefined ? 1 : -1;
        if (typeof left === "number" && typeof right === "number") return sign * (left - right);
        return sign * format.compare(String(left), String(right));
      });
    }
    return list;
  }, [given, words, searchText, filters, state, props.columns, format]);

  const virtual = (rows?.length ?? 0) > virtualFrom;
  const [offset, setOffset] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: measured anew when what stands above may have changed
  useLayoutEffect(() => {
    if (body.current) setOffset(body.current.getBoundingClientRect().top + scrollY);
  }, [rows === undefined, phone]);
  const virtualizer = useWindowVirtualizer({
    count: rows?.length ?? 0,
    estimateSize: () => (phone ? 96 : rowHeight),
    overscan: 12,
    scrollMargin: offset,
    enabled: virtual,
  });

  const visible = virtual ? virtualizer.getVirtualItems() : [];
  const last = virtual ? (visible.at(-1)?.index ?? 0) : (rows?.length ?? 0);
  useEffect(() => {
    if (hasMore && !loadingMore && rows !== undefined && last >= rows.length - 20) loadMore?.();
  }, [hasMore, loadingMore, last, rows, loadMore]);

  const selectable = (props.bulkActions?.length ?? 0) > 0;
  const toggle = (key: string) => {
    const next = new Set(chosen);
    if (!next.delete(key)) next.add(key);
    setChosen(next);
  };
  const open = (row: T) => {
    const to = props.rowAddress?.(row);
    if (to !== undefined) void navigate({ to });
    else props.onOpen?.(row);
  };
  useListKeys({
    count: rows?.length ?? 0,
    cursor,
    move: (to) => {
      setCursor(to);
      if (virtual) virtualizer.scrollToIndex(to, { align: "auto" });
      else body.current?.children[to]?.scrollIntoView({ block: "nearest" });
    },
    toggle: (index) => selectable && rows?.[index] && toggle(props.rowKey(rows[index])),
    open: (index) => rows?.[index] && open(rows[index]),
    search,
    clear: () => {
      setChosen(new Set());
      setCursor(-1);
    },
  });

  const embedded = useContext(InSection);
  // In a section the rows speak for themselves; what is chosen among them still needs its actions.
  const hasTools = !embedded || props.search !== undefined || filters.length > 0 || props.tools !== undefined || chosen.size > 0;
  const narrowed = state.words !== "" || active.length > 0;
  if (given?.length === 0 && !narrowed && !hasMore) return <>{props.empty}</>;

  const selectedRows = (rows ?? []).filter((row) => chosen.has(props.rowKey(row)));
  const hasActions = props.rowActions !== undefined;
  // Rows that are all there share their columns, which then grow by what must not be cut; virtual ones know only themselves.
  const shared = !phone && !virtual;
  const tracks = [
    // What a row leaves free at its sides is a part of its outermost columns where these are the table's (subgrid).
    ...(selectable ? [shared ? "36px" : "20px"] : []),
    ...columns.map(({ width }) => (shared ? growing(width) : (width ?? usualWidth))),
    ...(hasActions ? [shared ? "60px" : "44px"] : []),
  ].join(" ");
  const renderRow = (row: T, index: number, place?: { start: number; measure: (node: HTMLElement | null) => void }) => {
    const key = props.rowKey(row);
    return (
      <ListRow
        key={key}
        row={row}
        index={index}
        name={props.rowName(row)}
        columns={columns}
        narrowest={shared ? columns.map(({ width }) => narrowest(width)) : undefined}
        phone={phone}
        address={props.rowAddress?.(row)}
        onOpen={props.onOpen ? () => props.onOpen?.(row) : undefined}
        actions={props.rowActions}
        selectable={selectable}
        selected={chosen.has(key)}
        onSelect={() => toggle(key)}
        cursor={index === cursor}
        place={place}
      />
    );
  };

  return (
    <div style={{ "--list-tracks": tracks } as React.CSSProperties} data-embedded={embedded || undefined} className={css.list}>
      {hasTools && (
        <ListTools
          state={state}
          searchRef={search}
          searchable={props.search !== undefined}
          filters={filters}
          columns={props.columns}
          hidden={hidden}
          onToggleColumn={toggleColumn}
          selected={selectedRows}
          bulkActions={props.bulkActions}
          onClearSelection={() => setChosen(new Set())}
          count={rows && !hasMore ? rows.length : undefined}
          phone={phone}
          tools={props.tools}
        />
      )}
      {error != null && given === undefined ? (
        <Alert color="red" role="alert" title={t("ui.errorTitle")}>
          {errorText(error)}
        </Alert>
      ) : (
        <div
          role="table"
          aria-label={props.label}
          aria-rowcount={rows && !hasMore ? rows.length + 1 : -1}
          className={css.table}
          data-shared={shared || undefined}
        >
          <ListHead
            columns={columns}
            state={state}
            selectable={selectable}
            hasActions={hasActions}
            allSelected={rows !== undefined && rows.length > 0 && selectedRows.length === rows.length}
            someSelected={selectedRows.length > 0}
            onSelectAll={() =>
              setChosen(selectedRows.length === rows?.length ? new Set() : new Set(rows?.map((row) => props.rowKey(row))))
            }
          />
          <div
            role="rowgroup"
            ref={body}
            className={css.body}
            aria-busy={rows === undefined}
            style={virtual ? { height: virtualizer.getTotalSize(), position: "relative" } : undefined}
          >
            {rows === undefined
              ? [1, 2, 3, 4, 5].map((index) => (
                  <SkeletonRow key={index} columns={columns} selectable={selectable} hasActions={hasActions} />
                ))
              : virtual
                ? visible.map((item) =>
                    renderRow(rows[item.index] as T, item.index, {
                      start: item.start - offset,
                      measure: virtualizer.measureElement,
                    }),
                  )
                : rows.map((row, index) => renderRow(row, index))}
          </div>
        </div>
      )}
      {rows?.length === 0 && narrowed && !hasMore && (
        <EmptyState
          picture="search"
          title={t("ui.nothingFits")}
          text={t("ui.nothingFitsText")}
          action={
            <Button variant="default" onClick={() => state.clear(filters.map(({ key }) => key))}>
              {t("ui.clearFilters")}
            </Button>
          }
        />
      )}
    </div>
  );
}
