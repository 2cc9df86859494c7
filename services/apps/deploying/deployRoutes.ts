import type { IncomingMessage } from "node:http";
import { actorOf } from "../../../kernel/auth/principal.ts";
import { CloudError, notFound } from "../../../kernel/errors.ts";
import { answering } from "../../../kernel/http/answering.ts";
import { decodeCursor, encodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { newId } from "../../../kernel/ids.ts";
import { viewOperation } from "../../../kernel/operations/view.ts";
import type { RequestContext, StreamContext } from "../../../kernel/service.ts";
import { publicReference } from "../building/imageReference.ts";
import { type AppsParts, type Area, placeOf } from "../parts.ts";
import { findImage } from "../registry/images.ts";
import { inOwnRegistry } from "../registry/names.ts";
import { sourceLimits } from "../source/limits.ts";
import { subjectOf } from "../subjects.ts";
import { openApp } from "./appRoutes.ts";
import type { DeploymentSource, deployingRoutes } from "./contract.ts";
import type { DeploymentLogs } from "./log.ts";
import { cancelDeployment, checkIdle, type DeploymentOperations, enqueue } from "./queue.ts";
import type { DeploymentRequest } from "./requests.ts";
import { checkAction } from "./states.ts";
import { type AppRow, appStore } from "./store/apps.ts";
import { type DeploymentRow, deploymentStore } from "./store/deployments.ts";
import { imageStore } from "./store/images.ts";
import { releaseStore } from "./store/releases.ts";
import type { Uploads } from "./uploads.ts";
import { viewDeployment, viewRelease } from "./views.ts";

type Handlers = Area<typeof deployingRoutes>["handlers"];

/** A tarball of `docker save`; what a build may add is less. */
const maximumImageBytes = 10 * 1024 ** 3;

export function deployRoutes(
  parts: AppsParts,
  operations: DeploymentOperations,
  { logs, uploads }: { logs: DeploymentLogs; uploads: Uploads },
): Pick<
  Handlers,
  | "appDeploy"
  | "appDeployImage"
  | "appUploadImage"
  | "appRollback"
  | "appRestart"
  | "deploymentList"
  | "deploymentGet"
  | "deploymentCancel"
  | "releaseList"
> {
  async function openDeployment(
    context: Pick<RequestContext, "authorize" | "tx">,
    id: string,
    options: { lock?: boolean } = {},
  ): Promise<DeploymentRow> {
    const found = await deploymentStore.find(context.tx, id);
    if (!found) throw notFound("deployment");
    context.authorize(placeOf(found), "deployment");
    if (!options.lock) return found;
    await appStore.find(context.tx, found.appId, { lock: true });
    const locked = await deploymentStore.find(context.tx, id, { lock: true });
    if (!locked) throw notFound("deployment");
    return locked;
  }

  /** A body becomes a file, then a deployment: what was acknowledged is on the disk. */
  const deployBytes = (
    context: StreamContext,
    appId: string,
    mostBytes: number,
    describe: (sizeBytes: number) => { source: DeploymentSource; request: DeploymentRequest },
  ) =>
    answering(context.request, async () => {
      const open = async (tx: RequestContext["tx"], options: { lock?: boolean } = {}): Promise<AppRow> => {
        const row = await openApp(context, tx, appId, options);
        parts.engine();
        checkAction(row, "deploy");
        return row;
      };
      await context.transaction((tx) => open(tx));
      const id = newId("deployment");
      const sizeBytes = await uploads.receive(id, context.request as IncomingMessage, mostBytes);
      try {
        return await context.transaction(async (tx) => {
          const row = await open(tx, { lock: true });
          const { source, request } = describe(sizeBytes);
          const { deployment, operation } = await enqueue(tx, operations, row, {
            id,
            source,
            request,
            actor: actorOf(context.principal),
          });
          context.audit(tx, { ...subjectOf(row), after: { deployment: deployment.number, source } });
          return viewOperation(operation);
        });
      } catch (error) {
        await uploads.remove(id);
        throw error;
      }
    });

  /** Of what the app has already. */
  async function again(context: RequestContext, row: AppRow, source: DeploymentSource, request: DeploymentRequest) {
    const { deployment, operation } = await enqueue(context.tx, operations, row, {
      source,
      request,
      actor: actorOf(context.principal),
    });
    context.audit({ ...subjectOf(row), after: { deployment: deployment.number, source } });
    return viewOperation(operation);
  }

  return {
    appDeploy: (context, { params, query }) =>
      deployBytes(context, params.app, sourceLimits.archiveBytes, (sizeBytes) => ({
        source: { kind: "archive", description: query.description || "Source code", sizeBytes },
        request: { what: "source", from: "archive" },
      })),

    appUploadImage: (context, { params, query }) =>
      deployBytes(context, params.app, maximumImageBytes, (sizeBytes) => ({
        source: { kind: "image", description: query.description || "An image from a file", sizeBytes },
        request: { what: "imageFile", port: query.port, healthPath: query.healthPath },
      })),

    async appDeployImage(context, { params, body }) {
      const row = await openApp(context, context.tx, params.app, { lock: true });
      parts.engine();
      checkAction(row, "deploy");
      const [first = "", ...rest] = body.image.split("/");
      const settings = { port: body.port, healthPath: body.healthPath, processes: body.processes };
      const own = inOwnRegistry(parts.registryHost, body.image);
      // As docker tells a registry from a folder of one.
      if (own !== undefined || rest.length === 0 || !(/[.:]/.test(first) || first === "localhost")) {
        const { principal, tx } = context;
        const image = await findImage(tx, parts, { principal, app: row, image: own ?? body.image });
        return again(
          context,
          row,
          { kind: "image", description: body.image, image: body.image },
          { what: "registry", appId: image.appId, digest: image.digest, ...settings },
        );
      }
      const reference = publicReference(body.image);
      return again(
        context,
        row,
        { kind: "image", description: body.image, image: body.image },
        { what: "imagePull", reference, ...settings },
      );
    },

    async appRollback(context, { params, body }) {
      const row = await openApp(context, context.tx, params.app, { lock: true });
      parts.engine();
      checkAction(row, "rollback");
      const release = await releaseStore.ofNumber(context.tx, row.id, body.release);
      if (!release) throw notFound("release");
      if (release.id === row.liveReleaseId)
        throw new CloudError("failed_precondition", `Release ${release.number} is the one that is live.`, {
          details: { reason: "release_live" },
        });
      if (!(await imageStore.has(context.tx, row.id, release.imageId)))
        throw new CloudError(
          "failed_precondition",
          `The image of release ${release.number} is not kept any more. Deploy its source again.`,
          { details: { reason: "image_gone" } },
        );
      return again(
        context,
        row,
        { kind: "rollback", description: `Release ${release.number}`, releaseNumber: release.number },
        { what: "again", releaseId: release.id },
      );
    },

    async appRestart(context, { params }) {
      const row = await openApp(context, context.tx, params.app, { lock: true });
      parts.engine();
      checkAction(row, "restart");
      await checkIdle(context.tx, row);
      const release = await releaseStore.find(context.tx, row.liveReleaseId as string);
      if (!release) throw notFound("release");
      return again(
        context,
        row,
        { kind: "rollback", description: `Restart of release ${release.number}`, releaseNumber: release.number },
        { what: "again", releaseId: release.id },
      );
    },

    async deploymentList(context, { params, query }) {
      const row = await openApp(context, context.tx, params.app);
      const [below] = decodeCursor(query.cursor, 1) ?? [];
      const rows = await deploymentStore.page(context.tx, {
        appId: row.id,
        ...(below === undefined ? {} : { below: Number(below) || 0 }),
        limit: query.limit + 1,
      });
      const shown = rows.slice(0, query.limit);
      const last = shown.at(-1);
      return {
        items: await Promise.all(shown.map((each) => viewDeployment(logs, each))),
        ...(rows.length > query.limit && last ? { nextCursor: encodeCursor([last.number]) } : {}),
      };
    },

    async deploymentGet(context, { params }) {
      return viewDeployment(logs, await openDeployment(context, params.deployment));
    },

    async deploymentCancel(context, { params }) {
      const row = await openDeployment(context, params.deployment, { lock: true });
      await cancelDeployment(context.tx, row);
      context.audit({
        organisationId: row.organisationId,
        projectId: row.projectId,
        resource: { kind: "deployment", id: row.id, name: String(row.number) },
        before: { state: row.state },
      });
      return viewDeployment(logs, (await deploymentStore.find(context.tx, row.id)) as DeploymentRow);
    },

    async releaseList(context, { params, query }) {
      const row = await openApp(context, context.tx, params.app);
      const [below] = decodeCursor(query.cursor, 1) ?? [];
      const rows = await releaseStore.page(context.tx, {
        appId: row.id,
        ...(below === undefined ? {} : { below: Number(below) || 0 }),
        limit: query.limit + 1,
      });
      return toPage(
        rows,
        query.limit,
        (each) => viewRelease(row, each),
        ({ number }) => [number],
      );
    },
  };
}
