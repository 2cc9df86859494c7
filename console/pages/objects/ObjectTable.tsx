import { ActionIcon, Checkbox, Tooltip } from "@mantine/core";
import { IconArrowDown, IconArrowUp, IconDots } from "@tabler/icons-react";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import {
  type ComponentProps,
  type DragEvent,
  type MouseEvent,
  type RefObject,
  useEffect,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
import type { ObjectEntry } from "../../../services/objects/contract.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import css from "./browser.module.css";
import { FileIcon } from "./FileIcon.tsx";
import { parentOf } from "./keys.ts";
import type { Sort, SortKey } from "./listing.ts";
import type { Modifiers, Selection } from "./selection.ts";

export interface EntriesProps {
  entries: ObjectEntry[];
  selection: Selection;
  /** In search results each hit says in which folder it is. */
  showFolder: string | undefined;
  /** Thumbnails and drops need to know where the entries are. */
  bucket: string;
  readOnly: boolean;
  sort: Sort;
  onSort: (by: SortKey) => void;
  onClick: (key: string, modifiers: Modifiers) => void;
  onToggle: (key: string) => void;
  onToggleAll: () => void;
  onOpen: (entry: ObjectEntry) => void;
  onMenu: (entry: ObjectEntry, at: { x: number; y: number }) => void;
  /** Starts a drag of the selection, or of this entry alone when it is not in it. */
  onDragStart: (event: DragEvent, entry: ObjectEntry) => void;
  onDropInto: (event: DragEvent, folder: ObjectEntry) => void;
  hasMore: boolean;
  onLoadMore: () => void;
  scrollTo: RefObject<((index: number) => void) | null>;
  rowId: (key: string) => string;
}

export const modifiersOf = (event: MouseEvent): Modifiers => ({ shift: event.shiftKey, toggle: event.ctrlKey || event.metaKey });

/** A virtualised grid cannot be a <table>: its parts say what they are by role. */
export const Part = (props: ComponentProps<"div">) => <div {...props} />;

/** How far from the top of the page a list begins: what the window's virtualizer must know. */
export function useOffsetTop(ref: RefObject<HTMLElement | null>): number {
  const [offset, setOffset] = useState(0);
  // After every render: what stands above the list may have grown.
  useLayoutEffect(() => {
    const top = ref.current ? Math.round(ref.current.getBoundingClientRect().top + window.scrollY) : 0;
    if (top !== offset) setOffset(top);
  });
  return offset;
}

/** What stands over the list while it scrolls: the top bar, the tools and the head; at the end the bar of a phone. */
export const hiddenEdges = { scrollPaddingStart: 144, scrollPaddingEnd: 80 };

/** Asks for the next page before the person has reached the end of this one. */
export function useLoadAhead(lastIndex: number | undefined, count: number, hasMore: boolean, onLoadMore: () => void): void {
  useEffect(() => {
    if (hasMore && lastIndex !== undefined && lastIndex >= count - 100) onLoadMore();
  }, [lastIndex, count, hasMore, onLoadMore]);
}

/** Folders take what is dragged onto them; the class shows it. */
export function useDropTarget(onDrop: (event: DragEvent, folder: ObjectEntry) => void) {
  const [over, setOver] = useState<string>();
  return {
    over,
    props: (entry: ObjectEntry) =>
      entry.kind === "folder"
        ? {
            onDragOver: (event: DragEvent) => {
              event.preventDefault();
              event.stopPropagation();
              if (over !== entry.key) setOver(entry.key);
            },
            onDragLeave: () => setOver(undefined),
            onDrop: (event: DragEvent) => {
              event.preventDefault();
              event.stopPropagation();
              setOver(undefined);
              onDrop(event, entry);
            },
          }
        : {},
  };
}

export function ObjectTable(props: EntriesProps) {
  const { entries, selection, sort } = props;
  const t = useT();
  const format = useFormat();
  const body = useRef<HTMLDivElement>(null);
  const offset = useOffsetTop(body);
  const narrow = window.matchMedia("(max-width: 820px)").matches;
  const rowHeight = narrow ? 60 : 44;
  const rows = useWindowVirtualizer({
    count: entries.length,
    estimateSize: () => rowHeight,
    overscan: 12,
    scrollMargin: offset,
    ...hiddenEdges,
  });
  const virtual = rows.getVirtualItems();
  useLoadAhead(virtual.at(-1)?.index, entries.length, props.hasMore, props.onLoadMore);
  const drop = useDropTarget(props.onDropInto);
  useEffect(() => {
    props.scrollTo.current = (index) => rows.scrollToIndex(index, { align: "auto" });
  }, [rows, props.scrollTo]);

  const all = entries.length > 0 && selection.selected.size === entries.length;
  const header = (by: SortKey, label: string, className?: string) => (
    <Part
      role="columnheader"
      aria-sort={sort.by === by ? (sort.descending ? "descending" : "ascending") : "none"}
      className={className}
    >
      <button type="button" className={css.sortButton} data-active={sort.by === by || undefined} onClick={() => props.onSort(by)}>
        {label}
        {sort.by === by && (sort.descending ? <IconArrowDown size={14} aria-hidden /> : <IconArrowUp size={14} aria-hidden />)}
      </button>
    </Part>
  );

  return (
    <>
      <Part role="row" aria-rowindex={1} className={css.head}>
        <Part role="columnheader" className={css.checkCell}>
          <Checkbox
            size="xs"
            radius={4}
            tabIndex={-1}
            aria-label={t("objects.select.all")}
            checked={all}
            indeterminate={!all && selection.selected.size > 0}
            onChange={props.onToggleAll}
          />
        </Part>
        {header("name", t("objects.column.name"), css.nameCell)}
        {header("size", t("objects.column.size"), css.sizeCell)}
        {header("modified", t("objects.column.modified"), css.dateCell)}
        <Part role="columnheader" className={css.menuCell}>
          <span className={css.hiddenText}>{t("objects.column.actions")}</span>
        </Part>
      </Part>
      <div ref={body} role="presentation" style={{ height: rows.getTotalSize(), position: "relative" }}>
        {virtual.map((item) => {
          const entry = entries[item.index] as ObjectEntry;
          const selected = selection.selected.has(entry.key);
          const folder = entry.kind === "folder";
          return (
            <Part
              key={entry.key}
              id={props.rowId(entry.key)}
              role="row"
              aria-rowindex={item.index + 2}
              aria-selected={selected}
              className={css.row}
              data-cursor={selection.cursor === entry.key || undefined}
              data-over={drop.over === entry.key || undefined}
              style={{ transform: `translateY(${item.start - offset}px)`, height: rowHeight }}
              draggable={!props.readOnly}
              onDragStart={(event) => props.onDragStart(event, entry)}
              onClick={(event) => props.onClick(entry.key, modifiersOf(event))}
              onDoubleClick={() => props.onOpen(entry)}
              onContextMenu={(event) => {
                event.preventDefault();
                props.onMenu(entry, { x: event.clientX, y: event.clientY });
              }}
              {...drop.props(entry)}
            >
              <Part role="gridcell" className={css.checkCell}>
                <Checkbox
                  size="xs"
                  radius={4}
                  tabIndex={-1}
                  aria-label={t("objects.select.one", { name: entry.name })}
                  checked={selected}
                  onClick={(event) => event.stopPropagation()}
                  onChange={() => props.onToggle(entry.key)}
                />
              </Part>
              <Part role="gridcell" className={css.nameCell}>
                <FileIcon entry={entry} size={narrow ? 26 : 20} />
                <span className={css.nameText}>
                  <button
                    type="button"
                    tabIndex={-1}
                    className={css.name}
                    title={entry.name}
                    onClick={(event) => {
                      if (event.shiftKey || event.ctrlKey || event.metaKey) return;
                      event.stopPropagation();
                      props.onOpen(entry);
                    }}
                  >
                    {entry.name}
                  </button>
                  {props.showFolder !== undefined && (
                    <span className={css.where}>{parentOf(entry.key).slice(0, -1) || t("objects.top")}</span>
                  )}
                  {!folder && (
                    <span className={css.phoneMeta}>
                      {format.bytes(entry.sizeBytes ?? 0)}
                      {entry.modifiedAt ? ` · ${format.date(entry.modifiedAt)}` : ""}
                    </span>
                  )}
                </span>
              </Part>
              <Part role="gridcell" className={css.sizeCell}>
                {folder ? "" : format.bytes(entry.sizeBytes ?? 0)}
              </Part>
              <Part
                role="gridcell"
                className={css.dateCell}
                title={entry.modifiedAt ? format.exact(entry.modifiedAt) : undefined}
              >
                {entry.modifiedAt ? format.dateTime(entry.modifiedAt) : ""}
              </Part>
              <Part role="gridcell" className={css.menuCell}>
                <Tooltip label={t("objects.menu.more")}>
                  <ActionIcon
                    variant="subtle"
                    color="gray"
                    tabIndex={-1}
                    aria-label={t("objects.menu.of", { name: entry.name })}
                    onClick={(event) => {
                      event.stopPropagation();
                      const box = event.currentTarget.getBoundingClientRect();
                      props.onMenu(entry, { x: box.left, y: box.bottom });
                    }}
                  >
                    <IconDots size={18} aria-hidden />
                  </ActionIcon>
                </Tooltip>
              </Part>
            </Part>
          );
        })}
      </div>
    </>
  );
}
