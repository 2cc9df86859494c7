// biome-ignore-all lint/a11y/useSemanticElements: rows lie on a CSS grid and are virtualised, which table elements cannot do
// biome-ignore-all lint/a11y/useFocusableInteractive: a table is for reading; what acts in it is focusable
import { Checkbox } from "@mantine/core";
import { IconArrowDown, IconArrowUp } from "@tabler/icons-react";
import { useT } from "../../i18n/i18n.ts";
import css from "./DataList.module.css";
import type { ListState } from "./state.ts";
import type { Column } from "./types.ts";

export function ListHead<T>(props: {
  columns: Column<T>[];
  state: ListState;
  selectable: boolean;
  hasActions: boolean;
  allSelected: boolean;
  someSelected: boolean;
  onSelectAll: () => void;
}) {
  const t = useT();
  const { sort, set } = props.state;
  return (
    <div role="rowgroup" className={css.headGroup}>
      <div role="row" className={css.head}>
        {props.selectable && (
          <div role="columnheader" className={css.check}>
            <Checkbox
              size="xs"
              aria-label={t("ui.selectAll")}
              checked={props.allSelected}
              indeterminate={props.someSelected && !props.allSelected}
              onChange={props.onSelectAll}
            />
          </div>
        )}
        {props.columns.map((column) => {
          const direction = sort?.key === column.key ? (sort.descending ? "descending" : "ascending") : undefined;
          return (
            <div
              key={column.key}
              role="columnheader"
              className={css.headCell}
              data-align={column.align}
              aria-sort={direction ?? (column.sort ? "none" : undefined)}
            >
              {column.sort ? (
                <button
                  type="button"
                  className={css.sort}
                  title={t("ui.sortBy", { column: column.header })}
                  onClick={() =>
                    set({
                      sort: direction === "ascending" ? `-${column.key}` : direction === "descending" ? undefined : column.key,
                    })
                  }
                >
                  {column.header}
                  {direction === "ascending" && <IconArrowUp size={13} aria-hidden />}
                  {direction === "descending" && <IconArrowDown size={13} aria-hidden />}
                </button>
              ) : (
                column.header
              )}
            </div>
          );
        })}
        {props.hasActions && (
          <div role="columnheader" className={css.headCell}>
            <span className={css.hiddenText}>{t("ui.actions")}</span>
          </div>
        )}
      </div>
    </div>
  );
}
