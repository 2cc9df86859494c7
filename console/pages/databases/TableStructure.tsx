import { Anchor, SegmentedControl } from "@mantine/core";
import type { ReactNode } from "react";
import type { DatabaseTable } from "../../../services/databases/content/contract.ts";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import { StatusBadge } from "../../ui/StatusBadge.tsx";
import css from "./sql.module.css";

/** Columns, indexes and foreign keys of a table, and how large it is. */
export function TableStructure(props: { table: DatabaseTable; onTable: (name: string) => void; onRows: () => void }) {
  const t = useT();
  const format = useFormat();
  const { table } = props;
  return (
    <>
      <div className={css.tools}>
        <SegmentedControl
          size="xs"
          aria-label={t("sql.view")}
          value="structure"
          onChange={props.onRows}
          data={[
            { value: "rows", label: t("sql.rows") },
            { value: "structure", label: t("sql.structure") },
          ]}
        />
        <span className={css.muted}>
          {t(`sql.kind.${table.kind}`)} · {format.memory(table.sizeBytes)}
          {table.rows !== undefined && ` · ${t("sql.about", { count: Math.round(table.rows) })}`}
        </span>
      </div>
      <div className={css.structure}>
        <Grid
          title={t("sql.columns")}
          heads={[t("ui.name"), t("sql.type"), t("sql.nullable"), t("sql.default")]}
          rows={table.columns.map((column) => [
            <>
              <b>{column.name}</b> {column.primaryKey && <StatusBadge tone="good">{t("sql.primaryKey")}</StatusBadge>}
            </>,
            column.type,
            column.nullable ? "NULL" : "NOT NULL",
            column.default ?? "",
          ])}
        />
        {table.indexes.length > 0 && (
          <Grid
            title={t("sql.indexes")}
            heads={[t("ui.name"), t("sql.definition"), t("sql.size")]}
            rows={table.indexes.map((index) => [
              <>
                <b>{index.name}</b> {!index.valid && <StatusBadge tone="bad">{t("sql.invalid")}</StatusBadge>}
              </>,
              index.definition,
              format.memory(index.sizeBytes),
            ])}
          />
        )}
        {table.foreignKeys.length > 0 && (
          <Grid
            title={t("sql.foreignKeys")}
            heads={[t("ui.name"), t("sql.columns"), t("sql.pointsTo")]}
            rows={table.foreignKeys.map((key) => [
              <b key="name">{key.name}</b>,
              key.columns.join(", "),
              <Anchor
                key="target"
                component="button"
                type="button"
                size="xs"
                onClick={() => props.onTable(`${key.schema}.${key.table}`)}
              >
                {`${key.schema}.${key.table} (${key.foreignColumns.join(", ")})`}
              </Anchor>,
            ])}
          />
        )}
      </div>
    </>
  );
}

function Grid({ title, heads, rows }: { title: string; heads: string[]; rows: ReactNode[][] }) {
  return (
    <div>
      <h3>{title}</h3>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: wide tables scroll, and must do so by keyboard */}
      <section className={css.scroll} tabIndex={0} aria-label={title}>
        <table className={css.table}>
          <thead>
            <tr>
              {heads.map((head) => (
                <th key={head} scope="col">
                  {head}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row, line) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: they are told by their place
              <tr key={line}>
                {row.map((cell, index) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: as above
                  <td key={index}>
                    <div className={css.cell}>{cell}</div>
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </div>
  );
}
