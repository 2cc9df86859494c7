import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, notFound } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import type { StreamContext } from "../../../kernel/service.ts";
import type { AppEngine } from "../driver.ts";
import type { AppNodes, NodeReport } from "../nodesDriver.ts";
import type { AppsParts, Area } from "../parts.ts";
import { openNodeDoor } from "../registry/nodeDoor.ts";
import { openNodeImages } from "../registry/nodeImages.ts";
import { createNodeAuthority } from "./authority.ts";
import { type Node, nodeActions, type nodeRoutes } from "./contract.ts";
import { encodeInvitation } from "./invitation.ts";

const resource = "node";
/** Waited for by a person. */
const answerMs = 20_000;
const dayMs = 24 * 3600_000;

/** The machines that apps run on: who they are, how another one joins, and how one goes. */
export function createNodesArea(parts: AppsParts, engine: AppEngine | undefined): Area<typeof nodeRoutes> {
  const authority = createNodeAuthority(parts);
  const images = openNodeImages(parts.dataDirectory);
  const door = openNodeDoor({ images, secrets: parts.secrets, log: parts.log, certificate: authority.serverAt });
  engine?.nodes?.identifyBy(() => authority.identity());
  engine?.nodes?.pullFrom(door);

  function nodes(): AppNodes {
    const found = parts.engine().nodes;
    if (found !== undefined) return found;
    throw new CloudError(
      "failed_precondition",
      "Apps run on a Docker that is on another machine, and nodes join only the Docker of the cloud's own. Start Khmara without DOCKER_HOST.",
      { details: { reason: "nodes_unsupported" } },
    );
  }

  const within = () => ({ signal: AbortSignal.timeout(answerMs) });

  async function viewsOf(tx: Tx, reports: readonly NodeReport[]): Promise<Node[]> {
    const names = new Map<string, string>();
    for (const { labels } of reports.flatMap(({ volumes }) => volumes)) {
      const app = labels["app"] ?? "";
      if (!names.has(app)) names.set(app, (await parts.deploying.find(tx, app))?.name ?? app);
    }
    return reports
      .map(({ id: _, volumes, ...report }) => ({
        ...report,
        disks: volumes.map(({ name, labels }) => ({ app: names.get(labels["app"] ?? "") ?? "", name: labels["disk"] ?? name })),
        allowedActions: nodeActions({ ...report, disks: volumes }),
      }))
      .sort((one, other) => Number(other.home) - Number(one.home) || one.name.localeCompare(other.name));
  }

  async function view(context: StreamContext, name: string): Promise<Node> {
    const reports = (await nodes().list(within())).filter((each) => each.name === name);
    const [found] = await context.transaction((tx) => viewsOf(tx, reports));
    return found ?? Promise.reject(notFound(resource));
  }

  async function change(context: StreamContext, name: string, work: () => Promise<void>): Promise<Node> {
    context.authorize({}, resource);
    const before = await view(context, name);
    await work();
    const after = await view(context, name);
    await context.transaction(async (tx) =>
      context.audit(tx, {
        resource: { kind: resource, id: name, name },
        before: { draining: before.draining },
        after: { draining: after.draining },
      }),
    );
    return after;
  }

  return {
    handlers: {
      async nodeList(context, { query }) {
        context.authorize({}, resource);
        const reports = await nodes().list(within());
        const all = await context.transaction((tx) => viewsOf(tx, reports));
        const [after] = decodeCursor(query.cursor, 1) ?? [];
        const from = after === undefined ? 0 : all.findIndex(({ name }) => name === String(after)) + 1;
        return toPage(
          all.slice(from, from + query.limit + 1),
          query.limit,
          (each) => each,
          ({ name }) => [name],
        );
      },

      async nodeInvite(context, { body }) {
        context.authorize({}, resource);
        const { name, address } = body;
        const there = await nodes().list(within());
        if (there.some((each) => each.name === name && each.state !== "down"))
          throw new CloudError("already_exists", `There is a node ${name} already. Give another name.`, {
            details: { fields: [{ path: "body.name", message: "There is one of this name." }] },
          });
        const { manager, token } = await nodes().invite({ ...within(), address });
        const invitation = encodeInvitation({
          name,
          manager,
          token,
          members: there.map(({ id }) => id),
          ...(await authority.issue(name)),
        });
        await context.transaction(async (tx) =>
          context.audit(tx, { resource: { kind: resource, id: name, name }, after: { invited: true, manager } }),
        );
        return { name, invitation, command: `sudo ./khmara node join ${invitation}` };
      },

      nodeDrain: (context, { params }) => change(context, params.node, () => nodes().drain(params.node, within())),
      nodeActivate: (context, { params }) => change(context, params.node, () => nodes().activate(params.node, within())),

      async nodeDelete(context, { params, query }) {
        context.authorize({}, resource);
        const before = await view(context, params.node);
        await nodes().remove(params.node, { ...within(), abandonVolumes: query.abandonDisks });
        await context.transaction(async (tx) =>
          context.audit(tx, {
            resource: { kind: resource, id: before.name, name: before.name },
            before: { state: before.state, disks: before.disks },
          }),
        );
      },
    },
    workers: [
      {
        name: "apps.node_images",
        everySeconds: 3600,
        // Nodes keep what they have: a copy here is for those that come to need it.
        run: (signal) =>
          images.sweep(new Date(Date.now() - dayMs), async (id) => (await engine?.imageGet(id, { signal })) !== undefined),
      },
    ],
    stop: () => door.close(),
  };
}
