import type { Destination } from "../destinations/contract.ts";
import type { PhonePlan } from "../plan.ts";
import { outsideNumber } from "./outside.ts";

/** What somebody dials inside: the destination with that number, if there is one. */
export function internalDestination(plan: PhonePlan, dialled: string): Destination | undefined {
  const extension = plan.extensions.find(({ number }) => number === dialled);
  if (extension) return { kind: "extension", id: extension.id } as Destination;
  const { elements } = plan;
  const kinds = [
    ["ring_group", elements.ringGroups],
    ["queue", elements.queues],
    ["menu", elements.menus],
    ["conference", elements.conferenceRooms],
    ["announcement", elements.announcements],
    ["paging", elements.pagingGroups],
  ] as const;
  for (const [kind, list] of kinds) {
    const found = list.find(({ number }) => number === dialled);
    if (found) return { kind, id: found.id } as Destination;
  }
  return elements.speedDials.find(({ number }) => number === dialled)?.target;
}

/** What somebody writes down to be called: inside, or a number outside, whose own numbers lead where they lead. No code, and nothing in an emergency. */
export function dialledDestination(plan: PhonePlan, dialled: string): Destination | undefined {
  const inside = internalDestination(plan, dialled);
  if (inside) return inside;
  const { outsidePrefix, emergency, country } = plan.system;
  const digits = dialled.replace(/[\s().-]/g, "");
  if (!/^\+?\d+$/.test(digits) || emergency.numbers.includes(digits)) return undefined;
  const isOutside = outsidePrefix !== "" && digits.startsWith(outsidePrefix);
  const rest = isOutside ? digits.slice(outsidePrefix.length) : digits;
  if (emergency.numbers.includes(rest)) return undefined;
  const e164 = outsideNumber(rest, country)?.e164;
  if (e164 === undefined) return undefined;
  return plan.numbers.find(({ number }) => number === e164)?.destination ?? { kind: "number", number: e164 };
}

/** What a record calls a destination: its number, and its name. */
export function calledBy(plan: PhonePlan, to: Destination): { number: string; name?: string } {
  if (to.kind === "number") return { number: to.number };
  if (!("id" in to)) return { number: to.kind };
  const all: { id: string; number?: string | undefined; name: string }[] = [
    ...plan.extensions,
    ...Object.values(plan.elements).flat(),
  ] as never;
  const found = all.find(({ id }) => id === to.id);
  return found ? { number: found.number ?? to.kind, name: found.name } : { number: to.kind };
}
