/** A line of the request log, as it is told to others. */
import { routeOf } from "../haproxy/rules.ts";

export interface RequestRecord {
  /** Of the answer's header X-Request-Id, of error pages, and of what the application got. */
  id: string;
  /** When it began. */
  time: Date;
  /** Absent: no route was found, or it could not be read. */
  route?: string;
  /** Absent: the gateway answered itself. */
  server?: string;
  method: string;
  host: string;
  /** Without the query, at most 1,024 bytes. */
  path: string;
  /** 0: the client went away before there was an answer. */
  status: number;
  /** With the heads. */
  bytesIn: number;
  bytesOut: number;
  /** From the request's first byte to the answer's. Absent: there was none from an application. */
  firstByteMs?: number;
  /** To the last byte; for a WebSocket, its whole life. */
  durationMs: number;
  clientAddress: string;
  /** At most 256 bytes. */
  userAgent: string;
  /** `HTTP/1.1`, `HTTP/2.0`. */
  protocol: string;
  tls?: string;
  /** Who ended it before its end, by HAProxy's two letters (log format, "Session state at disconnection"). */
  ended?: string;
}

/** Undefined for a line that is no request: HAProxy tells about its servers there too. */
export function parseRecord(line: string): RequestRecord | undefined {
  if (!line.startsWith("{")) return undefined;
  let raw: Record<string, unknown>;
  try {
    raw = JSON.parse(line) as Record<string, unknown>;
  } catch {
    // Cut off by a full disk, or by the end of the proxy.
    return undefined;
  }
  const text = (name: string): string => (typeof raw[name] === "string" ? raw[name] : "");
  const number = (name: string): number => (typeof raw[name] === "number" ? raw[name] : 0);
  const steps = Array.isArray(raw["w"]) ? raw["w"].map(Number) : [];
  const durationMs = Math.max(number("a"), 0);
  const route = routeOf(text("r"));
  const server = text("s");
  const tls = text("l");
  const ended = text("t");
  const status = number("c");
  // The last step is only there when the application answered.
  const answered = steps.length === 4 && (steps[3] as number) >= 0;
  return {
    id: text("id"),
    time: new Date(number("e") - durationMs),
    ...(route === undefined ? {} : { route }),
    ...(server === "" || server.startsWith("<") ? {} : { server }),
    method: text("m"),
    host: text("h") === "-" ? "" : text("h"),
    path: text("p"),
    status: Math.max(status, 0),
    bytesIn: number("i"),
    bytesOut: number("o"),
    ...(answered ? { firstByteMs: steps.reduce((sum, step) => sum + Math.max(step, 0), 0) } : {}),
    durationMs,
    clientAddress: text("k") === "-" ? "" : text("k"),
    userAgent: text("u") === "-" ? "" : text("u"),
    protocol: text("v"),
    ...(tls === "" || tls === "-" ? {} : { tls }),
    ...(ended === "--" || ended === "" ? {} : { ended }),
  };
}
