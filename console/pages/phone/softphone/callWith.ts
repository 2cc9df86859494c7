import { useSyncExternalStore } from "react";
import { callApi } from "../../../api/api.ts";
import { translate } from "../../../i18n/i18n.ts";
import { toastDone, toastError } from "../../../ui/toast.ts";
import { setPanel, useCurrentExtension, useCurrentPhone } from "./current.ts";

/** Which phone one calls with: a device of the extension, by its id; empty: this browser. Remembered here, as other places have other desks. */
const stored = "khmara.phone.callWith";
const listeners = new Set<() => void>();
const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};
const chosen = (): string => localStorage.getItem(stored) ?? "";

export const useCallWith = (): string => useSyncExternalStore(subscribe, chosen);
export function setCallWith(device: string): void {
  if (device === "") localStorage.removeItem(stored);
  else localStorage.setItem(stored, device);
  for (const listener of listeners) listener();
}

/** The desk phone rings first; once it is picked up, it calls the number. */
export async function callWithDevice(extension: string, device: string, to: string): Promise<void> {
  try {
    await callApi("myCallStart", { extension: extension as never, device: device as never, to });
    toastDone(translate("softphone.pickUp"));
  } catch (error) {
    toastError(error);
  }
}

/** Calls a number with the phone that the person has chosen; undefined where there is none to call with. */
export function useCall(): ((number: string) => void) | undefined {
  const phone = useCurrentPhone();
  const extension = useCurrentExtension();
  const device = useCallWith();
  if (extension && device !== "") return (number) => void callWithDevice(extension, device, number);
  if (!phone) return undefined;
  return (number) => {
    phone.run({ kind: "dial", number });
    setPanel(true);
  };
}
