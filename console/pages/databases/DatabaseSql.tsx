import { Alert, Button, Drawer, Kbd, Select, Skeleton, Switch } from "@mantine/core";
import { IconDownload, IconHistory, IconPlayerPlay, IconPlayerStop } from "@tabler/icons-react";
import { lazy, Suspense, useEffect, useMemo, useRef, useState } from "react";
import { createClient } from "../../../client/client.ts";
import { type Answer, invalidate, useApiList } from "../../api/api.ts";
import { errorText } from "../../api/errors.ts";
import { queries } from "../../frame/queries.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { TimeAgo } from "../../ui/TimeAgo.tsx";
import { toCsv } from "./csv.ts";
import type { DatabaseTabProps } from "./DatabasePage.tsx";
import { draftOf, keepDraft } from "./draft.ts";
import { ResultTable } from "./ResultTable.tsx";
import { saveFile } from "./saveFile.ts";
import css from "./sql.module.css";
import type { SqlEditorHandle } from "./sqlEditor.ts";
import { addToHistory, clearHistory, readHistory } from "./sqlHistory.ts";

const SqlEditor = lazy(() => import("./SqlEditor.tsx"));
type Script = Answer<"databaseScriptRun">;
type Result = Script["results"][number];
/** Never by itself a second time: what was said may have taken effect although nothing came back. */
const once = createClient({ baseUrl: "", retries: 0 });
const limits = ["100", "500", "2000", "5000"];
const mostRows = 5000;

/** Statements are written, run and read here: what is selected, or all of it. */
export default function DatabaseSql({ database }: DatabaseTabProps) {
  const t = useT();
  const took = useTook();
  const [initial] = useState(() => draftOf(database.id));
  const text = useRef(initial);
  const editor = useRef<SqlEditorHandle>(null);
  const running = useRef<AbortController>(null);
  const [readOnly, setReadOnly] = useState(true);
  const [limit, setLimit] = useState("500");
  const [busy, setBusy] = useState(false);
  const [answer, setAnswer] = useState<Script>();
  const [failure, setFailure] = useState<string>();
  const [ran, setRan] = useState("");
  const [past, setPast] = useState(() => readHistory(database.id));
  const [pastOpened, setPastOpened] = useState(false);
  const tables = useApiList("databaseTableList", { database: database.id }).rows;
  const schema = useMemo(
    () =>
      Object.fromEntries((tables ?? []).map((table) => [`${table.schema}.${table.name}`, table.columns.map(({ name }) => name)])),
    [tables],
  );
  useEffect(() => () => running.current?.abort(), []);

  const run = async () => {
    if (running.current) return;
    const selected = editor.current?.selected();
    const sql = selected?.text ?? text.current;
    if (sql.trim() === "") return;
    const abort = new AbortController();
    running.current = abort;
    setBusy(true);
    setFailure(undefined);
    editor.current?.mark(undefined);
    setPast(addToHistory(database.id, sql));
    try {
      const found = await once.databaseScriptRun(
        { database: database.id, sql, readOnly, maxRows: Number(limit) },
        { signal: abort.signal },
      );
      setAnswer(found);
      setRan(sql);
      const { problem } = found;
      if (problem) {
        const offset = selected?.from ?? 0;
        const from = offset + (problem.position ?? problem.start);
        const word =
          problem.position === undefined ? undefined : /^(?:[\p{L}\p{N}_$."]+|.)/su.exec(sql.slice(problem.position))?.[0];
        editor.current?.mark({ from, to: word === undefined ? offset + problem.end : from + word.length });
      }
      if (!readOnly) await invalidate(queries, ["databaseTableList"]);
    } catch (error) {
      setAnswer(undefined);
      setFailure(abort.signal.aborted ? t("sql.cancelled") : errorText(error));
    } finally {
      running.current = null;
      setBusy(false);
    }
  };
  const more = async (result: Result, index: number) => {
    const { results } = await once.databaseScriptRun({
      database: database.id,
      sql: ran.slice(result.start, result.end),
      readOnly: true,
      maxRows: Math.min(mostRows, result.rows.length * 4),
    });
    const [next] = results;
    if (next)
      setAnswer(
        (now) =>
          now && {
            ...now,
            results: now.results.map((one, place) => (place === index ? { ...next, start: one.start, end: one.end } : one)),
          },
      );
  };
  return (
    <>
      <div className={css.editor}>
        <Suspense fallback={<Skeleton height={180} />}>
          <SqlEditor
            initial={initial}
            label={t("sql.editor")}
            placeholder={t("sql.placeholder")}
            schema={schema}
            handle={editor}
            onChange={(next) => {
              text.current = next;
              keepDraft(database.id, next);
            }}
            onRun={() => void run()}
          />
        </Suspense>
        <div className={css.bar}>
          {busy ? (
            <Button
              size="xs"
              color="red.8"
              leftSection={<IconPlayerStop size={14} aria-hidden />}
              onClick={() => running.current?.abort()}
            >
              {t("ui.cancel")}
            </Button>
          ) : (
            <Button size="xs" leftSection={<IconPlayerPlay size={14} aria-hidden />} onClick={() => void run()}>
              {t("sql.run")}
            </Button>
          )}
          <Button
            size="xs"
            variant="default"
            leftSection={<IconHistory size={14} aria-hidden />}
            onClick={() => setPastOpened(true)}
          >
            {t("sql.history")}
          </Button>
          <div className={css.barRest}>
            <Select
              size="xs"
              w={132}
              allowDeselect={false}
              aria-label={t("sql.limit")}
              value={limit}
              onChange={(value) => value && setLimit(value)}
              data={limits.map((value) => ({ value, label: t("sql.limitOf", { count: Number(value) }) }))}
            />
            <Switch
              size="sm"
              label={t("sql.readOnly")}
              checked={readOnly}
              onChange={(event) => setReadOnly(event.currentTarget.checked)}
            />
          </div>
        </div>
      </div>
      <p className={css.hint} data-warn={!readOnly || undefined}>
        {readOnly ? t.rich("sql.runText", { keys: <Kbd size="xs">Ctrl Enter</Kbd> }) : t("sql.writes", { user: database.owner })}
      </p>
      <div className={css.results} aria-live="polite" aria-busy={busy}>
        {busy && <Skeleton height={48} />}
        {!busy && failure !== undefined && (
          <Alert color="red" role="alert">
            {failure}
          </Alert>
        )}
        {!busy &&
          answer?.results.map((result, index) => (
            <ResultView
              key={`${result.start} ${result.rows.length}`}
              result={result}
              title={t("sql.resultOf", { number: index + 1 })}
              fileName={database.name}
              alone={answer.results.length === 1}
              onMore={
                result.truncated && result.command === "SELECT" && result.rows.length < mostRows
                  ? () => more(result, index)
                  : undefined
              }
            />
          ))}
        {!busy && answer?.problem && (
          <Alert
            color="red"
            role="alert"
            title={answer.problem.sqlState ? t("sql.error", { code: answer.problem.sqlState }) : t("ui.errorTitle")}
          >
            {answer.problem.message}
            {answer.problem.hint && <div>{answer.problem.hint}</div>}
            {answer.results.length > 0 && <div>{t("sql.before", { count: answer.results.length })}</div>}
          </Alert>
        )}
        {!busy && answer?.undone && (
          <Alert color="yellow" styles={{ message: { color: "var(--k-text)" } }}>
            {t("sql.undone")}
          </Alert>
        )}
        {!busy && answer && answer.results.length > 1 && (
          <p className={css.hint}>{t("sql.took", { time: took(answer.milliseconds) })}</p>
        )}
      </div>
      <Drawer
        opened={pastOpened}
        onClose={() => setPastOpened(false)}
        position="right"
        title={t("sql.history")}
        closeButtonProps={{ "aria-label": t("ui.close") }}
      >
        <p className={css.hint}>{past.length === 0 ? t("sql.historyEmpty") : t("sql.historyText")}</p>
        {past.map((one) => (
          <button
            key={one.at}
            type="button"
            className={css.past}
            onClick={() => {
              editor.current?.replace(one.sql);
              setPastOpened(false);
            }}
          >
            <code>{one.sql}</code>
            <small className={css.muted}>
              <TimeAgo at={one.at} />
            </small>
          </button>
        ))}
        {past.length > 0 && (
          <Button
            mt="md"
            size="xs"
            variant="default"
            onClick={() => {
              clearHistory(database.id);
              setPast([]);
            }}
          >
            {t("sql.historyClear")}
          </Button>
        )}
      </Drawer>
    </>
  );
}

function useTook(): (milliseconds: number) => string {
  const t = useT();
  const format = useFormat();
  return (milliseconds) =>
    milliseconds < 1000 ? t("sql.milliseconds", { amount: format.number(milliseconds) }) : format.duration(milliseconds);
}

/** What one statement came to. */
function ResultView(props: {
  result: Result;
  title: string;
  alone: boolean;
  /** Of the file that the rows are saved to. */
  fileName: string;
  onMore: (() => Promise<void>) | undefined;
}) {
  const t = useT();
  const took = useTook();
  const { result, onMore } = props;
  const [loading, setLoading] = useState(false);
  const [problem, setProblem] = useState<string>();
  const hasRows = result.columns.length > 0;
  return (
    <section className={css.result} aria-label={props.title}>
      <div className={css.resultHead}>
        <h3>{props.alone ? result.command : `${props.title} · ${result.command}`}</h3>
        <span>
          {hasRows
            ? result.truncated
              ? t("sql.firstRows", { count: result.rows.length })
              : t("sql.rowsCount", { count: result.rows.length })
            : result.affected === undefined
              ? ""
              : t("sql.affected", { count: result.affected })}{" "}
          · {took(result.milliseconds)}
        </span>
        {hasRows && result.rows.length > 0 && (
          <Button
            size="compact-xs"
            variant="default"
            leftSection={<IconDownload size={12} aria-hidden />}
            onClick={() =>
              saveFile(
                `${props.fileName}.csv`,
                toCsv(
                  result.columns.map(({ name }) => name),
                  result.rows,
                ),
                "text/csv",
              )
            }
          >
            CSV
          </Button>
        )}
      </div>
      {result.notices.length > 0 && (
        <ul className={css.notices}>
          {result.notices.map((notice, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: they never change their order
            <li key={index}>{notice}</li>
          ))}
        </ul>
      )}
      {hasRows && <ResultTable label={props.title} columns={result.columns} rows={result.rows} />}
      {onMore && (
        <div>
          <Button
            size="xs"
            variant="default"
            loading={loading}
            onClick={() => {
              setLoading(true);
              void onMore()
                .catch((error) => setProblem(errorText(error)))
                .finally(() => setLoading(false));
            }}
          >
            {t("sql.moreRows")}
          </Button>
          {problem && <p className={css.hint}>{problem}</p>}
        </div>
      )}
      {result.truncated && !onMore && <p className={css.hint}>{t("sql.atMost")}</p>}
    </section>
  );
}
