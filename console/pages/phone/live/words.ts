import type { ActiveCall } from "../../../../services/voice/live/contract.ts";
import { readable } from "../softphone/numbers.ts";

/** Who speaks with whom, in one line. */
export const callWords = ({ from, fromName, to, toName }: ActiveCall): string =>
  `${fromName ?? readable(from)} – ${toName ?? readable(to)}`;
