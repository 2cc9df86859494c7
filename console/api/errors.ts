import type { CloudError } from "../../kernel/errors.ts";
import { translateMaybe } from "../i18n/i18n.ts";

export const isCloudError = (error: unknown): error is CloudError =>
  error instanceof Error && error.name === "CloudError" && "code" in error;

/** What a failed operation tells (services/operations/contract.ts); a refused request tells the same. */
export interface Failure {
  code: string;
  message: string;
  details?: { [name: string]: unknown; reason?: string | undefined } | undefined;
}

/** One sentence for people: by reason, then code and resource where we have words, else what the API says. */
export function errorText(error: unknown): string {
  if (!isCloudError(error)) return translateMaybe("errors.unexpected") ?? "Something went wrong.";
  return (
    ownWords(error) ??
    (speaksForItself.has(error.code) && error.message ? error.message : undefined) ??
    translateMaybe(`errors.code.${error.code}`, valuesOf(error)) ??
    error.message
  );
}

/**
 * Why an operation failed, as `errorText`. Its own sentence says more than its code does, except of what only the log tells.
 * What a program said meanwhile is `outputOf`.
 */
export const failureText = (failure: Failure): string =>
  ownWords(failure) ??
  (failure.code === "internal" || failure.code === "cancelled" ? translateMaybe(`errors.code.${failure.code}`) : undefined) ??
  failure.message;

/** The last lines of a program, as it wrote them; nothing where they are in the sentence, as that is the API's own. */
export const outputOf = (failure: Failure): string | undefined => {
  const output = failure.details?.["output"];
  return typeof output === "string" && output !== "" && failureText(failure) !== failure.message ? output : undefined;
};

/** In the language of the person, where the reason or the resource is known here. */
const ownWords = (failure: Failure): string | undefined => {
  const { code, details = {} } = failure;
  const values = valuesOf(failure);
  const { reason = "", resource } = details;
  // `state_running` and the like: what it is now is seen in the same place.
  const rare = reason.startsWith("state_") ? "state" : reason;
  const known = [`errors.reason.${reason}`, `failures.${rare}`, `errors.${code}.${resource}`];
  for (const key of known) {
    const words = translateMaybe(key, values);
    // One that was kept before it told all that the words speak of.
    if (words !== undefined && !/\{\w+\}/.test(words)) return words;
  }
  return quotaWords(failure);
};

/** Whose quota is used up, and which. */
function quotaWords({ code, details = {} }: Failure): string | undefined {
  if (code !== "quota_exceeded") return undefined;
  const { scope, quota } = details;
  const name = scope === "bucket" ? "" : translateMaybe(`errors.quota.${quota}`);
  return name === undefined ? undefined : translateMaybe(`errors.quota.scope.${scope}`, { name });
}

/** What the words of a reason may speak of: all that the API tells besides; `because` is the failure of another thing. */
const valuesOf = ({ details = {} }: Failure) => ({
  suspendedReason: "",
  ...Object.fromEntries(
    Object.entries(details)
      .map(
        ([name, value]) => [name, name === "because" ? because(value) : Array.isArray(value) ? value.join(", ") : value] as const,
      )
      .filter((each): each is readonly [string, string | number] => ["string", "number"].includes(typeof each[1])),
  ),
  count: Number(details["retryAfterSeconds"] ?? 0),
});

const because = (value: unknown): string | undefined =>
  typeof value === "object" && value !== null && "message" in value ? failureText(value as Failure) : undefined;

/** Codes of which only the API's own sentence says what is wrong. */
const speaksForItself = new Set(["invalid_argument", "failed_precondition", "conflict", "quota_exceeded"]);

/** Problems by field name, without the part of the request they were in: `body.name` → `name`. */
export function fieldProblems(error: unknown): Record<string, string> {
  if (!isCloudError(error)) return {};
  const problems: Record<string, string> = {};
  const fields = error.details.fields ?? [];
  for (const { path, message } of fields) {
    problems[path.replace(/^(body|query|params)\./, "")] ??= (fields.length === 1 ? ownWords(error) : undefined) ?? message;
  }
  return problems;
}
