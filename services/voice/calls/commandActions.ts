import { CloudError } from "../../../kernel/errors.ts";
import type { Destination } from "../destinations/contract.ts";
import type { Board } from "./board.ts";
import { Call } from "./call.ts";
import { callOut } from "./callOut.ts";
import type { CallStartInput, CommandActions } from "./commands.ts";
import { targetsOf } from "./connect.ts";
import { follow } from "./destinations.ts";
import { dial } from "./dial.ts";
import { calledBy } from "./inside.ts";
import { startOnDemand, stopOnDemand } from "./onDemand.ts";
import { answerAfter } from "./paging.ts";
import { park } from "./parking.ts";
import type { Party } from "./party.ts";
import { routeDialled } from "./routing.ts";
import { ringback } from "./sounds.ts";
import { continued, join } from "./transfer.ts";

const refused = (message: string) => new CloudError("failed_precondition", message);

export function createCommandActions(board: Board): CommandActions {
  return {
    start: (systemId, input) => startCall(board, systemId, input),
    callOut: (systemId, input) => callOut(board, systemId, input),

    send(call, to) {
      const party = outerParty(call);
      const next = continued(board, call, party, calledBy(call.plan, to));
      void next.run(party, (signal) => follow(next, to, signal));
    },

    async record(call, on) {
      if (!on) {
        if (!call.onDemand) throw refused("This call is not being recorded on somebody's word.");
        return stopOnDemand(call);
      }
      if (call.isRecorded) throw refused("This call is being recorded already.");
      if (!call.subject.isAnswered) throw refused("Nobody has answered this call yet. Try again once somebody has.");
      startOnDemand(call);
    },

    bridge(call, other) {
      const [one, two] = [outerParty(call), outerParty(other)];
      void join(board, call, one, two);
    },

    park(call) {
      const [lot] = call.plan.elements.parkingLots;
      if (!lot) throw refused("This phone system has no parking lot. Make one first.");
      const party = outerParty(call);
      const parker = [...call.parties].find((each) => each !== party)?.who.extensionId;
      const next = continued(board, call, party, { number: lot.number ?? lot.firstSlot, name: lot.name });
      void next.run(party, async (signal) => {
        if ((await park(next, lot, parker, signal)) === "fetched") return;
        if (parker) await follow(next, { kind: "extension", id: parker as never }, signal);
        await follow(next, lot.timeout, signal);
      });
    },
  };
}

/** Whoever is outside of the phone system, else whoever called. */
function outerParty(call: Call): Party {
  const answered = [...call.parties].filter((party) => party.isAnswered);
  const party = answered.find(({ who }) => who.trunkId !== undefined) ?? answered.find((each) => each === call.subject);
  if (!party) throw refused("Nobody has answered this call yet. Try again once somebody has.");
  return party;
}

/** Calls an extension, and what it is to be connected with once it answers. @throws CloudError not_found, failed_precondition */
export async function startCall(board: Board, systemId: string, input: CallStartInput): Promise<{ callId: string }> {
  // One that was just made is none of the plan of before.
  const plan = await board.plans.newest(systemId);
  const found = plan?.extensions.find(({ id }) => id === input.extension);
  if (!plan || !found) throw new CloudError("not_found", "There is no such extension.");
  const devices = found.devices.filter(({ id }) => input.device === undefined || id === input.device);
  const extension = { ...found, devices };
  const application = input.application === undefined ? undefined : { kind: "application" as const, id: input.application };
  const wanted = input.to ?? "application";
  // Its phones show whom they are about to call.
  const call = new Call(board, {
    plan,
    direction: "internal",
    from: { number: input.to, name: undefined },
    to: { number: extension.number },
  });
  const targets = targetsOf(call, extension, input.answerAutomatically ? answerAfter : {});
  const device = input.device === undefined ? undefined : devices[0];
  if (targets.length === 0)
    throw refused(
      device ? `${device.label} is not connected. Choose another phone.` : `No phone of ${extension.number} is registered.`,
    );
  const rings = Promise.withResolvers<void>();
  const ringing = dial(
    targets,
    {
      stack: board.stack,
      media: call.media,
      caller: undefined,
      ringSeconds: extension.ringSeconds,
      ringback: ringback(plan),
      events: call.partyEvents,
      onParty: (party) => call.add(party, "extension"),
      onRinging: () => rings.resolve(),
    },
    new AbortController().signal,
  ).then(async ({ party }) => {
    if (!party) return false;
    rings.resolve();
    call.from = party.who;
    call.to = { number: wanted };
    call.payer = extension;
    void call.run(party, (signal) =>
      application ? follow(call, application as Destination, signal) : routeDialled(call, wanted, signal),
    );
    return true;
  });
  ringing.catch((error) => board.log.warn({ err: error, call: call.id }, "a call could not be started"));
  const began = await Promise.race([rings.promise.then(() => true), ringing]);
  if (!began) throw refused(`The phones of ${extension.number} do not take the call.`);
  return { callId: call.id };
}
