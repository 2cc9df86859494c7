import { MediaError } from "../engine.ts";

/** SDP (RFC 8866), without an opinion about what it means. */
export interface SdpMedia {
  kind: string;
  port: number;
  protocol: string;
  formats: string[];
  /** Of the media, or else of the session. */
  address: string;
  attributes: readonly SdpAttribute[];
}

export interface SdpAttribute {
  name: string;
  value: string;
}

export interface Sdp {
  media: SdpMedia[];
  attributes: SdpAttribute[];
}

/** @throws MediaError malformed */
export function parseSdp(text: string): Sdp {
  if (text.length > 65_536) throw new MediaError("malformed", "The session description is larger than 64 KiB.");
  const attributes: SdpAttribute[] = [];
  const media: (SdpMedia & { attributes: SdpAttribute[] })[] = [];
  let sessionAddress = "";
  for (const line of text.split(/\r?\n/)) {
    const value = line.slice(2);
    const current = media.at(-1);
    if (line.startsWith("m=")) media.push(parseMedia(value, sessionAddress));
    else if (line.startsWith("c=")) {
      const address = value.split(" ")[2]?.split("/")[0] ?? "";
      if (current) current.address = address;
      else sessionAddress = address;
    } else if (line.startsWith("a=")) {
      const colon = value.indexOf(":");
      const attribute =
        colon === -1 ? { name: value, value: "" } : { name: value.slice(0, colon), value: value.slice(colon + 1) };
      (current?.attributes ?? attributes).push(attribute);
    }
  }
  if (!/^v=0\s/.test(text) || media.length === 0 || media.length > 32)
    throw new MediaError("malformed", "That is no session description: it needs v=0 first, and at least one m= line.");
  return { media, attributes };
}

function parseMedia(value: string, address: string): SdpMedia & { attributes: SdpAttribute[] } {
  const [kind = "", port = "", protocol = "", ...formats] = value.trim().split(/\s+/);
  const number = Number.parseInt(port, 10);
  if (!(number >= 0 && number <= 65_535) || formats.length === 0)
    throw new MediaError("malformed", `The session description has the line m=${value.slice(0, 100)}, which nobody can read.`);
  return { kind, port: number, protocol, formats, address, attributes: [] };
}

/** The first of this name: of the media, or else of the session. */
export function attribute(sdp: Sdp, media: SdpMedia, name: string): string | undefined {
  return (media.attributes.find((each) => each.name === name) ?? sdp.attributes.find((each) => each.name === name))?.value;
}

export const attributes = (media: SdpMedia, name: string): string[] =>
  media.attributes.filter((each) => each.name === name).map((each) => each.value);
