import { QueryClient } from "@tanstack/react-query";
import { isCloudError } from "../api/errors.ts";

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // Events say what has changed; the time is only the net below them.
      staleTime: 30_000,
      // The client itself repeats what may be repeated.
      retry: (failures, error) => failures < 1 && isCloudError(error) && error.code === "internal",
      refetchOnWindowFocus: true,
    },
    mutations: { retry: false },
  },
});
