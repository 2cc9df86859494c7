import type { ObjectAccess } from "../../driver.ts";
import { invalidArgument, S3Error } from "../errors.ts";
import type { S3Request } from "../request.ts";
import { childrenOf, element, group, parseXml, textOf, type XmlNode, xmlDocument } from "../xml.ts";
import { type AclPermission, aclPermissions } from "./actions.ts";
import { displayNameOf } from "./identity.ts";

/** Access control lists of buckets and objects: S3 User Guide, "Access control list (ACL) overview". */

export type AccessList = ObjectAccess;
export type Grant = AccessList["grants"][number];
type Owner = AccessList["owner"];

const groupUris = {
  everyone: "http://acs.amazonaws.com/groups/global/AllUsers",
  authenticated: "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
  logDelivery: "http://acs.amazonaws.com/groups/s3/LogDelivery",
} as const;
type Group = keyof typeof groupUris;

/** At most so many ("ACL overview"). */
const mostGrants = 100;

const granted = (owner: Owner, permission: AclPermission): Grant => ({ ...owner, permission });
const toGroup = (name: Group, permission: AclPermission): Grant => ({ group: name, permission });

/** What a canned ACL grants besides the owner's full control ("Canned ACL"). */
const canned: Record<string, (of: "bucket" | "object", bucketOwner: Owner) => Grant[]> = {
  private: () => [],
  "public-read": () => [toGroup("everyone", "READ")],
  "public-read-write": () => [toGroup("everyone", "READ"), toGroup("everyone", "WRITE")],
  "authenticated-read": () => [toGroup("authenticated", "READ")],
  // Nobody else's machines read from here.
  "aws-exec-read": () => [],
  "log-delivery-write": (of) => (of === "bucket" ? [toGroup("logDelivery", "WRITE"), toGroup("logDelivery", "READ_ACP")] : []),
  "bucket-owner-read": (of, bucketOwner) => (of === "object" ? [granted(bucketOwner, "READ")] : []),
  "bucket-owner-full-control": (of, bucketOwner) => (of === "object" ? [granted(bucketOwner, "FULL_CONTROL")] : []),
};

const grantHeaders: Record<string, AclPermission> = {
  "x-amz-grant-read": "READ",
  "x-amz-grant-write": "WRITE",
  "x-amz-grant-read-acp": "READ_ACP",
  "x-amz-grant-write-acp": "WRITE_ACP",
  "x-amz-grant-full-control": "FULL_CONTROL",
};

/** What the headers ask for: a canned ACL by name, or grants. Undefined: nothing. */
export interface AskedAcl {
  canned?: string;
  grants?: Grant[];
}

export function askedAcl({ headers }: Pick<S3Request, "headers">): AskedAcl | undefined {
  const name = headers.get("x-amz-acl");
  const grants: Grant[] = [];
  let hasGrants = false;
  for (const [header, permission] of Object.entries(grantHeaders)) {
    const text = headers.get(header);
    if (text === undefined) continue;
    hasGrants = true;
    grants.push(...readGrantees(header, text).map((grantee): Grant => ({ ...grantee, permission })));
  }
  if (name !== undefined && hasGrants)
    throw new S3Error("InvalidRequest", "Specifying both Canned ACLs and Header Grants is not allowed");
  if (name !== undefined) {
    if (!Object.hasOwn(canned, name)) throw invalidArgument("x-amz-acl", name, "");
    return { canned: name };
  }
  return hasGrants ? { grants: checkedGrants(grants) } : undefined;
}

/** id="…", uri="…" */
function readGrantees(header: string, text: string) {
  return text.split(",").map((part) => {
    const [, kind = "", quoted, bare] = /^\s*(\w+)\s*=\s*(?:"([^"]*)"|(\S+))\s*$/.exec(part) ?? [];
    const value = quoted ?? bare ?? "";
    switch (kind.toLowerCase()) {
      case "id":
        return byId(value, "id");
      case "uri":
        return byUri(value, "uri");
      case "emailaddress":
        throw noEmail();
      default:
        throw invalidArgument(header, text, `Argument format not recognized`);
    }
  });
}

function byId(id: string, from = "CanonicalUser/ID"): { canonicalId: string; displayName: string } {
  if (!/^[0-9a-f]{64}$/.test(id)) throw invalidArgument(from, id, "Invalid id");
  return { canonicalId: id, displayName: displayNameOf(id) };
}

function byUri(uri: string, from = "Group/URI"): { group: Group } {
  const found = Object.entries(groupUris).find(([, known]) => known === uri.trim());
  if (found === undefined) throw invalidArgument(from, uri, "Invalid group uri");
  return { group: found[0] as Group };
}

/** Addresses of people are no names of accounts here (nor are they in S3 since November 2025, where this is the answer). */
const noEmail = (): S3Error =>
  new S3Error("MethodNotAllowed", "Grants by e-mail address are not supported. Name the account by its canonical id.");

function checkedGrants(grants: Grant[]): Grant[] {
  if (grants.length > mostGrants)
    throw new S3Error("MalformedACLError", `An access control list has at most ${mostGrants} grants.`);
  return grants;
}

/** Groups before accounts: some clients take the last grant for the owner's. */
const groupsFirst = (grants: Grant[]): Grant[] => [
  ...grants.filter((grant) => "group" in grant),
  ...grants.filter((grant) => !("group" in grant)),
];

/** The list that headers ask for. */
export function accessOf(asked: AskedAcl, of: "bucket" | "object", owner: Owner, bucketOwner: Owner): AccessList {
  if (asked.grants) return { owner, grants: asked.grants };
  const others = canned[asked.canned ?? "private"]!(of, bucketOwner).filter(
    (grant) => !("canonicalId" in grant) || grant.canonicalId !== owner.canonicalId,
  );
  return { owner, grants: groupsFirst([granted(owner, "FULL_CONTROL"), ...others]) };
}

export const privateAccess = (owner: Owner): AccessList => ({ owner, grants: [granted(owner, "FULL_CONTROL")] });

/** Nothing but what the owner has anyway. */
export const isPrivate = ({ owner, grants }: AccessList): boolean =>
  grants.length === 1 &&
  grants.every(
    (grant) => "canonicalId" in grant && grant.canonicalId === owner.canonicalId && grant.permission === "FULL_CONTROL",
  );

/** Anybody at all, or anybody with an account ("The meaning of public"). */
export const isPublicGrant = (grant: Grant): boolean => "group" in grant && grant.group !== "logDelivery";

/** The body of PutBucketAcl and PutObjectAcl. The owner cannot be changed by it. */
export function readAccessDocument(document: string, owner: Owner): AccessList {
  const malformed = (): S3Error => new S3Error("MalformedACLError");
  let policy: XmlNode;
  try {
    policy = parseXml(document, "AccessControlPolicy");
  } catch {
    throw malformed();
  }
  const [list] = childrenOf(policy, "AccessControlList");
  const [given] = childrenOf(policy, "Owner");
  if (list === undefined || given === undefined) throw malformed();
  if (byId(textOf(given, "ID") ?? "").canonicalId !== owner.canonicalId) throw new S3Error("AccessDenied");
  return { owner, grants: groupsFirst(readGrants(list, malformed)) };
}

/** The grants of an AccessControlList, or of the TargetGrants of a log. */
export function readGrants(list: XmlNode, malformed: () => S3Error): Grant[] {
  const grants = childrenOf(list, "Grant").map((node): Grant => {
    const permission = textOf(node, "Permission")?.trim();
    const [grantee] = childrenOf(node, "Grantee");
    if (grantee === undefined || !aclPermissions.includes(permission as AclPermission)) throw malformed();
    return { ...readGrantee(grantee, malformed), permission: permission as AclPermission };
  });
  return checkedGrants(grants);
}

function readGrantee(grantee: XmlNode, malformed: () => S3Error) {
  const [id, uri] = [textOf(grantee, "ID"), textOf(grantee, "URI")];
  if (id !== undefined) return byId(id.trim());
  if (uri !== undefined) return byUri(uri);
  if (textOf(grantee, "EmailAddress") !== undefined) throw noEmail();
  throw malformed();
}

const instance = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"';
const named = ({ canonicalId, displayName }: Owner): string => element("ID", canonicalId) + element("DisplayName", displayName);

export const accessDocument = ({ owner, grants }: AccessList): string =>
  xmlDocument("AccessControlPolicy", group("Owner", named(owner)), group("AccessControlList", ...grants.map(grantElement)));

export const grantElement = (grant: Grant): string =>
  group(
    "Grant",
    "group" in grant
      ? `<Grantee ${instance} xsi:type="Group">${element("URI", groupUris[grant.group])}</Grantee>`
      : `<Grantee ${instance} xsi:type="CanonicalUser">${named(grant)}</Grantee>`,
    element("Permission", grant.permission),
  );

/** Who asks, as far as lists know. */
export interface AclCaller {
  anonymous: boolean;
  canonicalId: string;
  /** Of the bucket's own account: its people have what their roles give them, not what the account as a whole has. */
  sameAccount: boolean;
}

export function accessAllows(
  { owner, grants }: AccessList,
  permission: AclPermission,
  caller: AclCaller,
  ignorePublic: boolean,
): boolean {
  const isOther = !caller.anonymous && !caller.sameAccount;
  // Its owner can always read and write the list itself.
  if (permission.endsWith("_ACP") && isOther && owner.canonicalId === caller.canonicalId) return true;
  return grants.some((grant) => {
    if (grant.permission !== "FULL_CONTROL" && grant.permission !== permission) return false;
    if (!("group" in grant)) return isOther && grant.canonicalId === caller.canonicalId;
    if (ignorePublic || grant.group === "logDelivery") return false;
    return grant.group === "everyone" || !caller.anonymous;
  });
}
