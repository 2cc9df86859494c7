import { isoTime } from "../../../kernel/clock.ts";
import { type ElementKind, elementKinds, type QueueAgentView } from "./contract.ts";
import type { Pins } from "./pins.ts";
import type { AgentRow } from "./store/agents.ts";
import type { ElementRow } from "./store/rows.ts";

/** Settings that were stored before a field was there have its default. `audio` is told without where it is. */
export function viewElement(row: ElementRow, pins: Pins = {}): Record<string, unknown> {
  const { audio, ...settings } = row.settings as { audio?: { id: string } };
  const { id: _, ...heard } = audio ?? { id: "" };
  return {
    id: row.id,
    phoneSystemId: row.systemId,
    projectId: row.projectId,
    organisationId: row.organisationId,
    name: row.name,
    ...(row.number === null ? {} : { number: row.number }),
    ...elementKinds[row.kind as ElementKind].defaults,
    ...settings,
    ...(audio === undefined ? {} : { audio: heard }),
    ...pins,
    createdAt: isoTime(row.createdAt),
    revision: row.revision,
  };
}

export const viewAgent = (row: AgentRow): QueueAgentView => ({
  callQueueId: row.queueId,
  queueName: row.queueName,
  extensionId: row.extensionId,
  extensionName: row.extensionName,
  extensionNumber: row.extensionNumber,
  priority: row.priority,
  loggedIn: row.loggedIn,
  paused: row.paused,
  ...(row.pauseReason === null ? {} : { pauseReason: row.pauseReason }),
  ...(row.changedAt === null ? {} : { changedAt: isoTime(row.changedAt) }),
});
