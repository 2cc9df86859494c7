import type { Place, Principal } from "../../../kernel/auth/principal.ts";
import type { Role } from "../../../kernel/contract.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, invalid, notFound } from "../../../kernel/errors.ts";
import type { Id } from "../../../kernel/ids.ts";
import type { RequestContext } from "../../../kernel/service.ts";
import { type ComputeParts, openProject, type ProjectPlace } from "../parts.ts";
import { type ImageRow, imageStore } from "./store.ts";

type Caller = Pick<RequestContext, "authorize" | "allows" | "principal">;
interface Right {
  permission: string;
  roles: readonly Role[];
}

/** Where an image lives; the cloud itself for one of the whole cloud. */
export const placeOf = (row: Pick<ImageRow, "organisationId" | "projectId">): Place => ({
  organisationId: row.organisationId ?? undefined,
  projectId: row.projectId ?? undefined,
});

export const resourceOf = (row: Pick<ImageRow, "id" | "name">) => ({ kind: "image", id: row.id, name: row.name });

/** What the audit log and operations need to know of an image. */
export const subjectOf = (row: ImageRow) => ({
  organisationId: row.organisationId ?? undefined,
  projectId: row.projectId ?? undefined,
  resource: resourceOf(row),
});

/** Whether somebody may do to an image what changes it: with the role in its project; to one of the cloud as its administrator. */
export const mayChange = (caller: Pick<Caller, "allows">, row: ImageRow, right: Right): boolean =>
  caller.allows(right.permission, row.projectId === null ? ["admin"] : right.roles, placeOf(row));

/** Where somebody may look at an image: where it lives, or where it may be used. */
async function readingPlace(caller: Caller, tx: Tx, row: ImageRow, right: Right): Promise<Place | undefined> {
  const allowed = (place: Place) => caller.allows(right.permission, right.roles, place);
  const own = placeOf(row);
  if (allowed(own)) return own;
  switch (row.visibility) {
    case "private":
      return undefined;
    case "public":
      return bindingPlaces(caller.principal).find(allowed);
    case "organisation":
      return bindingPlaces(caller.principal).find((place) => place.organisationId === row.organisationId && allowed(place));
    case "shared":
      return (await imageStore.shares(tx, row.id)).find(allowed);
  }
}

const bindingPlaces = ({ bindings }: Principal): Place[] =>
  bindings.map(({ organisationId, projectId }) => ({ organisationId, projectId }));

/** The image of a route that only looks, once it is sure that the caller may: also one that is shared with a project of theirs. */
export async function openReadable(caller: Caller, tx: Tx, id: string, right: Right): Promise<ImageRow> {
  const row = await imageStore.find(tx, id);
  if (!row) throw notFound("image");
  const place = await readingPlace(caller, tx, row, right);
  if (place) caller.authorize(place, "image");
  else if (row.projectId !== null) caller.authorize(placeOf(row), "image");
  else throw notFound("image");
  return row;
}

/** The image of a route that changes it; the row stays locked to the end. */
export async function openChangeable(caller: Caller, tx: Tx, id: string, right: Right): Promise<ImageRow> {
  const row = await imageStore.find(tx, id);
  if (!row) throw notFound("image");
  if (!mayChange(caller, row, right) && (await readingPlace(caller, tx, row, { ...right, roles: ["viewer"] }))) {
    throw new CloudError(
      "permission_denied",
      row.projectId === null
        ? "This image belongs to the whole cloud: only its administrators may do this."
        : "You may use this image, but not do this to it: that is for people of the project that it belongs to, with a higher role.",
      { details: { permission: right.permission, reason: "not_your_image" } },
    );
  }
  if (row.projectId === null) {
    if (!mayChange(caller, row, right)) throw notFound("image");
    caller.authorize({}, "image");
  } else caller.authorize(placeOf(row), "image");
  const locked = await imageStore.find(tx, id, { lock: true });
  if (!locked) throw notFound("image");
  return locked;
}

/** Whose a new image becomes; undefined: the whole cloud's. */
export async function openOwner(
  parts: Pick<ComputeParts, "identity">,
  context: Caller & Pick<RequestContext, "tx">,
  owner: { scope: "cloud" | "project"; project?: Id<"project"> | undefined },
  right: Right,
  at: "body" | "query",
): Promise<ProjectPlace | undefined> {
  if (owner.scope === "cloud") {
    if (!context.allows(right.permission, ["admin"], {})) {
      throw new CloudError(
        "permission_denied",
        "Images of the whole cloud are made by its administrators. Make one for your project instead.",
        { details: { permission: right.permission, roles: ["admin"] } },
      );
    }
    context.authorize({}, "image");
    return undefined;
  }
  if (owner.project === undefined)
    throw invalid(`${at}.project`, "Say whose it becomes: give a project, or the scope cloud for everybody's.");
  return openProject(parts, context, owner.project);
}
