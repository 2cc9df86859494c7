import { useSyncExternalStore } from "react";
import { formats } from "./numbers.ts";
import type { Phone, PhoneView } from "./phone.ts";
import { idle } from "./state.ts";

/** The phone of this tab for the rest of the console: a number in a list is called by a click. */
let current: Phone | undefined;
let opened = false;
const listeners = new Set<() => void>();
const changed = () => {
  for (const listener of listeners) listener();
};
const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

export function setCurrentPhone(phone: Phone | undefined): void {
  current = phone;
  changed();
}

export const useCurrentPhone = (): Phone | undefined => useSyncExternalStore(subscribe, () => current);

const nothing: PhoneView = { ...idle, seat: "none" };
const nowhere = () => () => {};
export const usePhoneView = (phone: Phone | undefined): PhoneView =>
  useSyncExternalStore(phone?.subscribe ?? nowhere, phone?.view ?? (() => nothing));

/** Has the component written anew once numbers can be as their countries write them. */
export const useFormats = (wanted = true): boolean => useSyncExternalStore(wanted ? formats.subscribe : nowhere, formats.loaded);

/** Whose phone it is; also where the browser gives no microphone, for a desk phone calls as well. */
let extension: string | undefined;
export function setCurrentExtension(id: string | undefined): void {
  extension = id;
  changed();
}
export const useCurrentExtension = (): string | undefined => useSyncExternalStore(subscribe, () => extension);

/** Whether the panel of the phone is open. */
export const usePanel = (): [boolean, (open: boolean) => void] => [useSyncExternalStore(subscribe, () => opened), setPanel];
export function setPanel(open: boolean): void {
  opened = open;
  changed();
}
