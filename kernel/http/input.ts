import { z } from "zod";
import type { RouteDefinition, RouteInput } from "../contract.ts";
import { CloudError, type FieldProblem } from "../errors.ts";

/** Checks one request against its route, once compiled: unknown fields are refused, for they are mostly misspelt ones. */
export function inputReader<R extends RouteDefinition>(
  route: R,
): (raw: { params: unknown; query: unknown; body: unknown }) => RouteInput<R> {
  const none = z.object({});
  const parts = {
    params: (route.params ?? none).strict(),
    query: (route.query ?? none).strict(),
    body: (route.body ?? none).strict(),
  };
  return (raw) => {
    const problems: FieldProblem[] = [];
    const output: Record<string, unknown> = {};
    for (const part of ["params", "query", "body"] as const) {
      const value = part === "body" && (route.body === undefined || raw.body === null || raw.body === undefined) ? {} : raw[part];
      const result = parts[part].safeParse(value);
      if (result.success) {
        output[part] = result.data;
        problems.push(...nullCharacters(part, value));
      } else problems.push(...result.error.issues.flatMap((issue) => toProblems(part, issue)));
    }
    if (problems.length > 0) {
      const [first] = problems as [FieldProblem];
      throw new CloudError(
        "invalid_argument",
        problems.length === 1
          ? `${first.path}: ${first.message}`
          : `${problems.length} fields are not right; the first: ${first.path}: ${first.message}`,
        {
          details: { fields: problems },
        },
      );
    }
    return output as unknown as RouteInput<R>;
  };
}

/** PostgreSQL's text holds every character but this one. */
function nullCharacters(path: string, value: unknown): FieldProblem[] {
  if (typeof value === "string")
    return value.includes("\0")
      ? [{ path, message: "It has a null character (U+0000), which cannot be kept. Take it out." }]
      : [];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [
    ...(key.includes("\0") ? nullCharacters(path, key) : []),
    ...nullCharacters(`${path}.${key}`, inner),
  ]);
}

function toProblems(part: string, issue: z.core.$ZodIssue): FieldProblem[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({ path: [part, ...issue.path, key].join("."), message: "There is no such field." }));
  }
  const path = [part, ...issue.path].join(".");
  if (issue.code === "invalid_type" && issue.message.includes("received undefined"))
    return [{ path, message: "This field is needed." }];
  return [{ path, message: issue.message }];
}
