import { setTimeout as sleep } from "node:timers/promises";
import type { WebSocket } from "ws";

export interface EngineEvent {
  type: "lifecycle" | "operation" | "logging";
  timestamp: string;
  location?: string;
  project?: string;
  metadata: Record<string, unknown>;
}

export interface EventListeners {
  signal: AbortSignal;
  onEvent: (event: EngineEvent) => void;
  /** Whatever happened before is not told again: whoever follows looks around now. */
  onConnect?: () => void;
  onLost?: (error: unknown) => void;
}

const firstPauseMs = 200;
const longestPauseMs = 10_000;
const heartbeatMs = 20_000;

/** Every event until the signal ends it; connects again by itself. */
export async function followEvents(open: () => Promise<WebSocket>, listeners: EventListeners): Promise<void> {
  const { signal } = listeners;
  for (let pauseMs = firstPauseMs; !signal.aborted; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    try {
      const socket = await open();
      pauseMs = firstPauseMs;
      const closed = read(socket, listeners);
      listeners.onConnect?.();
      await closed;
      if (!signal.aborted) listeners.onLost?.(new Error("the engine closed the stream of events"));
    } catch (error) {
      if (!signal.aborted) listeners.onLost?.(error);
    }
    await sleep(pauseMs, undefined, { signal }).catch(() => {});
  }
}

/** Resolves when the socket has closed. A dead peer is found by asking it: silence is normal here. */
function read(socket: WebSocket, { signal, onEvent }: EventListeners): Promise<void> {
  return new Promise((resolve) => {
    let alive = true;
    const heartbeat = setInterval(() => {
      if (!alive) return socket.terminate();
      alive = false;
      socket.ping();
    }, heartbeatMs);
    heartbeat.unref();
    const stop = () => socket.terminate();
    signal.addEventListener("abort", stop, { once: true });
    socket.on("pong", () => {
      alive = true;
    });
    socket.on("close", () => {
      clearInterval(heartbeat);
      signal.removeEventListener("abort", stop);
      resolve();
    });
    socket.on("message", (data) => {
      alive = true;
      const event = parse(String(data));
      if (event !== undefined) onEvent(event);
    });
    if (signal.aborted) stop();
  });
}

function parse(text: string): EngineEvent | undefined {
  try {
    return JSON.parse(text) as EngineEvent;
  } catch {
    return undefined;
  }
}
