import { systemActor } from "../../../kernel/auth/principal.ts";
import type { Id } from "../../../kernel/ids.ts";
import { beginOperation, hasActiveOperation } from "../../../kernel/operations/store.ts";
import type { EngineMember } from "../driver.ts";
import type { ComputeParts, InstanceView } from "../parts.ts";
import type { EngineOperations } from "./operations.ts";
import { type Finding, type MemberRow, memberStore } from "./store.ts";

/** So long a member may be away (a restart of its daemon, a cable) before its instances are seen to. */
export const offlineGraceMs = 60_000;

/** Disks of these lie on no member: another one can take the instance over. */
const sharedStorage = new Set(["ceph", "linstor", "lvmcluster", "powerflex", "pure", "alletra", "truenas"]);

export const isShared = (storageDriver: string): boolean => sharedStorage.has(storageDriver);

export interface MemberWatch {
  /**
   * Writes down how the members are; what changed is told to whoever watches. Before states of instances are compared. Answers those
   * that have come back.
   */
  look(members: readonly EngineMember[]): Promise<string[]>;
  /** Sees to the instances of members that stay away; afterwards. */
  failOver(members: readonly EngineMember[]): Promise<Finding[]>;
  /** What did not run on a member that has come back was in error while it was away, and is not any more. */
  welcome(back: readonly string[]): Promise<void>;
}

export function createMemberWatch(
  parts: ComputeParts,
  operations: EngineOperations,
  options: { graceMs?: number } = {},
): MemberWatch {
  const { database } = parts;
  const graceMs = options.graceMs ?? offlineGraceMs;

  async function instancesOn(member: string): Promise<InstanceView[]> {
    const found: InstanceView[] = [];
    for (let after: string | undefined; ; ) {
      const page = await database.transaction("system", (tx) =>
        parts.instances.list(tx, { limit: 500, ...(after === undefined ? {} : { after }) }),
      );
      found.push(...page.filter((instance) => instance.member === member));
      if (page.length < 500) return found;
      after = page.at(-1)?.id;
    }
  }

  /** Moves it to where there is most room; another one that is chosen in the same round counts. */
  async function takeOver(instance: InstanceView, start: boolean, room: Map<string, number>): Promise<void> {
    const [target] = [...room].toSorted((a, b) => b[1] - a[1])[0] ?? [];
    if (target === undefined) return;
    room.set(target, (room.get(target) ?? 0) - 1024 ** 3);
    await database.transaction("system", async (tx) => {
      const now = await parts.instances.find(tx, instance.id, { lock: true });
      if (!now || now.state === "deleting" || (await hasActiveOperation(tx, instance.id))) return;
      await beginOperation(tx, operations.instanceMove, {
        input: {
          instanceId: now.id,
          engineName: now.engineName,
          member: target,
          stateBefore: start ? "running" : "stopped",
          start,
        },
        actor: systemActor,
        organisationId: now.organisationId,
        projectId: now.projectId,
        resource: { kind: "instance", id: now.id, name: now.name },
      });
      await parts.instances.setState(tx, now.id, "moving");
    });
  }

  async function explain(instance: InstanceView, member: string): Promise<void> {
    await database.transaction("system", async (tx) => {
      const now = await parts.instances.find(tx, instance.id, { lock: true });
      if (!now || now.state === "deleting" || (await hasActiveOperation(tx, instance.id))) return;
      await parts.instances.setState(
        tx,
        now.id,
        "error",
        `The member ${member} that it is on is offline, and its disk is there. It comes back with the member.`,
      );
    });
  }

  return {
    async look(members) {
      const back: string[] = [];
      const before = new Map((await database.transaction("system", memberStore.all)).map((row) => [row.name, row]));
      for (const member of members) {
        const known = before.get(member.name);
        const changed = known?.state !== member.state;
        const row: MemberRow = {
          name: member.name,
          address: member.address,
          state: member.state,
          message: member.message,
          offlineSince: member.state === "offline" ? (known?.offlineSince ?? new Date()) : null,
          running: member.state === "offline" ? (known?.running ?? []) : [],
          failedOver: member.state === "offline" ? (known?.failedOver ?? false) : false,
        };
        if (changed && member.state === "offline")
          row.running = (await instancesOn(member.name)).filter(({ state }) => state === "running").map(({ id }) => id);
        await database.transaction("system", (tx) => memberStore.write(tx, row, changed));
        if (known?.state === "offline" && changed) back.push(member.name);
        if (changed && known) parts.log.warn({ member: member.name, from: known.state, to: member.state }, "a member changed");
      }
      await database.transaction("system", (tx) =>
        memberStore.keepOnly(
          tx,
          members.map(({ name }) => name),
        ),
      );
      return back;
    },

    async welcome(back) {
      for (const member of back) {
        for (const instance of (await instancesOn(member)).filter(({ state }) => state === "error")) {
          if ((await parts.engine().instanceGet(instance.engineName))?.state !== "stopped") continue;
          await database.transaction("system", async (tx) => {
            const now = await parts.instances.find(tx, instance.id, { lock: true });
            if (now?.state === "error" && !(await hasActiveOperation(tx, now.id)))
              await parts.instances.setState(tx, now.id, "stopped");
          });
        }
      }
    },

    async failOver(members) {
      const rows = await database.transaction("system", memberStore.all);
      const findings: Finding[] = [];
      for (const row of rows) {
        if (row.state !== "offline" || row.offlineSince === null) continue;
        const instances = await instancesOn(row.name);
        findings.push({
          kind: "member_offline",
          resource: { kind: "engine_member", id: row.name, name: row.name },
          member: row.name,
          detail: `${row.name} has been offline since ${row.offlineSince.toISOString()}${row.message ? ` (${row.message})` : ""}. Instances on it: ${instances.length}.`,
        });
        if (Date.now() - row.offlineSince.getTime() < graceMs) continue;
        const shared = isShared((await parts.engine().info()).storageDriver);
        const room = new Map(
          members
            .filter(({ state }) => state === "online")
            .map(({ name, memoryBytes, memoryUsedBytes }) => [name, memoryBytes - memoryUsedBytes]),
        );
        for (const instance of instances) {
          if (shared) {
            if (!row.failedOver) await takeOver(instance, row.running.includes(instance.id), room);
            continue;
          }
          if (instance.state !== "missing") await explain(instance, row.name);
          findings.push(unavailable(instance, row.name));
        }
        if (!row.failedOver)
          await database.transaction("system", (tx) => memberStore.write(tx, { ...row, failedOver: true }, false));
      }
      return findings;
    },
  };
}

const unavailable = (instance: InstanceView, member: string): Finding => ({
  kind: "instance_unavailable",
  resource: { kind: "instance", id: instance.id as Id<"instance">, name: instance.name },
  organisationId: instance.organisationId,
  projectId: instance.projectId,
  member,
  detail: `Its disk is on ${member}, which is offline. It comes back with the member; a copy can be made from a backup.`,
});
