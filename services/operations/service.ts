import { covers } from "../../kernel/auth/authorize.ts";
import type { Principal } from "../../kernel/auth/principal.ts";
import { isoTime } from "../../kernel/clock.ts";
import type { Database } from "../../kernel/db/database.ts";
import { CloudError, invalid, notFound } from "../../kernel/errors.ts";
import type { CloudEvent, EventHub } from "../../kernel/events.ts";
import { decodeCursor, toPage } from "../../kernel/http/cursor.ts";
import { finishedStates, type OperationRecord } from "../../kernel/operations/store.ts";
import { viewOperation } from "../../kernel/operations/view.ts";
import {
  defineService,
  type RequestContext,
  type ServerSentEvent,
  type ServiceDefinition,
  type StreamContext,
} from "../../kernel/service.ts";
import contract, { operationActions } from "./contract.ts";
import { operationStore } from "./store.ts";

const heartbeatMs = 20_000;

export function createOperations({ database, hub }: { database: Database; hub: EventHub }): ServiceDefinition<typeof contract> {
  async function find(context: Pick<RequestContext, "tx" | "authorize">, id: string): Promise<OperationRecord> {
    const record = await operationStore.find(context.tx, id);
    if (!record) throw notFound("operation");
    context.authorize(
      { organisationId: record.organisationId ?? undefined, projectId: record.projectId ?? undefined },
      "operation",
    );
    return record;
  }

  return defineService<typeof contract>({
    contract,
    handlers: {
      async operationList(context, { query }) {
        const { organisation } = query;
        const place = organisation === undefined ? {} : placeOf(context.principal, organisation, query.project);
        context.authorize(place, query.project ? "project" : "organisation");
        if (organisation === undefined && query.project !== undefined)
          throw invalid("query.organisation", "Say of which organisation the project is.");
        const cursor = decodeCursor(query.cursor, 2);
        const rows = await operationStore.list(context.tx, {
          organisationId: organisation,
          projectIds: query.project
            ? [query.project]
            : organisation === undefined
              ? undefined
              : projectsOf(context.principal, organisation),
          state: query.state,
          resource: query.resource,
          active: query.active,
          before: cursor && { at: String(cursor[0]), id: String(cursor[1]) },
          limit: query.limit + 1,
        });
        return toPage(rows, query.limit, viewOperation, (row) => [isoTime(row.createdAt), row.id]);
      },
      operationGet: async (context, { params }) => viewOperation(await find(context, params.operation)),
      async operationWait(context, { params, query }) {
        const look = () => context.transaction((tx) => find({ tx, authorize: context.authorize }, params.operation));
        const first = await look();
        if (finishedStates.has(first.state)) return viewOperation(first);
        await finished(hub, database, first.id, query.timeoutSeconds * 1000, context.signal);
        return viewOperation(await look());
      },
      async operationCancel(context, { params }) {
        const record = await find(context, params.operation);
        const cancelled = await operationStore.cancel(context.tx, record.id);
        if (!cancelled) {
          throw new CloudError(
            "failed_precondition",
            `It can be cancelled only while it is ${operationActions["cancel"]?.join(" or ")}; it is ${record.state}.`,
            {
              details: { reason: "not_cancellable", state: record.state },
            },
          );
        }
        context.audit({
          organisationId: record.organisationId ?? undefined,
          projectId: record.projectId ?? undefined,
          resource: { kind: "operation", id: record.id, name: record.kind },
        });
        return viewOperation(cancelled);
      },
      async eventWatch(context, { query }) {
        context.authorize(
          placeOf(context.principal, query.organisation, query.project),
          query.project ? "project" : "organisation",
        );
        const lastId = context.request.headers["last-event-id"];
        const projectIds = query.project ? [query.project] : projectsOf(context.principal, query.organisation);
        // What belongs to no organisation (the engine, images of the whole cloud) is for those who administer the cloud.
        const ofCloud = query.project === undefined && context.allows(contract.routes.eventWatch.permission, ["viewer"], {});
        const filter = (event: CloudEvent) =>
          event.organisationId === undefined
            ? ofCloud
            : event.organisationId === query.organisation &&
              (projectIds === undefined || (event.projectId !== undefined && projectIds.includes(event.projectId)));
        return watch(hub, filter, typeof lastId === "string" ? lastId : undefined, context);
      },
    },
  });
}

/** A member of some projects only lists those: the check is then made at one of them. */
function placeOf(
  principal: Principal,
  organisationId: string,
  projectId: string | undefined,
): { organisationId: string; projectId?: string } {
  if (projectId) return { organisationId, projectId };
  const only = projectsOf(principal, organisationId)?.[0];
  return only ? { organisationId, projectId: only } : { organisationId };
}

/** The projects that a caller is confined to in an organisation; undefined when they see all of it (or nothing, which authorize tells). */
function projectsOf(principal: Principal, organisationId: string): string[] | undefined {
  if (principal.projectId) return [principal.projectId];
  if (principal.bindings.some((binding) => covers(binding, { organisationId }))) return undefined;
  const ids = principal.bindings
    .filter((binding) => binding.organisationId === organisationId)
    .map((binding) => binding.projectId as string);
  return ids.length > 0 ? [...new Set(ids)] : undefined;
}

/** Until the operation is finished or the time is over. The poll is the net below the notifications. */
function finished(hub: EventHub, database: Database, id: string, timeoutMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const look = () =>
      database
        .transaction("system", (tx) => operationStore.find(tx, id))
        .then((record) => (record === undefined || finishedStates.has(record.state)) && end())
        .catch(() => {});
    const end = () => {
      unsubscribe();
      clearInterval(poll);
      clearTimeout(timeout);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const unsubscribe = hub.subscribe(
      (event) => event.payload["id"] === id,
      (event) => finishedStates.has(event.payload["state"] as never) && end(),
    );
    const poll = setInterval(look, 1000);
    const timeout = setTimeout(end, timeoutMs);
    signal.addEventListener("abort", end);
    look();
  });
}

async function* watch(
  hub: EventHub,
  filter: (event: CloudEvent) => boolean,
  lastId: string | undefined,
  context: StreamContext,
): AsyncGenerator<ServerSentEvent> {
  const queue: CloudEvent[] = [];
  let wake = () => {};
  const unsubscribe = hub.subscribe(filter, (event) => {
    queue.push(event);
    // A reader that does not read is cut off; it comes back with Last-Event-ID.
    if (queue.length > 10_000) unsubscribe();
    wake();
  });
  const onGone = () => wake();
  context.signal.addEventListener("abort", onGone);
  try {
    yield { comment: "connected" };
    if (lastId) for (const event of await hub.since(lastId, filter)) yield toServerSentEvent(event);
    while (!context.signal.aborted && queue.length <= 10_000) {
      const event = queue.shift();
      if (event) {
        yield toServerSentEvent(event);
        continue;
      }
      let timer: NodeJS.Timeout | undefined;
      const beat = await new Promise<boolean>((resolve) => {
        wake = () => resolve(false);
        timer = setTimeout(() => resolve(true), heartbeatMs);
      });
      clearTimeout(timer);
      if (beat) yield { comment: "alive" };
    }
  } finally {
    unsubscribe();
    context.signal.removeEventListener("abort", onGone);
  }
}

const toServerSentEvent = (event: CloudEvent): ServerSentEvent => ({
  id: event.id,
  event: event.type,
  data: JSON.stringify(event),
});
