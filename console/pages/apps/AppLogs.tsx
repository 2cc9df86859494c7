import { ActionIcon, Button, CloseButton, Select, Switch, TextInput, Tooltip } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { IconArrowDown, IconDownload, IconHistory, IconPlayerPause, IconPlayerPlay, IconSearch } from "@tabler/icons-react";
import { useEffect, useLayoutEffect, useRef, useState } from "react";
import { callApi, client, useApiList } from "../../api/api.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { useListState } from "../../ui/list/state.ts";
import { toastError } from "../../ui/toast.ts";
import type { AppTabProps } from "./AppPage.tsx";
import css from "./logs.module.css";
import { LogTail, type ShownLine, type TailState } from "./logTail.ts";
import { plainText } from "./useDeploymentLog.ts";

const earlierAtOnce = 500;
const settleMs = 250;

/** What the app writes, as it writes it. */
export default function AppLogs({ app }: AppTabProps) {
  const t = useT();
  const format = useFormat();
  const state = useListState();
  const process = state.filter("process");
  const search = state.words || undefined;
  const [words, setWords] = useState(state.words);
  const settle = useDebouncedCallback((value: string) => state.set({ q: value || undefined }), settleMs);
  const names = useApiList("processList", { app: app.id }).rows?.map(({ name }) => name) ?? [];
  const [tail, setTail] = useState<TailState>({ lines: [], phase: "connecting" });
  const [paused, setPaused] = useState<readonly ShownLine[]>();
  const [earlier, setEarlier] = useState<{ lines: ShownLine[]; end: boolean }>({ lines: [], end: false });
  const [reading, setReading] = useState(false);
  const [times, setTimes] = useState(true);
  const box = useRef<HTMLDivElement>(null);
  const [atEnd, setAtEnd] = useState(true);
  useEffect(() => {
    setTail({ lines: [], phase: "connecting" });
    setEarlier({ lines: [], end: false });
    setPaused(undefined);
    const following = new LogTail({ app: app.id, ...(process ? { process } : {}), ...(search ? { search } : {}) }, setTail);
    return () => following.close();
  }, [app.id, process, search]);
  const live = paused ?? tail.lines;
  const lines = earlier.lines.length > 0 ? [...earlier.lines, ...live] : live;
  const waiting = paused ? tail.lines.filter(({ key }) => key > (paused.at(-1)?.key ?? -1)).length : 0;
  // biome-ignore lint/correctness/useExhaustiveDependencies: it scrolls when lines come
  useLayoutEffect(() => {
    if (atEnd && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [lines]);

  const readEarlier = async () => {
    setReading(true);
    const height = box.current?.scrollHeight ?? 0;
    try {
      const first = lines[0];
      const { items } = await callApi("appLogList", {
        app: app.id,
        limit: earlierAtOnce,
        ...(process ? { process } : {}),
        ...(search ? { search } : {}),
        // Moments of the API have milliseconds: the next one, so that none is left out.
        ...(first ? { until: new Date(Date.parse(first.at) + 1).toISOString() } : {}),
      } as never);
      const shown = new Set(lines.map((line) => `${line.at} ${line.container} ${line.text}`));
      const older = items
        .map((line) => ({ ...line, text: plainText(line.text) }))
        .filter((line) => !shown.has(`${line.at} ${line.container} ${line.text}`))
        .reverse();
      const from = (earlier.lines[0]?.key ?? 0) - older.length;
      setEarlier({
        lines: [...older.map((line, index) => ({ ...line, key: from + index })), ...earlier.lines],
        end: older.length === 0,
      });
      setAtEnd(false);
      requestAnimationFrame(() => {
        if (box.current) box.current.scrollTop = box.current.scrollHeight - height;
      });
    } catch (error) {
      toastError(error);
    } finally {
      setReading(false);
    }
  };
  const several = process === undefined && names.length > 1;
  return (
    <section aria-label={t("apps.tab.logs")}>
      <div className={css.logTools}>
        <TextInput
          className={css.logSearch}
          leftSection={<IconSearch size={15} stroke={1.8} />}
          rightSection={
            words ? (
              <CloseButton
                size="sm"
                aria-label={t("ui.clear")}
                onClick={() => {
                  setWords("");
                  state.set({ q: undefined });
                }}
              />
            ) : null
          }
          placeholder={t("apps.logs.search")}
          aria-label={t("apps.logs.search")}
          inputMode="search"
          maxLength={200}
          value={words}
          onChange={(event) => {
            setWords(event.currentTarget.value);
            settle(event.currentTarget.value);
          }}
        />
        <Select
          aria-label={t("apps.process")}
          placeholder={t("apps.logs.allProcesses")}
          clearable
          clearButtonProps={{ "aria-label": t("ui.clear") }}
          allowDeselect
          data={process && !names.includes(process) ? [...names, process] : names}
          value={process ?? null}
          onChange={(value) => state.set({ process: value ?? undefined })}
          w={180}
        />
        <Switch label={t("apps.logs.times")} checked={times} onChange={(event) => setTimes(event.currentTarget.checked)} />
        <span className={css.logState} role="status">
          {tail.phase === "live" && !paused && t("apps.logs.live")}
          {tail.phase === "connecting" && t("apps.logs.connecting")}
          {(tail.phase === "lost" || tail.phase === "refused") && tail.problem}
          {paused && t("apps.logs.paused", { count: waiting })}
        </span>
        <Button
          variant="default"
          leftSection={paused ? <IconPlayerPlay size={16} aria-hidden /> : <IconPlayerPause size={16} aria-hidden />}
          aria-pressed={paused !== undefined}
          onClick={() => setPaused(paused ? undefined : tail.lines)}
        >
          {t(paused ? "apps.logs.resume" : "apps.logs.pause")}
        </Button>
        <Tooltip label={t("apps.logs.download")}>
          <ActionIcon
            component="a"
            variant="default"
            size={36}
            aria-label={t("apps.logs.download")}
            href={client.url("appLogDownload", {
              app: app.id,
              ...(process ? { process } : {}),
              ...(search ? { search } : {}),
            } as never)}
            download={`${app.name}.log`}
          >
            <IconDownload size={16} stroke={1.6} />
          </ActionIcon>
        </Tooltip>
      </div>
      <div className={css.logFrame}>
        <div
          ref={box}
          className={css.log}
          role="log"
          aria-label={t("apps.logs.of", { name: app.name })}
          // Read out line by line it would never end.
          aria-live="off"
          // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and must do so by keyboard
          tabIndex={0}
          onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) =>
            setAtEnd(scrollTop + clientHeight > scrollHeight - 24)
          }
        >
          {!earlier.end && (
            <button type="button" className={css.earlier} disabled={reading} onClick={() => void readEarlier()}>
              <IconHistory size={14} aria-hidden /> {t("apps.logs.earlier")}
            </button>
          )}
          {lines.length === 0 && tail.phase !== "connecting" && (
            <p className={css.logEmpty}>{t(search || process ? "ui.nothingFits" : "apps.logs.empty")}</p>
          )}
          {lines.map((line) => (
            <div key={line.key} className={css.logLine} data-stream={line.stream}>
              {times && (
                <time dateTime={line.at} title={format.exact(line.at)}>
                  {clock(line.at)}
                </time>
              )}
              {(several || process === undefined) && (
                <span className={css.logOrigin} data-hue={hue(line.process)}>
                  {line.container}
                </span>
              )}
              <span className={css.logText}>
                {line.stream === "stderr" && <span className={css.hiddenText}>{t("apps.logs.stderr")}</span>}
                {line.text}
              </span>
            </div>
          ))}
        </div>
        {!atEnd && (
          <Button
            className={css.toEnd}
            size="compact-sm"
            leftSection={<IconArrowDown size={14} aria-hidden />}
            onClick={() => {
              setAtEnd(true);
              if (box.current) box.current.scrollTop = box.current.scrollHeight;
            }}
          >
            {t("apps.logs.toEnd")}
          </Button>
        )}
      </div>
    </section>
  );
}

/** Hours to milliseconds in the person's own time. */
function clock(at: string): string {
  const date = new Date(at);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** One of a few colours, always the same for a process. */
const hue = (name: string): number => [...name].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % 5;
