import type { PhonePlan, PlanExtension } from "../plan.ts";
import type { FeatureCode } from "../systems/contract.ts";
import { featureOf } from "./features.ts";

/** What a code turns on for whoever dials it, as a lamp beside the key that dials it. */
const isOn: Partial<Record<FeatureCode, (plan: PhonePlan, extension: PlanExtension) => boolean>> = {
  doNotDisturb: (_, { doNotDisturb }) => doNotDisturb,
  callWaiting: (_, { callWaiting }) => callWaiting,
  hideNumber: (_, { hideNumber }) => hideNumber,
  forwardAlways: (_, { forwarding }) => forwarding.always !== null,
  forwardBusy: (_, { forwarding }) => forwarding.busy !== null,
  forwardNoAnswer: (_, { forwarding }) => forwarding.noAnswer !== null,
  forwardUnreachable: (_, { forwarding }) => forwarding.unreachable !== null,
  queueLogIn: (plan, { id }) => statesOf(plan, id).some(({ loggedIn }) => loggedIn),
  queuePause: (plan, { id }) => statesOf(plan, id).some(({ loggedIn, paused }) => loggedIn && paused),
};

const statesOf = (plan: PhonePlan, id: string) =>
  plan.elements.queues.flatMap(({ states }) => states).filter(({ extensionId }) => extensionId === id);

/**
 * Whether the lamp of a code is lit for this extension; undefined: the code has none. That of a time condition (code and number) is, as long as somebody's
 * word holds there, and not the clock.
 */
export function codeLamp(plan: PhonePlan, extension: PlanExtension, dialled: string): boolean | undefined {
  const feature = featureOf(plan, dialled);
  if (feature?.code === "timeCondition") {
    const condition = plan.elements.timeConditions.find(({ number }) => number === feature.rest);
    return condition && condition.override !== "none";
  }
  return feature?.rest === "" ? isOn[feature.code]?.(plan, extension) : undefined;
}
