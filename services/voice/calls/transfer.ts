import type { IncomingRefer } from "../sip/ports.ts";
import type { Board } from "./board.ts";
import type { Party } from "./party.ts";

/** A phone asks that whom it talks to is called elsewhere (RFC 3515, RFC 5589). */
export function transfer(_board: Board, _party: Party, refer: IncomingRefer): void {
  refer.reject(603);
}
