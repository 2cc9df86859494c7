import { checkRevision, invalid, notFound } from "../../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../../kernel/http/cursor.ts";
import { newId } from "../../../../kernel/ids.ts";
import { reserveQuota } from "../../../../kernel/quota.ts";
import { type Area, type ComputeParts, openProject, placeOf } from "../../parts.ts";
import { removeForward, touch } from "../cards.ts";
import { beginApply, type NetworkOperations } from "../operations.ts";
import { type ForwardRow, forwardStore } from "../store/edge.ts";
import { portStore } from "../store/ports.ts";
import { announce, auditOf, forwardSubject } from "../subjects.ts";
import { viewForward } from "../views.ts";
import type { edgeRoutes } from "./contract.ts";
import { takeHostPort } from "./hostPorts.ts";
import { targetPort } from "./targets.ts";

type Routes = Pick<typeof edgeRoutes, "portForwardList" | "portForwardCreate" | "portForwardGet" | "portForwardDelete">;

const termsOf = ({ protocol, listenAddress, listenPort, targetPort: to }: ForwardRow, instance: string) => ({
  protocol,
  listenAddress,
  listenPort,
  instance,
  targetPort: to,
});

export const forwardHandlers = (parts: ComputeParts, operations: NetworkOperations): Area<Routes>["handlers"] => ({
  async portForwardList(context, { query }) {
    await openProject(parts, context, query.project);
    const [after] = decodeCursor(query.cursor, 1) ?? [];
    const rows = await forwardStore.page(context.tx, {
      projectId: query.project,
      instanceId: query.instance,
      after: after === undefined ? undefined : String(after),
      limit: query.limit + 1,
    });
    return toPage(rows, query.limit, viewForward, (row) => [row.id]);
  },

  async portForwardCreate(context, { body }) {
    const { tx } = context;
    if ((body.port === undefined) === (body.instance === undefined))
      throw invalid("body.instance", "Give either an instance or one of its ports.");
    const seen =
      body.port === undefined ? (await portStore.of(tx, [body.instance as string]))[0] : await portStore.find(tx, body.port);
    if (!seen) throw notFound(body.port === undefined ? "instance" : "port");
    context.authorize(placeOf(seen), body.port === undefined ? "instance" : "port");
    const host = await parts.network().host();
    await touch(tx, seen);
    const port = await targetPort(tx, seen, body);
    const id = newId("portForward");
    await reserveQuota(tx, port, "compute.port_forwards", 1);
    const row: ForwardRow = {
      id,
      organisationId: port.organisationId,
      projectId: port.projectId,
      portId: port.id,
      description: body.description,
      protocol: body.protocol,
      listenAddress: body.listenAddress,
      listenPort: await takeHostPort(tx, host, {
        protocol: body.protocol,
        address: body.listenAddress,
        port: body.listenPort,
        holderId: id,
      }),
      targetPort: body.targetPort,
      createdAt: new Date(),
      revision: 1,
    };
    await forwardStore.insert(tx, row);
    await announce(tx, forwardSubject(row));
    context.audit({ ...auditOf(forwardSubject(row)), after: termsOf(row, port.hostName) });
    return beginApply(context, operations, "compute.port_forward.create", forwardSubject(row), {
      portForwardId: row.id,
      listenPort: row.listenPort,
    });
  },

  async portForwardGet(context, { params }) {
    const forward = await forwardStore.find(context.tx, params.portForward);
    if (!forward) throw notFound("port forward");
    context.authorize(placeOf(forward), "port forward");
    return viewForward(forward);
  },

  async portForwardDelete(context, { params }) {
    const { tx } = context;
    const seen = await forwardStore.find(tx, params.portForward);
    if (!seen) throw notFound("port forward");
    context.authorize(placeOf(seen), "port forward");
    parts.network();
    await touch(tx, seen);
    const forward = await forwardStore.find(tx, params.portForward);
    if (!forward) throw notFound("port forward");
    checkRevision(context.ifMatch, forward, "port forward");
    await removeForward(tx, forward);
    context.audit({ ...auditOf(forwardSubject(forward)), before: termsOf(forward, forward.instanceName) });
    return beginApply(context, operations, "compute.port_forward.delete", forwardSubject(forward));
  },
});
