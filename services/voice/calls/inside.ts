import type { Destination } from "../destinations/contract.ts";
import type { PhonePlan } from "../plan.ts";

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
