import { Avatar } from "@mantine/core";
import { initials } from "../../../ui/initials.ts";
import { readable } from "./numbers.ts";
import type { Peer } from "./state.ts";

export const peerName = ({ name, number }: Peer): string => name ?? readable(number);

/** Who it is, as large as it may be; a number without a name has no letters. */
export function PeerFace({ peer, size }: { peer: Peer; size: number }) {
  return (
    <Avatar size={size} radius="50%" color="sky" variant="light" aria-hidden styles={{ placeholder: { fontSize: size * 0.36 } }}>
      {peer.name ? initials(peer.name) : "#"}
    </Avatar>
  );
}
