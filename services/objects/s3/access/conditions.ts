import { BlockList, isIP } from "node:net";
import { compilePattern, matchesPattern, type Variables } from "./pattern.ts";

/** "IAM JSON policy elements: Condition operators", IAM User Guide. */

/** What a condition asks the request for: the values of a key in it, undefined when it has none. */
export type ConditionKeys = (name: string) => readonly string[] | undefined;

export interface Condition {
  operator: string;
  key: string;
  values: string[];
}

type Match = (actual: string, expected: string, variables: Variables | undefined) => boolean;

const plain = (text: string, variables: Variables | undefined): string | undefined =>
  variables && text.includes("${")
    ? compilePattern(text, variables)
        ?.map((part) => (typeof part === "string" ? part : part.description === "any" ? "*" : "?"))
        .join("")
    : text;
const glob: Match = (actual, expected, variables) => {
  const pattern = compilePattern(expected, variables);
  return pattern !== undefined && matchesPattern(pattern, actual);
};
/** Each of the six parts is a pattern of its own: "*" does not reach over a colon but in the last one. */
const arn: Match = (actual, expected, variables) => {
  const [left, right] = [arnParts(actual), arnParts(expected)];
  if (left === undefined || right === undefined) return false;
  return right.every((part, index) => glob(left[index] as string, part, variables));
};
function arnParts(text: string): string[] | undefined {
  const parts = text.split(":");
  return parts.length < 6 || parts[0] !== "arn" ? undefined : [...parts.slice(0, 5), parts.slice(5).join(":")];
}
const compared =
  (read: (text: string) => number, holds: (left: number, right: number) => boolean): Match =>
  (actual, expected) => {
    const [left, right] = [read(actual), read(expected)];
    return !Number.isNaN(left) && !Number.isNaN(right) && holds(left, right);
  };
const numberOf = (text: string): number => (text.trim() === "" ? Number.NaN : Number(text));
/** ISO 8601, or seconds since 1970. */
const timeOf = (text: string): number => (/^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text));

const blocks = new Map<string, BlockList | undefined>();
/** A CIDR block, or one address; undefined when it is neither. */
export function blockOf(text: string): BlockList | undefined {
  if (blocks.has(text)) return blocks.get(text);
  const [address = "", length] = text.split("/", 2);
  const family = isIP(address);
  const bits = length === undefined ? (family === 6 ? 128 : 32) : Number(length);
  let block: BlockList | undefined;
  if (family !== 0 && /^\d{1,3}$/.test(length ?? "0") && bits <= (family === 6 ? 128 : 32)) {
    block = new BlockList();
    block.addSubnet(address, bits, family === 6 ? "ipv6" : "ipv4");
  }
  if (blocks.size >= 10_000) blocks.clear();
  blocks.set(text, block);
  return block;
}
const address: Match = (actual, expected) =>
  isIP(actual) !== 0 && blockOf(expected)?.check(actual, isIP(actual) === 6 ? "ipv6" : "ipv4") === true;

const equals: Match = (actual, expected, variables) => actual === plain(expected, variables);
const equalsIgnoringCase: Match = (actual, expected, variables) =>
  actual.toLowerCase() === plain(expected, variables)?.toLowerCase();

interface Operator {
  match: Match;
  /** True where none of the values may match, and a request without the key passes. */
  negated?: true;
}
const not = (match: Match): Operator => ({ match, negated: true });

export const operators: Record<string, Operator> = {
  StringEquals: { match: equals },
  StringNotEquals: not(equals),
  StringEqualsIgnoreCase: { match: equalsIgnoringCase },
  StringNotEqualsIgnoreCase: not(equalsIgnoringCase),
  StringLike: { match: glob },
  StringNotLike: not(glob),
  NumericEquals: { match: compared(numberOf, (a, b) => a === b) },
  NumericNotEquals: not(compared(numberOf, (a, b) => a === b)),
  NumericLessThan: { match: compared(numberOf, (a, b) => a < b) },
  NumericLessThanEquals: { match: compared(numberOf, (a, b) => a <= b) },
  NumericGreaterThan: { match: compared(numberOf, (a, b) => a > b) },
  NumericGreaterThanEquals: { match: compared(numberOf, (a, b) => a >= b) },
  DateEquals: { match: compared(timeOf, (a, b) => a === b) },
  DateNotEquals: not(compared(timeOf, (a, b) => a === b)),
  DateLessThan: { match: compared(timeOf, (a, b) => a < b) },
  DateLessThanEquals: { match: compared(timeOf, (a, b) => a <= b) },
  DateGreaterThan: { match: compared(timeOf, (a, b) => a > b) },
  DateGreaterThanEquals: { match: compared(timeOf, (a, b) => a >= b) },
  Bool: { match: (actual, expected) => actual.toLowerCase() === expected.toLowerCase() },
  BinaryEquals: { match: equals },
  IpAddress: { match: address },
  NotIpAddress: not(address),
  ArnEquals: { match: arn },
  ArnLike: { match: arn },
  ArnNotEquals: not(arn),
  ArnNotLike: not(arn),
};

/** A name as policies write it: "ForAnyValue:StringLikeIfExists". */
export function parseOperator(
  name: string,
): { set?: "all" | "any"; operator?: Operator; isNull: boolean; ifExists: boolean } | undefined {
  const [, set, base = "", ifExists] = /^(?:(ForAllValues|ForAnyValue):)?(\w+?)(IfExists)?$/.exec(name) ?? [];
  const operator = Object.hasOwn(operators, base) ? operators[base] : undefined;
  const isNull = base === "Null" && ifExists === undefined;
  if (operator === undefined && !isNull) return undefined;
  return {
    ...(set && { set: set === "ForAllValues" ? "all" : "any" }),
    ...(operator && { operator }),
    isNull,
    ifExists: ifExists !== undefined,
  };
}

/** Whether an operator can compare with this at all; a variable's value is not known yet. */
export function isValue(operator: string, value: string): boolean {
  if (value.includes("${")) return true;
  if (/Numeric/.test(operator)) return /^[+-]?\d+(\.\d+)?$/.test(value.trim());
  if (/Date/.test(operator)) return !Number.isNaN(timeOf(value));
  return !/(^|:)(Bool|Null)(IfExists)?$/.test(operator) || /^(true|false)$/i.test(value);
}

export function conditionHolds(condition: Condition, keys: ConditionKeys, variables: Variables | undefined): boolean {
  const parsed = parseOperator(condition.operator);
  if (parsed === undefined) return false;
  const actual = keys(condition.key);
  const present = actual !== undefined && actual.length > 0;
  if (parsed.isNull) return condition.values.some((value) => (value.toLowerCase() === "true") !== present);
  const { match, negated = false } = parsed.operator as Operator;
  if (!present) return parsed.ifExists || parsed.set === "all" || (negated && parsed.set === undefined);
  const holds = (value: string): boolean => condition.values.some((expected) => match(value, expected, variables)) !== negated;
  return parsed.set === "any" || (parsed.set === undefined && !negated) ? actual.some(holds) : actual.every(holds);
}
