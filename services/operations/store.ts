import type { Tx } from "../../kernel/db/database.ts";
import { type OperationRecord, type OperationState, operationColumns, requestCancel } from "../../kernel/operations/store.ts";

export interface OperationFilter {
  /** Absent: those that belong to none. */
  organisationId: string | undefined;
  /** Only these projects, and, when `wholeOrganisation`, what belongs to none. */
  projectIds: readonly string[] | undefined;
  state: OperationState | undefined;
  resource: string | undefined;
  active: boolean | undefined;
  before: { at: string; id: string } | undefined;
  limit: number;
}

const finished = ["succeeded", "failed", "cancelled"];

export const operationStore = {
  find: async (tx: Tx, id: string): Promise<OperationRecord | undefined> =>
    (await tx.sql<OperationRecord[]>`select ${tx.sql.unsafe(operationColumns)} from kernel.operations where id = ${id}`)[0],

  list: (tx: Tx, filter: OperationFilter): Promise<OperationRecord[]> => tx.sql<OperationRecord[]>`
    select ${tx.sql.unsafe(operationColumns)} from kernel.operations
    where ${filter.organisationId ? tx.sql`organisation_id = ${filter.organisationId}` : tx.sql`organisation_id is null`}
      ${filter.projectIds ? tx.sql`and project_id in ${tx.sql([...filter.projectIds])}` : tx.sql``}
      ${filter.state ? tx.sql`and state = ${filter.state}` : tx.sql``}
      ${filter.resource ? tx.sql`and resource_id = ${filter.resource}` : tx.sql``}
      ${filter.active === undefined ? tx.sql`` : filter.active ? tx.sql`and state not in ${tx.sql(finished)}` : tx.sql`and state in ${tx.sql(finished)}`}
      ${filter.before ? tx.sql`and (created_at, id) < (${filter.before.at}::timestamptz, ${filter.before.id})` : tx.sql``}
    order by created_at desc, id desc limit ${filter.limit}`,

  cancel: requestCancel,
};
