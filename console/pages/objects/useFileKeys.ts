import { type RefObject, useEffect, useEffectEvent } from "react";
import { moved, nothingSelected, type Selection, toggled } from "./selection.ts";

interface FileKeys {
  enabled: boolean;
  selection: Selection;
  order: readonly string[];
  /** How many stand in a row of the grid; undefined in the list. */
  columns: RefObject<number> | undefined;
  onSelection: (selection: Selection) => void;
  onOpen: (key: string) => void;
  onUp: () => void;
  onTrash: () => void;
  onRename: () => void;
}

/** Keys work anywhere on the page, as in a file manager, but never while one types or a dialog is open. */
export function useFileKeys(keys: FileKeys): void {
  const press = useEffectEvent((event: KeyboardEvent) => {
    const target = event.target as HTMLElement;
    if (!keys.enabled || event.defaultPrevented || event.altKey) return;
    if (
      target.closest(
        "input:not([type=checkbox]), textarea, select, [contenteditable], [role=dialog], [role=menu], [role=listbox]",
      )
    )
      return;
    const { selection, order } = keys;
    const control = event.ctrlKey || event.metaKey;
    const step = keys.columns?.current ?? 1;
    const onControl = target.closest("a, button, [role=button], input") !== null;
    const done = (next?: Selection) => {
      event.preventDefault();
      if (next) keys.onSelection(next);
    };
    if (control) {
      if (event.key === "a") done({ ...selection, selected: new Set(order) });
      return;
    }
    switch (event.key) {
      case "j":
      case "ArrowDown":
        return done(moved(selection, order, step, event.shiftKey));
      case "k":
      case "ArrowUp":
        return done(moved(selection, order, -step, event.shiftKey));
      case "ArrowRight":
        if (keys.columns) done(moved(selection, order, 1, event.shiftKey));
        return;
      case "ArrowLeft":
        if (keys.columns) done(moved(selection, order, -1, event.shiftKey));
        return;
      case "Home":
        return done(moved(selection, order, -order.length, event.shiftKey));
      case "End":
        return done(moved(selection, order, order.length, event.shiftKey));
      case "x":
      case " ":
        if (selection.cursor !== undefined && !onControl) done(toggled(selection, selection.cursor));
        return;
      case "Enter":
        if (selection.cursor !== undefined && !onControl) {
          done();
          keys.onOpen(selection.cursor);
        }
        return;
      case "Backspace":
        done();
        return keys.onUp();
      case "Delete":
        done();
        return keys.onTrash();
      case "F2":
        done();
        return keys.onRename();
      case "Escape":
        if (selection.selected.size > 0) done(nothingSelected);
    }
  });
  useEffect(() => {
    const listener = (event: KeyboardEvent) => press(event);
    document.addEventListener("keydown", listener);
    return () => document.removeEventListener("keydown", listener);
  }, []);
}
