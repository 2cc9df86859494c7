import { CloudError } from "../../../kernel/errors.ts";
import type { Destination } from "../destinations/contract.ts";
import type { PhonePlan } from "../plan.ts";
import type { Board } from "./board.ts";
import { Call, type CallStart } from "./call.ts";
import { watchSpending } from "./charges.ts";
import { follow } from "./destinations.ts";
import { dial, type Target, type Unanswered } from "./dial.ts";
import { dialledDestination } from "./inside.ts";
import { noPhoneOf, targetsTo } from "./inviting.ts";
import { ringback } from "./sounds.ts";

export interface CallOutInput {
  to: string;
  /** In whose name: one of the two. */
  extension?: string;
  phoneNumber?: string;
  destination: Destination;
  ringSeconds: number;
}

/**
 * Calls somebody, and gives whoever answers to a destination. Answers once it is dialled: what comes of it is told by webhooks and stands in its record.
 * @throws CloudError not_found, failed_precondition
 */
export async function callOut(board: Board, systemId: string, input: CallOutInput): Promise<{ callId: string }> {
  // A destination that was just made must be known.
  const plan = await board.plans.newest(systemId);
  const start = plan && inWhoseName(plan, input);
  if (!plan || !start) throw new CloudError("not_found", "There is no such extension or number.");
  const called = dialledDestination(plan, input.to);
  const extension = called?.kind === "extension" ? plan.extensions.find(({ id }) => id === called.id) : undefined;
  const call = new Call(board, {
    ...{ plan, direction: "internal", ...start },
    to: extension ? { number: extension.number, name: extension.name } : { number: input.to },
  });
  call.callsOut = true;
  const targets = await targetsTo(call, input.to);
  if (targets.length === 0) throw noPhoneOf(input.to);
  for (const { who } of targets) {
    if (who.extensionId) call.extensionIds.add(who.extensionId);
    else if (who.number) call.to = { number: who.number };
  }
  board.begin(call);
  board.track(reach(call, targets, input));
  return { callId: call.id };
}

function inWhoseName(plan: PhonePlan, input: CallOutInput): Pick<CallStart, "from" | "phoneNumberId" | "language"> | undefined {
  const extension = plan.extensions.find(({ id }) => id === input.extension);
  if (extension)
    return { from: { number: extension.number, name: extension.callerName ?? extension.name, extensionId: extension.id } };
  const number = plan.numbers.find(({ id }) => id === input.phoneNumber);
  return (
    number && {
      from: { number: number.number, name: number.label || undefined },
      phoneNumberId: number.id,
      language: number.language ?? undefined,
    }
  );
}

/** Until the call is over. Never rejects. */
async function reach(call: Call, targets: Target[], { destination, ringSeconds }: CallOutInput): Promise<void> {
  const { board } = call;
  try {
    const result = await dial(
      targets,
      {
        stack: board.stack,
        media: call.media,
        caller: undefined,
        ringSeconds,
        ringback: ringback(call.plan),
        events: call.partyEvents,
        onParty(party) {
          call.trunkId = party.who.trunkId;
          call.add(party, party.who.trunkId ? "trunk" : "extension");
        },
      },
      board.closing,
    );
    const { party } = result;
    if (party) {
      watchSpending(board, call.plan, party);
      return await call.run(party, async (signal) => {
        call.answered(party);
        await follow(call, destination, signal);
      });
    }
    const [status, outcome] = unanswered[result.why];
    if (call.hungUpBy === "system") call.refuse(487, "missed", "It was ended before anybody answered.");
    else call.refuse(status ?? result.status, outcome, `Who was called answered ${result.status}.`);
  } catch (error) {
    if (!board.closing.aborted) board.log.warn({ err: error, call: call.id }, "somebody could not be called");
    call.refuse(500, "failed", "The phone service could not go on with the call.");
  }
  await board.finish(call);
}

const unanswered: Record<Unanswered, [status: number | undefined, outcome: "busy" | "missed" | "refused" | "failed"]> = {
  busy: [486, "busy"],
  declined: [603, "refused"],
  no_answer: [480, "missed"],
  unreachable: [undefined, "failed"],
  not_found: [404, "failed"],
  failed: [undefined, "failed"],
};
