import { isoTime } from "../../../kernel/clock.ts";
import { CloudError, notFound } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import type { OperationDefinition } from "../../../kernel/operations/definition.ts";
import { activeOperations, beginOperation, hasActiveOperation } from "../../../kernel/operations/store.ts";
import { viewOperation } from "../../../kernel/operations/view.ts";
import type { RequestContext } from "../../../kernel/service.ts";
import type { EngineMember } from "../driver.ts";
import { type Area, actorIn, type ComputeParts } from "../parts.ts";
import { type Engine, type EngineMember as EngineMemberView, engineMemberActions, engineRoutes } from "./contract.ts";
import { isShared } from "./members.ts";
import type { EngineOperations, MemberInput } from "./operations.ts";
import type { Reconciler } from "./reconciler.ts";
import { capacityStore, differenceStore, type MemberRow, memberStore, type Promised } from "./store.ts";

type Routes = Pick<
  Area<typeof engineRoutes>["handlers"],
  | "engineGet"
  | "engineReconcile"
  | "engineMemberList"
  | "engineMemberGet"
  | "engineMemberEvacuate"
  | "engineMemberRestore"
  | "instanceMove"
>;

/** Somebody waits for the page: an engine that does not answer by then is called unreachable. */
const answerMs = 5000;

export function routesOfEngine(parts: ComputeParts, operations: EngineOperations, reconciler: Reconciler): Routes {
  const { database } = parts;
  const soon = () => AbortSignal.timeout(answerMs);

  async function members(signal: AbortSignal): Promise<EngineMemberView[]> {
    const all = await parts.engine().members({ signal });
    return database.transaction("system", async (tx) => {
      const known = new Map((await memberStore.all(tx)).map((row) => [row.name, row]));
      const promised = await capacityStore.promised(tx);
      const work = await activeOperations(
        tx,
        all.map(({ name }) => name),
      );
      return all.map((member) =>
        viewMember(member, all.length, known.get(member.name), promised, work.get(member.name)?.[0]?.id),
      );
    });
  }

  async function begin(
    context: RequestContext,
    name: string,
    action: keyof typeof engineMemberActions,
    definition: OperationDefinition<MemberInput>,
  ) {
    context.authorize({}, "engine_member");
    const all = await parts.engine().members({ signal: soon() });
    const member = all.find((each) => each.name === name);
    if (!member) throw notFound("member");
    if (all.length === 1) {
      throw refused(
        `${name} is the only member: there is no other one that its instances could move to. Join another machine to the engine's cluster first.`,
        "engine_not_clustered",
      );
    }
    if (await hasActiveOperation(context.tx, name))
      throw refused(`Work on the member ${name} is under way. Wait until it is finished.`, "operation_active");
    const states: readonly string[] = engineMemberActions[action];
    if (!states.includes(member.state)) {
      throw refused(
        action === "evacuate"
          ? `The member ${name} is ${member.state}: only one that is online can be evacuated.`
          : `The member ${name} is ${member.state}: only one that was evacuated is restored.`,
        `member_${member.state}`,
      );
    }
    if (action === "evacuate" && !all.some((each) => each.name !== name && each.state === "online"))
      throw refused("No other member is online: its instances would have nowhere to go.", "no_other_member");
    const resource = { kind: "engine_member", id: name, name };
    const record = await beginOperation(context.tx, definition, { input: { member: name }, actor: actorIn(context), resource });
    context.audit({ resource, before: { state: member.state } });
    return viewOperation(record);
  }

  return {
    async engineGet(context): Promise<Engine> {
      const network = await networkState(parts);
      const missing = (reason: "engine_missing" | "engine_unreachable", hint: string): Engine => ({
        available: false,
        reason,
        hint,
        network,
      });
      let driver: ReturnType<ComputeParts["engine"]>;
      try {
        driver = parts.engine();
      } catch (error) {
        if (!CloudError.is(error)) throw error;
        return missing("engine_missing", error.message);
      }
      try {
        const info = await driver.info({ signal: soon() });
        const administers = context.allows(engineRoutes.engineReconcile.permission, ["admin"], {});
        return {
          available: true,
          kind: info.kind,
          version: info.version,
          kinds: info.kinds,
          network,
          clustered: info.clustered,
          firstImage: await parts.images.first().catch(() => undefined),
          ...(administers ? { capacity: await capacity(info) } : {}),
        };
      } catch (error) {
        context.log.warn({ err: error }, "the engine does not answer");
        const why = CloudError.is(error) && error.code !== "cancelled" ? error.message : "It does not answer.";
        return missing("engine_unreachable", why);
      }
    },

    async engineReconcile(context) {
      context.authorize({}, "engine");
      parts.engine();
      await reconciler.run(context.signal);
      return { differences: await context.transaction((tx) => differenceStore.countOpen(tx)) };
    },

    async engineMemberList(context, { query }) {
      context.authorize({}, "engine");
      const [after] = decodeCursor(query.cursor, 1) ?? [];
      const all = (await members(soon())).toSorted((a, b) => (a.name < b.name ? -1 : 1));
      const rows = after === undefined ? all : all.filter(({ name }) => name > String(after));
      return toPage(
        rows,
        query.limit,
        (member) => member,
        ({ name }) => [name],
      );
    },

    async engineMemberGet(context, { params }) {
      context.authorize({}, "engine_member");
      const member = (await members(soon())).find(({ name }) => name === params.member);
      if (!member) throw notFound("member");
      return member;
    },

    engineMemberEvacuate: (context, { params }) => begin(context, params.member, "evacuate", operations.engineMemberEvacuate),
    engineMemberRestore: (context, { params }) => begin(context, params.member, "restore", operations.engineMemberRestore),

    async instanceMove(context, { params, body }) {
      const instance = await parts.instances.find(context.tx, params.instance, { lock: true });
      if (!instance) throw notFound("instance");
      context.authorize({}, "instance");
      const all = await parts.engine().members({ signal: soon() });
      parts.instances.checkAction(instance, "move");
      if (await hasActiveOperation(context.tx, instance.id))
        throw refused(`Work on the instance ${instance.name} is under way. Wait until it is finished.`, "operation_active");
      const target = all.find(({ name }) => name === body.member);
      if (!target) {
        throw new CloudError(
          "failed_precondition",
          `There is no member ${body.member}. There are: ${all.map(({ name }) => name).join(", ")}.`,
          { details: { reason: "no_such_member" } },
        );
      }
      if (target.state !== "online") throw refused(`The member ${target.name} is ${target.state}.`, `member_${target.state}`);
      if (instance.member === target.name)
        throw refused(`The instance ${instance.name} is on ${target.name} already.`, "is_there");
      const resource = { kind: "instance", id: instance.id, name: instance.name };
      const { organisationId, projectId } = instance;
      const record = await beginOperation(context.tx, operations.instanceMove, {
        input: {
          instanceId: instance.id,
          engineName: instance.engineName,
          member: target.name,
          stateBefore: instance.state,
          start: false,
        },
        actor: actorIn(context),
        organisationId,
        projectId,
        resource,
      });
      await parts.instances.setState(context.tx, instance.id, "moving");
      context.audit({ organisationId, projectId, resource, before: { member: instance.member }, after: { member: target.name } });
      return viewOperation(record);
    },
  };

  async function capacity(info: Awaited<ReturnType<ReturnType<ComputeParts["engine"]>["info"]>>): Promise<Engine["capacity"]> {
    const online = (await parts.engine().members({ signal: soon() })).filter(({ state }) => state !== "offline");
    const { promised, disk } = await database.transaction("system", async (tx) => ({
      promised: await capacityStore.promised(tx),
      disk: await capacityStore.promisedDisk(tx),
    }));
    const sum = <T>(list: readonly T[], amount: (each: T) => number) => list.reduce((total, each) => total + amount(each), 0);
    return {
      cpus: sum(online, ({ cpus }) => cpus),
      memoryBytes: sum(online, ({ memoryBytes }) => memoryBytes),
      memoryUsedBytes: sum(online, ({ memoryUsedBytes }) => memoryUsedBytes),
      pool: {
        name: info.pool.name,
        driver: info.storageDriver,
        // A pool of one machine is as large as all members' parts of it; a shared one is the same seen from each.
        ...(isShared(info.storageDriver) || online.length < 2
          ? { totalBytes: info.pool.totalBytes, usedBytes: info.pool.usedBytes }
          : { totalBytes: sum(online, ({ pool }) => pool.totalBytes), usedBytes: sum(online, ({ pool }) => pool.usedBytes) }),
      },
      promised: {
        instances: sum(promised, ({ instances }) => instances),
        runningInstances: sum(promised, ({ running }) => running),
        vcpus: sum(promised, ({ vcpus }) => vcpus),
        memoryBytes: sum(promised, ({ memoryBytes }) => memoryBytes),
        diskBytes: disk,
      },
    };
  }
}

async function networkState(parts: Pick<ComputeParts, "network">): Promise<Engine["network"]> {
  try {
    return await parts.network().check();
  } catch (error) {
    if (!CloudError.is(error)) throw error;
    return { available: false, reason: error.message };
  }
}

function viewMember(
  member: EngineMember,
  members: number,
  known: MemberRow | undefined,
  promised: readonly Promised[],
  operationId: EngineMemberView["operationId"],
): EngineMemberView {
  // An engine of one machine does not say where its instances are.
  const own = promised.filter(({ member: at }) => at === member.name || (members === 1 && at === null));
  const sum = (amount: (each: Promised) => number) => own.reduce((total, each) => total + amount(each), 0);
  const { name, address, state, message, architecture, cpus, memoryBytes, memoryUsedBytes, pool } = member;
  return {
    name,
    address,
    state,
    message,
    architecture,
    cpus,
    memoryBytes,
    memoryUsedBytes,
    pool,
    instances: sum(({ instances }) => instances),
    runningInstances: sum(({ running }) => running),
    vcpus: sum(({ vcpus }) => vcpus),
    promisedMemoryBytes: sum((each) => each.memoryBytes),
    offlineSince: state === "offline" && known?.offlineSince ? isoTime(known.offlineSince) : undefined,
    operationId,
    allowedActions:
      members === 1 || operationId !== undefined
        ? []
        : (["evacuate", "restore"] as const).filter((action) =>
            (engineMemberActions[action] as readonly string[]).includes(state),
          ),
  };
}

const refused = (message: string, reason: string): CloudError =>
  new CloudError("failed_precondition", message, { details: { reason } });
