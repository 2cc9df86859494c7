import type { CloudError } from "../../kernel/errors.ts";
import { translateMaybe } from "../i18n/i18n.ts";

export const isCloudError = (error: unknown): error is CloudError =>
  error instanceof Error && error.name === "CloudError" && "code" in error;

/** One sentence for people: by reason, then code and resource where we have words, else what the API says. */
export function errorText(error: unknown): string {
  if (!isCloudError(error)) return translateMaybe("errors.unexpected") ?? "Something went wrong.";
  const seconds = error.details.retryAfterSeconds ?? 0;
  const values = { seconds, count: seconds };
  return (
    translateMaybe(`errors.reason.${error.details.reason ?? ""}`, values) ??
    translateMaybe(`errors.${error.code}.${error.details.resource ?? ""}`, values) ??
    (speaksForItself.has(error.code) && error.message ? error.message : undefined) ??
    translateMaybe(`errors.code.${error.code}`, values) ??
    error.message
  );
}

/** Codes of which only the API's own sentence says what is wrong. */
const speaksForItself = new Set(["invalid_argument", "failed_precondition", "conflict", "quota_exceeded"]);

/** Problems by field name, without the part of the request they were in: `body.name` → `name`. */
export function fieldProblems(error: unknown): Record<string, string> {
  if (!isCloudError(error)) return {};
  const problems: Record<string, string> = {};
  for (const { path, message } of error.details.fields ?? []) {
    problems[path.replace(/^(body|query|params)\./, "")] ??= message;
  }
  return problems;
}
