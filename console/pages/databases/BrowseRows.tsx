import { Alert, Button, SegmentedControl, Select, Skeleton, TextInput } from "@mantine/core";
import { IconChevronLeft, IconChevronRight, IconTerminal2 } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import type { DatabaseTable } from "../../../services/databases/content/contract.ts";
import type { DatabaseView } from "../../../services/databases/contract.ts";
import { callApi } from "../../api/api.ts";
import { errorText } from "../../api/errors.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { type Browse, browseSql, isUnary, type Operator, operators } from "./browse.ts";
import { keepDraft } from "./draft.ts";
import { ResultTable, type Sorting } from "./ResultTable.tsx";
import css from "./sql.module.css";

const pageRows = 100;

/** Rows of one table, page by page; the statement behind them can be taken to the editor. */
export function BrowseRows(props: { database: DatabaseView; table: DatabaseTable; here: string; onStructure: () => void }) {
  const t = useT();
  const format = useFormat();
  const navigate = useNavigate();
  const { database, table } = props;
  const keys = table.columns.filter(({ primaryKey }) => primaryKey).map(({ name }) => name);
  const [sorting, setSorting] = useState<Sorting>();
  const [offset, setOffset] = useState(0);
  const [column, setColumn] = useState(table.columns[0]?.name ?? "");
  const [operator, setOperator] = useState<Operator>("contains");
  const [value, setValue] = useState("");
  const [filter, setFilter] = useState<Browse["filter"]>();
  const sql = browseSql({ schema: table.schema, table: table.name, sort: sorting, filter, keys, offset, limit: pageRows });
  // The schema of another name than public stands in the text; the search path does not matter to it.
  const rows = useQuery({
    queryKey: ["databaseQuery", database.id, sql],
    queryFn: () => callApi("databaseQuery", { database: database.id, sql, readOnly: true, maxRows: pageRows }),
    staleTime: 0,
    retry: false,
  });
  const types = new Map(table.columns.map(({ name, type }) => [name, type]));
  const found = rows.data;
  return (
    <>
      <div className={css.tools}>
        <SegmentedControl
          size="xs"
          aria-label={t("sql.view")}
          value="rows"
          onChange={props.onStructure}
          data={[
            { value: "rows", label: t("sql.rows") },
            { value: "structure", label: t("sql.structure") },
          ]}
        />
        <Button
          className={css.toEditor ?? ""}
          size="xs"
          variant="default"
          leftSection={<IconTerminal2 size={14} aria-hidden />}
          onClick={() => {
            keepDraft(database.id, `${sql};\n`);
            void navigate({ to: `${props.here}/sql` });
          }}
        >
          {t("sql.toEditor")}
        </Button>
      </div>
      <form
        className={css.tools}
        onSubmit={(event) => {
          event.preventDefault();
          setOffset(0);
          setFilter(value === "" && !isUnary(operator) ? undefined : { column, operator, value });
        }}
      >
        <Select
          size="xs"
          w={160}
          allowDeselect={false}
          aria-label={t("sql.column")}
          value={column}
          onChange={(next) => next && setColumn(next)}
          data={table.columns.map(({ name }) => name)}
        />
        <Select
          size="xs"
          w={150}
          allowDeselect={false}
          aria-label={t("sql.condition")}
          value={operator}
          onChange={(next) => next && setOperator(next as Operator)}
          data={operators.map((one) => ({ value: one, label: t(`sql.operator.${one}`) }))}
        />
        {!isUnary(operator) && (
          <TextInput
            size="xs"
            w={160}
            aria-label={t("ui.value")}
            value={value}
            onChange={(event) => setValue(event.currentTarget.value)}
          />
        )}
        <Button size="xs" variant="default" type="submit">
          {t("sql.filter")}
        </Button>
        {filter && (
          <Button
            size="xs"
            variant="subtle"
            onClick={() => {
              setFilter(undefined);
              setValue("");
              setOffset(0);
            }}
          >
            {t("ui.clear")}
          </Button>
        )}
      </form>
      {rows.error ? (
        <Alert color="red" role="alert">
          {errorText(rows.error)}
        </Alert>
      ) : found === undefined ? (
        <Skeleton height={320} />
      ) : (
        <ResultTable
          label={`${table.schema}.${table.name}`}
          columns={found.columns.map(({ name }) => ({ name, type: types.get(name) ?? "" }))}
          rows={found.rows}
          sorting={sorting}
          onSort={(name) => {
            setOffset(0);
            setSorting(
              sorting?.column === name
                ? sorting.descending
                  ? undefined
                  : { column: name, descending: true }
                : { column: name, descending: false },
            );
          }}
          keys={new Set(keys)}
        />
      )}
      {found && (
        <div className={css.pager}>
          <Button
            size="xs"
            variant="default"
            leftSection={<IconChevronLeft size={14} aria-hidden />}
            disabled={offset === 0}
            onClick={() => setOffset(Math.max(0, offset - pageRows))}
          >
            {t("sql.previous")}
          </Button>
          <Button
            size="xs"
            variant="default"
            rightSection={<IconChevronRight size={14} aria-hidden />}
            disabled={found.rows.length < pageRows}
            onClick={() => setOffset(offset + pageRows)}
          >
            {t("sql.next")}
          </Button>
          <span>
            {found.rows.length === 0
              ? t("sql.noRows")
              : t("sql.rowsFromTo", { from: format.number(offset + 1), to: format.number(offset + found.rows.length) })}
            {table.rows !== undefined && !filter && ` · ${t("sql.about", { count: Math.round(table.rows) })}`}
          </span>
        </div>
      )}
    </>
  );
}
