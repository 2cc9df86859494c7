import { useSyncExternalStore } from "react";
import { translate } from "../../i18n/i18n.ts";
import { type SessionKind, TerminalSession } from "./terminalSession.ts";

interface Opened {
  sessions: readonly TerminalSession[];
  active: string | undefined;
}
const nothing: Opened = { sessions: [], active: undefined };

/** By the id of the instance, for as long as the console's window lives. */
const opened = new Map<string, Opened>();
const listeners = new Set<() => void>();

function change(instance: string, next: Partial<Opened>): void {
  // A new object each time: React compares by identity.
  opened.set(instance, { ...(opened.get(instance) ?? nothing), ...next });
  for (const listener of listeners) listener();
}

export const useSessions = (instance: string): Opened =>
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => opened.get(instance) ?? nothing,
  );

export function openSession(instance: { id: string; name: string }, kind: SessionKind, user = "root"): void {
  const { sessions } = opened.get(instance.id) ?? nothing;
  const same = sessions.filter((one) => one.kind === kind && one.user === user);
  const label =
    kind === "shell"
      ? translate("terminal.shell", { user, number: nextNumber(same) })
      : translate(kind === "console" ? "terminal.console" : "terminal.display");
  // There is one keyboard at the serial port, and one screen.
  const [there] = kind === "shell" ? [] : sessions.filter((one) => one.kind === kind);
  if (there) {
    change(instance.id, { active: there.id });
    return;
  }
  const session = new TerminalSession({
    kind,
    instance: instance.id,
    ...(kind === "shell" && { user }),
    label,
    name: instance.name,
    changed: () => change(instance.id, {}),
  });
  change(instance.id, { sessions: [...sessions, session], active: session.id });
}

/** A shell for who comes to an instance without one. */
export function openFirst(instance: { id: string; name: string }): void {
  if ((opened.get(instance.id) ?? nothing).sessions.length === 0) openSession(instance, "shell");
}

/** The least number that no other one has. */
function nextNumber(sessions: readonly TerminalSession[]): number {
  const taken = new Set(sessions.map((one) => Number(one.label.split(" ").at(-1))));
  let number = 1;
  while (taken.has(number)) number++;
  return number;
}

export function closeSession(instance: string, id: string): void {
  const { sessions, active } = opened.get(instance) ?? nothing;
  const at = sessions.findIndex((one) => one.id === id);
  if (at < 0) return;
  sessions[at]?.dispose();
  const left = sessions.filter((one) => one.id !== id);
  change(instance, { sessions: left, active: active === id ? left[Math.min(at, left.length - 1)]?.id : active });
}

export const showSession = (instance: string, id: string): void => change(instance, { active: id });

// Ctrl+W deletes a word in a shell, and closes a window of a browser.
window.addEventListener("beforeunload", (event) => {
  if ([...opened.values()].some(({ sessions }) => sessions.some((one) => one.isBusy))) event.preventDefault();
});
