import { newId } from "../../../kernel/ids.ts";
import { aborted } from "./abort.ts";
import type { Call } from "./call.ts";
import { ring, targetsOf } from "./connect.ts";
import type { Party } from "./party.ts";

/** Phones that know either answer by themselves (draft-ietf-sip-answermode is known by few: Alert-Info and Call-Info by most). */
export const answerAfter = {
  "Call-Info": "<sip:localhost>;answer-after=0",
  "Alert-Info": "<http://localhost>;info=alert-autoanswer;delay=0",
};

const answerSeconds = 15;

/** All phones of a group answer by themselves and hear the caller, until the caller hangs up. @throws the reason of `signal` */
export async function callPaging(call: Call, groupId: string, signal: AbortSignal): Promise<void> {
  const group = call.plan.elements.pagingGroups.find(({ id }) => id === groupId);
  if (!group) return call.refuse(404, "failed", "There is no such paging group.");
  const { subject, board } = call;
  call.note("paging", group.id, group.name);
  const free = group.members.flatMap((id) => {
    const extension = call.extension(id);
    const canHear = extension && id !== subject.who.extensionId && !extension.doNotDisturb && board.partiesOf(id).length === 0;
    return canHear ? targetsOf(call, extension, answerAfter) : [];
  });
  if (free.length === 0) return call.refuse(480, "missed", "None of its phones is free.");
  await subject.answer();
  call.answered();
  const room = board.engine.conference(newId("call"));
  const members = new Set<Party>();
  try {
    await room.join(subject.leg);
    const each = free.map(async (target) => {
      const { party } = await ring(call, [target], { ringSeconds: answerSeconds, quiet: true }, signal);
      if (!party) return;
      members.add(party);
      party.take();
      await room.join(party.leg, { muted: group.mode === "one_way" });
    });
    await Promise.allSettled(each);
    signal.throwIfAborted();
    if (members.size > 0) await aborted(signal);
  } finally {
    for (const party of members) party.hangUp();
    await room.close();
  }
}
