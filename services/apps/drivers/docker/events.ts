import { setTimeout as sleep } from "node:timers/promises";
import type { EngineChange, Watcher } from "../../driver.ts";
import { jsonLines } from "./jsonLines.ts";
import { type Engine, nameIn, type Ownership } from "./ownership.ts";

/** `GET /events`: what is used of it. */
export interface EngineEvent {
  Type: string;
  Action: string;
  Actor: { ID: string; Attributes: Record<string, string> };
  timeNano: number;
}

const firstPauseMs = 200;
const longestPauseMs = 10_000;
/** The engine remembers 256; those of the moment when the connection broke are asked for again. */
const remembered = 256;

/** Every change until the signal ends it; connects again by itself. */
export async function followEvents(engine: Engine, watcher: Watcher, signal: AbortSignal): Promise<void> {
  const { client, ownership } = engine;
  let since: string | undefined;
  const told = new Set<string>();
  for (let pauseMs = firstPauseMs; !signal.aborted; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    try {
      // Events of networks and volumes have no labels to ask for: what is ours is told by its name.
      const filters = JSON.stringify({ type: ["container", "network", "volume"] });
      const events = await client.download("/events", { query: { filters, since }, signal, timeoutMs: 0 });
      pauseMs = firstPauseMs;
      watcher.onConnect?.();
      try {
        for await (const { event, text } of eventsOf(events)) {
          since = `${Math.floor(event.timeNano / 1e9)}`;
          if (told.has(text)) continue;
          told.add(text);
          if (told.size > remembered) told.delete(told.values().next().value as string);
          const change = changeOf(event, ownership);
          if (change !== undefined) watcher.onChange(change);
        }
      } finally {
        events.destroy();
      }
      if (!signal.aborted) watcher.onLost?.(new Error("the engine closed the stream of events"));
    } catch (error) {
      if (!signal.aborted) watcher.onLost?.(error);
    }
    await sleep(pauseMs, undefined, { signal }).catch(() => {});
  }
}

async function* eventsOf(stream: AsyncIterable<Buffer>): AsyncGenerator<{ event: EngineEvent; text: string }> {
  for await (const event of jsonLines<EngineEvent>(stream, "GET /events")) yield { event, text: JSON.stringify(event) };
}

const kinds: Record<string, EngineChange["kind"]> = {
  create: "created",
  start: "started",
  stop: "stopped",
  die: "exited",
  oom: "out_of_memory",
  destroy: "removed",
  // Of a network it is called so when somebody else asks for it.
  remove: "removed",
  "health_status: healthy": "healthy",
  "health_status: unhealthy": "unhealthy",
};

/** Undefined for what is not ours, and for what nobody asked to know: each command in a container is three events. */
export function changeOf({ Type, Action, Actor, timeNano }: EngineEvent, ownership: Ownership): EngineChange | undefined {
  if (/^(exec_|attach|detach|top|resize|archive-|extract-|copy)/.test(Action)) return undefined;
  if (Type !== "container" && Type !== "network" && Type !== "volume") return undefined;
  const { Attributes } = Actor;
  const name =
    Type === "container"
      ? ownership.isOurs(Attributes)
        ? nameIn(Attributes)
        : undefined
      : ownership.nameOf(Type === "network" ? (Attributes["name"] ?? "") : Actor.ID);
  if (name === undefined) return undefined;
  const exitCode = Attributes["exitCode"];
  return {
    object: Type,
    name,
    kind: kinds[Action] ?? "other",
    ...(exitCode === undefined ? {} : { exitCode: Number(exitCode) }),
    at: new Date(timeNano / 1e6),
  };
}
