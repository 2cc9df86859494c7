/**
 * How somebody else's bytes are handed to a browser that holds a session with us. Nothing of them may ever run here: only types
 * that cannot hold a script are shown, everything else is saved to disk, and a policy stands behind both.
 */

type Shown = "picture" | "text" | "pdf" | "media";

const shownTypes: Record<string, Shown> = {
  "image/png": "picture",
  "image/jpeg": "picture",
  "image/gif": "picture",
  "image/webp": "picture",
  "image/avif": "picture",
  "image/bmp": "picture",
  "image/x-icon": "picture",
  "image/vnd.microsoft.icon": "picture",
  "text/plain": "text",
  "application/pdf": "pdf",
};

/** SVG is a document with scripts, and so is whatever is not in the table. */
function shownAs(type: string): Shown | undefined {
  if (/^(audio|video)\/[\w.+-]+$/.test(type)) return "media";
  return Object.hasOwn(shownTypes, type) ? shownTypes[type] : undefined;
}

/** The viewers of the browser itself make a page around the bytes: what that page needs, and no more (Content Security Policy 3). */
const policies: Record<Shown | "saved", string> = {
  saved: "sandbox; default-src 'none'; frame-ancestors 'self'",
  picture: "sandbox; default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'",
  text: "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'",
  // A sandboxed page has no plugins, and the viewer is one; it asks for ranges with our cookie, which a sandbox would not send.
  pdf: "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'",
  media: "default-src 'none'; media-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'",
};

const anyType = "application/octet-stream";

/** A page that let something be slipped in must not find its script among our own addresses. */
const isScript = (type: string): boolean => /(java|ecma|live|j)script|^application\/wasm$/.test(type);

export function presentation(
  fileName: string,
  contentType: string | undefined,
  disposition: "attachment" | "inline",
): Record<string, string> {
  const type = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?=\s*(;|$))/.exec(contentType ?? "")?.[0].toLowerCase() ?? anyType;
  const shown = disposition === "inline" ? shownAs(type) : undefined;
  return {
    "content-type":
      shown === "text" ? textType(contentType) : isScript(type) ? anyType : shown ? type : (cleanType(contentType) ?? anyType),
    "content-disposition": contentDisposition(shown ? "inline" : "attachment", fileName),
    "content-security-policy": policies[shown ?? "saved"],
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
  };
}

/** Without a charset browsers take text for Latin-1; files of our time are UTF-8. */
function textType(contentType: string | undefined): string {
  const charset = /;\s*charset="?([\w-]{1,40})"?/i.exec(contentType ?? "")?.[1];
  return `text/plain; charset=${charset ?? "utf-8"}`;
}

/** As it was given, when it is a media type with parameters (RFC 9110, 8.3.1) and nothing else. */
const cleanType = (contentType: string | undefined): string | undefined =>
  contentType !== undefined &&
  /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(\s*;\s*[\w!#$&^.+-]+=("[^"\\\r\n]*"|[\w!#$&^.+-]+))*$/.test(contentType)
    ? contentType
    : undefined;

/** RFC 6266 with the file name twice: in ASCII for the old, in UTF-8 (RFC 8187) for everybody else. */
export function contentDisposition(kind: "attachment" | "inline", fileName: string): string {
  // Control characters, and the signs that turn the direction of writing and so disguise an ending.
  const name =
    fileName
      .toWellFormed()
      .replace(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, "")
      .replace(/[/\\]/g, "_") || "download";
  const ascii = name
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .replace(/[^\x20-\x7e]|["%\\]/g, "_");
  const encoded = encodeURIComponent(name).replace(/['()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
  return `${kind}; filename="${ascii}"; filename*=UTF-8''${encoded}`;
}
