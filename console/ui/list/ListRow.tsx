// biome-ignore-all lint/a11y/useSemanticElements: rows lie on a CSS grid and are virtualised, which table elements cannot do
// biome-ignore-all lint/a11y/useFocusableInteractive: a table is for reading; what acts in it is focusable
import { ActionIcon, Checkbox, Menu, Skeleton } from "@mantine/core";
import { IconDots } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useT } from "../../i18n/i18n.ts";
import css from "./DataList.module.css";
import type { Column, RowAction } from "./types.ts";

interface Props<T> {
  row: T;
  index: number;
  name: string;
  columns: Column<T>[];
  /** Of each column, in pixels, where all rows share their columns. */
  narrowest: number[] | undefined;
  phone: boolean;
  address: string | undefined;
  onOpen: (() => void) | undefined;
  actions: ((row: T) => RowAction[]) | undefined;
  selectable: boolean;
  selected: boolean;
  onSelect: () => void;
  cursor: boolean;
  place: { start: number; measure: (node: HTMLElement | null) => void } | undefined;
}

export function ListRow<T>(props: Props<T>) {
  const t = useT();
  const { row, columns, place, phone } = props;
  const actions = props.actions?.(row) ?? [];
  const opens = props.address !== undefined || props.onOpen !== undefined;
  return (
    <div
      role="row"
      aria-rowindex={props.index + 2}
      aria-selected={props.selectable ? props.selected : undefined}
      ref={place?.measure}
      data-index={props.index}
      className={css.row}
      data-cursor={props.cursor || undefined}
      data-selected={props.selected || undefined}
      data-opens={opens || undefined}
      style={place ? { position: "absolute", top: 0, left: 0, right: 0, transform: `translateY(${place.start}px)` } : undefined}
    >
      {props.selectable && (
        <div role="cell" className={css.check}>
          <Checkbox
            size="xs"
            aria-label={t("ui.select", { name: props.name })}
            checked={props.selected}
            onChange={props.onSelect}
          />
        </div>
      )}
      {columns.map((column, index) => {
        const content = column.cell(row);
        // A card has no columns to keep: what is not there needs no line.
        if (content === null && phone) return null;
        return (
          <div
            key={column.key}
            role="cell"
            className={css.cell}
            data-align={column.align}
            data-primary={column.primary || undefined}
            data-phone={column.phone}
            style={props.narrowest && ({ "--narrowest": `${props.narrowest[index]}px` } as React.CSSProperties)}
          >
            {phone && !column.primary && column.phone !== "bare" && <span className={css.cellLabel}>{column.header}</span>}
            {column.primary && props.address !== undefined ? (
              <Link to={props.address} className={css.open}>
                {content}
              </Link>
            ) : column.primary && props.onOpen ? (
              <button type="button" className={css.open} onClick={props.onOpen}>
                {content}
              </button>
            ) : (
              <span className={css.content}>{content ?? "–"}</span>
            )}
          </div>
        );
      })}
      {props.actions && (
        <div role="cell" className={css.actions}>
          {actions.length > 0 && <RowMenu name={props.name} actions={actions} />}
        </div>
      )}
    </div>
  );
}

/** The actions of one thing behind three dots; those not allowed now are shown with the reason. */
export function RowMenu({ name, actions }: { name: string; actions: RowAction[] }) {
  const t = useT();
  return (
    <Menu position="bottom-end" width={220}>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" size={28} aria-label={t("ui.actionsFor", { name })}>
          <IconDots size={16} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {actions.map(({ label, icon: Icon, onClick, danger, disabledReason }) => (
          <Menu.Item
            key={label}
            leftSection={Icon ? <Icon size={16} stroke={1.6} /> : undefined}
            onClick={onClick}
            disabled={disabledReason !== undefined}
            className={danger ? css.danger : undefined}
          >
            {label}
            {disabledReason && <div className={css.reason}>{disabledReason}</div>}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

export function SkeletonRow<T>(props: { columns: Column<T>[]; selectable: boolean; hasActions: boolean }) {
  return (
    <div role="row" className={css.row}>
      {props.selectable && (
        <div role="cell">
          <Skeleton height={16} width={16} />
        </div>
      )}
      {props.columns.map(({ key, primary, align }) => (
        <div key={key} role="cell" className={css.cell} data-primary={primary || undefined} data-align={align}>
          <Skeleton height={14} width={primary ? "55%" : "40%"} />
        </div>
      ))}
      {props.hasActions && <div role="cell" />}
    </div>
  );
}
