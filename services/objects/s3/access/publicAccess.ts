import type { BucketConfiguration } from "../../configuration.ts";
import { S3Error } from "../errors.ts";
import { element, parseXml, textOf, xmlDocument } from "../xml.ts";
import type { AccessList } from "./acl.ts";
import { isPublicGrant } from "./acl.ts";
import { blockOf, type Condition } from "./conditions.ts";
import type { Policy, Statement } from "./policy.ts";

/** "Blocking public access to your Amazon S3 storage", S3 User Guide. */

export interface PublicAccessBlock {
  /** New lists that are public are refused. */
  blockPublicAcls: boolean;
  /** Lists that are public count as if they were not. */
  ignorePublicAcls: boolean;
  /** New policies that are public are refused. */
  blockPublicPolicy: boolean;
  /** A policy that is public lets in nobody but the bucket's own account. */
  restrictPublicBuckets: boolean;
}

const switches = {
  blockPublicAcls: "BlockPublicAcls",
  ignorePublicAcls: "IgnorePublicAcls",
  blockPublicPolicy: "BlockPublicPolicy",
  restrictPublicBuckets: "RestrictPublicBuckets",
} as const satisfies Record<keyof PublicAccessBlock, string>;
const names = Object.entries(switches) as [keyof PublicAccessBlock, string][];

export const allBlocked: PublicAccessBlock = {
  blockPublicAcls: true,
  ignorePublicAcls: true,
  blockPublicPolicy: true,
  restrictPublicBuckets: true,
};
const noneBlocked: PublicAccessBlock = {
  blockPublicAcls: false,
  ignorePublicAcls: false,
  blockPublicPolicy: false,
  restrictPublicBuckets: false,
};

/** What holds: the bucket's own switches, or all of them when the organisation forbids public access. */
export const blockIn = ({
  publicAccessBlock,
  publicForbidden,
}: BucketConfiguration & { publicForbidden?: boolean }): PublicAccessBlock =>
  publicForbidden ? allBlocked : (publicAccessBlock ?? noneBlocked);

export function readPublicAccessBlock(document: string): PublicAccessBlock {
  const node = parseXml(document, "PublicAccessBlockConfiguration");
  const block = { ...noneBlocked };
  for (const [name, wire] of names) {
    const text = textOf(node, wire)?.trim().toLowerCase();
    if (text !== undefined && text !== "true" && text !== "false") throw new S3Error("MalformedXML");
    block[name] = text === "true";
  }
  return block;
}

export const writePublicAccessBlock = (block: PublicAccessBlock): string =>
  xmlDocument("PublicAccessBlockConfiguration", ...names.map(([name, wire]) => element(wire, block[name])));

export const isPublicAccess = (access: AccessList | undefined): boolean => access?.grants.some(isPublicGrant) ?? false;

/** Some statement allows something to anybody, unless a condition holds it to fixed values ("The meaning of public"). */
export const isPublicPolicy = (policy: Policy | undefined): boolean => policy?.statements.some(isPublicStatement) ?? false;

function isPublicStatement({ effect, principals, notPrincipal, conditions }: Statement): boolean {
  if (effect !== "Allow" || principals === undefined) return false;
  return (principals.everyone || notPrincipal) && !conditions.some(isFixed);
}

const fixedKeys = new Set([
  "aws:principalaccount",
  "aws:principalarn",
  "aws:principalorgid",
  "aws:sourceaccount",
  "aws:sourcearn",
  "aws:sourceip",
  "aws:sourceowner",
  "aws:sourcevpc",
  "aws:sourcevpce",
  "aws:userid",
  "aws:username",
  "s3:dataaccesspointaccount",
  "s3:dataaccesspointarn",
]);
/** Positive ones that a request without the key does not pass. */
const fixing = /^(ForAnyValue:)?(StringEquals|StringLike|StringEqualsIgnoreCase|ArnEquals|ArnLike|IpAddress)$/;

function isFixed({ operator, key, values }: Condition): boolean {
  if (!fixing.test(operator) || !fixedKeys.has(key.toLowerCase())) return false;
  if (key.toLowerCase() === "aws:sourceip") return values.every((value) => blockOf(value) !== undefined && !isWide(value));
  return values.every((value) => !/[*?]|\$\{/.test(value));
}

/** So wide that it is as good as everybody. */
const isWide = (cidr: string): boolean => {
  const [address = "", bits] = cidr.split("/");
  return bits !== undefined && Number(bits) < (address.includes(":") ? 32 : 8);
};
