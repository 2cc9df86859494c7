import { translateMaybe, useT } from "../../i18n/i18n.ts";

export const commonScopes = ["*", "*.read", "objects.*"] as const;

/** A scope in words where it is a usual one, as it is where not. */
export function useScopeName(): (scope: string) => string {
  useT();
  return (scope) => translateMaybe(`access.scope.${scope}`) ?? scope;
}
