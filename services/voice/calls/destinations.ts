import type { Destination, DestinationKind } from "../destinations/contract.ts";
import type { Call } from "./call.ts";
import { callExtension } from "./extensions.ts";

type Of<K extends DestinationKind> = Extract<Destination, { kind: K }>;
/** Runs until it is over; returns where the call goes next, if anywhere. @throws the reason of `signal` */
type Handler<K extends DestinationKind> = (
  call: Call,
  destination: Of<K>,
  signal: AbortSignal,
) => Promise<Destination | undefined>;

const handlers: { [K in DestinationKind]?: Handler<K> } = {
  extension: (call, { id }, signal) => callExtension(call, id, signal),
  hang_up: async () => undefined,
};

/** A circle of destinations ends here. */
const mostSteps = 30;

/** Goes from destination to destination until the call is over. @throws the reason of `signal` */
export async function follow(call: Call, first: Destination, signal: AbortSignal): Promise<void> {
  let next: Destination | undefined = first;
  for (let steps = 0; next !== undefined; steps++) {
    if (steps === mostSteps) return call.refuse(482, "failed", "Its destinations lead round in a circle.");
    const handler = handlers[next.kind] as Handler<DestinationKind> | undefined;
    if (!handler) return call.refuse(501, "failed", `Calls to a ${next.kind} cannot be made.`);
    next = await handler(call, next as never, signal);
  }
}
