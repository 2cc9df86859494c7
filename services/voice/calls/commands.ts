import { CloudError } from "../../../kernel/errors.ts";
import type { Destination } from "../destinations/contract.ts";
import type { CallAction, ConferenceAction } from "../live/contract.ts";
import type { Command } from "../live/store/commands.ts";
import type { Board } from "./board.ts";
import type { Call } from "./call.ts";
import type { CallOutInput } from "./callOut.ts";
import { inviteToRoom } from "./inviting.ts";
import { changeRoom, roomFigures } from "./rooms.ts";
import { announcementSource, textSource } from "./spoken.ts";

/** What the control plane asks of calls: those that run are changed, new ones are made. */

export interface CallStartInput {
  extension: string;
  to?: string;
  application?: string;
  /** The only one that rings. */
  device?: string;
  answerAutomatically: boolean;
}

/** What the switchboard does for a command; errors are CloudErrors. */
export interface CommandActions {
  /** Rings the extension, and once somebody has answered there goes on; answers with the call's id when the first phone rings. */
  start(systemId: string, input: CallStartInput): Promise<{ callId: string }>;
  callOut(systemId: string, input: CallOutInput): Promise<{ callId: string }>;
  /** Whoever is the outer party goes there; the other one is let go. */
  send(call: Call, to: Destination): void;
  record(call: Call, on: boolean): Promise<void>;
  park(call: Call): void;
  /** The outer parties of both speak with each other; who was with them is let go. */
  bridge(call: Call, other: Call): void;
}

/** For `serveCommands`. @throws CloudError not_found, failed_precondition, deadline_exceeded */
export function commandHandler(board: Board, actions: CommandActions): (command: Command) => Promise<Record<string, unknown>> {
  return async ({ kind, input, systemId }) => {
    if (kind === "call_start") return actions.start(systemId, input as unknown as CallStartInput);
    if (kind === "call_out") return actions.callOut(systemId, input as unknown as CallOutInput);
    if (kind === "conference_get") return { ...(await roomFigures(board, String(input["room"]))) };
    if (kind === "conference_act") {
      const action = input["do"] as ConferenceAction;
      if (action.action === "invite") await inviteToRoom(board, systemId, String(input["room"]), action);
      else await changeRoom(board, String(input["room"]), action);
      return {};
    }
    const { callId, do: action } = input as { callId: string; do: CallAction };
    const call = board.calls.get(callId);
    if (call === undefined || call.plan.system.id !== systemId) throw new CloudError("not_found", "This call is over.");
    if (action.action === "bridge") {
      const other = board.calls.get(action.with);
      if (other === undefined || other === call || other.plan.system.id !== systemId)
        throw new CloudError(
          "failed_precondition",
          "The other call is over, or is this one. Give the id of another call that runs.",
        );
      actions.bridge(call, other);
      return {};
    }
    await act(call, action, actions);
    return {};
  };
}

async function act(call: Call, action: Exclude<CallAction, { action: "bridge" }>, actions: CommandActions): Promise<void> {
  switch (action.action) {
    case "hang_up":
      call.hungUpBy ??= "system";
      for (const party of [...call.parties]) party.hangUp();
      return;
    case "transfer":
      return actions.send(call, action.to);
    case "record_start":
      return actions.record(call, true);
    case "record_stop":
      return actions.record(call, false);
    case "park":
      return actions.park(call);
    case "say":
      return tellAll(call, await textSource(call, action.text));
    case "play":
      return tellAll(call, await announcementSource(call, action.announcement));
    case "send_digits":
      await Promise.all(answered(call).map((party) => party.sendDigits(action.digits)));
      return;
  }
}

const answered = (call: Call) => {
  const parties = [...call.parties].filter((party) => party.isAnswered);
  if (parties.length === 0)
    throw new CloudError("failed_precondition", "Nobody has answered this call yet. Try again once somebody has.");
  return parties;
};

/** Over what they say to each other. */
async function tellAll(call: Call, source: Awaited<ReturnType<typeof textSource>>): Promise<void> {
  for (const party of answered(call)) party.play(source, { over: true });
}
