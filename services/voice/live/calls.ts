import { isoTime } from "../../../kernel/clock.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { notFound } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import type { StreamContext } from "../../../kernel/service.ts";
import { checkReferences } from "../elements/references.ts";
import { agentStore } from "../elements/store/agents.ts";
import { elementStore } from "../elements/store/elements.ts";
import { extensionStore } from "../extensions/store.ts";
import { type Area, placeOf, subjectOf, type VoiceParts } from "../parts.ts";
import { openSystem } from "../systems/openSystem.ts";
import type { CommandLine } from "./commands.ts";
import type { ActiveCall, ExtensionPresence, liveRoutes, QueueLive } from "./contract.ts";
import { type ActiveCallRow, activeCallStore } from "./store/activeCalls.ts";
import { callbackStore } from "./store/callbacks.ts";
import { presenceStore } from "./store/presence.ts";

type CallRoutes = Pick<
  typeof liveRoutes,
  | "activeCallList"
  | "activeCallAct"
  | "callStart"
  | "outgoingCallStart"
  | "myCallStart"
  | "extensionPresenceList"
  | "queueLiveGet"
>;

const mostAgents = 200;

const view = (row: ActiveCallRow): ActiveCall => ({
  id: row.id,
  phoneSystemId: row.systemId as ActiveCall["phoneSystemId"],
  direction: row.direction,
  state: row.state,
  from: row.from,
  ...(row.fromName === null ? {} : { fromName: row.fromName }),
  to: row.to,
  ...(row.toName === null ? {} : { toName: row.toName }),
  extensionIds: row.extensionIds,
  ...(row.queueId === null ? {} : { queueId: row.queueId as NonNullable<ActiveCall["queueId"]> }),
  recording: row.recording,
  startedAt: isoTime(row.startedAt),
  ...(row.answeredAt === null ? {} : { answeredAt: isoTime(row.answeredAt) }),
});

/** What goes on now, and what is asked of it. */
export function createCallsNow(parts: VoiceParts, commands: CommandLine): Area<CallRoutes> {
  const { database } = parts;

  /** Asked of the voice process, and audited once it is done. */
  async function start(
    context: StreamContext,
    system: { id: string; organisationId: string; projectId: string; name: string },
    input: Record<string, unknown>,
    kind: "call_start" | "call_out" = "call_start",
  ): Promise<{ callId: string }> {
    const answer = await commands.ask({ systemId: system.id, organisationId: system.organisationId, kind, input });
    const callId = String(answer["callId"]);
    await context.transaction(async (tx) =>
      context.audit(tx, { ...subjectOf("phoneSystem", system, system.name), after: { ...input, callId } }),
    );
    return { callId };
  }

  async function agentsNow(tx: Tx, queueId: string): Promise<QueueLive["agents"]> {
    const [agents, activities, reachable] = await Promise.all([
      agentStore.page(tx, { queueId, limit: mostAgents }),
      activeCallStore.activities(tx, queueId),
      presenceStore.registeredOfQueue(tx, queueId),
    ]);
    const busy = new Map(activities.map((each) => [each.extensionId, each]));
    return agents.map((agent) => {
      const activity = busy.get(agent.extensionId);
      const rest = { extensionId: agent.extensionId, number: agent.extensionNumber, name: agent.extensionName };
      if (!agent.loggedIn) return { ...rest, state: "logged_out" as const };
      if (activity) return { ...rest, state: activity.state, since: isoTime(activity.since) };
      const since = agent.changedAt === null ? {} : { since: isoTime(agent.changedAt) };
      if (agent.paused)
        return {
          ...rest,
          state: "paused" as const,
          ...(agent.pauseReason === null ? {} : { pauseReason: agent.pauseReason }),
          ...since,
        };
      return { ...rest, state: reachable.has(agent.extensionId) ? ("free" as const) : ("unreachable" as const), ...since };
    });
  }

  return {
    handlers: {
      async activeCallList(context, { params, query }) {
        const system = await openSystem(context, params.phoneSystem);
        const cursor = decodeCursor(query.cursor, 1);
        const rows = await activeCallStore.list(context.tx, system.id, cursor && String(cursor[0]), query.limit + 1);
        return toPage(rows, query.limit, view, (row) => [row.id]);
      },

      async activeCallAct(context, { params, body }) {
        const call = await context.transaction(async (tx) => {
          const found = await activeCallStore.find(tx, params.activeCall);
          if (found === undefined) throw notFound("call");
          context.authorize(placeOf(found), "call");
          return found;
        });
        const { systemId, organisationId } = call;
        await commands.ask({ systemId, organisationId, kind: "call_act", input: { callId: call.id, do: body.do } });
        await context.transaction(async (tx) =>
          context.audit(tx, { ...subjectOf("call", call, `${call.from} → ${call.to}`), after: { ...body.do } }),
        );
        return { done: true };
      },

      async callStart(context, { params, body }) {
        const system = await context.transaction(async (tx) => {
          const opened = await openSystem({ authorize: context.authorize, tx }, params.phoneSystem);
          if ((await extensionStore.find(tx, body.extension))?.systemId !== opened.id) throw notFound("extension");
          return opened;
        });
        return start(context, system, body);
      },

      async outgoingCallStart(context, { params, body }) {
        const system = await context.transaction(async (tx) => {
          const opened = await openSystem({ authorize: context.authorize, tx }, params.phoneSystem);
          const { extension, phoneNumber, destination } = body;
          await checkReferences(tx, opened.id, { extension, phoneNumber, destination });
          return opened;
        });
        return start(context, system, body, "call_out");
      },

      async myCallStart(context, { body }) {
        const { extension } = body;
        const system = await context.transaction(async (tx) => {
          const own = await extensionStore.find(tx, extension);
          if (own === undefined || own.userId !== context.principal.id) throw notFound("extension");
          return {
            id: own.systemId,
            organisationId: own.organisationId,
            projectId: own.projectId,
            name: `${own.number} ${own.name}`,
          };
        });
        return start(context, system, body);
      },

      async extensionPresenceList(context, { params, query }) {
        const system = await openSystem(context, params.phoneSystem);
        const cursor = decodeCursor(query.cursor, 1);
        const after = cursor && String(cursor[0]);
        const rows = await extensionStore.page(context.tx, {
          systemId: system.id,
          ...(after === undefined ? {} : { after }),
          limit: query.limit + 1,
        });
        const presences = await presenceStore.of(
          context.tx,
          system.id,
          rows.map(({ id, settings }) => ({ id, doNotDisturb: settings.doNotDisturb })),
        );
        return toPage(
          rows,
          query.limit,
          ({ id, number, name }): ExtensionPresence => ({
            extensionId: id,
            number,
            name,
            ...(presences.get(id) ?? { presence: "offline", registeredDevices: 0 }),
          }),
          (row) => [row.number],
        );
      },

      async queueLiveGet(context, { params }) {
        const { tx } = context;
        const queue = await elementStore.find(tx, params.callQueue);
        if (queue === undefined || queue.kind !== "callQueue") throw notFound("callQueue");
        context.authorize(placeOf(queue), "callQueue");
        const system = await openSystem(context, queue.systemId);
        const [calling, promised, agents, today] = await Promise.all([
          activeCallStore.waiting(tx, queue.id),
          callbackStore.list(tx, { queueId: queue.id }),
          agentsNow(tx, queue.id),
          presenceStore.queueToday(tx, queue.systemId, queue.id, system.settings.timeZone),
        ]);
        const waiting = [
          ...calling.map((call) => ({ ...call, callId: call.id, since: call.startedAt, callback: false })),
          ...promised.map(({ number, name, ...row }) => ({ ...row, from: number, fromName: name, callback: true })),
        ].toSorted((a, b) => a.since.getTime() - b.since.getTime());
        const longest = waiting[0] === undefined ? 0 : Math.max(0, Math.floor((Date.now() - waiting[0].since.getTime()) / 1000));
        return {
          queueId: params.callQueue,
          waiting: waiting.map(({ callId, from, fromName, since, callback }) => ({
            callId,
            from,
            ...(fromName === null ? {} : { fromName }),
            since: isoTime(since),
            callback,
          })),
          agents,
          longestWaitSeconds: longest,
          today,
        };
      },
    },
    workers: [
      {
        name: "voice.commands",
        everySeconds: 300,
        run: () => database.transaction("system", (tx) => presenceStore.forgetCommands(tx)),
      },
    ],
    stop: () => commands.close(),
  };
}
