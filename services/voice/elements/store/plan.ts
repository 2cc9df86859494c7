import type { Tx } from "../../../../kernel/db/database.ts";
import { type ElementKind, elementKinds } from "../contract.ts";
import type { AgentState, Element, ElementRow, PlanElements } from "./rows.ts";

type PlanRow = Pick<ElementRow, "id" | "kind" | "name" | "number" | "settings" | "sealed">;

/** Settings that were stored before a field was there have its default. */
const open = <K extends ElementKind>(kind: K, row: PlanRow): Element<K> =>
  ({ ...elementKinds[kind].defaults, ...row.settings, id: row.id, name: row.name, number: row.number ?? undefined }) as never;

/** All elements of a phone system, in two queries. */
export async function loadElements(tx: Tx, systemId: string): Promise<PlanElements> {
  const rows = await tx.sql<PlanRow[]>`
    select id, kind, name, number, settings, sealed from voice.elements where system_id = ${systemId} order by lower(name), id`;
  const states = await tx.sql<(AgentState & { queueId: string })[]>`
    select queue_id as "queueId", extension_id as "extensionId", logged_in as "loggedIn", paused, pause_reason as "pauseReason"
    from voice.queue_agents where system_id = ${systemId} order by queue_id, extension_id`;
  const all = <K extends ElementKind>(kind: K): Element<K>[] =>
    rows.filter((row) => row.kind === kind).map((row) => open(kind, row));
  return {
    ringGroups: all("ringGroup"),
    queues: all("callQueue").map((queue) => ({
      ...queue,
      states: states
        .filter(({ queueId }) => queueId === queue.id)
        .map(({ extensionId, loggedIn, paused, pauseReason }) => ({
          extensionId,
          loggedIn,
          paused,
          pauseReason: pauseReason ?? undefined,
        })),
    })),
    menus: all("phoneMenu"),
    conferenceRooms: rows
      .filter(({ kind }) => kind === "conferenceRoom")
      .map((row) => ({ ...open("conferenceRoom", row), sealed: row.sealed ?? undefined })),
    timeConditions: all("timeCondition"),
    announcements: all("announcement").map((each) => ({ ...each, audio: (each as { audio?: never }).audio })),
    pagingGroups: all("pagingGroup"),
    parkingLots: all("parkingLot"),
    speedDials: all("speedDial"),
    blockedCallers: all("blockedCaller"),
  };
}
