import { keepPreviousData, useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { Page } from "../../../kernel/contract.ts";
import type { CloudError } from "../../../kernel/errors.ts";
import type { ObjectEntry } from "../../../services/objects/contract.ts";
import { client } from "../../api/api.ts";
import { useFormat } from "../../i18n/format.ts";

export type SortKey = "name" | "size" | "modified";
export interface Sort {
  by: SortKey;
  descending: boolean;
}

/** The first page is small enough to be there at once, the others large enough for hundreds of thousands of keys. */
const firstPage = 300;
const furtherPages = 1000;
/** Beyond so many pages a live change is offered, not done: reading them all again would take longer than it is worth. */
const refreshedPages = 4;

type EntryPage = Page<ObjectEntry> & { searchedKeys?: number | undefined };

export interface Listing {
  /** Undefined until the first page is here. */
  entries: ObjectEntry[] | undefined;
  error: CloudError | null;
  hasMore: boolean;
  loadMore: () => void;
  loading: boolean;
  /** Reads all that is left, for "select all". */
  loadAll: () => Promise<void>;
  searchedKeys: number;
  /** Something changed in a listing that is too long to be read again by itself. */
  stale: boolean;
  refresh: () => Promise<void>;
  changed: () => void;
}

export const listingKey = (bucket: string, prefix: string, search: string) => ["objectListing", bucket, prefix, search] as const;

export function useListing(bucket: string, prefix: string, search: string, sort: Sort): Listing {
  const format = useFormat();
  const queries = useQueryClient();
  const key = useMemo(() => listingKey(bucket, prefix, search), [bucket, prefix, search]);
  const query = useInfiniteQuery<EntryPage, CloudError, { pages: EntryPage[] }, readonly unknown[], string | undefined>({
    queryKey: key,
    queryFn: ({ pageParam, signal }) =>
      client.objectList(
        {
          bucket,
          prefix,
          limit: pageParam === undefined ? firstPage : furtherPages,
          ...(search ? { search } : {}),
          ...(pageParam === undefined ? {} : { cursor: pageParam }),
        },
        { signal },
      ),
    initialPageParam: undefined,
    getNextPageParam: (last) => last.nextCursor,
    // While one types, the hits of the word before stay; another folder begins empty.
    ...(search ? { placeholderData: keepPreviousData } : {}),
    // The pulse below says what is old; time and focus would read a long folder again for nothing.
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
  });
  const { data, hasNextPage, isFetchingNextPage, fetchNextPage, refetch } = query;
  const [staleKey, setStaleKey] = useState<readonly string[]>();

  const sorted = sort.by !== "name" || sort.descending;
  // An order that the server does not know needs everything first.
  useEffect(() => {
    if (sorted && hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [sorted, hasNextPage, isFetchingNextPage, fetchNextPage]);

  const entries = useMemo(() => {
    if (!data) return undefined;
    // The marker that some clients store for a folder is the folder itself.
    const all = data.pages.flatMap((page) => page.items).filter((entry) => entry.key !== prefix);
    const complete = data.pages[0]?.nextCursor === undefined;
    // Folders first as soon as all is known at once; a long folder keeps the store's order, as nothing may jump while it loads.
    if (!sorted && !complete) return all;
    const sign = sort.descending ? -1 : 1;
    return all.sort((a, b) => {
      if (a.kind !== b.kind) return a.kind === "folder" ? -1 : 1;
      if (sort.by === "size" && a.sizeBytes !== b.sizeBytes) return sign * ((a.sizeBytes ?? 0) - (b.sizeBytes ?? 0));
      if (sort.by === "modified" && a.modifiedAt !== b.modifiedAt)
        return sign * ((a.modifiedAt ?? "") < (b.modifiedAt ?? "") ? -1 : 1);
      return (sort.by === "name" ? sign : 1) * format.compare(a.name, b.name);
    });
  }, [data, prefix, sorted, sort.by, sort.descending, format]);

  const refresh = useCallback(async () => {
    setStaleKey(undefined);
    const pages = queries.getQueryData<{ pages: unknown[]; pageParams: unknown[] }>(key);
    // From the first page on: the cursors of the old ones may point past what is new.
    if (pages && pages.pages.length > refreshedPages)
      queries.setQueryData(key, { pages: pages.pages.slice(0, 1), pageParams: pages.pageParams.slice(0, 1) });
    await queries.invalidateQueries({ queryKey: key, exact: true });
  }, [queries, key]);

  const changed = useCallback(() => {
    const pages = queries.getQueryData<{ pages: unknown[] }>(key)?.pages.length ?? 0;
    if (pages > refreshedPages) setStaleKey(key);
    else void queries.invalidateQueries({ queryKey: key, exact: true });
  }, [queries, key]);

  // The frame makes this answer old when an event tells of changed objects; that it is fetched again is the signal.
  const { dataUpdatedAt: pulse } = useQuery({
    queryKey: ["objectList", "pulse"],
    queryFn: () => Date.now(),
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
  });
  const lastPulse = useRef(pulse);
  useEffect(() => {
    if (lastPulse.current === pulse) return;
    const first = lastPulse.current === 0;
    lastPulse.current = pulse;
    if (first) return;
    queries.removeQueries({ queryKey: ["objectListing"], type: "inactive" });
    changed();
  }, [pulse, changed, queries]);

  const loadAll = useCallback(async () => {
    for (let more = hasNextPage; more; ) more = (await fetchNextPage()).hasNextPage;
  }, [hasNextPage, fetchNextPage]);

  return {
    entries,
    error: query.error,
    hasMore: hasNextPage,
    loadMore: () => {
      if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
    },
    loading: query.isFetching,
    loadAll,
    searchedKeys: data?.pages.reduce((sum, page) => sum + (page.searchedKeys ?? 0), 0) ?? 0,
    stale: staleKey === key,
    refresh: async () => {
      if (data) await refresh();
      else await refetch();
    },
    changed,
  };
}
