import type { Destination } from "../destinations/contract.ts";
import type { Element } from "../elements/store/rows.ts";
import type { Call } from "./call.ts";
import { connect, ring, targetsOf } from "./connect.ts";
import type { Target } from "./dial.ts";
import { outsideTargets } from "./outbound.ts";

/** Where a group's next call begins, by group: of this process. */
const turns = new Map<string, number>();

/** Rings the members of a group. Returns where the call goes when nobody answers. @throws the reason of `signal` */
export async function callGroup(call: Call, groupId: string, signal: AbortSignal): Promise<Destination | undefined> {
  const group = call.plan.elements.ringGroups.find(({ id }) => id === groupId);
  if (!group) {
    call.refuse(404, "failed", "There is no such ring group.");
    return undefined;
  }
  call.note("ring_group", group.id, group.name);
  call.namePrefix = group.namePrefix ?? call.namePrefix;
  call.refuse(480, "missed");
  const members = ordered(group);
  const rounds = group.strategy === "all" ? [members] : members.map((member) => [member]);
  for (const round of rounds) {
    const delayed = group.strategy === "all";
    const targets = round.flatMap((member) => targetsOfMember(call, group, member, delayed));
    if (targets.length === 0) continue;
    const result = await ring(call, targets, { ringSeconds: group.ringSeconds }, signal);
    if (!result.party) continue;
    await connect(call, result.party, signal);
    return undefined;
  }
  return group.noAnswer;
}

type Group = Element<"ringGroup">;
type Member = Group["members"][number];

function ordered(group: Group): Member[] {
  const members = [...group.members];
  if (group.strategy === "random") return shuffled(members);
  if (group.strategy !== "round_robin" || members.length === 0) return members;
  const turn = (turns.get(group.id) ?? 0) % members.length;
  turns.set(group.id, turn + 1);
  return [...members.slice(turn), ...members.slice(0, turn)];
}

export function shuffled<T>(list: readonly T[]): T[] {
  const copy = [...list];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [copy[i], copy[j]] = [copy[j] as T, copy[i] as T];
  }
  return copy;
}

function targetsOfMember(call: Call, group: Group, { target, delaySeconds }: Member, delayed: boolean): Target[] {
  const delay = delayed && delaySeconds > 0 ? { delaySeconds } : {};
  if (target.kind === "number") return outsideTargets(call, target.number).map((each) => ({ ...each, ...delay }));
  const extension = call.extension(target.id);
  if (!extension || extension.doNotDisturb || extension.id === call.subject.who.extensionId) return [];
  const active = call.board.partiesOf(extension.id).length;
  if (active >= extension.maxCalls || (active > 0 && (group.skipBusy || !extension.callWaiting))) return [];
  return targetsOf(call, extension).map((each) => ({ ...each, ...delay }));
}
