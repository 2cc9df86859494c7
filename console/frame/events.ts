import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { client, type RouteKey } from "../api/api.ts";
import { isCloudError } from "../api/errors.ts";
import { eventRefreshes } from "./services.ts";

export type Connection = "live" | "lost";

/** A burst of events becomes one refetch. */
const gatherMs = 150;
/** A restart of the cloud is over before anybody needs to hear of it. */
const calmMs = 3000;

/**
 * The one event stream of the console: what changes anywhere makes the answers that show it old,
 * and whoever looks at them sees the new ones.
 */
export function useCloudEvents(organisation: string | undefined): Connection {
  const queries = useQueryClient();
  const [connection, setConnection] = useState<Connection>("live");

  useEffect(() => {
    if (organisation === undefined) return;
    const stop = new AbortController();
    const stale = new Set<RouteKey>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let opened = false;
    const flush = () => {
      timer = undefined;
      const keys = [...stale];
      stale.clear();
      void queries.invalidateQueries({ predicate: (query) => keys.includes(query.queryKey[0] as RouteKey) });
    };
    const follow = async () => {
      const events = client.events({ organisation } as Parameters<typeof client.events>[0], {
        signal: stop.signal,
        onOpen: () => {
          // Connected anew: what happened meanwhile may have passed us by.
          if (opened) void queries.invalidateQueries();
          opened = true;
        },
      });
      for await (const event of events) {
        for (const key of eventRefreshes.get(event.type) ?? []) stale.add(key);
        if (stale.size > 0) timer ??= setTimeout(flush, gatherMs);
      }
    };
    follow().catch((error: unknown) => {
      if (isCloudError(error) && error.code === "unauthenticated") void queries.invalidateQueries({ queryKey: ["identityGet"] });
    });
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [organisation, queries]);

  // The stream waits longer and longer between tries; the health of the API itself says whether we are cut off.
  useEffect(() => {
    let failing: ReturnType<typeof setTimeout> | undefined;
    const unsubscribe = queries.getQueryCache().subscribe(({ type, query }) => {
      if (type !== "updated") return;
      const { status, error, fetchStatus } = query.state;
      if (fetchStatus !== "idle") return;
      if (status === "success") {
        clearTimeout(failing);
        failing = undefined;
        setConnection("live");
      } else if (isCloudError(error) && error.code === "unavailable") {
        failing ??= setTimeout(() => setConnection("lost"), 0);
      }
    });
    const offline = () => {
      failing ??= setTimeout(() => setConnection("lost"), calmMs);
    };
    const online = () => {
      clearTimeout(failing);
      failing = undefined;
      void queries.invalidateQueries();
    };
    addEventListener("offline", offline);
    addEventListener("online", online);
    return () => {
      unsubscribe();
      clearTimeout(failing);
      removeEventListener("offline", offline);
      removeEventListener("online", online);
    };
  }, [queries]);

  return connection;
}
