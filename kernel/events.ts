import type { Database, Tx } from "./db/database.ts";
import { newId } from "./ids.ts";

export interface CloudEvent {
  id: string;
  type: string;
  organisationId?: string;
  projectId?: string;
  payload: Record<string, unknown>;
  at: string;
}

const channel = "khmara_events";

export interface NewEvent {
  type: string;
  organisationId?: string | undefined;
  projectId?: string | undefined;
  payload: Record<string, unknown>;
}

/** Tells what happened, in the transaction in which it happens: nobody hears of what was rolled back. */
export const emit = (tx: Tx, event: NewEvent): Promise<void> => emitAll(tx, [event]);

/** Several, in one question to the database. */
export async function emitAll(tx: Tx, events: readonly NewEvent[]): Promise<void> {
  if (events.length === 0) return;
  const texts = events.map((event) => JSON.stringify({ id: newId("event"), at: new Date().toISOString(), ...event }));
  await tx.sql`
    with told as (select text, text::jsonb as event from unnest(${texts}::text[]) as text),
      kept as (insert into kernel.events (id, type, organisation_id, project_id, payload, at)
        select event->>'id', event->>'type', event->>'organisationId', event->>'projectId', event->'payload', (event->>'at')::timestamptz from told)
    select pg_notify(${channel}, text) from told`;
}

/** The live stream of this process: one database connection, any number of readers. */
export interface EventHub {
  subscribe(filter: (event: CloudEvent) => boolean, onEvent: (event: CloudEvent) => void): () => void;
  /** What was told since an event, from a little before it: commits do not come in the order of their ids. */
  since(id: string, filter: (event: CloudEvent) => boolean): Promise<CloudEvent[]>;
  close(): Promise<void>;
}

const overlapMs = 5000;
const replayLimit = 1000;

export async function openEventHub(database: Database): Promise<EventHub> {
  const readers = new Set<{ filter: (event: CloudEvent) => boolean; onEvent: (event: CloudEvent) => void }>();
  const listener = await database.listen(channel, (payload) => {
    const event = JSON.parse(payload) as CloudEvent;
    for (const reader of readers) if (reader.filter(event)) reader.onEvent(event);
  });
  return {
    subscribe(filter, onEvent) {
      const reader = { filter, onEvent };
      readers.add(reader);
      return () => void readers.delete(reader);
    },
    async since(id, filter) {
      const rows = await database.sql<
        {
          id: string;
          type: string;
          organisationId: string | null;
          projectId: string | null;
          payload: Record<string, unknown>;
          at: Date;
        }[]
      >`
        select id, type, organisation_id as "organisationId", project_id as "projectId", payload, at from kernel.events
        where at > coalesce((select at from kernel.events where id = ${id}), now() - interval '1 minute') - make_interval(secs => ${overlapMs / 1000})
        order by at limit ${replayLimit}`;
      return rows
        .map((row) => ({
          id: row.id,
          type: row.type,
          payload: row.payload,
          at: row.at.toISOString(),
          ...(row.organisationId ? { organisationId: row.organisationId } : {}),
          ...(row.projectId ? { projectId: row.projectId } : {}),
        }))
        .filter((event) => event.id !== id && filter(event));
    },
    close: () => listener.close(),
  };
}

/** Events are a stream, not a record: after a day they go. */
export const forgetOldEvents = (database: Database): Promise<unknown> =>
  database.sql`delete from kernel.events where at < now() - interval '1 day'`;
