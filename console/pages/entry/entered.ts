import { useQueryClient } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import type { Answer } from "../../api/api.ts";
import { homeAddress } from "../../frame/identity.ts";

/** The secret of a link stands behind the #, so that it reaches no server's log. */
export const linkToken = (): string => decodeURIComponent(location.hash.replace(/^#(token=)?/, ""));

/** Signed in: on to where one wanted to be. */
export function useEntered(): (identity: Answer<"identityGet">, next?: string | undefined) => void {
  const queries = useQueryClient();
  const router = useRouter();
  return (identity, next) => {
    queries.setQueryData(["identityGet", {}], identity);
    void queries.invalidateQueries({ queryKey: ["cloudGet"] });
    // Only addresses of this console: a link must not lead elsewhere through the sign-in.
    const inside = next?.startsWith("/") && !/^\/[/\\]/.test(next);
    router.history.push(inside ? (next as string) : homeAddress(identity));
  };
}
