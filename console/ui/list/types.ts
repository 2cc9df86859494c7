import type { Icon } from "@tabler/icons-react";
import type { ReactNode } from "react";

export interface Column<T> {
  key: string;
  header: string;
  cell: (row: T) => ReactNode;
  /** Makes the column sortable. */
  sort?: (row: T) => string | number | undefined;
  /** A track of CSS grid; `minmax(120px, 1fr)` unless said. It grows where headers, states or moments need more. */
  width?: string;
  align?: "right";
  /** The column that names the row: it carries the link, and is the title of the card on a phone. */
  primary?: boolean;
  /** Not shown until chosen. */
  optional?: boolean;
  /** On a phone: with its header (default), without (`bare`), or not at all. */
  phone?: "labelled" | "bare" | "hidden";
}

/** A choice above the list, kept in the address as `?<key>=<value>`. */
export interface Filter<T> {
  key: string;
  label: string;
  options: { value: string; label: string }[];
  /** Absent: the page reads the value itself (`useListState`) and asks the API with it. */
  fits?: (row: T, value: string) => boolean;
}

export interface RowAction {
  label: string;
  icon?: Icon;
  onClick: () => void;
  danger?: boolean;
  /** Why it cannot be done now; shown, and the action is disabled. */
  disabledReason?: string | undefined;
}

export interface BulkAction<T> {
  label: string;
  icon?: Icon;
  danger?: boolean;
  run: (rows: T[]) => void;
}
