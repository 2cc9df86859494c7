/** RFC 3261 section 20.42, RFC 3581. */
import { randomBytes } from "node:crypto";
import { parseHostPort, parseParams } from "./uri.ts";

export interface Via {
  /** In lower case: udp, tcp, tls, ws, wss, or whatever else it says. */
  transport: string;
  host: string;
  port: number | undefined;
  /** undefined: none, or one of RFC 2543. */
  branch: string | undefined;
  /** The parameter is there, whatever its value. */
  rport: boolean;
  params: Record<string, string | true>;
}

/** Of all branches of RFC 3261. */
export const magicCookie = "z9hG4bK";

const form = /^SIP\s*\/\s*2\.0\s*\/\s*([A-Za-z0-9\-.!%*_+`'~]+)\s+([^;]+)/i;

export function parseVia(text: string): Via | undefined {
  const match = form.exec(text);
  if (!match) return undefined;
  const place = parseHostPort(match[2]!.trim());
  const params = parseParams(text.slice(match[0].length));
  if (!place || !params) return undefined;
  const branch = params["branch"];
  const isNew = typeof branch === "string" && branch.slice(0, 7).toLowerCase() === "z9hg4bk" && branch.length > 7;
  return {
    transport: match[1]!.toLowerCase(),
    host: place.host,
    port: place.port,
    branch: isNew ? branch : undefined,
    rport: params["rport"] !== undefined,
    params,
  };
}

/** The top Via as it is sent back, with the sender's real address (RFC 3581 section 4). */
export function viaAsReceived(text: string, via: Via, source: { address: string; port: number }): string {
  let result = text;
  if (via.rport) result = result.replace(/;\s*rport\s*(=\s*\d*)?(?=\s*(;|$))/i, `;rport=${source.port}`);
  if (via.params["received"] === undefined && (via.rport || via.host !== source.address)) result += `;received=${source.address}`;
  return result;
}

// One random word per process, and a count: as unique as 128 random bits for each, for a fraction of the cost.
const base = randomBytes(6).toString("hex");
let count = 0;

export const newBranch = (): string => `${magicCookie}${base}${(++count).toString(36)}`;

/** Tags are how dialogs are found, and must not be guessed: RFC 3261 section 19.3. */
export const newTag = (): string => randomHex(8);

export const newCallId = (): string => randomHex(16);

/** Random bytes cost much by the call and little by the byte. Each is given out once. */
let supply = Buffer.alloc(0);
let used = 0;

function randomHex(bytes: number): string {
  if (used + bytes > supply.length) {
    supply = randomBytes(4096);
    used = 0;
  }
  used += bytes;
  return supply.toString("hex", used - bytes, used);
}
