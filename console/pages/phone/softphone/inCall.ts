import type { Extension } from "../../../../services/voice/extensions/contract.ts";
import type { ActiveCall } from "../../../../services/voice/live/contract.ts";
import type { PhoneSystem } from "../../../../services/voice/systems/contract.ts";
import { useApi } from "../../../api/api.ts";
import type { PhoneCall } from "./state.ts";

/** What the code for recording does in this call, if it does anything. */
export type RecordWay = "start" | "stop" | "pause" | "goOn";

/** By the rule that the phone system follows when it hears the code (services/voice/calls/onDemand.ts). */
export function recordWay(
  system: Pick<PhoneSystem, "recording" | "featureCodes">,
  extension: Pick<Extension, "recording">,
  isRecorded: boolean,
): RecordWay | undefined {
  const mode = extension.recording ?? system.recording.mode;
  if (system.featureCodes.record === null || mode === "off") return undefined;
  if (mode === "on_demand") return isRecorded ? "stop" : "start";
  if (!system.recording.mayPause) return undefined;
  return isRecorded ? "pause" : "goOn";
}

/** The phone system's record of a call of this phone: both know it by the number of the other side. */
export function activeOf(
  calls: readonly ActiveCall[],
  extension: Pick<Extension, "id" | "number">,
  peer: string,
): ActiveCall | undefined {
  const own = calls.filter(({ extensionIds }) => extensionIds.includes(extension.id));
  const other = ({ from, to }: ActiveCall) => (from === extension.number ? to : from);
  // Numbers of lines come with or without + and trunk zero: the same last digits are the same number.
  const tail = (number: string) => number.replace(/\D/g, "").slice(-9);
  return own.find((call) => other(call) === peer || tail(other(call)) === tail(peer)) ?? (own.length === 1 ? own[0] : undefined);
}

export interface InCall {
  isRecorded: boolean;
  record: { way: RecordWay; code: string } | undefined;
  /** Where a call is transferred to be parked. */
  parkNumber: string | undefined;
}

/** What else the phone system can do with a call, beside what a phone does by itself. */
export function useInCall(extension: Extension, call: PhoneCall): InCall {
  const enabled = call.state === "active";
  const of = { phoneSystem: extension.phoneSystemId };
  const system = useApi("phoneSystemGet", of, { enabled, staleTime: 60_000 }).data;
  const [lot] = useApi("parkingLotList", { ...of, limit: 1 }, { enabled, staleTime: 60_000 }).data?.items ?? [];
  const calls = useApi("activeCallList", { ...of, limit: 200 }, { enabled }).data?.items ?? [];
  const isRecorded = activeOf(calls, extension, call.peer.number)?.recording ?? false;
  const way = system && recordWay(system, extension, isRecorded);
  const code = system?.featureCodes.record;
  return {
    isRecorded,
    record: way && code ? { way, code } : undefined,
    parkNumber: lot && (lot.number ?? system?.featureCodes.park ?? undefined),
  };
}
