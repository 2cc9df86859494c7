import { randomInt } from "node:crypto";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, invalid, notFound } from "../../../kernel/errors.ts";
import type { OperationDefinition } from "../../../kernel/operations/definition.ts";
import { beginOperation } from "../../../kernel/operations/store.ts";
import { viewOperation } from "../../../kernel/operations/view.ts";
import { reserveQuota } from "../../../kernel/quota.ts";
import type { RequestContext } from "../../../kernel/service.ts";
import { type Area, actorIn, type ComputeParts, placeOf } from "../parts.ts";
import type { InstanceAction, InstanceState, instanceRoutes } from "./contract.ts";
import { gib, resolveSize } from "./creation.ts";
import type { Removal } from "./deletion.ts";
import type { OnInstance } from "./operations/outcome.ts";
import { capacityQuotas } from "./operations/resize.ts";
import type { InstanceOperations } from "./operations.ts";
import { checkIdle, subjectOf } from "./presentation.ts";
import { checkState, setState } from "./states.ts";
import { type InstanceRow, instanceStore } from "./store/instances.ts";

type ActionRoutes = Pick<
  typeof instanceRoutes,
  | "instanceStart"
  | "instanceStop"
  | "instanceRestart"
  | "instanceFreeze"
  | "instanceUnfreeze"
  | "instanceResize"
  | "instanceRebuild"
  | "instanceDelete"
  | "instancePasswordReset"
>;

export const actionRoutes = (
  parts: ComputeParts,
  operations: InstanceOperations,
  removal: Removal,
): Area<ActionRoutes>["handlers"] => {
  /** The instance of a route, locked, once it is sure that this may be done to it now. */
  async function open(context: RequestContext, id: string, action: InstanceAction): Promise<InstanceRow> {
    const row = await instanceStore.find(context.tx, id, { lock: true });
    if (!row) throw notFound("instance");
    context.authorize(placeOf(row), "instance");
    parts.engine();
    checkState(row, action);
    await checkIdle(context.tx, row);
    return row;
  }

  async function begin<Input extends OnInstance>(
    context: RequestContext,
    row: InstanceRow,
    definition: OperationDefinition<Input>,
    input: Omit<Input, keyof OnInstance>,
    passing: InstanceState | undefined,
    change?: { before?: Record<string, unknown>; after?: Record<string, unknown> },
  ) {
    const record = await beginOperation(context.tx, definition, {
      input: { instanceId: row.id, engineName: row.engineName, ...input } as unknown as Input,
      actor: actorIn(context),
      ...subjectOf(row),
    });
    if (passing) await setState(context.tx, row, passing);
    context.audit({ ...subjectOf(row), before: { state: row.state }, ...change });
    return viewOperation(record);
  }

  return {
    async instanceStart(context, { params }) {
      const row = await open(context, params.instance, "start");
      return begin(context, row, operations.instanceStart, { from: row.state }, "starting");
    },
    async instanceStop(context, { params, body }) {
      const row = await open(context, params.instance, "stop");
      return begin(context, row, operations.instanceStop, { ...body, from: row.state }, "stopping", { after: { ...body } });
    },
    async instanceRestart(context, { params, body }) {
      const row = await open(context, params.instance, "restart");
      return begin(context, row, operations.instanceRestart, { ...body, from: row.state }, "restarting", { after: { ...body } });
    },
    async instanceFreeze(context, { params }) {
      const row = await open(context, params.instance, "freeze");
      return begin(context, row, operations.instanceFreeze, { from: row.state }, undefined);
    },
    async instanceUnfreeze(context, { params }) {
      const row = await open(context, params.instance, "unfreeze");
      return begin(context, row, operations.instanceUnfreeze, { from: row.state }, undefined);
    },

    async instanceResize(context, { params, body }) {
      const { tx } = context;
      const row = await open(context, params.instance, "resize");
      const size = await resolveSize(tx, body.size);
      if (size.id === row.sizeId) throw invalid("body.size", `The instance ${row.name} has the size ${size.name} already.`);
      if (size.diskBytes < row.diskBytes)
        throw invalid(
          "body.size",
          `The size ${size.name} has a disk of ${gib(size.diskBytes)}, and this instance has one of ${gib(row.diskBytes)}: a disk only grows. Choose a size with at least that.`,
        );
      for (const [quota, field] of capacityQuotas) {
        const grown = size[field] - row[field];
        if (grown > 0 && !row.hidden) await reserveQuota(tx, row, quota, grown);
      }
      const capacity = ({ vcpus, memoryBytes, diskBytes }: typeof size | InstanceRow) => ({ vcpus, memoryBytes, diskBytes });
      return begin(
        context,
        row,
        operations.instanceResize,
        {
          before: capacity(row),
          after: capacity(size),
          sizeId: size.id,
          sizeName: size.name,
          from: row.state,
          place: { organisationId: row.organisationId, projectId: row.projectId },
          hidden: row.hidden,
        },
        "resizing",
        { before: { size: row.sizeName, ...capacity(row) }, after: { size: size.name, ...capacity(size) } },
      );
    },

    async instanceRebuild(context, { params, body }) {
      const { tx } = context;
      const row = await open(context, params.instance, "rebuild");
      if (body.confirm !== row.name)
        throw invalid(
          "body.confirm",
          `Type the name of the instance, ${row.name}, to confirm that everything on its root disk goes.`,
        );
      checkUnprotected(row);
      const image = await imageFor(tx, row, body.image);
      return begin(
        context,
        row,
        operations.instanceRebuild,
        {
          image: { id: image.id, name: image.name, engineName: image.engineName, defaultUser: image.defaultUser },
          start: row.state === "running" || (row.state === "error" && row.runningFrom !== null),
        },
        "rebuilding",
        { before: { image: row.imageName }, after: { image: image.name } },
      );
    },

    async instanceDelete(context, { params, query }) {
      const row = await instanceStore.find(context.tx, params.instance, { lock: true });
      if (!row) throw notFound("instance");
      context.authorize(placeOf(row), "instance");
      parts.engine();
      checkUnprotected(row);
      const record = await removal.begin(context.tx, row, actorIn(context), query.force);
      context.audit({
        ...subjectOf(row),
        before: { name: row.name, state: row.state, size: row.sizeName, image: row.imageName },
        ...(query.force ? { after: { force: true } } : {}),
      });
      return viewOperation(record);
    },

    async instancePasswordReset(context, { params, body }) {
      const row = await context.transaction(async (tx) => {
        const found = await instanceStore.find(tx, params.instance);
        if (!found) throw notFound("instance");
        context.authorize(placeOf(found), "instance");
        checkState(found, "passwordReset");
        return found;
      });
      const password = newPassword();
      const { exitCode, stderr } = await parts.engine().instanceExec(row.engineName, {
        command: ["sh", "-c", `id -u "$1" >/dev/null 2>&1 || exit ${noSuchUser}; exec chpasswd`, "sh", body.user],
        environment: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
        input: Buffer.from(`${body.user}:${password}\n`),
        maxOutputBytes: 4096,
        signal: AbortSignal.any([context.signal, AbortSignal.timeout(passwordTimeoutMs)]),
      });
      if (exitCode !== 0) throw passwordRefused(body.user, exitCode, Buffer.from(stderr).toString().trim());
      await context.transaction(async (tx) => context.audit(tx, { ...subjectOf(row), after: { user: body.user } }));
      return { user: body.user, password };
    },
  };

  /** The one it was made from, unless another one is asked for. */
  async function imageFor(tx: Tx, row: InstanceRow, wanted: string | undefined) {
    if (wanted === undefined && (row.imageId === null || !(await parts.images.find(tx, row.imageId))))
      throw invalid("body.image", `The image ${row.imageName}, which it was made from, is deleted: choose another one.`);
    const image = await parts.images.resolve(tx, row, wanted ?? (row.imageId as string));
    if (image.kind !== row.kind)
      throw invalid("body.image", `The image ${image.name} is of the kind ${image.kind}, and this instance is a ${row.kind}.`);
    if (image.minimumDiskBytes > row.diskBytes)
      throw invalid(
        "body.image",
        `The image ${image.name} needs a disk of ${gib(image.minimumDiskBytes)}; this instance has ${gib(row.diskBytes)}. Resize it first.`,
      );
    return image;
  }
};

function checkUnprotected(row: InstanceRow): void {
  if (!row.protected) return;
  throw new CloudError(
    "failed_precondition",
    `The instance ${row.name} is protected: it is neither deleted nor rebuilt. Take the protection off first.`,
    { details: { resource: "instance", reason: "protected" } },
  );
}

const passwordTimeoutMs = 20_000;
/** EX_NOUSER of sysexits(3). */
const noSuchUser = 67;
/** Without those that are taken for each other when somebody types them off. */
const alphabet = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/** 20 of 56 letters: 116 bits. In groups, for typing. */
const newPassword = (): string =>
  Array.from({ length: 4 }, () => Array.from({ length: 5 }, () => alphabet[randomInt(alphabet.length)]).join("")).join("-");

function passwordRefused(user: string, exitCode: number, said: string): CloudError {
  const unknown = exitCode === noSuchUser;
  return new CloudError(
    "failed_precondition",
    unknown
      ? `There is no user ${user} inside this instance.`
      : exitCode === 127
        ? "This instance has no chpasswd, which sets passwords. Install it inside (the package is passwd or shadow)."
        : `The password could not be set inside the instance: ${said.slice(0, 300) || `chpasswd ended with ${exitCode}`}.`,
    { details: { resource: "instance", reason: unknown ? "no_such_user" : "guest_refused" } },
  );
}
