import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback } from "react";

export type AddressValues = Record<string, string | undefined>;

/** What stands behind the question mark; changing it is a step back in history only where that is what one expects. */
export function useAddress(): [AddressValues, (change: AddressValues, options?: { push?: boolean }) => void] {
  const values = useSearch({ strict: false }) as AddressValues;
  const navigate = useNavigate();
  const change = useCallback(
    (to: AddressValues, { push = false }: { push?: boolean } = {}) => {
      void navigate({
        to: ".",
        search: ((now: AddressValues) => ({ ...now, ...to })) as never,
        replace: !push,
        resetScroll: false,
      });
    },
    [navigate],
  );
  return [values, change];
}
