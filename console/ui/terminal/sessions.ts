import { useSyncExternalStore } from "react";
import { type SessionGiven, TerminalSession } from "./session.ts";

interface Opened {
  sessions: readonly TerminalSession[];
  active: string | undefined;
}
const nothing: Opened = { sessions: [], active: undefined };

/** By the id of the thing that they are in, for as long as the console's window lives. */
const opened = new Map<string, Opened>();
const listeners = new Set<() => void>();

function change(owner: string, next: Partial<Opened>): void {
  // A new object each time: React compares by identity.
  opened.set(owner, { ...(opened.get(owner) ?? nothing), ...next });
  for (const listener of listeners) listener();
}

export const useSessions = (owner: string): Opened =>
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => opened.get(owner) ?? nothing,
  );

export const hasSessions = (owner: string): boolean => (opened.get(owner) ?? nothing).sessions.length > 0;

export function openSession(owner: string, given: SessionGiven): void {
  const { sessions } = opened.get(owner) ?? nothing;
  const same = sessions.filter(({ kind }) => kind === given.kind);
  const [there] = given.single ? same : [];
  if (there) {
    change(owner, { active: there.id });
    return;
  }
  const session = new TerminalSession(given, nextNumber(same), () => change(owner, {}));
  change(owner, { sessions: [...sessions, session], active: session.id });
}

/** The least number that no other one has. */
function nextNumber(sessions: readonly TerminalSession[]): number {
  const taken = new Set(sessions.map((one) => one.number));
  let number = 1;
  while (taken.has(number)) number++;
  return number;
}

export function closeSession(owner: string, id: string): void {
  const { sessions, active } = opened.get(owner) ?? nothing;
  const at = sessions.findIndex((one) => one.id === id);
  if (at < 0) return;
  sessions[at]?.dispose();
  const left = sessions.filter((one) => one.id !== id);
  change(owner, { sessions: left, active: active === id ? left[Math.min(at, left.length - 1)]?.id : active });
}

export const showSession = (owner: string, id: string): void => change(owner, { active: id });

// Ctrl+W deletes a word in a shell, and closes a window of a browser.
window.addEventListener("beforeunload", (event) => {
  if ([...opened.values()].some(({ sessions }) => sessions.some((one) => one.isBusy))) event.preventDefault();
});
