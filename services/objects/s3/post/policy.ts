import { S3Error } from "../errors.ts";

/** What a form may be sent with, as who signed it has said ("Creating a POST policy", S3 API Reference). */
export interface PostPolicy {
  expiresAtMs: number;
  conditions: PostCondition[];
}

type PostCondition =
  | { kind: "eq" | "starts-with"; field: string; value: string; text: string }
  /** What can never hold. */
  | { kind: "never"; text: string }
  | { kind: "range"; minBytes: number; maxBytes: number };

const invalid = (message: string): S3Error => new S3Error("InvalidPolicyDocument", `Invalid Policy: ${message}`);
const failed = (message: string): S3Error => new S3Error("AccessDenied", `Invalid according to Policy: ${message}`);

const conditionFailed = (text: string): S3Error => failed(`Policy Condition failed: ${text}`);

/** From the field as it was sent, in base64. */
export function parsePostPolicy(encoded: string): PostPolicy {
  let document: unknown;
  try {
    document = JSON.parse(Buffer.from(encoded, "base64").toString());
  } catch {
    throw invalid("Invalid JSON.");
  }
  if (typeof document !== "object" || document === null) throw invalid("Invalid JSON.");
  const { expiration, conditions, ...others } = document as { expiration?: unknown; conditions?: unknown };
  const [other] = Object.keys(others);
  if (other !== undefined) throw invalid(`Unexpected: '${other}'.`);
  if (expiration === undefined) throw invalid("Policy missing expiration.");
  const isTime = typeof expiration === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(expiration);
  const expiresAtMs = isTime ? Date.parse(expiration) : Number.NaN;
  if (Number.isNaN(expiresAtMs)) throw invalid(`Invalid 'expiration' value: '${String(expiration)}'`);
  if (!Array.isArray(conditions)) throw invalid("Policy missing conditions.");
  return { expiresAtMs, conditions: conditions.flatMap(parseCondition) };
}

function parseCondition(given: unknown): PostCondition[] {
  if (Array.isArray(given)) return [parseList(given)];
  const entries = typeof given === "object" && given !== null ? Object.entries(given) : [];
  if (entries.length !== 1)
    throw invalid("Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.");
  return entries.map(([name, value]) => {
    if (typeof value !== "string") throw invalid("Invalid Simple-Condition: value must be a string.");
    return { kind: "eq", field: name.toLowerCase(), value, text: textOf(["eq", `$${name}`, value]) };
  });
}

function parseList(given: unknown[]): PostCondition {
  const kind = typeof given[0] === "string" ? given[0].toLowerCase() : "";
  if (given.length !== 3) throw invalid(`Invalid Condition: wrong number of arguments of ${kind}.`);
  const text = textOf(given);
  if (kind === "content-length-range") {
    if (given.slice(1).some((bound) => typeof bound === "string" && Number.isNaN(Number(bound)))) return { kind: "never", text };
    const [minBytes, maxBytes] = [bytesOf(given[1]), bytesOf(given[2])];
    if (minBytes > maxBytes) throw invalid("Invalid content-length-range: the first number is the greater one.");
    return { kind: "range", minBytes, maxBytes };
  }
  if (kind !== "eq" && kind !== "starts-with") throw invalid(`Invalid Condition: unknown operation '${String(given[0])}'.`);
  const [, field, value] = given;
  if (typeof field !== "string" || typeof value !== "string")
    throw invalid(`Invalid ${kind}: give the field as "$name", and a string.`);
  return field.startsWith("$") ? { kind, field: field.slice(1).toLowerCase(), value, text } : { kind: "never", text };
}

/** A condition as S3 shows it. */
const textOf = (condition: unknown[]): string => `[${condition.map((each) => JSON.stringify(each)).join(", ")}]`;

function bytesOf(value: unknown): number {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  if (typeof number !== "number" || !Number.isSafeInteger(number) || number < 0)
    throw invalid("Invalid content-length-range: give two numbers of bytes.");
  return number;
}

/** Nobody needs to name these in the policy; a checksum lets in less, not more. */
const exempt = /^(awsaccesskeyid|signature|x-amz-signature|policy|file|x-ignore-.*|x-amz-checksum-\w+)$/;

/** AccessDenied unless every condition holds and every field is in one. Answers between how many bytes the file must have. */
export function checkForm(
  policy: PostPolicy,
  fields: Map<string, string>,
  nowMs: number,
): { minBytes: number; maxBytes: number } {
  if (nowMs >= policy.expiresAtMs) throw failed("Policy expired.");
  const named = new Set<string>();
  let [minBytes, maxBytes] = [0, Number.POSITIVE_INFINITY];
  for (const condition of policy.conditions) {
    if (condition.kind === "range") {
      minBytes = Math.max(minBytes, condition.minBytes);
      maxBytes = Math.min(maxBytes, condition.maxBytes);
      continue;
    }
    if (condition.kind === "never") throw conditionFailed(condition.text);
    const { kind, field, value, text } = condition;
    named.add(field);
    const actual = fields.get(field) ?? "";
    const holds = kind === "eq" ? actual === value : startsWith(field, actual, value);
    if (!holds) throw conditionFailed(text);
  }
  const extra = [...fields.keys()].filter((field) => !named.has(field) && !exempt.test(field));
  if (extra.length > 0) throw failed(`Extra input fields: ${extra.join(", ")}`);
  return { minBytes, maxBytes };
}

/** Of a list of types each must begin so ("starts-with" on Content-Type). */
const startsWith = (field: string, actual: string, value: string): boolean =>
  field === "content-type" ? actual.split(",").every((each) => each.trim().startsWith(value)) : actual.startsWith(value);
