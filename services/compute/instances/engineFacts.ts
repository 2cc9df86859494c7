import { CloudError, invalid } from "../../../kernel/errors.ts";
import type { EngineInfo, EngineMember, InstanceKind } from "../driver.ts";
import type { ComputeParts } from "../parts.ts";
import type { GroupRow } from "./store/groups.ts";

const keptMs = 10_000;

/** What requests need to know of the engine before they promise anything; asked for at most every few seconds. */
export interface EngineFacts {
  /** failed_precondition with the engine's reason when that kind cannot run here; engine_missing without an engine. */
  checkKind(kind: InstanceKind): Promise<void>;
  info(): Promise<EngineInfo>;
  /** Fresh ones when `now`. */
  members(now?: "now"): Promise<EngineMember[]>;
}

export function createEngineFacts(parts: Pick<ComputeParts, "engine">): EngineFacts {
  let kept: { until: number; facts: Promise<[EngineInfo, EngineMember[]]> } | undefined;
  const facts = (now?: "now") => {
    const driver = parts.engine();
    if (!kept || now || kept.until < Date.now()) {
      const asked = Promise.all([driver.info(), driver.members()]);
      kept = { until: Date.now() + keptMs, facts: asked };
      asked.catch(() => {
        kept = undefined;
      });
    }
    return kept.facts;
  };
  return {
    async checkKind(kind) {
      const [{ kinds }] = await facts();
      const state = kinds[kind];
      if (!state.available)
        throw new CloudError("failed_precondition", state.reason, { details: { resource: "instance", reason: `no_${kind}` } });
    },
    info: async () => (await facts())[0],
    members: async (now) => (await facts(now))[1],
  };
}

/**
 * The member for an instance, or undefined where the engine may choose. In a group the others' members are avoided: failed_precondition
 * when the policy is strict and none is left.
 */
export function choosePlace(
  members: readonly EngineMember[],
  wanted: string | undefined,
  group: { row: Pick<GroupRow, "name" | "policy">; others: readonly (string | null)[] } | undefined,
): string | undefined {
  const online = members.filter(({ state }) => state === "online");
  if (wanted !== undefined) {
    const member = members.find(({ name }) => name === wanted);
    if (!member)
      throw invalid("body.member", `There is no member ${wanted}. There are: ${members.map(({ name }) => name).join(", ")}.`);
    if (member.state !== "online")
      throw new CloudError("failed_precondition", `The member ${wanted} is ${member.state}: choose another one.`, {
        details: { resource: "instance", reason: "member_offline" },
      });
  }
  if (online.length === 0)
    throw new CloudError("unavailable", "No member of the engine's cluster is online.", { details: { retryAfterSeconds: 10 } });
  if (!group) return wanted ?? (members.length === 1 ? online[0]?.name : undefined);
  const beside = (name: string) => group.others.filter((other) => other === name).length;
  // Those that have no place yet will take one each.
  const unplaced = group.others.filter((other) => other === null).length;
  const free = online.filter(({ name }) => beside(name) === 0 && (wanted === undefined || name === wanted));
  if (group.row.policy === "anti_affinity" && free.length - (wanted === undefined ? unplaced : 0) <= 0) {
    const where =
      wanted !== undefined
        ? `the member ${wanted} has one already`
        : online.length === 1
          ? "there is only one member, which has one already"
          : `each of the ${online.length} members that are online has one already`;
    throw new CloudError(
      "failed_precondition",
      `The group ${group.row.name} keeps its instances on different members, and ${where}. Add a member, or use a group with the policy soft_anti_affinity.`,
      { details: { resource: "instanceGroup", reason: "anti_affinity" } },
    );
  }
  if (wanted !== undefined) return wanted;
  return online.toSorted(
    (a, b) => beside(a.name) - beside(b.name) || load(a) - load(b) || a.instances - b.instances || (a.name < b.name ? -1 : 1),
  )[0]?.name;
}

const load = ({ memoryBytes, memoryUsedBytes }: EngineMember): number => memoryUsedBytes / Math.max(1, memoryBytes);
