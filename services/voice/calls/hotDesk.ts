import { deviceStore } from "../extensions/store.ts";
import type { Call } from "./call.ts";
import { askOwnPin } from "./pins.ts";
import { ask, say } from "./say.ts";

/**
 * The phone that this is dialled at is that extension's from now on, until somebody signs out or in: it rings for it, and calls as it. One phone at a
 * time: whoever forgot to sign out elsewhere is signed out there. @throws the reason of `signal`
 */
export async function signIn(call: Call, number: string, signal: AbortSignal): Promise<void> {
  await call.subject.answer();
  const wanted = number || (await ask(call, "enter_extension", signal, { maximum: call.plan.system.extensionDigits }));
  const extension = call.plan.extensions.find((each) => each.number === wanted);
  const hash = extension?.hotDeskPin;
  if (!(await askOwnPin(call, { number: wanted, kind: "hot_desk", hash }, signal)) || !extension) return;
  const isDone = await setGuest(call, extension.id);
  await say(call, isDone ? "hot_desk_in" : "not_allowed", signal);
}

/** The phone is its owner's again. @throws the reason of `signal` */
export async function signOut(call: Call, signal: AbortSignal): Promise<void> {
  await call.subject.answer();
  await setGuest(call, null);
  await say(call, "hot_desk_out", signal);
}

/** False where it cannot be: a browser is signed in to the console as somebody already. */
function setGuest(call: Call, extensionId: string | null): Promise<boolean> {
  const { deviceId } = call.subject.who;
  return call.board.database.transaction("system", async (tx) => {
    const device = deviceId === undefined ? undefined : await deviceStore.find(tx, deviceId);
    if (!device || device.kind === "browser") return false;
    await deviceStore.setGuest(tx, device, extensionId);
    return true;
  });
}
