import type { Tx } from "../../../kernel/db/database.ts";
import { notFound } from "../../../kernel/errors.ts";
import type { StreamContext } from "../../../kernel/service.ts";
import { elementStore } from "../elements/store/elements.ts";
import type { ElementRow } from "../elements/store/rows.ts";
import { type Area, placeOf, subjectOf } from "../parts.ts";
import type { CommandLine } from "./commands.ts";
import type { ConferenceLive, liveRoutes } from "./contract.ts";

/** Conferences that go on now: only the voice process knows who speaks in them, so it is asked. */
export function createConferencesNow(
  commands: CommandLine,
): Area<Pick<typeof liveRoutes, "conferenceLiveGet" | "conferenceAct">> {
  const open = (context: StreamContext, id: string): Promise<ElementRow> =>
    context.transaction(async (tx: Tx) => {
      const room = await elementStore.find(tx, id);
      if (room === undefined || room.kind !== "conferenceRoom") throw notFound("conferenceRoom");
      context.authorize(placeOf(room), "conferenceRoom");
      return room;
    });
  const ask = (kind: "conference_get" | "conference_act", room: ElementRow, input: Record<string, unknown>) =>
    commands.ask({ systemId: room.systemId, organisationId: room.organisationId, kind, input: { room: room.id, ...input } });

  return {
    handlers: {
      async conferenceLiveGet(context, { params }) {
        const room = await open(context, params.conferenceRoom);
        const figures = (await ask("conference_get", room, {})) as Omit<ConferenceLive, "conferenceRoomId">;
        return { conferenceRoomId: params.conferenceRoom, ...figures };
      },

      async conferenceAct(context, { params, body }) {
        const room = await open(context, params.conferenceRoom);
        await ask("conference_act", room, { do: body.do });
        await context.transaction(async (tx) =>
          context.audit(tx, { ...subjectOf("conferenceRoom", room, room.name), after: { ...body.do } }),
        );
        return { done: true };
      },
    },
  };
}
