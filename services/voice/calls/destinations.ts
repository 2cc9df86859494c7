import type { Destination, DestinationKind } from "../destinations/contract.ts";
import type { Call } from "./call.ts";
import { callConference } from "./conferences.ts";
import { calledHeader } from "./connect.ts";
import { searchDirectory } from "./directory.ts";
import { callExtension } from "./extensions.ts";
import { callGroup } from "./groups.ts";
import { calledBy } from "./inside.ts";
import { callAnnouncement, callMenu, timeDestination } from "./menus.ts";
import { callOutside } from "./outbound.ts";
import { outsideNumber } from "./outside.ts";
import { callPaging } from "./paging.ts";
import { callProgram } from "./programs.ts";
import { callQueue } from "./queues.ts";
import { leaveVoicemail } from "./voicemail.ts";

type Of<K extends DestinationKind> = Extract<Destination, { kind: K }>;
/** Runs until it is over; returns where the call goes next, if anywhere. @throws the reason of `signal` */
type Handler<K extends DestinationKind> = (
  call: Call,
  destination: Of<K>,
  signal: AbortSignal,
) => Promise<Destination | undefined>;

const handlers: { [K in DestinationKind]: Handler<K> } = {
  extension: (call, { id }, signal) => callExtension(call, id, signal),
  voicemail: (call, { id }, signal) => last(leaveVoicemail(call, id, signal)),
  ring_group: (call, { id }, signal) => callGroup(call, id, signal),
  queue: (call, { id }, signal) => callQueue(call, id, follow, signal),
  menu: (call, { id }, signal) => callMenu(call, id, signal),
  conference: (call, { id }, signal) => last(callConference(call, id, signal)),
  time_condition: async (call, { id }) => timeDestination(call, id),
  announcement: (call, { id }, signal) => callAnnouncement(call, id, signal),
  paging: (call, { id }, signal) => last(callPaging(call, id, signal)),
  application: (call, { id }, signal) => callProgram(call, id, follow, signal),
  number: (call, { number }, signal) => last(callNumber(call, number, signal)),
  directory(call, _, signal) {
    call.setState("menu");
    return searchDirectory(call, signal);
  },
  hang_up: async () => undefined,
};

const last = (work: Promise<void>): Promise<undefined> => work.then(() => undefined);

async function callNumber(call: Call, e164: string, signal: AbortSignal): Promise<void> {
  const number = outsideNumber(e164, call.plan.system.country);
  if (!number) return call.refuse(404, "failed", "There is no such number.");
  await callOutside(call, { ...number, emergency: false }, signal);
}

/** The caller's phone shows what it has called, by name, until somebody answers. */
function nameFor(call: Call, destination: Destination): void {
  if (call.subject.isAnswered) return;
  const { number, name } = calledBy(call.plan, destination);
  // What has no number of its own has the one that led to it.
  const shown = number === destination.kind ? call.to.number : number;
  if (name !== undefined) call.subject.show(calledHeader(call, { number: shown, name }));
}

/** A circle of destinations ends here. */
const mostSteps = 30;

/** Goes from destination to destination until the call is over. @throws the reason of `signal` */
export async function follow(call: Call, first: Destination, signal: AbortSignal): Promise<void> {
  let next: Destination | undefined = first;
  for (let steps = 0; next !== undefined; steps++) {
    if (steps === mostSteps) return call.refuse(482, "failed", "Its destinations lead round in a circle.");
    nameFor(call, next);
    const handler = handlers[next.kind] as Handler<DestinationKind>;
    next = await handler(call, next as never, signal);
  }
}
