import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useMemo, useState } from "react";

type Search = Record<string, string | undefined>;

export interface ListState {
  /** The words searched for: `?q=`. */
  words: string;
  /** `?sort=name` or `?sort=-name` for descending. */
  sort: { key: string; descending: boolean } | undefined;
  filter: (key: string) => string | undefined;
  set: (changes: Search) => void;
  clear: (keys: string[]) => void;
}

/** Search, filters and sort as they stand in the address, so that a list can be sent to somebody. */
export function useListState(): ListState {
  const search = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const set = useCallback(
    (changes: Search) => {
      void navigate({ to: ".", search: ((now: Search) => ({ ...now, ...changes })) as never, replace: true, resetScroll: false });
    },
    [navigate],
  );
  return useMemo(() => {
    const sort = search["sort"];
    return {
      words: search["q"] ?? "",
      sort: sort ? { key: sort.replace(/^-/, ""), descending: sort.startsWith("-") } : undefined,
      filter: (key) => search[key],
      set,
      clear: (keys) => set(Object.fromEntries(["q", ...keys].map((key) => [key, undefined]))),
    };
  }, [search, set]);
}

/** The columns somebody chose, by list; remembered in this browser. */
export function useChosenColumns(id: string, optional: string[]): [hidden: Set<string>, toggle: (key: string) => void] {
  const name = `khmara.columns.${id}`;
  const [hidden, setHidden] = useState<Set<string>>(() => {
    const stored = localStorage.getItem(name);
    return new Set(stored === null ? optional : stored.split(",").filter(Boolean));
  });
  const toggle = (key: string) => {
    const next = new Set(hidden);
    if (!next.delete(key)) next.add(key);
    localStorage.setItem(name, [...next].join(","));
    setHidden(next);
  };
  return [hidden, toggle];
}
