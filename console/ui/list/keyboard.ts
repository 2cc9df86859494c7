import { type RefObject, useEffect } from "react";

interface Keys {
  count: number;
  cursor: number;
  move: (to: number) => void;
  toggle: (index: number) => void;
  open: (index: number) => void;
  search: RefObject<HTMLInputElement | null>;
  clear: () => void;
}

const typing = (target: EventTarget | null) =>
  target instanceof HTMLElement && (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));

/** j and k move, x selects, Enter opens, / searches, Escape lets go; not while one types or a dialog is open. */
export function useListKeys(keys: Keys): void {
  useEffect(() => {
    const act = ({ key, target }: KeyboardEvent): boolean => {
      if (key === "j") keys.move(Math.min(keys.cursor + 1, keys.count - 1));
      else if (key === "k") keys.move(Math.max(keys.cursor - 1, 0));
      else if (key === "x" && keys.cursor >= 0) keys.toggle(keys.cursor);
      else if (key === "/") keys.search.current?.focus();
      else if (key === "Escape") keys.clear();
      else if (key === "Enter" && keys.cursor >= 0 && !(target instanceof HTMLElement && target.closest("a,button")))
        keys.open(keys.cursor);
      else return false;
      return true;
    };
    const down = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (typing(event.target) || document.querySelector("[role=dialog],[role=menu]")) return;
      if (act(event)) event.preventDefault();
    };
    addEventListener("keydown", down);
    return () => removeEventListener("keydown", down);
  });
}
