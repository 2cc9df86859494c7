import { tellWebhooks } from "../live/deliveries.ts";
import type { PlanExtension } from "../plan.ts";
import type { Saying } from "../prompts/say.ts";
import { pause } from "./abort.ts";
import { Call } from "./call.ts";
import { targetsOf } from "./connect.ts";
import { dial } from "./dial.ts";
import { say } from "./say.ts";
import { ringback } from "./sounds.ts";

const ringSeconds = 120;
const timesTold = 3;

/** An emergency number is called: people in the house are told, so that they can help, and open the door. Nothing of it may stop the call itself. */
export function raiseAlarm(call: Call, number: string): void {
  const { board, plan } = call;
  const lost = (what: string) => (error: unknown) =>
    board.log.error({ err: error, call: call.id }, `${what} of an emergency call is lost`);
  board.emergency(call, number);
  const { number: from = "anonymous", name: fromName = null, extensionId = null } = call.from;
  const told = board.database.transaction("system", (tx) =>
    tellWebhooks(tx, plan.system.id, "emergency.called", { emergency: { callId: call.id, number, from, fromName, extensionId } }),
  );
  board.track(told.catch(lost("the webhook")));
  const extension = call.extension(plan.system.emergency.alertExtension ?? undefined);
  if (extension && extension.id !== call.from.extensionId)
    void tellExtension(call, extension, number).catch(lost("the call to who is to be told"));
}

/** Its phones ring whatever it has set: their display tells who called which number, and so does a voice. */
async function tellExtension(emergency: Call, extension: PlanExtension, number: string): Promise<void> {
  const { board, plan, from } = emergency;
  const name = `${number}: ${from.name ?? from.number ?? ""}`;
  const call = new Call(board, {
    plan,
    direction: "internal",
    from: { number: from.number ?? number, name },
    to: { number: extension.number, name: extension.name },
    language: extension.language ?? undefined,
  });
  const { party } = await dial(
    targetsOf(call, extension),
    {
      stack: board.stack,
      media: call.media,
      caller: undefined,
      ringSeconds,
      ringback: ringback(plan),
      events: call.partyEvents,
      onParty: (each) => call.add(each, "extension"),
    },
    new AbortController().signal,
  );
  if (!party)
    return board.log.warn({ call: emergency.id, extension: extension.number }, "nobody took the alarm of an emergency call");
  await call.run(party, async (signal) => {
    call.answered(party);
    for (let times = 0; times < timesTold; times++) {
      await say(call, alarm(number, from.number), signal);
      await pause(1000, signal);
    }
  });
}

const alarm = (number: string, from: string | undefined): Saying[] => [
  "emergency_called",
  { digits: number },
  ...(from === undefined ? [] : (["from", "extension", { digits: from }] as const)),
];
