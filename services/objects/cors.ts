/** Which pages of other sites may use a bucket from within a browser (S3 User Guide, "Using cross-origin resource sharing"). */

export const corsMethods = ["GET", "PUT", "POST", "DELETE", "HEAD"] as const;
export type CorsMethod = (typeof corsMethods)[number];

/** One CORSRule, as S3 has it. */
export interface CorsRule {
  id?: string;
  /** As a browser sends them, `https://example.org`; one `*` in each stands for anything. */
  allowedOrigins: string[];
  allowedMethods: CorsMethod[];
  /** What a request may carry; one `*` in each stands for anything. */
  allowedHeaders?: string[];
  /** What a script may read of the answer. */
  exposeHeaders?: string[];
  /** How long a browser may remember the answer to its question. */
  maxAgeSeconds?: number;
}

/** What a browser asks, or says with a request of its own. */
export interface CorsQuestion {
  origin: string;
  method: string;
  /** Names in any case. */
  headers: readonly string[];
}

/** The first rule that allows all of it decides, even where a later one would say more. */
export const corsRuleFor = (rules: readonly CorsRule[], { origin, method, headers }: CorsQuestion): CorsRule | undefined =>
  rules.find(
    ({ allowedOrigins, allowedMethods, allowedHeaders = [] }) =>
      allowedMethods.some((allowed) => allowed === method) &&
      allowedOrigins.some((pattern) => fits(pattern, origin)) &&
      headers.every((name) => allowedHeaders.some((pattern) => fits(pattern.toLowerCase(), name.toLowerCase()))),
  );

function fits(pattern: string, text: string): boolean {
  const star = pattern.indexOf("*");
  if (star < 0) return pattern === text;
  const [start, end] = [pattern.slice(0, star), pattern.slice(star + 1)];
  return text.length >= start.length + end.length && text.startsWith(start) && text.endsWith(end);
}

/** The headers by which a browser learns of it (Fetch Standard, 3.2.3); `preflight`: it asked before it does anything. */
export function corsHeaders(
  rule: CorsRule,
  { origin, headers }: CorsQuestion,
  { preflight }: { preflight: boolean },
): Record<string, string> {
  const forAll = rule.allowedOrigins.includes("*");
  return {
    "Access-Control-Allow-Origin": forAll ? "*" : origin,
    "Access-Control-Allow-Methods": rule.allowedMethods.join(", "),
    ...(preflight && headers.length > 0
      ? { "Access-Control-Allow-Headers": headers.map((name) => name.toLowerCase()).join(", ") }
      : {}),
    ...(rule.exposeHeaders?.length ? { "Access-Control-Expose-Headers": rule.exposeHeaders.join(", ") } : {}),
    ...(rule.maxAgeSeconds === undefined ? {} : { "Access-Control-Max-Age": String(rule.maxAgeSeconds) }),
    ...(forAll ? {} : { "Access-Control-Allow-Credentials": "true" }),
  };
}
