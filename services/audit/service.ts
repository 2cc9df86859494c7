import { isoTime } from "../../kernel/clock.ts";
import { decodeCursor, toPage } from "../../kernel/http/cursor.ts";
import { defineService, type ServiceDefinition } from "../../kernel/service.ts";
import contract, { type AuditEntry } from "./contract.ts";
import { type AuditRecord, auditStore } from "./store.ts";

const mostHeads = 1000;

export const createAudit = (): ServiceDefinition<typeof contract> =>
  defineService<typeof contract>({
    contract,
    handlers: {
      async auditEntryList(context, { query }) {
        context.authorize(
          { organisationId: query.organisation, projectId: query.project },
          query.project ? "project" : "organisation",
        );
        const cursor = decodeCursor(query.cursor, 1);
        const rows = await auditStore.list(context.tx, {
          organisationId: query.organisation,
          projectId: query.project,
          action: query.action,
          actor: query.actor,
          resource: query.resource,
          search: query.search,
          from: query.from,
          to: query.to,
          before: cursor && Number(cursor[0]),
          limit: query.limit + 1,
        });
        return toPage(rows, query.limit, view, (row) => [row.sequence]);
      },
      async auditVerify(context, { body }) {
        context.authorize({ organisationId: body.organisation }, "organisation");
        const reports = await auditStore.verify(context.tx, body.organisation);
        const broken = reports.find((report) => report.firstInvalid);
        return {
          valid: broken === undefined,
          entries: reports.reduce((sum, report) => sum + report.sequence, 0),
          chains: reports.length,
          ...(broken?.firstInvalid ? { firstInvalid: { chain: broken.chain, ...broken.firstInvalid } } : {}),
          heads: reports.slice(0, mostHeads).map(({ chain, sequence, hash }) => ({ chain, sequence, hash })),
        };
      },
    },
  });

const view = (row: AuditRecord): AuditEntry => ({
  id: row.id as AuditEntry["id"],
  sequence: row.sequence,
  at: isoTime(row.at),
  actor: { kind: row.actorKind, name: row.actorName, ...(row.actorId ? { id: row.actorId } : {}) },
  action: row.action,
  organisationId: (row.organisationId ?? undefined) as AuditEntry["organisationId"],
  projectId: (row.projectId ?? undefined) as AuditEntry["projectId"],
  resource: { kind: row.resourceKind, id: row.resourceId, ...(row.resourceName ? { name: row.resourceName } : {}) },
  sourceIp: row.sourceIp ?? undefined,
  userAgent: row.userAgent ?? undefined,
  requestId: row.requestId ?? undefined,
  before: row.before ?? undefined,
  after: row.after ?? undefined,
  hash: row.hash,
});
