import { openPins } from "../elements/pins.ts";
import type { PhonePlan } from "../plan.ts";
import { conferenceCount } from "../prompts/sayings.ts";
import { aborted, pause } from "./abort.ts";
import type { Call } from "./call.ts";
import { keepRecording, newSoundFile } from "./recordings.ts";
import { closeRoom, type Member, mute, muteAll, type Room, roomOf, sendAway } from "./rooms.ts";
import { ask, saidSource, say } from "./say.ts";
import { heldMusic } from "./spoken.ts";

type Settings = PhonePlan["elements"]["conferenceRooms"][number];

/** Into a conference room until the party leaves, or is sent away. @throws the reason of `signal` */
export async function callConference(call: Call, roomId: string, signal: AbortSignal, { isInvited = false } = {}): Promise<void> {
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
  let isModerator = !isInvited && pins.moderatorPin === undefined && call.other.extensionId !== undefined;
  if (!isInvited && (pins.pin !== undefined || pins.moderatorPin !== undefined)) {
    const entered = await enter(call, pins, signal);
    if (entered === undefined) return say(call, "goodbye", signal);
    isModerator ||= entered;
  }
  const room = roomOf(board, roomId);
  const isShut = room.isLocked && !isModerator && !isInvited;
  if (isShut || room.members.size >= settings.maxParties)
    return say(call, isShut ? "conference_locked" : "conference_full", signal);
  call.answered();
  call.setState("conference");
  const member: Member = {
    callId: call.id,
    isModerator,
    since: new Date(),
    waits: settings.waitForModerator && !isModerator,
    muted: (settings.muteOnEntry || room.allMuted) && !isModerator,
    out: new AbortController(),
    farewell: "conference_removed",
  };
  room.members.set(subject, member);
  try {
    await stay(call, room, member, settings, AbortSignal.any([signal, member.out.signal]));
  } catch (error) {
    if (signal.aborted || !member.out.signal.aborted) throw error;
  } finally {
    room.members.delete(subject);
    await leave(call, roomId, room, settings.announceLeave);
  }
  if (!signal.aborted) await say(call, member.farewell, signal);
}

async function stay(call: Call, room: Room, member: Member, settings: Settings, signal: AbortSignal): Promise<void> {
  if (settings.record && call.plan.system.recording.announce) await say(call, "recorded", signal);
  const others = [...room.members.values()].filter(({ waits }) => !waits).length - (member.waits ? 0 : 1);
  await say(call, conferenceCount(others), signal);
  await waitForModerator(call, room, member, settings, signal);
  if (settings.announceJoin && room.members.size > 1) room.conference.play(saidSource(call, "conference_somebody_joined"));
  await room.conference.join(call.subject.leg, { muted: member.muted });
  if (settings.record) recordRoom(call, room);
  const stop = listenToKeys(call, room, member);
  await aborted(signal).finally(stop);
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

async function waitForModerator(call: Call, room: Room, member: Member, settings: Settings, signal: AbortSignal): Promise<void> {
  if (!member.waits) return;
  const isThere = () => [...room.members.values()].some(({ isModerator }) => isModerator);
  if (!isThere()) await say(call, "conference_wait", signal);
  const playback = isThere() ? undefined : call.subject.play(await heldMusic(call, settings.music), { repeat: 0 });
  try {
    while (!isThere()) await pause(200, signal);
  } finally {
    member.waits = false;
    await playback?.stop();
  }
}

async function leave(call: Call, roomId: string, room: Room, announce: boolean): Promise<void> {
  // Its leg may be gone already.
  await room.conference.leave(call.subject.leg).catch(() => {});
  if (room.members.size === 0) await closeRoom(call.board, roomId, room);
  else if (announce) room.conference.play(saidSource(call, "conference_somebody_left"));
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

/** *6 mutes oneself; a moderator: *7 mutes all guests, *8 locks the room, *9 sends the guest away who came last. Returns what ends it. */
function listenToKeys(call: Call, room: Room, member: Member): () => void {
  const { subject, board } = call;
  let isStarred = false;
  const tell = (phrase: Parameters<typeof saidSource>[1]) => void subject.play(saidSource(call, phrase), { over: true });
  const keys: Record<string, () => Promise<void> | void> = {
    "6": async () => {
      await mute(room, subject, member, !member.muted);
      tell(member.muted ? "conference_muted" : "conference_unmuted");
    },
  };
  const moderatorKeys: typeof keys = {
    "7": async () => {
      await muteAll(room, !room.allMuted);
      tell(room.allMuted ? "conference_all_muted" : "conference_unmuted");
    },
    "8": () => {
      room.isLocked = !room.isLocked;
      tell(room.isLocked ? "conference_locked" : "conference_unlocked");
    },
    "9": () => {
      const last = [...room.members.values()].findLast(({ isModerator }) => !isModerator);
      if (last) sendAway(last, "conference_removed");
    },
  };
  return subject.digits.listen((digit) => {
    const work = isStarred ? (keys[digit] ?? (member.isModerator ? moderatorKeys[digit] : undefined)) : undefined;
    isStarred = digit === "*";
    // Somebody may leave meanwhile.
    if (work)
      void Promise.resolve(work()).catch((error) => board.log.debug({ err: error, call: call.id }, "a key in a conference"));
  });
}
