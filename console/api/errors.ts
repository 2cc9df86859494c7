import type { CloudError } from "../../kernel/errors.ts";
import { translateMaybe } from "../i18n/i18n.ts";

export const isCloudError = (error: unknown): error is CloudError =>
  error instanceof Error && error.name === "CloudError" && "code" in error;

/** One sentence for people: by reason, then code and resource where we have words, else what the API says. */
export function errorText(error: unknown): string {
  if (!isCloudError(error)) return translateMaybe("errors.unexpected") ?? "Something went wrong.";
  return (
    ownWords(error) ??
    quotaWords(error) ??
    (speaksForItself.has(error.code) && error.message ? error.message : undefined) ??
    translateMaybe(`errors.code.${error.code}`, valuesOf(error)) ??
    error.message
  );
}

/** In the language of the person, where the reason or the resource is known here. */
const ownWords = (error: CloudError): string | undefined =>
  translateMaybe(`errors.reason.${error.details.reason ?? ""}`, valuesOf(error)) ??
  translateMaybe(`errors.${error.code}.${error.details.resource ?? ""}`, valuesOf(error));

/** Whose quota is used up, and which. */
function quotaWords({ code, details }: CloudError): string | undefined {
  if (code !== "quota_exceeded") return undefined;
  const { scope, quota } = details;
  const name = scope === "bucket" ? "" : translateMaybe(`errors.quota.${quota}`);
  return name === undefined ? undefined : translateMaybe(`errors.quota.scope.${scope}`, { name });
}

/** What the words of a reason may speak of: all that the API tells besides. */
const valuesOf = ({ details }: CloudError) => ({
  suspendedReason: "",
  ...Object.fromEntries(
    Object.entries(details)
      .map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : value] as const)
      .filter((each): each is readonly [string, string | number] => ["string", "number"].includes(typeof each[1])),
  ),
  count: details.retryAfterSeconds ?? 0,
});

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
