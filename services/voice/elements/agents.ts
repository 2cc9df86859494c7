import type { Tx } from "../../../kernel/db/database.ts";
import { invalid, notFound, there } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import type { Area } from "../../../kernel/service.ts";
import { myExtensions } from "../mine.ts";
import { subjectOf } from "../parts.ts";
import { raisePlanVersion } from "../systems/store.ts";
import type { elementRoutes } from "./contract.ts";
import { openElement } from "./handlers.ts";
import { type AgentChange, type AgentRow, agentStore } from "./store/agents.ts";
import { viewAgent } from "./views.ts";

export interface WantedState {
  loggedIn?: boolean | undefined;
  paused?: boolean | undefined;
  pauseReason?: string | undefined;
}

/** Whoever logs in or out is not paused; a reason is one of a pause. */
export function nextState(before: AgentChange, wanted: WantedState): AgentChange {
  const loggedIn = wanted.loggedIn ?? before.loggedIn;
  const moved = loggedIn !== before.loggedIn;
  const paused = loggedIn && (wanted.paused ?? (before.paused && !moved));
  if (wanted.paused && !loggedIn) throw invalid("body.paused", "Only who is logged in to a queue can pause. Log in first.");
  return { loggedIn, paused, pauseReason: paused ? (wanted.pauseReason ?? before.pauseReason) : null };
}

/** For the voice process too: feature codes and what an agent does by phone. not_found for who is no agent of the queue. */
export async function setAgentState(tx: Tx, queueId: string, extensionId: string, wanted: WantedState): Promise<AgentRow> {
  const agent = there(await agentStore.find(tx, queueId, extensionId), "queueAgent");
  const state = nextState(agent, wanted);
  await agentStore.set(tx, agent, state);
  await raisePlanVersion(tx, { id: agent.systemId, organisationId: agent.organisationId, projectId: agent.projectId });
  return { ...agent, ...state, changedAt: new Date() };
}

type AgentRoutes = Pick<typeof elementRoutes, "queueAgentList" | "queueAgentUpdate" | "myQueueList" | "myQueueUpdate">;

const auditOf = ({ extensionName, loggedIn, paused, pauseReason }: AgentRow) => ({
  agent: extensionName,
  loggedIn,
  paused,
  pauseReason: pauseReason ?? undefined,
});
const key = ({ queueId, extensionNumber }: AgentRow): string[] => [queueId, extensionNumber];
const afterOf = (cursor: string | undefined) => {
  const [queueId, number] = decodeCursor(cursor, 2) ?? [];
  return number === undefined ? undefined : { queueId: String(queueId), number: String(number) };
};

export function agentHandlers(): Area<AgentRoutes>["handlers"] {
  return {
    async queueAgentList(context, { params, query }) {
      const queue = await openElement(context, "callQueue", params.callQueue);
      const rows = await agentStore.page(context.tx, { queueId: queue.id, after: afterOf(query.cursor), limit: query.limit + 1 });
      return toPage(rows, query.limit, viewAgent, key);
    },

    async queueAgentUpdate(context, { params, body }) {
      const queue = await openElement(context, "callQueue", params.callQueue, { lock: true });
      const before = there(await agentStore.find(context.tx, queue.id, params.extension), "queueAgent");
      const after = await setAgentState(context.tx, queue.id, params.extension, body);
      context.audit({ ...subjectOf("callQueue", queue, queue.name), before: auditOf(before), after: auditOf(after) });
      return viewAgent(after);
    },

    async myQueueList(context, { query }) {
      const mine = await myExtensions(context.tx, context.principal);
      const rows = await agentStore.page(context.tx, {
        extensionIds: mine.map(({ id }) => id),
        after: afterOf(query.cursor),
        limit: query.limit + 1,
      });
      return toPage(rows, query.limit, viewAgent, key);
    },

    async myQueueUpdate(context, { params, body }) {
      const extensionIds = (await myExtensions(context.tx, context.principal)).map(({ id }) => id);
      const agents = await agentStore.page(context.tx, { queueId: params.callQueue, extensionIds, limit: 100 });
      if (agents.length === 0) throw notFound("callQueue");
      const after: AgentRow[] = [];
      // Whoever has several extensions in it logs in with all of them.
      for (const agent of agents) after.push(await setAgentState(context.tx, agent.queueId, agent.extensionId, body));
      const [first] = after as [AgentRow];
      context.audit({
        ...subjectOf("callQueue", { ...first, id: first.queueId }, first.queueName),
        action: "voice.queue_agent.update",
        before: auditOf(agents[0] as AgentRow),
        after: auditOf(first),
      });
      return viewAgent(first);
    },
  };
}
