import { CloudError, checkRevision, invalid, nameTaken, notFound } from "../../../kernel/errors.ts";
import { decodeCursor, encodeCursor } from "../../../kernel/http/cursor.ts";
import { beginOperation } from "../../../kernel/operations/store.ts";
import { viewOperation } from "../../../kernel/operations/view.ts";
import { type Area, actorIn, type ComputeParts, openProject, placeOf } from "../parts.ts";
import type { instanceRoutes as contractRoutes } from "./contract.ts";
import { type Creation, resolveSize } from "./creation.ts";
import type { InstanceOperations } from "./operations.ts";
import { subjectOf, viewInstance, viewInstances } from "./presentation.ts";
import { announce, checkState } from "./states.ts";
import { type InstanceChange, type InstanceRow, instanceStore } from "./store/instances.ts";
import { sshKeyStore } from "./store/keys.ts";

type InstanceRoutes = Pick<typeof contractRoutes, "instanceList" | "instanceCreate" | "instanceGet" | "instanceUpdate">;

export const instanceRoutes = (
  parts: ComputeParts,
  operations: InstanceOperations,
  creation: Creation,
): Area<InstanceRoutes>["handlers"] => ({
  async instanceList(context, { query }) {
    const { projectId } = await openProject(parts, context, query.project);
    const [after] = decodeCursor(query.cursor, 1) ?? [];
    const [, key, value] = /^([^=]+)(?:=(.*))?$/s.exec(query.label ?? "") ?? [];
    const rows = await instanceStore.page(context.tx, {
      projectId,
      search: query.search,
      states: query.state === undefined ? undefined : [query.state],
      label: key === undefined ? undefined : { key, value },
      after: after === undefined ? undefined : String(after),
      limit: query.limit + 1,
    });
    const page = rows.slice(0, query.limit);
    const last = page.at(-1);
    return {
      items: await viewInstances(context.tx, parts, page),
      ...(rows.length > page.length && last ? { nextCursor: encodeCursor([last.name]) } : {}),
    };
  },

  async instanceCreate(context, { body }) {
    const { tx } = context;
    const place = await openProject(parts, context, body.project);
    parts.engine();
    if (body.member !== undefined && !context.allows("compute.instance.place", ["admin"], {}))
      throw new CloudError("permission_denied", "Only administrators of the cloud choose the member that an instance runs on.", {
        details: { permission: "compute.instance.place", fields: [{ path: "body.member", message: "Leave this empty." }] },
      });
    const image = await parts.images.resolve(tx, place, body.image);
    if (image.kind !== body.kind)
      throw invalid(
        "body.image",
        image.kind === "vm"
          ? `The image ${image.name} is for virtual machines. Choose the kind vm, or an image for containers.`
          : `The image ${image.name} is for containers. Choose the kind container, or an image for virtual machines.`,
      );
    const size = await resolveSize(tx, body.size, image.minimumDiskBytes);
    const keys = await sshKeyStore.ofProject(tx, place.projectId, body.sshKeys);
    const found = new Set(keys.map((key) => key.id));
    const unknown = body.sshKeys.findIndex((id) => !found.has(id));
    if (unknown >= 0) throw invalid(`body.sshKeys.${unknown}`, "There is no such SSH key in this project.");
    const { row, operation } = await creation.create(tx, {
      place: { organisationId: place.organisationId, projectId: place.projectId },
      actor: actorIn(context),
      name: body.name,
      description: body.description,
      kind: body.kind,
      size,
      image,
      source: { kind: "image", engineName: image.engineName },
      networkIds: body.networks,
      securityGroupIds: body.securityGroups,
      sshKeys: keys,
      userData: body.userData,
      labels: body.labels,
      groupId: body.group,
      protected: body.protected,
      autoRestart: body.autoRestart,
      member: body.member,
      start: body.start,
      hidden: false,
      usageOf: undefined,
    });
    context.audit({
      ...subjectOf(row),
      after: { ...changeable(row), kind: row.kind, size: row.sizeName, image: row.imageName, sshKeys: row.sshKeyIds },
    });
    return viewOperation(operation);
  },

  async instanceGet(context, { params }) {
    const row = await instanceStore.find(context.tx, params.instance);
    if (!row) throw notFound("instance");
    context.authorize(placeOf(row), "instance");
    return viewInstance(context.tx, parts, row);
  },

  async instanceUpdate(context, { params, body }) {
    const { tx } = context;
    const before = await instanceStore.find(tx, params.instance, { lock: true });
    if (!before) throw notFound("instance");
    context.authorize(placeOf(before), "instance");
    checkRevision(context.ifMatch, before, "instance");
    const change: InstanceChange = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
    const renamed = body.name !== undefined && body.name !== before.name;
    const atEngine = renamed || (body.autoRestart !== undefined && body.autoRestart !== before.autoRestart);
    if (atEngine) {
      parts.engine();
      checkState(before, "rename");
    }
    if (Object.keys(change).length === 0) return viewInstance(tx, parts, before);
    const after = await instanceStore.rename(tx, before.id, change);
    if (!after) throw nameTaken("instance", "This project", body.name as string);
    if (renamed) await parts.networks.rename(tx, after.id, after.name);
    if (atEngine)
      await beginOperation(tx, operations.instanceConfigure, {
        input: { instanceId: after.id, engineName: after.engineName },
        actor: actorIn(context),
        ...subjectOf(after),
      });
    await announce(tx, after);
    context.audit({ ...subjectOf(after), before: changeable(before), after: changeable(after) });
    return viewInstance(tx, parts, after);
  },
});

const changeable = ({ name, description, labels, protected: isProtected, autoRestart }: InstanceRow) => ({
  name,
  description,
  labels,
  protected: isProtected,
  autoRestart,
});
