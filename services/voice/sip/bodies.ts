/** What a message carries: one body, or several in a multipart one (RFC 2046 section 5.1, RFC 5621). */
import type { Message } from "./message.ts";

interface Part {
  /** Lower case, without parameters; empty: not said. */
  type: string;
  /** What Content-Disposition says of who cannot read it (RFC 3261 section 20.11); undefined: nothing. */
  handling: "required" | "optional" | undefined;
  content: string;
}

const sdpType = "application/sdp";
const deepest = 3;

const typeOf = (value: string): string => value.split(";", 1)[0]!.trim().toLowerCase();

function handlingOf(disposition: string): Part["handling"] {
  const [, named] = /;\s*handling\s*=\s*"?(required|optional)\b/i.exec(disposition) ?? [];
  return named?.toLowerCase() as Part["handling"];
}

function partsOf(header: string, content: string, handling: Part["handling"], depth = 0): Part[] {
  const type = typeOf(header);
  const boundary = /;\s*boundary\s*=\s*("([^"]+)"|[^;\s]+)/i.exec(header);
  if (!type.startsWith("multipart/") || !boundary || depth === deepest) return [{ type, handling, content }];
  // The line end before a boundary is the boundary's, but a description may need its last one.
  const pieces = content.split(new RegExp(`(?<=^|\\n)--${RegExp.escape(boundary[2] ?? boundary[1]!)}`));
  return pieces.slice(1).flatMap((piece) => {
    if (piece.startsWith("--")) return [];
    const [head = "", ...rest] = piece.split(/\r?\n\r?\n/);
    const named = (names: string) => new RegExp(`^(?:${names})[ \\t]*:[ \\t]*(.*)$`, "im").exec(head)?.[1] ?? "";
    return partsOf(
      named("content-type|c"),
      rest.join("\r\n\r\n"),
      handlingOf(named("content-disposition")) ?? handling,
      depth + 1,
    );
  });
}

function parts(message: Message): Part[] {
  if (message.content.length === 0) return [];
  return partsOf(message.header("content-type") ?? "", message.body, handlingOf(message.header("content-disposition") ?? ""));
}

/** Some leave the type away; what then is no description is nothing. */
export function sdpOf(message: Message): string | undefined {
  if (message.content.length === 0) return undefined;
  const type = message.contentType;
  if (type === sdpType) return message.body;
  if (type === "") return message.body.startsWith("v=") ? message.body : undefined;
  return type.startsWith("multipart/") ? parts(message).find((part) => part.type === sdpType)?.content : undefined;
}

/**
 * Whether a request to be answered with 415 has something that must be understood and is not. A body is to be, unless it says that it need not; a part beside a
 * description that we do read, only when it says so: carriers add all kinds of them.
 */
export function hasUnknownBody(message: Message): boolean {
  const unknown = parts(message).filter(({ type }) => type !== sdpType && type !== "");
  const isAlone = sdpOf(message) === undefined;
  return unknown.some(({ handling }) => handling === "required" || (isAlone && handling !== "optional"));
}
