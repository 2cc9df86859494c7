/** What this library can do, as it tells others. */

/** Methods that someone here answers. */
export const methods: ReadonlySet<string> = new Set([
  "INVITE",
  "ACK",
  "CANCEL",
  "BYE",
  "OPTIONS",
  "INFO",
  "MESSAGE",
  "NOTIFY",
  "PRACK",
  "PUBLISH",
  "REFER",
  "REGISTER",
  "SUBSCRIBE",
  "UPDATE",
]);

export const allow = [...methods].join(", ");

/** Extensions of calls: RFC 3262, 4028, 3891, 4488. */
export const supported = "100rel, timer, replaces, norefersub";

/** Option tags that may be required of us; the registrar answers for outbound and path, which are of REGISTER. */
export const understood: ReadonlySet<string> = new Set(["100rel", "timer", "replaces", "norefersub", "outbound", "path"]);

/** What a session may be described in. */
export const accept = "application/sdp, multipart/mixed";
