import { CloudError } from "../kernel/errors.ts";
import type { EventOptions } from "./client.ts";

/** One event of the cloud: `objects.bucket.changed` and which. */
export interface CloudEvent {
  id: string;
  type: string;
  organisationId?: string;
  projectId?: string;
  payload: Record<string, unknown>;
  at: string;
}

interface Message {
  id: string | undefined;
  data: string;
  retryMs: number | undefined;
}

/** Cuts a text/event-stream into messages (WHATWG HTML, 9.2.6). EventSource itself cannot send a token. */
export async function* messages(bytes: ReadableStream<Uint8Array>): AsyncGenerator<Message> {
  const reader = bytes.pipeThrough(new TextDecoderStream() as unknown as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  let id: string | undefined;
  let retryMs: number | undefined;
  let data: string[] = [];
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += value;
      // A carriage return at the very end may be half of a CRLF: it waits for what follows.
      const lines = rest.split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop() as string;
      for (const line of lines) {
        if (line === "") {
          if (data.length > 0 || retryMs !== undefined) yield { id, data: data.join("\n"), retryMs };
          data = [];
          retryMs = undefined;
          continue;
        }
        const [, field, text = ""] = /^([^:]*)(?:: ?([\s\S]*))?$/.exec(line) ?? [];
        if (field === "data") data.push(text);
        else if (field === "id") id = text;
        else if (field === "retry" && /^\d+$/.test(text)) retryMs = Number(text);
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** Follows an event stream, connecting anew with Last-Event-ID whenever it breaks, until it is told to stop. */
export async function* eventStream(
  connect: (headers: Record<string, string>, signal: AbortSignal | undefined) => Promise<Response>,
  options: EventOptions,
): AsyncGenerator<CloudEvent> {
  let lastEventId = options.lastEventId;
  let retryMs = 1000;
  let failures = 0;
  while (!options.signal?.aborted) {
    try {
      const headers: Record<string, string> = { accept: "text/event-stream" };
      if (lastEventId) headers["last-event-id"] = lastEventId;
      const response = await connect(headers, options.signal);
      failures = 0;
      options.onOpen?.();
      if (response.body) {
        for await (const message of messages(response.body)) {
          if (message.retryMs !== undefined) retryMs = message.retryMs;
          if (message.id) lastEventId = message.id;
          if (message.data === "") continue;
          yield JSON.parse(message.data) as CloudEvent;
        }
      }
    } catch (error) {
      if (options.signal?.aborted) return;
      // Only what may pass is worth another try; being refused does not.
      if (CloudError.is(error) && !["unavailable", "internal", "rate_limited", "deadline_exceeded"].includes(error.code))
        throw error;
    }
    if (options.signal?.aborted) return;
    failures++;
    const waitMs = Math.min(retryMs * 2 ** (failures - 1), 30_000);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, waitMs);
      options.signal?.addEventListener("abort", () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}
