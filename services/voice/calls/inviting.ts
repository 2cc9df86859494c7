import { CloudError } from "../../../kernel/errors.ts";
import type { Board } from "./board.ts";
import { Call } from "./call.ts";
import { watchSpending } from "./charges.ts";
import { callConference } from "./conferences.ts";
import { targetsOf } from "./connect.ts";
import { dial, type Target } from "./dial.ts";
import { dialledDestination } from "./inside.ts";
import { targetsOutside } from "./outbound.ts";
import { outsideNumber } from "./outside.ts";
import { ringback } from "./sounds.ts";

const refused = (message: string) => new CloudError("failed_precondition", message);
export const noPhoneOf = (number: string): CloudError => refused(`No phone of ${number} is registered.`);
const ringSeconds = 60;

/** Calls somebody into a conference room, who comes in without a PIN. @throws CloudError not_found, failed_precondition */
export async function inviteToRoom(
  board: Board,
  systemId: string,
  roomId: string,
  { number, extension: inviterId }: { number: string; extension: string },
): Promise<void> {
  const plan = board.plans.of(systemId);
  const inviter = plan?.extensions.find(({ id }) => id === inviterId);
  const room = plan?.elements.conferenceRooms.find(({ id }) => id === roomId);
  if (!plan || !inviter || !room) throw new CloudError("not_found", "There is no such extension or conference room.");
  const call = new Call(board, {
    plan,
    direction: "internal",
    from: { number: inviter.number, name: inviter.callerName ?? inviter.name, extensionId: inviter.id },
    to: { number },
  });
  const targets = await targetsTo(call, number);
  if (targets.length === 0) throw noPhoneOf(number);
  const rings = Promise.withResolvers<void>();
  const ringing = dial(
    targets,
    {
      stack: board.stack,
      media: call.media,
      caller: undefined,
      ringSeconds,
      ringback: ringback(plan),
      events: call.partyEvents,
      onParty: (party) => call.add(party, party.who.trunkId ? "trunk" : "extension"),
      onRinging: () => rings.resolve(),
    },
    board.closing,
  ).then(({ party }) => {
    if (party) watchSpending(board, plan, party);
    if (party) board.track(call.run(party, (signal) => callConference(call, roomId, signal, { isInvited: true })));
    return party !== undefined;
  });
  ringing.catch((error) => board.log.debug({ err: error, call: call.id }, "somebody could not be called into a conference"));
  if (!(await Promise.race([rings.promise.then(() => true), ringing]))) throw refused(`${number} does not take the call.`);
}

/** Phones of an extension, or a number outside if it may be called. @throws CloudError failed_precondition */
export async function targetsTo(call: Call, dialled: string): Promise<Target[]> {
  const to = dialledDestination(call.plan, dialled);
  if (to?.kind === "extension") {
    const extension = call.extension(to.id);
    if (!extension || extension.doNotDisturb) throw refused(`${dialled} does not want to be disturbed now.`);
    if (call.payer?.permissions.internal === false) throw refused("The extension may not call inside.");
    return targetsOf(call, extension);
  }
  const number = to?.kind === "number" ? outsideNumber(to.number, call.plan.system.country) : undefined;
  if (!number) throw refused(`${dialled} is neither an extension nor a number outside that can be called.`);
  const targets = await targetsOutside(call, number);
  if ("reason" in targets) throw refused(targets.reason);
  return targets;
}
