import { Alert, FileInput, Text, Textarea } from "@mantine/core";
import { type ReactNode, useMemo, useState } from "react";
import { errorText, isCloudError } from "../../../api/errors.ts";
import { useLanguage, useT } from "../../../i18n/i18n.ts";
import { CopyField } from "../../../ui/CopyField.tsx";
import { FormDialog } from "../../../ui/FormDialog.tsx";
import { required, useForm } from "../../../ui/form.ts";
import { decoded, readCsv, type Table } from "./csv.ts";
import css from "./ImportDialog.module.css";

/** What of a long table is shown, beside the lines with a problem. */
const mostShown = 20;
/** Up to here a table can be mended where it stands. */
const mostWritten = 200_000;

interface LineProblem {
  line: number;
  column: string | undefined;
  message: string;
}

/** Makes many of something from a table: a file or pasted lines, which are seen with their problems before anything is made. */
export function ImportDialog(props: {
  title: string;
  text: string;
  /** The columns that the route knows, and those that it needs. */
  columns: readonly string[];
  needed: readonly string[];
  example: string;
  action: (count: number) => string;
  send: (csv: string) => Promise<unknown>;
  hint: (csv: string) => ReactNode;
  onClose: () => void;
  /** What else is chosen for it. */
  children?: ReactNode;
}) {
  const t = useT();
  const language = useLanguage();
  const [refused, setRefused] = useState<LineProblem[]>([]);
  const form = useForm({
    initial: { csv: "" },
    checks: { csv: required },
    submit: async ({ csv }) => {
      try {
        await props.send(csv);
      } catch (error) {
        const lines = linesOf(error);
        if (lines.length === 0) throw error;
        setRefused(lines);
      }
    },
  });
  const { csv } = form.values;
  const table = useMemo(() => readCsv(csv), [csv]);
  const write = (text: string) => {
    setRefused([]);
    form.set("csv", text);
  };
  const names = table.columns;
  const unknown = names.filter((name) => name !== "" && !props.columns.includes(name));
  const missing = props.needed.filter((name) => !names.includes(name));
  const wrongHead =
    csv.trim() === ""
      ? undefined
      : unknown.length > 0
        ? t("phone.import.unknownColumn", { name: unknown.join(", "), known: props.columns.join(", ") })
        : missing.length > 0
          ? t("phone.import.missingColumn", { name: missing.join(", ") })
          : undefined;
  const own = useMemo(() => (wrongHead ? [] : problemsOf(table, props.needed)), [table, wrongHead, props.needed]);
  const problems: LineProblem[] = [
    ...own.map(({ line, column, found }) => ({
      line,
      column,
      message:
        found === undefined
          ? t("phone.import.emptyCell", { name: column ?? "" })
          : t("phone.import.cells", { found, wanted: names.length }),
    })),
    ...refused,
  ];
  return (
    <FormDialog
      opened
      onClose={props.onClose}
      title={props.title}
      text={props.text}
      form={form}
      size="xl"
      action={props.action(table.rows.length)}
      disabled={table.rows.length === 0 || wrongHead !== undefined || problems.length > 0}
      hint={props.hint(csv.length > 2000 ? "" : csv)}
    >
      <FileInput
        label={t("phone.file")}
        placeholder={t("phone.import.chooseFile")}
        accept=".csv,.txt,text/csv"
        clearable
        onChange={(file) => void (file?.arrayBuffer().then((bytes) => write(decoded(bytes, language))) ?? write(""))}
      />
      {csv.length <= mostWritten && (
        <Textarea
          label={t("phone.import.lines")}
          classNames={{ input: css.lines }}
          autosize
          minRows={4}
          maxRows={8}
          spellCheck={false}
          {...form.field("csv")}
          onChange={(event) => write(event.currentTarget.value)}
        />
      )}
      {csv.trim() === "" ? (
        <CopyField label={t("phone.example")} multiline value={props.example} />
      ) : (
        <>
          {wrongHead || problems.length > 0 ? (
            <Alert color="red" p="sm" role="alert">
              {wrongHead ?? t("phone.import.problems", { count: new Set(problems.map(({ line }) => line)).size })}
            </Alert>
          ) : (
            <Text size="sm" role="status">
              {t("phone.import.ready", { count: table.rows.length })}
            </Text>
          )}
          {table.rows.length > 0 && <Preview table={table} problems={problems} />}
        </>
      )}
      {props.children}
    </FormDialog>
  );
}

/** The first rows, and whatever is wrong further down. */
function Preview({ table, problems }: { table: Table; problems: readonly LineProblem[] }) {
  const t = useT();
  const byLine = Map.groupBy(problems, ({ line }) => line);
  const rows = table.rows.filter(({ line }, at) => at < mostShown || byLine.has(line)).slice(0, 2 * mostShown);
  const more = table.rows.length - rows.length;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls sideways can be scrolled by keyboard
    <section className={css.preview} aria-label={t("phone.import.preview")} tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">{t("phone.import.line")}</th>
            {table.columns.map((name, at) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: a table may name a column twice
              <th scope="col" key={at}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ line, cells }) => {
            const wrong = byLine.get(line);
            return (
              <tr key={line} data-wrong={wrong ? true : undefined}>
                <th scope="row">
                  {line}
                  {wrong && <small>{wrong.map(({ message }) => message).join(" ")}</small>}
                </th>
                {table.columns.map((name, at) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: as above
                  <td key={at} data-wrong={wrong?.some(({ column }) => column === name) || undefined}>
                    {cells[at]}
                  </td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
      {more > 0 && <p>{t("phone.import.more", { count: more })}</p>}
    </section>
  );
}

/** What is seen to be wrong without asking: cells that are needed and empty, lines with more or fewer of them than columns. */
function problemsOf({ columns, rows }: Table, needed: readonly string[]) {
  return rows.flatMap(({ line, cells }): { line: number; column?: string; found?: number }[] => {
    if (cells.length !== columns.length) return [{ line, found: cells.length }];
    const empty = needed.find((name) => !cells[columns.indexOf(name)]);
    return empty ? [{ line, column: empty }] : [];
  });
}

/** Of a refusal that names lines (`body.csv.LINE.COLUMN`, services/voice/table.ts). */
function linesOf(error: unknown): LineProblem[] {
  if (!isCloudError(error)) return [];
  const fields = error.details.fields ?? [];
  return fields.flatMap(({ path, message }) => {
    const [, line, column] = /^body\.csv\.(\d+)(?:\.(\w+))?$/.exec(path) ?? [];
    // Reasons of which the console has words are told in them.
    const words = fields.length === 1 && error.details.reason ? errorText(error) : message;
    return line === undefined ? [] : [{ line: Number(line), column, message: words }];
  });
}
