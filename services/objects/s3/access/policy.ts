import { S3Error } from "../errors.ts";
import { blockOf, type Condition, type ConditionKeys, conditionHolds, isValue, parseOperator } from "./conditions.ts";
import { compilePattern, isPlain, matchesPattern, type Variables } from "./pattern.ts";
import { actionsNamed, isConditionKey, keyFits } from "./policyWords.ts";

/** Policies of buckets and sessions: "IAM JSON policy reference", IAM User Guide; what a bucket's may hold: S3 User Guide, "Bucket policies". */

/** Bytes ("Bucket policies", quota). */
export const maxPolicyBytes = 20 * 1024;

export interface Principals {
  /** Anybody, signed in or not. */
  everyone: boolean;
  /** Account ids, ARNs, or "*": anybody too. */
  aws: string[];
  canonical: string[];
}

export interface Statement {
  sid?: string;
  effect: "Allow" | "Deny";
  /** Absent in the policies of sessions: they are about who has them. */
  principals?: Principals;
  notPrincipal: boolean;
  actions: string[];
  notAction: boolean;
  resources: string[];
  notResource: boolean;
  conditions: Condition[];
}

export interface Policy {
  /** Version 2008-10-17 has no variables. */
  hasVariables: boolean;
  statements: Statement[];
  /** Some condition asks for the tags of the object: it must be looked at before. */
  usesObjectTags: boolean;
}

/** MalformedPolicy with what is wrong. */
const malformed = (message: string): S3Error => new S3Error("MalformedPolicy", message);
type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value);

function textsOf(value: unknown, message: string): string[] {
  const list = Array.isArray(value) ? value : [value];
  if (list.length === 0 || !list.every((item) => typeof item === "string")) throw malformed(message);
  return list as string[];
}

/** What is to be kept. `bucketName`: of the bucket that the policy is for; absent for a session's. */
export function parsePolicy(text: string, bucketName?: string): Policy {
  const policy = readPolicy(text, bucketName);
  const sids = policy.statements.flatMap(({ sid }) => (sid === undefined || sid === "" ? [] : [sid]));
  if (new Set(sids).size < sids.length) throw malformed("Statement IDs (SID) in a single policy must be unique.");
  for (const statement of policy.statements) {
    for (const { operator, values } of statement.conditions)
      for (const value of values)
        if (!isValue(operator, value)) throw malformed(`Invalid value in Conditions (${operator}): ${value}`);
    // IAM takes whatever a session's names: it has nothing by it.
    if (bucketName !== undefined) checkWords(statement);
  }
  return policy;
}

/** A name that there is not never denies anything, and whoever wrote it thinks that it does. */
function checkWords({ actions, notAction, resources, notResource, conditions }: Statement): void {
  const on = (kind: "bucket" | "object"): boolean => notResource || resources.some((resource) => mayBe(resource, kind));
  for (const action of actions) {
    const named = actionsNamed(action);
    if (named.length === 0) throw malformed("Policy has invalid action");
    if (!notAction && !named.some(([, kind]) => kind !== "other" && on(kind)))
      throw malformed("Action does not apply to any resource(s) in statement");
    for (const { key } of conditions)
      if (
        !notAction &&
        !keyFits(
          key,
          named.map(([name]) => name),
        )
      )
        throw malformed("Conditions do not apply to combination of actions and resources in statement");
  }
  for (const { key } of conditions) if (!isConditionKey(key)) throw malformed(`Policy has an invalid condition key: ${key}`);
}

/** Whether a resource can be a bucket, or an object in one: before a slash a wildcard can stand for both. */
function mayBe(resource: string, kind: "bucket" | "object"): boolean {
  const name = resource.startsWith(s3Arn) ? resource.slice(s3Arn.length) : resource;
  return !isPlain(name.split("/", 1)[0] as string) || name.includes("/") === (kind === "object");
}

/** What is kept already, also what was taken before more was asked of it. */
export function readPolicy(text: string, bucketName?: string): Policy {
  if (Buffer.byteLength(text) > maxPolicyBytes)
    throw malformed(`Policy exceeds the maximum allowed document size of ${maxPolicyBytes} bytes.`);
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    document = undefined;
  }
  if (!isObject(document)) throw malformed("Policies must be valid JSON and the first byte must be '{'");
  for (const field of Object.keys(document))
    if (!["Version", "Id", "Statement"].includes(field)) throw malformed(`Unknown field ${field}`);
  const version = document["Version"] ?? "2008-10-17";
  if (version !== "2012-10-17" && version !== "2008-10-17") throw malformed("The policy must contain a valid version string");
  if (document["Id"] !== undefined && typeof document["Id"] !== "string") throw malformed("Id must be a single string");
  const given = document["Statement"];
  if (given === undefined) throw malformed("Missing required field Statement");
  const list = Array.isArray(given) ? given : [given];
  if (list.length === 0) throw malformed("Statement is empty!");
  const statements = list.map((item) => parseStatement(item, bucketName));
  const usesObjectTags = statements.some(({ conditions }) =>
    conditions.some(({ key }) => key.toLowerCase().startsWith("s3:existingobjecttag/")),
  );
  return { hasVariables: version === "2012-10-17", statements, usesObjectTags };
}

const statementFields = [
  "Sid",
  "Effect",
  "Principal",
  "NotPrincipal",
  "Action",
  "NotAction",
  "Resource",
  "NotResource",
  "Condition",
];

function parseStatement(given: unknown, bucketName: string | undefined): Statement {
  if (!isObject(given)) throw malformed("Statement must be an object");
  for (const field of Object.keys(given)) if (!statementFields.includes(field)) throw malformed(`Unknown field ${field}`);
  const { Sid: sid, Effect: effect } = given;
  if (sid !== undefined && typeof sid !== "string") throw malformed("Sid must be a single string");
  if (effect === undefined) throw malformed("Missing required field Effect");
  if (effect !== "Allow" && effect !== "Deny") throw malformed(`Invalid effect: ${String(effect)}`);
  const one = (name: string): boolean => {
    const [plain, not] = [given[name] !== undefined, given[`Not${name}`] !== undefined];
    if (plain && not) throw malformed(`Statement must not contain both ${name} and Not${name}`);
    if (!plain && !not) throw malformed(`Missing required field ${name}`);
    return not;
  };
  const [notAction, notResource] = [one("Action"), one("Resource")];
  const actions = textsOf(given[notAction ? "NotAction" : "Action"], "Policy has invalid action");
  for (const action of actions)
    if (action !== "*" && !/^s3:[A-Za-z*?]+$/i.test(action)) throw malformed("Policy has invalid action");
  const resources = textsOf(given[notResource ? "NotResource" : "Resource"], "Policy has invalid resource");
  for (const resource of resources) checkResource(resource, bucketName);
  const conditions = parseConditions(given["Condition"]);
  const common = { ...(sid !== undefined && { sid }), effect, actions, notAction, resources, notResource, conditions } as const;
  if (bucketName === undefined) {
    if (given["Principal"] !== undefined || given["NotPrincipal"] !== undefined)
      throw malformed("Policy document should not specify a principal.");
    return { ...common, notPrincipal: false };
  }
  const notPrincipal = one("Principal");
  if (notPrincipal && effect === "Allow") throw malformed("Allow with NotPrincipal is not allowed.");
  return { ...common, notPrincipal, principals: parsePrincipals(given[notPrincipal ? "NotPrincipal" : "Principal"]) };
}

const s3Arn = "arn:aws:s3:::";

/** A bucket's policy is about that bucket alone. */
function checkResource(resource: string, bucketName: string | undefined): void {
  if (resource === "*") return;
  const path = resource.startsWith(s3Arn) ? resource.slice(s3Arn.length) : undefined;
  const named = path?.split("/", 1)[0];
  if (!named) throw malformed("Policy has invalid resource");
  if (bucketName === undefined || named.includes("${")) return;
  const pattern = compilePattern(named);
  if (pattern === undefined || !matchesPattern(pattern, bucketName)) throw malformed("Policy has invalid resource");
}

const arnOfPrincipal = /^arn:aws:(iam|sts)::[\w-]*:(root|(user|role|assumed-role|federated-user)\/\S+)$/;

function parsePrincipals(given: unknown): Principals {
  const invalid = (): S3Error => malformed("Invalid principal in policy");
  if (given === "*") return { everyone: true, aws: [], canonical: [] };
  if (!isObject(given) || Object.keys(given).length === 0) throw invalid();
  const found: Principals = { everyone: false, aws: [], canonical: [] };
  for (const [kind, value] of Object.entries(given)) {
    const values = textsOf(value, "Invalid principal in policy");
    if (kind === "AWS") {
      for (const each of values) {
        if (each !== "*" && !/^\d{12}$/.test(each) && !arnOfPrincipal.test(each)) throw invalid();
        found.aws.push(each);
      }
    } else if (kind === "CanonicalUser") {
      if (!values.every((each) => /^[0-9a-f]{64}$/.test(each))) throw invalid();
      found.canonical.push(...values);
    } else if (kind !== "Service" && kind !== "Federated") throw invalid();
  }
  found.everyone = found.aws.includes("*");
  return found;
}

function parseConditions(given: unknown): Condition[] {
  if (given === undefined) return [];
  if (!isObject(given)) throw malformed("Condition must be an object");
  return Object.entries(given).flatMap(([operator, tests]) => {
    const parsed = parseOperator(operator);
    if (parsed === undefined) throw malformed(`Invalid Condition type : ${operator}`);
    if (!isObject(tests)) throw malformed("Condition must be an object");
    return Object.entries(tests).map(([key, value]): Condition => {
      if (!/^(aws|s3):\S/i.test(key)) throw malformed(`Policy has an invalid condition key: ${key}`);
      const values = (Array.isArray(value) ? value : [value]).map((each) => {
        if (!["string", "number", "boolean"].includes(typeof each))
          throw malformed("Condition values must be strings, numbers or booleans");
        return String(each);
      });
      if (/IpAddress/.test(operator) && values.some((each) => !each.includes("${") && blockOf(each) === undefined))
        throw malformed(`Invalid IP address in Conditions: ${values.join(", ")}`);
      return { operator, key, values };
    });
  });
}

/** Who asks, in the terms of policies. */
export interface PolicyPrincipal {
  anonymous: boolean;
  /** 12 digits. */
  accountId: string;
  canonicalId: string;
  /** All by which the caller may be named: the user, the role taken, the session. */
  arns: readonly string[];
}

export interface PolicyRequest {
  action: string;
  /** arn:aws:s3:::bucket or arn:aws:s3:::bucket/key */
  resource: string;
  principal: PolicyPrincipal;
  /** The bucket's account is the caller's: naming the account as a whole then allows nothing, its roles do. */
  sameAccount: boolean;
  keys: ConditionKeys;
}

export type Verdict = "allow" | "deny" | "none";

/** An explicit denial outranks whatever allows ("Policy evaluation logic", IAM User Guide). */
export function evaluatePolicy(policy: Policy, request: PolicyRequest): Verdict {
  const variables: Variables | undefined = policy.hasVariables ? (name) => single(request.keys(name)) : undefined;
  let verdict: Verdict = "none";
  for (const statement of policy.statements) {
    if (verdict === "allow" && statement.effect === "Allow") continue;
    if (!applies(statement, request, variables)) continue;
    if (statement.effect === "Deny") return "deny";
    verdict = "allow";
  }
  return verdict;
}

const single = (values: readonly string[] | undefined): string | undefined => (values?.length === 1 ? values[0] : undefined);

function applies(statement: Statement, request: PolicyRequest, variables: Variables | undefined): boolean {
  const { principals } = statement;
  const byAccount = statement.effect === "Deny" || statement.notPrincipal || !request.sameAccount;
  if (principals && names(principals, request.principal, byAccount) === statement.notPrincipal) return false;
  if (matchesAny(statement.actions, request.action, undefined, true) === statement.notAction) return false;
  if (matchesAny(statement.resources, request.resource, variables, false) === statement.notResource) return false;
  return statement.conditions.every((condition) => conditionHolds(condition, request.keys, variables));
}

const matchesAny = (patterns: string[], text: string, variables: Variables | undefined, ignoreCase: boolean): boolean =>
  patterns.some((given) => {
    const [wanted, actual] = ignoreCase ? [given.toLowerCase(), text.toLowerCase()] : [given, text];
    if (wanted === "*" || wanted === actual) return true;
    if (isPlain(wanted)) return false;
    const pattern = compilePattern(wanted, variables);
    return pattern !== undefined && matchesPattern(pattern, actual);
  });

function names(principals: Principals, caller: PolicyPrincipal, byAccount: boolean): boolean {
  if (principals.everyone) return true;
  if (caller.anonymous) return false;
  if (principals.aws.some((name) => caller.arns.includes(name))) return true;
  if (!byAccount) return false;
  const account = [caller.accountId, `arn:aws:iam::${caller.accountId}:root`];
  return principals.aws.some((name) => account.includes(name)) || principals.canonical.includes(caller.canonicalId);
}
