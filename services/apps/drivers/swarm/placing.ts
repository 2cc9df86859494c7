/** Which node a new container is on. */
import type { CallOptions, ContainerSpec, ContainerSummary, Labels } from "../../driver.ts";
import type { Member } from "./members.ts";

/** What is on a node, as far as it answers. */
export interface Standing {
  member: Member;
  /** Undefined: it does not answer now. */
  containers: readonly ContainerSummary[] | undefined;
}

type Spread = Pick<ContainerSpec, "spread" | "labels">;

export function createPlacing(standings: (options?: CallOptions) => Promise<Standing[]>) {
  /** Those that are being made, and are not in any list yet. */
  const pending = new Map<string, { nodeId: string; labels: Labels }>();

  return {
    /**
     * One of those that take new containers: first where fewest of its like are, then where fewest of all are for the memory that there is.
     * Undefined: none takes any, and it stays on this machine. A container with a name counts there until `settled`.
     */
    async choose(name: string | undefined, { spread = [], labels }: Spread, options?: CallOptions): Promise<Member | undefined> {
      const all = await standings(options);
      // From here on without a pause: those who choose at once see each other's choice.
      const known = new Set(all.flatMap(({ containers }) => (containers ?? []).map((each) => each.name)));
      const coming = [...pending].filter(([each]) => !known.has(each) && each !== name).map(([, each]) => each);
      const alike = (other: Labels) => spread.length > 0 && spread.every((key) => other[key] === labels[key]);
      let best: { member: Member; like: number; load: number } | undefined;
      for (const { member, containers } of all) {
        if (containers === undefined || !member.up || member.draining) continue;
        const own = [...containers, ...coming.filter(({ nodeId }) => nodeId === member.id)];
        const like = own.filter((each) => alike(each.labels)).length;
        const load = (own.length + 1) / Math.max(1, member.node.Description.Resources.MemoryBytes);
        if (best === undefined || like < best.like || (like === best.like && load < best.load)) best = { member, like, load };
      }
      if (best !== undefined && name !== undefined) pending.set(name, { nodeId: best.member.id, labels });
      return best?.member;
    },

    /** It is there, or could not be made. */
    settled: (name: string): void => void pending.delete(name),
  };
}
