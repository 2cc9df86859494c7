import { CloudError, checkRevision, invalid, notFound } from "../../../kernel/errors.ts";
import { beginOperation, hasActiveOperation } from "../../../kernel/operations/store.ts";
import { viewOperation } from "../../../kernel/operations/view.ts";
import type { RequestContext } from "../../../kernel/service.ts";
import { type Area, actorIn, type ComputeParts } from "../parts.ts";
import { openChangeable, placeOf, subjectOf } from "./access.ts";
import { imageActions, imageRoutes } from "./contract.ts";
import type { ImageOperations } from "./operations.ts";
import { sharedProjects } from "./reading.ts";
import { freeName } from "./records.ts";
import { type ImageRow, imageStore } from "./store.ts";
import { viewImage } from "./view.ts";

type Changing = Pick<Area<typeof imageRoutes>["handlers"], "imageUpdate" | "imageShare" | "imageDelete">;

export function changingImages(parts: ComputeParts, operations: ImageOperations): Changing {
  const shown = async (context: RequestContext, id: string) => {
    const row = (await imageStore.find(context.tx, id)) as ImageRow;
    return viewImage(context, row, await sharedProjects(parts, context, context.tx, row));
  };
  return {
    async imageUpdate(context, { params, body }) {
      const row = await openChangeable(context, context.tx, params.image, imageRoutes.imageUpdate);
      checkRevision(context.ifMatch, row, "image");
      assertAction(row, "update");
      const before = fieldsOf(row);
      const change = {
        name: body.name ?? row.name,
        description: body.description ?? row.description,
        defaultUser: body.defaultUser ?? row.defaultUser,
        minimumDiskBytes: body.minimumDiskBytes ?? row.minimumDiskBytes,
      };
      if (change.name !== row.name) await freeName(context.tx, ownerOf(row), change.name, row.id);
      if (!(await imageStore.update(context.tx, row, change))) {
        throw new CloudError("already_exists", `There is an image ${change.name} already. Choose another name.`, {
          details: { resource: "image", reason: "image_exists" },
        });
      }
      context.audit({ ...subjectOf(row), before, after: change });
      return shown(context, row.id);
    },

    async imageShare(context, { params, body }) {
      const row = await openChangeable(context, context.tx, params.image, imageRoutes.imageShare);
      checkRevision(context.ifMatch, row, "image");
      assertAction(row, "share");
      const { permission, roles } = imageRoutes.imageShare;
      if (body.visibility === "public" && !context.allows(permission, ["admin"], {})) {
        throw new CloudError(
          "permission_denied",
          "Only administrators of the cloud give an image to everybody. Share it with projects, or with your organisation.",
          { details: { permission, roles: ["admin"] } },
        );
      }
      if (body.visibility === "organisation" && row.organisationId === null)
        throw invalid("body.visibility", "An image of the cloud belongs to no organisation. Choose public, shared or private.");
      const wanted = [...new Set(body.projects)].filter((id) => id !== row.projectId);
      if (body.visibility !== "shared" && wanted.length > 0)
        throw invalid("body.projects", "Projects are listed only with the visibility shared.");
      const before = {
        visibility: row.visibility,
        projects: (await imageStore.shares(context.tx, row.id)).map((s) => s.projectId),
      };
      const places = [];
      for (const id of wanted) {
        const place = await parts.identity.projectPlace(context.tx, id);
        if (!place) throw notFound("project");
        // Nobody is handed an image by a stranger: who shares it administers both, or only takes along what was shared before.
        if (
          place.organisationId !== row.organisationId &&
          !before.projects.includes(id) &&
          !context.allows(permission, roles, { organisationId: place.organisationId, projectId: id })
        ) {
          throw new CloudError(
            "permission_denied",
            `The project ${place.name} belongs to another organisation: sharing with it needs the role admin there too.`,
            { details: { permission, roles: [...roles], project: id } },
          );
        }
        const [same] = (await imageStore.usable(context.tx, place, { name: row.name })).filter((other) => other.id !== row.id);
        if (same && same.projectId === id) {
          throw new CloudError(
            "already_exists",
            `The project ${place.name} has an image ${row.name} of its own. Rename one of them.`,
            {
              details: { resource: "image", reason: "image_name_visible", project: id },
            },
          );
        }
        places.push(place);
      }
      await imageStore.share(context.tx, row, body.visibility, places);
      context.audit({ ...subjectOf(row), before, after: { visibility: body.visibility, projects: wanted } });
      return shown(context, row.id);
    },

    async imageDelete(context, { params }) {
      const row = await openChangeable(context, context.tx, params.image, imageRoutes.imageDelete);
      checkRevision(context.ifMatch, row, "image");
      parts.engine();
      assertAction(row, "delete");
      if (await hasActiveOperation(context.tx, row.id)) {
        throw new CloudError(
          "failed_precondition",
          "Work with this image is under way. Wait until it is finished, or cancel it.",
          {
            details: { resource: "image", reason: "operation_active", retryAfterSeconds: 5 },
          },
        );
      }
      const record = await beginOperation(context.tx, operations.imageDelete, {
        input: { imageId: row.id },
        actor: actorIn(context),
        ...subjectOf(row),
      });
      await imageStore.setState(context.tx, row, { state: "deleting", operationId: record.id });
      context.audit({ ...subjectOf(row), before: { ...fieldsOf(row), visibility: row.visibility, sizeBytes: row.sizeBytes } });
      return viewOperation(record);
    },
  };
}

const fieldsOf = ({ name, description, defaultUser, minimumDiskBytes }: ImageRow) => ({
  name,
  description,
  defaultUser,
  minimumDiskBytes,
});

const ownerOf = (row: ImageRow) => {
  const { organisationId, projectId } = placeOf(row);
  return organisationId !== undefined && projectId !== undefined ? { organisationId, projectId } : undefined;
};

function assertAction(row: ImageRow, action: keyof typeof imageActions): void {
  if (imageActions[action].includes(row.state)) return;
  throw new CloudError(
    "failed_precondition",
    `The image ${row.name} is ${row.state}. Wait until that is finished, or cancel it.`,
    {
      details: { resource: "image", reason: "image_state", state: row.state },
    },
  );
}
