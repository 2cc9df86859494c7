/** Which keys are selected, where the cursor stands, and from where a range with Shift begins. */
export interface Selection {
  selected: ReadonlySet<string>;
  cursor: string | undefined;
  anchor: string | undefined;
}

export const nothingSelected: Selection = { selected: new Set(), cursor: undefined, anchor: undefined };

export interface Modifiers {
  shift: boolean;
  toggle: boolean;
}

function range(order: readonly string[], from: string | undefined, to: string): string[] {
  const end = order.indexOf(to);
  const start = from === undefined ? end : order.indexOf(from);
  if (start < 0 || end < 0) return [to];
  return order.slice(Math.min(start, end), Math.max(start, end) + 1);
}

/** A click as file managers have it: alone, with Shift a range, with Ctrl or Command one more or one less. */
export function clicked(selection: Selection, order: readonly string[], key: string, { shift, toggle }: Modifiers): Selection {
  if (shift) {
    const keys = range(order, selection.anchor, key);
    return {
      selected: new Set(toggle ? [...selection.selected, ...keys] : keys),
      cursor: key,
      anchor: selection.anchor ?? key,
    };
  }
  if (toggle) return toggled(selection, key);
  return { selected: new Set([key]), cursor: key, anchor: key };
}

export function toggled(selection: Selection, key: string): Selection {
  const selected = new Set(selection.selected);
  if (!selected.delete(key)) selected.add(key);
  return { selected, cursor: key, anchor: key };
}

/** Moves the cursor without selecting, or with Shift draws the range along. */
export function moved(selection: Selection, order: readonly string[], by: number, shift: boolean): Selection {
  if (order.length === 0) return selection;
  const at = selection.cursor === undefined ? -1 : order.indexOf(selection.cursor);
  // Without a cursor the first step is onto an end; a leap (Home, End) is to the end it means.
  const to =
    at < 0 ? (by > 0 === Math.abs(by) < order.length ? 0 : order.length - 1) : Math.max(0, Math.min(order.length - 1, at + by));
  const cursor = order[to] as string;
  if (!shift) return { ...selection, cursor, anchor: cursor };
  const anchor = selection.anchor ?? (at < 0 ? cursor : (order[at] as string));
  return { selected: new Set(range(order, anchor, cursor)), cursor, anchor };
}

/** After the list changed: what is gone is selected no more. */
export function kept(selection: Selection, keys: ReadonlySet<string>): Selection {
  if ([...selection.selected].every((key) => keys.has(key)) && (!selection.cursor || keys.has(selection.cursor)))
    return selection;
  return {
    selected: new Set([...selection.selected].filter((key) => keys.has(key))),
    cursor: selection.cursor && keys.has(selection.cursor) ? selection.cursor : undefined,
    anchor: selection.anchor && keys.has(selection.anchor) ? selection.anchor : undefined,
  };
}
