import { ActionIcon, Checkbox } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { IconDots } from "@tabler/icons-react";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef, useState } from "react";
import type { ObjectEntry } from "../../../services/objects/contract.ts";
import { client } from "../../api/api.ts";
import { useT } from "../../i18n/i18n.ts";
import css from "./browser.module.css";
import { FileIcon } from "./FileIcon.tsx";
import { kindOf } from "./kinds.ts";
import { type EntriesProps, hiddenEdges, modifiersOf, Part, useDropTarget, useLoadAhead, useOffsetTop } from "./ObjectTable.tsx";

const rowHeight = 186;
/** A thumbnail is the picture itself: beyond this an icon is kinder to the line. */
const thumbnailBytes = 12 * 2 ** 20;

export function ObjectGrid(props: EntriesProps & { columns: (count: number) => void }) {
  const { entries, selection } = props;
  const t = useT();
  const { ref: measured, width } = useElementSize();
  const body = useRef<HTMLDivElement>(null);
  const offset = useOffsetTop(body);
  const columns = Math.max(2, Math.floor((width + 12) / (width < 600 ? 150 : 196)));
  const { columns: tellColumns } = props;
  useEffect(() => tellColumns(columns), [columns, tellColumns]);
  const rows = useWindowVirtualizer({
    count: Math.ceil(entries.length / columns),
    estimateSize: () => rowHeight,
    overscan: 3,
    scrollMargin: offset,
    ...hiddenEdges,
  });
  const virtual = rows.getVirtualItems();
  const lastRow = virtual.at(-1)?.index;
  useLoadAhead(lastRow === undefined ? undefined : (lastRow + 1) * columns, entries.length, props.hasMore, props.onLoadMore);
  const drop = useDropTarget(props.onDropInto);
  useEffect(() => {
    props.scrollTo.current = (index) => rows.scrollToIndex(Math.floor(index / columns), { align: "auto" });
  }, [rows, columns, props.scrollTo]);

  return (
    <div ref={measured} role="presentation">
      <div ref={body} role="presentation" style={{ height: rows.getTotalSize(), position: "relative" }}>
        {virtual.map((item) => (
          <Part
            key={item.key}
            role="row"
            aria-rowindex={item.index + 1}
            className={css.cards}
            style={{
              position: "absolute",
              inset: "0 0 auto 0",
              transform: `translateY(${item.start - offset}px)`,
              gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))`,
            }}
          >
            {entries.slice(item.index * columns, (item.index + 1) * columns).map((entry) => (
              <Part
                key={entry.key}
                id={props.rowId(entry.key)}
                role="gridcell"
                aria-selected={selection.selected.has(entry.key)}
                className={css.card}
                data-cursor={selection.cursor === entry.key || undefined}
                data-over={drop.over === entry.key || undefined}
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
                <div className={css.thumb}>
                  <Thumbnail bucket={props.bucket} entry={entry} />
                </div>
                <Checkbox
                  size="xs"
                  radius={4}
                  tabIndex={-1}
                  className={css.cardCheck}
                  aria-label={t("objects.select.one", { name: entry.name })}
                  checked={selection.selected.has(entry.key)}
                  onClick={(event) => event.stopPropagation()}
                  onChange={() => props.onToggle(entry.key)}
                />
                <div className={css.cardFoot}>
                  <FileIcon entry={entry} size={18} />
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
                </div>
              </Part>
            ))}
          </Part>
        ))}
      </div>
    </div>
  );
}

function Thumbnail({ bucket, entry }: { bucket: string; entry: ObjectEntry }) {
  const [broken, setBroken] = useState(false);
  const picture =
    entry.kind === "object" && kindOf(entry.name, entry.contentType) === "picture" && (entry.sizeBytes ?? 0) <= thumbnailBytes;
  if (!picture || broken) return <FileIcon entry={entry} size={48} />;
  return (
    <img
      // The name stands below it.
      alt=""
      loading="lazy"
      decoding="async"
      draggable={false}
      src={client.url("objectDownload", { bucket, key: entry.key, disposition: "inline" })}
      onError={() => setBroken(true)}
    />
  );
}
