import { Anchor, Select, TextInput } from "@mantine/core";
import { IconEye, IconTable } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { DatabaseTable } from "../../../services/databases/content/contract.ts";
import { useApiList } from "../../api/api.ts";
import { errorText } from "../../api/errors.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { EmptyState } from "../../ui/EmptyState.tsx";
import { useListState } from "../../ui/list/state.ts";
import { PageSkeleton } from "../../ui/PageSkeleton.tsx";
import { BrowseRows } from "./BrowseRows.tsx";
import type { DatabaseTabProps } from "./DatabasePage.tsx";
import css from "./sql.module.css";
import { TableStructure } from "./TableStructure.tsx";

const nameOf = ({ schema, name }: DatabaseTable): string => `${schema}.${name}`;

/** What is in it: schemas and their tables at the side, the rows or the structure of one of them beside. */
export default function DatabaseTables({ database, here }: DatabaseTabProps) {
  const t = useT();
  const format = useFormat();
  const state = useListState();
  const [words, setWords] = useState("");
  const tables = useApiList("databaseTableList", { database: database.id }, { limit: 500 });
  if (tables.error && !tables.rows)
    return <EmptyState picture="storm" title={t("ui.errorTitle")} text={errorText(tables.error)} />;
  if (!tables.rows) return <PageSkeleton />;
  if (tables.rows.length === 0)
    return (
      <EmptyState
        picture="disk"
        title={t("sql.noTables")}
        text={t("sql.noTablesText")}
        action={
          <Anchor component={Link} to={`${here}/sql`}>
            {t("sql.toEditor")}
          </Anchor>
        }
      />
    );
  const table = tables.rows.find((one) => nameOf(one) === state.filter("table")) ?? tables.rows[0];
  const isStructure = state.filter("view") === "structure";
  const shown = tables.rows.filter((one) => nameOf(one).toLowerCase().includes(words.toLowerCase()));
  const schemas = [...new Set(shown.map(({ schema }) => schema))];
  return (
    <div className={css.tables}>
      <nav className={css.tree} aria-label={t("databases.tab.tables")}>
        {tables.rows.length > 12 && (
          <TextInput
            size="xs"
            aria-label={t("ui.search")}
            placeholder={t("ui.search")}
            value={words}
            onChange={(event) => setWords(event.currentTarget.value)}
          />
        )}
        {schemas.map((schema) => (
          <div key={schema}>
            <h3>{schema}</h3>
            <ul>
              {shown
                .filter((one) => one.schema === schema)
                .map((one) => (
                  <li key={one.name}>
                    <Link
                      to="."
                      search={((now: object) => ({ ...now, table: nameOf(one) })) as never}
                      aria-current={one === table ? "page" : undefined}
                    >
                      {one.kind === "table" ? (
                        <IconTable size={14} stroke={1.6} aria-hidden />
                      ) : (
                        <IconEye size={14} stroke={1.6} aria-hidden />
                      )}
                      <span title={one.name}>{one.name}</span>
                      <small title={t("sql.estimate")}>{one.rows === undefined ? "" : format.compact(one.rows)}</small>
                    </Link>
                  </li>
                ))}
            </ul>
          </div>
        ))}
        {tables.hasMore && (
          <button type="button" className={css.more} onClick={tables.loadMore}>
            {t("ui.loadMore")}
          </button>
        )}
      </nav>
      <Select
        className={css.treeSelect}
        label={t("sql.table")}
        searchable
        allowDeselect={false}
        value={table ? nameOf(table) : null}
        onChange={(value) => value && state.set({ table: value })}
        data={tables.rows.map((one) => ({ value: nameOf(one), label: nameOf(one) }))}
      />
      {table && (
        <div style={{ minWidth: 0 }}>
          {isStructure ? (
            <TableStructure
              table={table}
              onTable={(name) => state.set({ table: name })}
              onRows={() => state.set({ view: undefined })}
            />
          ) : (
            <BrowseRows
              key={nameOf(table)}
              database={database}
              table={table}
              here={here}
              onStructure={() => state.set({ view: "structure" })}
            />
          )}
        </div>
      )}
    </div>
  );
}
