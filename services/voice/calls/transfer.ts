import type { IncomingRefer } from "../sip/ports.ts";
import { aborted, pause, unless } from "./abort.ts";
import type { Board } from "./board.ts";
import { Call } from "./call.ts";
import { connect } from "./connect.ts";
import { follow } from "./destinations.ts";
import { Party } from "./party.ts";
import { routeDialled } from "./routing.ts";

/**
 * A phone asks that whom it talks to is called elsewhere (RFC 3515, RFC 5589). It is told at once that this is done, and is out of the call: what then
 * fails comes back to it as a new call.
 */
export function transfer(board: Board, party: Party, refer: IncomingRefer): void {
  const { peer, call } = party;
  // Whoever sends a call on pays for it and must be allowed to: nobody outside can say where our calls go.
  if (call?.extension(party.who.extensionId) === undefined) {
    refer.reject(403);
    return;
  }
  if (!peer) {
    refer.reject(603);
    return;
  }
  const found = refer.replacedSession?.data;
  const isOurs = found instanceof Party && found.call?.plan.system.id === call.plan.system.id;
  const replaced = isOurs ? found : undefined;
  const dialled = replaced && !replaced.peer ? replaced.call?.to.number : refer.target.uri.user;
  const target = replaced?.peer;
  if ((refer.replaces && !replaced) || (!target && !dialled)) {
    refer.reject(refer.replaces ? 481 : 404);
    return;
  }
  const progress = refer.accept();
  progress.notify(200);
  if (target) void join(board, call, peer, target);
  else void sendOn(board, call, peer, party, dialled as string, replaced);
}

const takenBackMs = 2000;

/** Who was asked and did not answer yet would ring twice, or be busy with the call that only asked for them. Never rejects. */
async function takenBack(asking: unknown): Promise<void> {
  if (!(asking instanceof Party)) return;
  const parties = [...(asking.call?.parties ?? [])];
  asking.hangUp(487);
  const late = new AbortController();
  const gone = Promise.all(parties.map((party) => aborted(party.gone)));
  await Promise.race([gone, pause(takenBackMs, late.signal).catch(() => {})]);
  late.abort();
}

/** Attended: whom it talked to on both lines talk to each other. */
export function join(board: Board, before: Call, one: Party, other: Party): Promise<void> {
  const call = continued(board, before, one, { number: other.who.number ?? "anonymous", name: other.who.name });
  return call.run(one, async (signal) => {
    call.add(other, other.who.trunkId ? "trunk" : "extension");
    await connect(call, other, signal);
  });
}

/** Blind: it is called for the one who is sent on; nobody there, and it comes back. */
function sendOn(board: Board, before: Call, sent: Party, by: Party, dialled: string, asking?: unknown): Promise<void> {
  const call = continued(board, before, sent, { number: dialled });
  call.payer = call.extension(by.who.extensionId);
  return call.run(sent, async (signal) => {
    await unless(signal, takenBack(asking));
    await routeDialled(call, dialled, signal);
    if (call.answeredAt || !by.who.extensionId) return;
    call.forwardedBy.clear();
    call.namePrefix = "↩";
    await follow(call, { kind: "extension", id: by.who.extensionId as never }, signal);
  });
}

/** A new call with a party of another one. */
export function continued(board: Board, before: Call, subject: Party, to: Call["to"]): Call {
  const call = new Call(board, {
    plan: before.plan,
    direction: before.direction,
    from: subject.who,
    to,
    trunkId: before.trunkId,
    phoneNumberId: before.phoneNumberId,
    language: before.language,
  });
  call.hideNumber = before.hideNumber;
  call.add(subject, subject.who.trunkId ? "trunk" : "extension");
  // Its record tells of which call this is the rest.
  call.note("transfer", before.id);
  return call;
}
