import { MutationCache, QueryCache, QueryClient } from "@tanstack/react-query";
import { isCloudError } from "../api/errors.ts";

type Listener = () => void;
const signedOut = new Set<Listener>();
/** Called when a request finds that nobody is signed in any more. */
export function onSignedOut(listener: Listener): () => void {
  signedOut.add(listener);
  return () => signedOut.delete(listener);
}

function watch(error: unknown) {
  // Sign-in answers `unauthenticated` with a reason too; that is the form's business.
  if (isCloudError(error) && error.code === "unauthenticated" && error.details.reason !== "second_factor_required") {
    for (const listener of signedOut) listener();
  }
}

export const queries = new QueryClient({
  queryCache: new QueryCache({ onError: watch }),
  mutationCache: new MutationCache({
    onError: (error, _variables, _context, mutation) => {
      if (mutation.meta?.["publicForm"] !== true) watch(error);
    },
  }),
  defaultOptions: {
    queries: {
      // Events say what has changed; the time is only the net below them.
      staleTime: 30_000,
      retry: (failures, error) => failures < 1 && (!isCloudError(error) || error.code === "internal"),
      refetchOnWindowFocus: true,
    },
    mutations: { retry: false },
  },
});
