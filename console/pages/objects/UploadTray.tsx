import { ActionIcon, Button, CloseButton, Progress, Tooltip } from "@mantine/core";
import {
  IconAlertTriangle,
  IconCheck,
  IconChevronDown,
  IconChevronUp,
  IconPlayerPause,
  IconPlayerPlay,
  IconRefresh,
  IconX,
} from "@tabler/icons-react";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { errorText } from "../../api/errors.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { ConflictDialog } from "./ConflictDialog.tsx";
import { FileIcon } from "./FileIcon.tsx";
import { nameOf, parentOf } from "./keys.ts";
import css from "./UploadTray.module.css";
import { type UploadItem, type UploadsSnapshot, unfinishedStates } from "./upload.ts";
import { uploads } from "./uploads.ts";

const rowHeight = 52;

export function UploadTray() {
  const t = useT();
  const snapshot = useSyncExternalStore(uploads.subscribe, uploads.snapshot);
  const [opened, setOpened] = useState(true);
  const { items, counts } = snapshot;
  const conflicts = items.filter(({ state }) => state === "conflict");
  const busy = unfinishedStates.some((state) => counts[state] > 0);
  const running = counts.sending + counts.waiting + counts.retrying > 0;
  const tray = useRoomBelow();
  if (items.length === 0) return null;
  return (
    <>
      <section ref={tray} className={css.tray} aria-label={t("objects.tray")}>
        <header className={css.header}>
          <Summary snapshot={snapshot} busy={busy} />
          {running && <TrayButton label={t("objects.tray.pauseAll")} icon={IconPlayerPause} act={uploads.pauseAll} />}
          {!running && counts.paused + counts.failed > 0 && (
            <TrayButton label={t("objects.tray.resumeAll")} icon={IconPlayerPlay} act={uploads.resumeAll} />
          )}
          <TrayButton
            label={opened ? t("objects.tray.fold") : t("objects.tray.unfold")}
            icon={opened ? IconChevronDown : IconChevronUp}
            act={() => setOpened(!opened)}
            expanded={opened}
          />
          {!busy && <CloseButton aria-label={t("ui.close")} onClick={() => uploads.clear()} />}
        </header>
        {busy && (
          <Progress
            className={css.total}
            radius={0}
            size={3}
            value={snapshot.totalBytes > 0 ? (snapshot.sentBytes / snapshot.totalBytes) * 100 : 0}
            color={counts.paused > 0 && !running ? "gray" : "sky"}
            aria-label={t("objects.tray.total")}
          />
        )}
        {opened && <Items items={items} />}
        {opened && busy && (
          <footer className={css.footer}>
            <Button size="compact-sm" variant="subtle" color="gray" c="var(--k-muted)" onClick={uploads.cancelAll}>
              {t("objects.tray.cancelAll")}
            </Button>
          </footer>
        )}
      </section>
      <Announcement snapshot={snapshot} busy={busy} />
      {conflicts[0] && <ConflictDialog item={conflicts[0]} others={sameBatch(items, conflicts[0])} />}
    </>
  );
}

/** The page gets as much room below as the tray covers, so that the last rows of a list can be scrolled out from under it. */
function useRoomBelow() {
  return useCallback((tray: HTMLElement | null) => {
    if (!tray) return;
    const root = document.documentElement.style;
    const observer = new ResizeObserver(() => root.setProperty("--k-covered", `${tray.offsetHeight + 24}px`));
    observer.observe(tray);
    return () => {
      observer.disconnect();
      root.removeProperty("--k-covered");
    };
  }, []);
}

/** How many of the same drop may meet the same question. */
const sameBatch = (items: readonly UploadItem[], item: UploadItem) =>
  items.filter(({ batch, state, id }) => batch === item.batch && id !== item.id && unfinishedStates.includes(state)).length;

function Summary({ snapshot, busy }: { snapshot: UploadsSnapshot; busy: boolean }) {
  const t = useT();
  const format = useFormat();
  const { counts, totalBytes, sentBytes, bytesPerSecond } = snapshot;
  const all = snapshot.items.length - counts.cancelled - counts.skipped;
  const running = counts.sending + counts.waiting > 0;
  const left = bytesPerSecond > 0 ? ((totalBytes - sentBytes) / bytesPerSecond) * 1000 : undefined;
  const title = busy
    ? running || counts.retrying > 0
      ? t("objects.tray.sending", { done: counts.done, count: all })
      : counts.conflict > 0
        ? t("objects.tray.asking")
        : t("objects.tray.paused")
    : counts.failed > 0
      ? t("objects.tray.failed", { count: counts.failed })
      : counts.done > 0
        ? t("objects.tray.done", { count: counts.done })
        : t("objects.tray.cancelled");
  return (
    <div className={css.summary}>
      <b>{title}</b>
      <small>
        {counts.retrying > 0 && !running
          ? t("objects.tray.offline")
          : running
            ? [
                t("objects.tray.bytes", { sent: format.bytes(sentBytes), total: format.bytes(totalBytes) }),
                bytesPerSecond > 0 ? t("objects.tray.speed", { speed: format.bytes(bytesPerSecond) }) : "",
                left !== undefined && left > 2000 ? t("objects.tray.left", { time: format.duration(left) }) : "",
              ]
                .filter(Boolean)
                .join(" · ")
            : format.bytes(sentBytes)}
      </small>
    </div>
  );
}

/** Only what ended is said aloud: progress several times a second would drown everything else. */
function Announcement({ snapshot: { counts }, busy }: { snapshot: UploadsSnapshot; busy: boolean }) {
  const t = useT();
  const words = busy
    ? ""
    : counts.failed > 0
      ? t("objects.tray.failed", { count: counts.failed })
      : counts.done > 0
        ? t("objects.tray.done", { count: counts.done })
        : "";
  return (
    <div role="status" className={css.aloud}>
      {words}
    </div>
  );
}

function Items({ items }: { items: readonly UploadItem[] }) {
  const scroller = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 4,
  });
  // Follows what is being sent, as long as the person does not scroll.
  const first = items.findIndex(({ state }) => unfinishedStates.includes(state));
  const touched = useRef(false);
  useEffect(() => {
    if (!touched.current && first > 0) rows.scrollToIndex(first, { align: "start" });
  }, [first, rows]);
  const t = useT();
  return (
    <section
      ref={scroller}
      className={css.items}
      style={{ height: Math.min(items.length, 6) * rowHeight }}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and must do so by keyboard
      tabIndex={0}
      aria-label={t("objects.tray.list")}
      onWheel={() => {
        touched.current = true;
      }}
    >
      <ul style={{ height: rows.getTotalSize() }}>
        {rows.getVirtualItems().map((row) => (
          <li key={items[row.index]?.id} style={{ transform: `translateY(${row.start}px)`, height: rowHeight }}>
            <Item item={items[row.index] as UploadItem} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function Item({ item }: { item: UploadItem }) {
  const t = useT();
  const format = useFormat();
  const name = nameOf(item.key);
  const share = item.sizeBytes > 0 ? item.sentBytes / item.sizeBytes : 0;
  const words: Record<UploadItem["state"], string> = {
    waiting: t("objects.tray.state.waiting", { size: format.bytes(item.sizeBytes) }),
    sending: item.resumed
      ? t("objects.tray.state.resumed", { percent: format.percent(share), size: format.bytes(item.sizeBytes) })
      : t("objects.tray.state.sending", { percent: format.percent(share), size: format.bytes(item.sizeBytes) }),
    retrying: t("objects.tray.state.retrying"),
    conflict: t("objects.tray.state.conflict"),
    paused: t("objects.tray.state.paused", { percent: format.percent(share) }),
    done: t("objects.tray.state.done", {
      place: parentOf(item.key).slice(0, -1) || item.bucket,
      size: format.bytes(item.sizeBytes),
    }),
    failed: item.error ? errorText(item.error) : t("objects.tray.state.failed"),
    cancelled: t("objects.tray.state.cancelled"),
    skipped: t("objects.tray.state.skipped"),
  };
  const moving = item.state === "sending" || item.state === "retrying" || item.state === "waiting";
  return (
    <>
      <FileIcon entry={{ kind: "object", name }} />
      <div className={css.words}>
        <span className={css.name} title={item.key}>
          {name}
        </span>
        <span className={css.state} data-state={item.state} title={words[item.state]}>
          {words[item.state]}
        </span>
        {(item.state === "sending" || item.state === "paused" || item.state === "retrying") && (
          <Progress
            size={3}
            value={share * 100}
            color={item.state === "sending" ? "sky" : "gray"}
            aria-label={t("objects.tray.of", { name })}
          />
        )}
      </div>
      {moving && (
        <TrayButton label={t("objects.tray.pause", { name })} icon={IconPlayerPause} act={() => uploads.pause(item.id)} />
      )}
      {item.state === "paused" && (
        <TrayButton label={t("objects.tray.resume", { name })} icon={IconPlayerPlay} act={() => uploads.resume(item.id)} />
      )}
      {item.state === "failed" && (
        <TrayButton label={t("objects.tray.retry", { name })} icon={IconRefresh} act={() => uploads.resume(item.id)} />
      )}
      {(moving || item.state === "paused" || item.state === "failed" || item.state === "conflict") && (
        <TrayButton label={t("objects.tray.cancel", { name })} icon={IconX} act={() => uploads.cancel(item.id)} />
      )}
      {item.state === "done" && <IconCheck size={18} className={css.done} aria-hidden />}
      {item.state === "failed" && <IconAlertTriangle size={18} className={css.failed} aria-hidden />}
    </>
  );
}

function TrayButton(props: { label: string; icon: typeof IconX; act: () => void; expanded?: boolean }) {
  return (
    <Tooltip label={props.label}>
      <ActionIcon
        variant="subtle"
        color="gray"
        size={28}
        aria-label={props.label}
        aria-expanded={props.expanded}
        onClick={props.act}
      >
        <props.icon size={16} stroke={1.6} aria-hidden />
      </ActionIcon>
    </Tooltip>
  );
}
