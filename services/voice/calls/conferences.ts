import { openPins } from "../elements/pins.ts";
import type { Conference, MemberOptions } from "../media/engine.ts";
import { conferenceCount } from "../prompts/sayings.ts";
import { aborted } from "./abort.ts";
import type { Board } from "./board.ts";
import type { Call } from "./call.ts";
import type { Party } from "./party.ts";
import { keepRecording, newSoundFile } from "./recordings.ts";
import { ask, saidSource, say } from "./say.ts";
import { heldMusic } from "./spoken.ts";

interface Room {
  conference: Conference;
  members: Map<Party, { isModerator: boolean; waits: boolean }>;
  isLocked: boolean;
  allMuted: boolean;
}

const rooms = new WeakMap<Board, Map<string, Room>>();

function roomOf(board: Board, id: string): Room {
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

/** Into a conference room until the party leaves. @throws the reason of `signal` */
export async function callConference(call: Call, roomId: string, signal: AbortSignal): Promise<void> {
  const settings = call.plan.elements.conferenceRooms.find(({ id }) => id === roomId);
  if (!settings) {
    call.refuse(404, "failed", "There is no such conference room.");
    return;
  }
  const { subject, board } = call;
  call.note("conference", settings.id, settings.name);
  await subject.answer();
  call.setState("conference");
  const pins = openPins(board.secrets, settings);
  let isModerator = pins.moderatorPin === undefined && call.from.extensionId !== undefined;
  if (pins.pin !== undefined || pins.moderatorPin !== undefined) {
    const entered = await enter(call, pins, signal);
    if (entered === undefined) return say(call, "goodbye", signal);
    isModerator = entered;
  }
  const room = roomOf(board, roomId);
  if (room.isLocked || room.members.size >= settings.maxParties)
    return say(call, room.isLocked ? "conference_locked" : "conference_full", signal);
  call.answered();
  call.setState("conference");
  const member = { isModerator, waits: settings.waitForModerator && !isModerator };
  room.members.set(subject, member);
  const options = { muted: (settings.muteOnEntry || room.allMuted) && !isModerator };
  try {
    const others = [...room.members.values()].filter(({ waits }) => !waits).length - (member.waits ? 0 : 1);
    await say(call, conferenceCount(others), signal);
    await waitForModerator(call, room, settings.music, signal);
    await join(call, room, options, settings.announceJoin);
    if (settings.record) recordRoom(call, room);
    const stop = subject.digits.listen((digit) => void command(call, room, digit, options));
    await aborted(signal).finally(stop);
  } finally {
    room.members.delete(subject);
    await leave(call, roomId, room, settings.announceLeave);
  }
}

/** Whether it is a moderator; undefined when no PIN was right. */
async function enter(
  call: Call,
  pins: { pin?: string | undefined; moderatorPin?: string | undefined },
  signal: AbortSignal,
): Promise<boolean | undefined> {
  for (let attempt = 0; attempt < 3; attempt++) {
    const entered = await ask(call, "conference_pin", signal, { maximum: 10 });
    if (entered !== "" && entered === pins.moderatorPin) return true;
    if (pins.pin === undefined ? entered === "" : entered === pins.pin) return false;
    await say(call, "wrong_pin", signal);
  }
  return undefined;
}

async function waitForModerator(call: Call, room: Room, music: string | undefined, signal: AbortSignal): Promise<void> {
  const member = room.members.get(call.subject);
  const isThere = () => [...room.members.values()].some(({ isModerator }) => isModerator);
  if (!member?.waits) {
    for (const each of room.members.values()) each.waits = false;
    return;
  }
  if (!isThere()) await say(call, "conference_wait", signal);
  const playback = isThere() ? undefined : call.subject.play(await heldMusic(call, music), { repeat: 0 });
  try {
    while (!isThere()) {
      signal.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  } finally {
    member.waits = false;
    await playback?.stop();
  }
}

async function join(call: Call, room: Room, options: MemberOptions, announce: boolean): Promise<void> {
  if (announce && room.members.size > 1) room.conference.play(saidSource(call, "conference_somebody_joined"));
  await room.conference.join(call.subject.leg, options);
}

async function leave(call: Call, roomId: string, room: Room, announce: boolean): Promise<void> {
  // Its leg may be gone already.
  await room.conference.leave(call.subject.leg).catch(() => {});
  if (room.members.size === 0) {
    rooms.get(call.board)?.delete(roomId);
    await room.conference.close();
  } else if (announce) room.conference.play(saidSource(call, "conference_somebody_left"));
}

const recording = new WeakSet<Room>();

/** From the first who comes to the last who goes. */
function recordRoom(call: Call, room: Room): void {
  if (recording.has(room)) return;
  recording.add(room);
  const kept = room.conference.record({ file: newSoundFile(call) }).done.then((end) => keepRecording(call, end));
  call.board.track(
    kept.catch((error) => call.board.log.error({ err: error, call: call.id }, "a conference's recording cannot be kept")),
  );
}

/** Keys in a conference: *6 mutes oneself; a moderator: *7 mutes all, *8 locks the room. */
async function command(call: Call, room: Room, digit: string, options: MemberOptions): Promise<void> {
  const { subject } = call;
  const key = `${starred.get(subject) === true ? "*" : ""}${digit}`;
  starred.set(subject, digit === "*");
  const tell = (phrase: Parameters<typeof saidSource>[1]) => void subject.play(saidSource(call, phrase), { over: true });
  const isModerator = room.members.get(subject)?.isModerator === true;
  if (key === "*6") {
    options.muted = !options.muted;
    await room.conference.change(subject.leg, { muted: options.muted });
    tell(options.muted ? "conference_muted" : "conference_unmuted");
  }
  if (key === "*7" && isModerator) {
    room.allMuted = !room.allMuted;
    for (const [party, member] of room.members)
      if (!member.isModerator) await room.conference.change(party.leg, { muted: room.allMuted });
    tell(room.allMuted ? "conference_all_muted" : "conference_unmuted");
  }
  if (key === "*8" && isModerator) {
    room.isLocked = !room.isLocked;
    tell(room.isLocked ? "conference_locked" : "conference_unlocked");
  }
}

/** Who has just pressed *. */
const starred = new WeakMap<Party, boolean>();
