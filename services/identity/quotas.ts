import { invalid, notFound } from "../../kernel/errors.ts";
import { type QuotaState, quotaStates, setQuota } from "../../kernel/quota.ts";
import type { RequestContext } from "../../kernel/service.ts";
import type { Some } from "./parts.ts";
import { authorizeAtCloud } from "./roles.ts";
import { organisationStore, projectStore } from "./store/tenancy.ts";

async function assertExists(context: RequestContext, organisationId: string, projectId: string | undefined): Promise<void> {
  if (projectId === undefined) {
    if (!(await organisationStore.find(context.tx, organisationId))) throw notFound("organisation");
    return;
  }
  const project = await projectStore.find(context.tx, projectId);
  if (project?.organisationId !== organisationId) throw notFound("project");
}

const view = (state: QuotaState) => ({
  name: state.name,
  unit: state.definition.unit,
  summary: state.definition.summary,
  limit: state.limit,
  used: state.used,
  custom: state.custom,
});

export const quotaHandlers = (): Some<"quotaList" | "quotaUpdate"> => ({
  async quotaList(context, { query }) {
    const scope = { organisationId: query.organisation, projectId: query.project };
    context.authorize(scope, query.project ? "project" : "organisation");
    await assertExists(context, query.organisation, query.project);
    return { items: (await quotaStates(context.tx, scope)).map(view) };
  },

  async quotaUpdate(context, { body }) {
    const { tx } = context;
    const { organisation: organisationId, project: projectId, name, limit } = body;
    // An organisation's limits are set by those who run the cloud, a project's by those who run the organisation.
    if (projectId === undefined) authorizeAtCloud(context, organisationId);
    else context.authorize({ organisationId }, "organisation");
    await assertExists(context, organisationId, projectId);
    const scope = { organisationId, projectId };
    const stateOf = async (at: { organisationId: string; projectId?: string | undefined }) =>
      (await quotaStates(tx, at)).find((state) => state.name === name);
    const before = await stateOf(scope);
    const whole = projectId === undefined ? undefined : await stateOf({ organisationId });
    if (limit !== null && whole && limit > whole.limit) {
      throw invalid("body.limit", `The organisation itself may have ${whole.limit}; a project of it cannot have more.`);
    }
    await setQuota(tx, scope, name, limit);
    const after = (await stateOf(scope)) as QuotaState;
    context.audit({
      ...scope,
      resource: { kind: "quota", id: name, name: after.definition.summary },
      before: { limit: before?.limit, custom: before?.custom },
      after: { limit: after.limit, custom: after.custom },
    });
    return view(after);
  },
});
