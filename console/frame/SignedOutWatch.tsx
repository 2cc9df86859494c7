import { useQueryClient } from "@tanstack/react-query";
import { useNavigate, useRouter } from "@tanstack/react-router";
import { useEffect } from "react";
import { onSignedOut } from "../api/api.ts";
import { unhurried } from "./unhurried.ts";

/** The session is over: to the sign-in, once no call is cut off by it, and from there back to this very place. */
export function SignedOutWatch() {
  const navigate = useNavigate();
  const router = useRouter();
  const queries = useQueryClient();
  useEffect(() => {
    let leaving = false;
    return onSignedOut(() => {
      if (leaving) return;
      leaving = true;
      void unhurried().then(() => {
        leaving = false;
        const next = router.state.location.href;
        if (next.startsWith("/sign-in")) return;
        queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== "identityGet" && queryKey[0] !== "cloudGet" });
        void navigate({ to: "/sign-in", search: { next, expired: "1" } }).then(() => queries.clear());
      });
    });
  }, [navigate, router, queries]);
  return null;
}
