/** The CORSConfiguration document (S3 API Reference, PutBucketCors), with the refusals of S3. */
import { type CorsMethod, type CorsRule, corsMethods } from "../cors.ts";
import { S3Error } from "./errors.ts";
import { carriedByXml, childrenOf, element, group, parseXml, textOf, type XmlNode, xmlDocument } from "./xml.ts";

const mostRules = 100;
/** The whole document: 64 KB ("Elements of a CORS configuration"). */
export const corsDocumentBytes = 64 * 1024;

const malformed = (): S3Error => new S3Error("MalformedXML");
const invalid = (message: string): S3Error => new S3Error("InvalidRequest", message);

export function readCors(document: string): CorsRule[] {
  const rules = childrenOf(parseXml(document, "CORSConfiguration"), "CORSRule").map(readRule);
  if (rules.length === 0) throw malformed();
  if (rules.length > mostRules) throw invalid(`The number of CORS rules should not exceed allowed limit of ${mostRules} rules.`);
  return rules;
}

function readRule(node: XmlNode): CorsRule {
  const [id, age] = [textOf(node, "ID"), textOf(node, "MaxAgeSeconds")?.trim()];
  const [origins, methods, headers, exposed] = ["AllowedOrigin", "AllowedMethod", "AllowedHeader", "ExposeHeader"].map((name) =>
    textsOf(node, name),
  ) as [string[], string[], string[], string[]];
  // An empty origin is none that any page has, and means that.
  if (origins.length === 0 || methods.length === 0) throw malformed();
  if (id !== undefined && id.length > 255) throw invalid("ID length should not exceed allowed limit of 255");
  for (const method of methods)
    if (!(corsMethods as readonly string[]).includes(method))
      throw invalid(`Found unsupported HTTP method in CORS config. Unsupported method is ${method}`);
  for (const origin of origins)
    if (severalStars(origin)) throw invalid(`AllowedOrigin "${origin}" can not have more than one wildcard.`);
  for (const header of headers) {
    if (severalStars(header)) throw invalid(`AllowedHeader "${header}" can not have more than one wildcard.`);
    if (!isHeaderName(header)) throw invalid(`AllowedHeader "${header}" contains invalid character.`);
  }
  for (const header of exposed) {
    if (header.includes("*"))
      throw invalid(`ExposeHeader "${header}" contains wildcard. We currently do not support wildcard for ExposeHeader`);
    if (!isHeaderName(header)) throw invalid(`ExposeHeader "${header}" contains invalid character.`);
  }
  if (age !== undefined && !/^\d{1,10}$/.test(age)) throw malformed();
  return {
    ...(id !== undefined && { id }),
    allowedOrigins: origins,
    allowedMethods: methods as CorsMethod[],
    ...(headers.length > 0 && { allowedHeaders: headers }),
    ...(exposed.length > 0 && { exposeHeaders: exposed }),
    ...(age !== undefined && { maxAgeSeconds: Number(age) }),
  };
}

/** RFC 9110, 5.6.2. */
export const isHeaderName = (text: string): boolean => /^[\w!#$%&'*+.^`|~-]+$/.test(text);

const severalStars = (text: string): boolean => text.indexOf("*") !== text.lastIndexOf("*");

/** They are to be headers of answers again. */
function textsOf(node: XmlNode, name: string): string[] {
  return childrenOf(node, name).map((child) => {
    const text = textOf({ [name]: child }, name) as string;
    if ((text === "" && name !== "AllowedOrigin") || !carriedByXml(text) || !/^[\x20-\x7e]*$/.test(text)) throw malformed();
    return text;
  });
}

export const writeCors = (rules: readonly CorsRule[]): string =>
  xmlDocument(
    "CORSConfiguration",
    ...rules.map(({ id, allowedOrigins, allowedMethods, allowedHeaders = [], exposeHeaders = [], maxAgeSeconds }) =>
      group(
        "CORSRule",
        element("ID", id),
        ...allowedOrigins.map((text) => element("AllowedOrigin", text)),
        ...allowedMethods.map((text) => element("AllowedMethod", text)),
        ...allowedHeaders.map((text) => element("AllowedHeader", text)),
        ...exposeHeaders.map((text) => element("ExposeHeader", text)),
        element("MaxAgeSeconds", maxAgeSeconds),
      ),
    ),
  );
