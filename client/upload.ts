import { problemError, unreachable } from "./problem.ts";

/** What can be sent as bytes, in a browser and in Node. */
export type RawBody = NonNullable<RequestInit["body"]>;

/** What is used of the browser's XMLHttpRequest: this file is also read where the DOM's types are not. */
interface Transfer {
  readonly upload: { onprogress: ((event: { loaded: number }) => void) | null };
  readonly status: number;
  readonly responseText: string;
  onerror: (() => void) | null;
  onabort: (() => void) | null;
  onload: (() => void) | null;
  open(method: string, url: string): void;
  setRequestHeader(name: string, value: string): void;
  getAllResponseHeaders(): string;
  send(body: unknown): void;
  abort(): void;
}

/**
 * Sends bytes through XMLHttpRequest: the one way in a browser to learn how much has left the machine
 * (fetch has no upload progress, and streams as bodies need HTTP/2 there).
 */
export function sendWithProgress(
  url: string,
  init: RequestInit,
  body: RawBody | undefined,
  onProgress: (sentBytes: number) => void,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const transfer = new (globalThis as unknown as { XMLHttpRequest: new () => Transfer }).XMLHttpRequest();
    transfer.open(init.method ?? "PUT", url);
    for (const [name, value] of Object.entries(init.headers as Record<string, string>)) {
      if (name !== "content-length") transfer.setRequestHeader(name, value);
    }
    transfer.upload.onprogress = (event) => onProgress(event.loaded);
    transfer.onerror = () => reject(unreachable(new Error("the connection broke")));
    transfer.onabort = () => reject(init.signal?.reason);
    transfer.onload = () => {
      const headers = new Headers();
      for (const line of transfer
        .getAllResponseHeaders()
        .trim()
        .split(/[\r\n]+/)) {
        const colon = line.indexOf(":");
        if (colon > 0) headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
      }
      const response = new Response(transfer.status === 204 ? null : transfer.responseText, { status: transfer.status, headers });
      if (response.ok) resolve(response);
      else problemError(response).then(reject);
    };
    init.signal?.addEventListener("abort", () => transfer.abort());
    if (init.signal?.aborted) reject(init.signal.reason);
    else transfer.send(body ?? null);
  });
}

/** The same bytes, counted as they are taken. */
export function countedBody(body: RawBody | undefined, onProgress: (sentBytes: number) => void): ReadableStream {
  let sentBytes = 0;
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      sentBytes += chunk.byteLength;
      onProgress(sentBytes);
      controller.enqueue(chunk);
    },
  });
  const stream = body instanceof ReadableStream ? body : (new Response(body ?? null).body ?? new Blob([]).stream());
  return stream.pipeThrough(counter);
}
