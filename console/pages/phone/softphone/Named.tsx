import type { ReactNode } from "react";
import { useApi } from "../../../api/api.ts";
import type { Peer } from "./state.ts";

/** Who is called is told by the other side only when it answers; until then the directory knows whose number it is. */
export function useNamed(phoneSystem: string, peer: Peer): Peer {
  const found = useApi(
    "phoneDirectoryList",
    { phoneSystem: phoneSystem as never, limit: 30, search: peer.number },
    { enabled: peer.name === undefined && peer.number !== "", staleTime: 60_000 },
  );
  if (peer.name !== undefined) return peer;
  const name = found.data?.items.find(({ number }) => number === peer.number)?.name;
  return name === undefined ? peer : { ...peer, name };
}

export function Named(props: { phoneSystem: string; peer: Peer; children: (peer: Peer) => ReactNode }) {
  return <>{props.children(useNamed(props.phoneSystem, props.peer))}</>;
}
