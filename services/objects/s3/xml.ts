import { XMLParser, XMLValidator } from "fast-xml-parser";
import { S3Error } from "./errors.ts";

/** The namespace of every S3 document but the error (which has none). */
export const s3Namespace = "http://s3.amazonaws.com/doc/2006-03-01/";

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must be escaped
const unsafeText = /[&<>"\u0000-\u0008\u000b-\u001f\ufffe\uffff]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must be escaped
const holdsUnsafe = /[&<>"\u0000-\u0008\u000b-\u001f\ufffe\uffff]/;

/**
 * Control characters are no XML 1.0 (2.2), but keys may hold them: like S3 we write them as character references,
 * and a client that wants none asks for encoding-type=url.
 */
const escapeText = (text: string): string => (holdsUnsafe.test(text) ? text.replace(unsafeText, escapeCharacter) : text);

function escapeCharacter(character: string): string {
  switch (character) {
    case "&":
      return "&amp;";
    case "<":
      return "&lt;";
    case ">":
      return "&gt;";
    case '"':
      return "&quot;";
    default:
      return `&#x${character.charCodeAt(0).toString(16)};`;
  }
}

/** Whether this text can stand in an XML 1.0 document (2.2), as itself or as a character reference. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
export const carriedByXml = (text: string): boolean => !/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(text);

/** One element with text; nothing for undefined. */
export function element(name: string, value: string | number | boolean | undefined): string {
  if (value === undefined) return "";
  if (value === "") return `<${name}></${name}>`;
  return `<${name}>${typeof value === "string" ? escapeText(value) : value}</${name}>`;
}

/** One element around others that are serialised already. */
export const group = (name: string, ...children: string[]): string => `<${name}>${children.join("")}</${name}>`;

export const xmlDocument = (root: string, ...children: string[]): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<${root} xmlns="${s3Namespace}">${children.join("")}</${root}>`;

/** Quotation marks stand as they are, as at AWS: programs look for texts in it. */
export const errorDocument = (...children: string[]): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<Error>${children.join("").replaceAll("&quot;", '"')}</Error>`;

/** Milliseconds as S3 writes times in XML: ISO 8601 with three decimals, which are 000, so that listings and Last-Modified say the same. */
export function xmlTime(timeMs: number): string {
  const second = timeMs - (timeMs % 1000);
  // A listing has many of the same second.
  if (second !== written.second) Object.assign(written, { second, text: new Date(second).toISOString() });
  return written.text;
}
const written = { second: Number.NaN, text: "" };

/** A parsed element: its children by name, or its text. */
export type XmlNode = string | { [name: string]: XmlNode | XmlNode[] };

const parser = new XMLParser({
  ignoreAttributes: true,
  removeNSPrefix: true,
  parseTagValue: false,
  trimValues: false,
  // No entity is ever expanded by the parser; the five of XML 1.0 (4.6) and character references are decoded below.
  processEntities: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
  maxNestedTags: 16,
});

/** The children of the root element; MissingRequestBodyError when there is nothing, MalformedXML when it is not well-formed, has another root, or declares a DTD. */
export function parseXml(body: string, root: string): XmlNode {
  // A DTD could declare entities; no S3 document has one.
  if (body.trim() === "") throw new S3Error("MissingRequestBodyError");
  if (body.includes("<!DOCTYPE") || body.includes("<!ENTITY")) throw new S3Error("MalformedXML");
  if (XMLValidator.validate(body) !== true) throw new S3Error("MalformedXML");
  let parsed: XmlNode;
  try {
    parsed = parser.parse(body) as XmlNode;
  } catch (error) {
    throw new S3Error("MalformedXML", undefined, { cause: error });
  }
  if (typeof parsed === "string" || !Object.hasOwn(parsed, root)) throw new S3Error("MalformedXML");
  const node = parsed[root] as XmlNode | XmlNode[];
  if (Array.isArray(node)) throw new S3Error("MalformedXML");
  return node;
}

export function childrenOf(node: XmlNode, name: string): XmlNode[] {
  if (typeof node === "string" || !Object.hasOwn(node, name)) return [];
  const child = node[name] as XmlNode | XmlNode[];
  return Array.isArray(child) ? child : [child];
}

export function textOf(node: XmlNode, name: string): string | undefined {
  const child = childrenOf(node, name)[0];
  if (child === undefined) return undefined;
  if (typeof child !== "string") throw new S3Error("MalformedXML");
  return decodeReferences(child);
}

const namedReferences: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function decodeReferences(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(/&([^;&]{0,16});?/g, (_, name: string) => {
    const named = Object.hasOwn(namedReferences, name) ? namedReferences[name] : undefined;
    if (named !== undefined) return named;
    const digits = /^#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}))$/.exec(name);
    const code = digits ? Number.parseInt(digits[1] ?? digits[2]!, digits[1] ? 16 : 10) : Number.NaN;
    if (!(code <= 0x10ffff)) throw new S3Error("MalformedXML");
    return String.fromCodePoint(code);
  });
}
