import { CloudError, type ErrorCode, errorCodes } from "../../../kernel/errors.ts";

export interface SendRequest {
  url: string;
  body: Blob;
  headers?: Record<string, string>;
  signal: AbortSignal;
  onProgress: (sentBytes: number) => void;
}

/** No bytes moved for this long: the connection is taken for dead. */
const stalledMs = 60_000;

/** The connection broke or nothing answered: worth trying again, unlike what the server refused. */
export class ConnectionLost extends Error {
  override name = "ConnectionLost";
}

/** PUT with progress: fetch cannot tell how much of a body has left, XMLHttpRequest can. */
export function send<T>({ url, body, headers, signal, onProgress }: SendRequest): Promise<T> {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    let watchdog: ReturnType<typeof setTimeout>;
    const alive = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => {
        xhr.abort();
        reject(new ConnectionLost("stalled"));
      }, stalledMs);
    };
    const abort = () => {
      xhr.abort();
      reject(signal.reason);
    };
    signal.addEventListener("abort", abort, { once: true });
    xhr.open("PUT", url);
    xhr.setRequestHeader("X-Khmara-CSRF", "1");
    for (const [name, value] of Object.entries(headers ?? {})) xhr.setRequestHeader(name, value);
    xhr.upload.onprogress = (progress) => {
      alive();
      onProgress(progress.loaded);
    };
    xhr.onerror = () => reject(new ConnectionLost("error"));
    xhr.onload = () => {
      if (xhr.status >= 200 && xhr.status < 300) {
        onProgress(body.size);
        resolve((xhr.responseText ? JSON.parse(xhr.responseText) : undefined) as T);
      } else reject(refusal(xhr.status, xhr.responseText));
    };
    xhr.onloadend = () => {
      clearTimeout(watchdog);
      signal.removeEventListener("abort", abort);
    };
    if (signal.aborted) return abort();
    alive();
    xhr.send(body);
  });
}

/** A proxy in between may answer without a problem document; its status is then all there is. */
function refusal(status: number, text: string): Error {
  try {
    const problem = JSON.parse(text) as { code?: string; detail?: string; title?: string; details?: Record<string, unknown> };
    if (problem.code && (errorCodes as readonly string[]).includes(problem.code))
      return new CloudError(problem.code as ErrorCode, problem.detail ?? problem.title ?? problem.code, {
        details: problem.details ?? {},
      });
  } catch {
    // Not JSON.
  }
  return status >= 500 || status === 0 || status === 408
    ? new ConnectionLost(`HTTP ${status}`)
    : new CloudError(status === 413 ? "payload_too_large" : "internal", `HTTP ${status}`);
}
