import { CloudError } from "../../../kernel/errors.ts";
import type { ConferenceAction, ConferenceLive } from "../live/contract.ts";
import type { Conference } from "../media/engine.ts";
import type { Board } from "./board.ts";
import type { Party } from "./party.ts";

/** Conference rooms in which somebody is. */

/** What who is sent away is told. */
type Farewell = "conference_removed" | "conference_ended";

export interface Member {
  readonly callId: string;
  readonly isModerator: boolean;
  readonly since: Date;
  /** It hears music until a moderator is there. */
  waits: boolean;
  muted: boolean;
  /** Aborted when it is to leave. */
  readonly out: AbortController;
  farewell: Farewell;
}

export interface Room {
  readonly conference: Conference;
  readonly members: Map<Party, Member>;
  isLocked: boolean;
  /** Guests come in muted. */
  allMuted: boolean;
}

const rooms = new WeakMap<Board, Map<string, Room>>();

export function roomOf(board: Board, id: string): Room {
  const ofBoard = rooms.get(board) ?? new Map<string, Room>();
  rooms.set(board, ofBoard);
  const room = ofBoard.get(id) ?? {
    conference: board.engine.conference(id),
    members: new Map(),
    isLocked: false,
    allMuted: false,
  };
  ofBoard.set(id, room);
  return room;
}

/** The last one has left. */
export async function closeRoom(board: Board, id: string, room: Room): Promise<void> {
  rooms.get(board)?.delete(id);
  await room.conference.close();
}

/** Not heard by the others. @throws MediaError */
export async function mute(room: Room, party: Party, member: Member, muted: boolean): Promise<void> {
  member.muted = muted;
  if (!member.waits) await room.conference.change(party.leg, { muted });
}

/** All guests, also those who come later. @throws MediaError */
export async function muteAll(room: Room, muted: boolean): Promise<void> {
  room.allMuted = muted;
  for (const [party, member] of room.members) if (!member.isModerator) await mute(room, party, member, muted);
}

export function sendAway(member: Member, farewell: Farewell): void {
  member.farewell = farewell;
  member.out.abort(new Error("The moderator sent it away."));
}

/** Who is in a room, who moderates, and who speaks. */
export async function roomFigures(board: Board, id: string): Promise<Omit<ConferenceLive, "conferenceRoomId">> {
  const room = rooms.get(board)?.get(id);
  if (!room) return { locked: false, members: [] };
  const heard = new Map((await room.conference.members()).map((each) => [each.leg, each]));
  return {
    locked: room.isLocked,
    members: [...room.members].map(([{ who, leg }, { callId, isModerator, waits, muted, since }]) => {
      const { talking = false, levelDbm0 = -100 } = heard.get(leg.id) ?? {};
      return {
        callId,
        number: who.number ?? "anonymous",
        ...(who.name === undefined ? {} : { name: who.name }),
        ...(who.extensionId === undefined ? {} : { extensionId: who.extensionId as never }),
        moderator: isModerator,
        waiting: waits,
        muted,
        talking,
        levelDbm0,
        since: since.toISOString(),
      };
    }),
  };
}

/** @throws CloudError not_found when nobody is in the room, or not who is meant */
export async function changeRoom(
  board: Board,
  id: string,
  action: Exclude<ConferenceAction, { action: "invite" }>,
): Promise<void> {
  const room = rooms.get(board)?.get(id);
  if (!room) throw new CloudError("not_found", "Nobody is in this conference room.");
  const one = (callId: string): [Party, Member] => {
    const found = [...room.members].find(([, member]) => member.callId === callId);
    if (!found) throw new CloudError("not_found", "This call is not in the conference room any more.");
    return found;
  };
  switch (action.action) {
    case "mute":
    case "unmute":
      return mute(room, ...one(action.callId), action.action === "mute");
    case "remove":
      return sendAway(one(action.callId)[1], "conference_removed");
    case "mute_all":
    case "unmute_all":
      return muteAll(room, action.action === "mute_all");
    case "lock":
    case "unlock":
      room.isLocked = action.action === "lock";
      return;
    case "end":
      for (const member of room.members.values()) sendAway(member, "conference_ended");
  }
}
