import {
  type InfiniteData,
  keepPreviousData,
  type QueryClient,
  type UseInfiniteQueryResult,
  type UseMutationResult,
  type UseQueryResult,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { type Answer, type Arguments as ClientArguments, createClient } from "../../client/client.ts";
import type { Page } from "../../kernel/contract.ts";
import { CloudError } from "../../kernel/errors.ts";
import type { CloudRoutes } from "../../services/contracts.ts";

export const client = createClient({ baseUrl: "" });
/** The key of a route in the contracts: `bucketList`. */
export type RouteKey = keyof CloudRoutes & string;
export type { Answer };
/** A route without body fields would otherwise forbid every other argument as well. */
export type Arguments<K extends RouteKey> = {
  [N in keyof ClientArguments<K> as string extends N ? never : N]: ClientArguments<K>[N];
};
/** What a list route lists. */
export type Item<K extends RouteKey> = Answer<K> extends { items: (infer T)[] } ? T : never;

const signedOut = new Set<() => void>();
/** Called when a request finds that nobody is signed in any more. */
export function onSignedOut(listener: () => void): () => void {
  signedOut.add(listener);
  return () => signedOut.delete(listener);
}

/** Calls a route outside of a component's life; `useApi` and `useChange` stand on it. */
export async function callApi<K extends RouteKey>(key: K, args: Arguments<K>): Promise<Answer<K>> {
  try {
    return await (client[key] as unknown as (args: Arguments<K>) => Promise<Answer<K>>)(args);
  } catch (error) {
    if (CloudError.is(error, "unauthenticated")) for (const listener of signedOut) listener();
    throw error;
  }
}

/** For loaders and the like; `useApi` is this in a component. */
export const apiQuery = <K extends RouteKey>(key: K, args: Arguments<K>) => ({
  queryKey: [key, args] as const,
  queryFn: () => callApi(key, args),
});

interface ReadOptions {
  /** False while what it needs is not known yet. */
  enabled?: boolean;
  /** Keeps showing the answer to the arguments before (search as one types). */
  keepPrevious?: boolean;
  staleTime?: number;
  refetchInterval?: number | false;
}

/** Reads a route and keeps it fresh: events of the cloud invalidate it by its key. */
export function useApi<K extends RouteKey>(
  key: K,
  args: Arguments<K>,
  options: ReadOptions = {},
): UseQueryResult<Answer<K>, CloudError> {
  const { keepPrevious, ...rest } = options;
  return useQuery<Answer<K>, CloudError>({
    queryKey: [key, args],
    queryFn: () => callApi(key, args),
    ...(keepPrevious ? { placeholderData: keepPreviousData } : {}),
    ...rest,
  });
}

export interface Listed<T> {
  /** Undefined until the first page is here. */
  rows: T[] | undefined;
  error: CloudError | null;
  hasMore: boolean;
  loadMore: () => void;
  loadingMore: boolean;
  query: UseInfiniteQueryResult<InfiniteData<Page<T>>, CloudError>;
}

/** Reads a list route page by page; give the result to `DataList`. */
export function useApiList<K extends RouteKey>(
  key: K,
  args: Omit<Arguments<K>, "cursor" | "limit">,
  options: { enabled?: boolean; limit?: number; refetchInterval?: number | false } = {},
): Listed<Item<K>> {
  const query = useInfiniteQuery<Page<Item<K>>, CloudError, InfiniteData<Page<Item<K>>>, readonly unknown[], string | undefined>({
    queryKey: [key, "pages", args],
    queryFn: ({ pageParam }) =>
      callApi(key, {
        ...args,
        limit: options.limit ?? 200,
        ...(pageParam ? { cursor: pageParam } : {}),
      } as unknown as Arguments<K>) as Promise<Page<Item<K>>>,
    initialPageParam: undefined,
    getNextPageParam: (last) => last.nextCursor,
    placeholderData: keepPreviousData,
    enabled: options.enabled ?? true,
    refetchInterval: options.refetchInterval ?? false,
  });
  return {
    rows: query.data?.pages.flatMap((page) => page.items),
    error: query.error,
    hasMore: query.hasNextPage,
    loadMore: () => void query.fetchNextPage(),
    loadingMore: query.isFetchingNextPage,
    query,
  };
}

/** What a route key's answers are invalidated by; the first word of the query key is the route. */
export async function invalidate(queries: QueryClient, keys: readonly RouteKey[]): Promise<void> {
  await Promise.all(keys.map((key) => queries.invalidateQueries({ queryKey: [key] })));
}

/** Calls a route that changes something, and refetches what it changed. Errors are shown by the form or the caller. */
export function useChange<K extends RouteKey>(
  key: K,
  options: { refresh?: readonly RouteKey[]; onDone?: (answer: Answer<K>, args: Arguments<K>) => void } = {},
): UseMutationResult<Answer<K>, CloudError, Arguments<K>> {
  const queries = useQueryClient();
  return useMutation<Answer<K>, CloudError, Arguments<K>>({
    mutationFn: (args) => callApi(key, args),
    onSuccess: async (answer, args) => {
      options.onDone?.(answer, args);
      await invalidate(queries, options.refresh ?? []);
    },
  });
}
