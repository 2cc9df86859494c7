import { useState } from "react";
import { useFormat } from "../../i18n/format.ts";
import { useT } from "../../i18n/i18n.ts";
import css from "./sql.module.css";

export interface ResultColumn {
  name: string;
  type: string;
}
export interface Sorting {
  column: string;
  descending: boolean;
}

const numeric = /^(smallint|integer|bigint|numeric|real|double precision|oid|money)/;
const longest = 300;
/** Rows that are drawn at once: more at a word. */
const drawnAtOnce = 200;

/** Rows as the server gave them: types under the names, NULL told apart from a text, long values cut until one asks. */
export function ResultTable(props: {
  label: string;
  columns: readonly ResultColumn[];
  rows: readonly (readonly (string | null)[])[];
  /** Given, columns can be sorted by. */
  sorting?: Sorting | undefined;
  onSort?: (column: string) => void;
  keys?: ReadonlySet<string>;
}) {
  const t = useT();
  const format = useFormat();
  const [opened, setOpened] = useState<string>();
  const [drawn, setDrawn] = useState(drawnAtOnce);
  const { columns, rows, sorting, onSort } = props;
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: wide tables scroll, and must do so by keyboard */}
      <section className={css.scroll} tabIndex={0} aria-label={props.label}>
        <table className={css.table}>
          <thead>
            <tr>
              {columns.map(({ name, type }, index) => {
                const mark = sorting?.column === name ? (sorting.descending ? "↓" : "↑") : undefined;
                return (
                  <th
                    // biome-ignore lint/suspicious/noArrayIndexKey: two columns may have one name
                    key={index}
                    scope="col"
                    data-number={numeric.test(type) || undefined}
                    aria-sort={mark === undefined ? undefined : mark === "↓" ? "descending" : "ascending"}
                  >
                    {onSort ? (
                      <button type="button" className={css.sort} onClick={() => onSort(name)}>
                        {name} {mark}
                      </button>
                    ) : (
                      <span>{name}</span>
                    )}
                    <small>{props.keys?.has(name) ? t("sql.keyType", { type }) : type}</small>
                  </th>
                );
              })}
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, drawn).map((row, line) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: rows have no other name, and never change their order
              <tr key={line}>
                {row.map((value, index) => {
                  const place = `${line} ${index}`;
                  const long = value !== null && value.length > longest && opened !== place;
                  return (
                    // biome-ignore lint/suspicious/noArrayIndexKey: as above
                    <td key={index} data-number={numeric.test(columns[index]?.type ?? "") || undefined}>
                      <div className={css.cell}>
                        {value === null ? (
                          <span className={css.null}>NULL</span>
                        ) : value === "" ? (
                          <span className={css.null}>{t("sql.emptyText")}</span>
                        ) : long ? (
                          <>
                            {value.slice(0, longest)}…{" "}
                            <button type="button" className={css.more} onClick={() => setOpened(place)}>
                              {t("sql.whole", { count: value.length })}
                            </button>
                          </>
                        ) : (
                          value
                        )}
                      </div>
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {rows.length > drawn && (
        <button type="button" className={css.more} onClick={() => setDrawn(drawn + 1000)}>
          {t("sql.drawMore", { shown: format.number(drawn), all: format.number(rows.length) })}
        </button>
      )}
    </>
  );
}
