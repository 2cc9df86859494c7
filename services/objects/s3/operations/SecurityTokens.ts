import { createHash } from "node:crypto";
import { CloudError } from "../../../../kernel/errors.ts";
import { parsePolicy } from "../access/policy.ts";
import { authenticate } from "../authenticate.ts";
import type { S3Caller } from "../backend.ts";
import { readDocument } from "../body.ts";
import { S3Error, toS3Error } from "../errors.ts";
import type { S3Context, S3Operation, S3Response } from "../operation.ts";
import { element, group, xmlTime } from "../xml.ts";

/** The security token service at the S3 door: AWS Security Token Service API Reference, the actions that make sense with the cloud's roles. */

const namespace = "https://sts.amazonaws.com/doc/2011-06-15/";
const hour = 3600;
/** Seconds. A role's credentials live for up to 12 hours, a session's for up to 36. */
const durations = { AssumeRole: { otherwise: hour, max: 12 * hour }, GetSessionToken: { otherwise: 12 * hour, max: 36 * hour } };
const leastSeconds = 900;
/** Characters of a session's policy ("AssumeRole", Policy). */
const longestPolicy = 2048;

type Form = URLSearchParams;
type Action = (context: S3Context, form: Form) => Promise<string> | string;

/** Refused in the words of this service. */
class TokenError extends Error {
  readonly code: string;
  readonly status: number;
  constructor(code: string, message: string, status = 400) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

export const SecurityTokens: S3Operation = async (context) => {
  const { request, body } = context;
  try {
    if (!/^application\/x-www-form-urlencoded\b/i.test(request.headers.get("content-type") ?? ""))
      throw new S3Error("MethodNotAllowed", undefined, { headers: { Allow: "GET" } });
    const text = await readDocument(request, body, { maxBytes: 64 * 1024 });
    const { caller } = await authenticate(request, {
      ...context.door,
      region: context.region,
      nowMs: context.nowMs,
      anyRegion: true,
      tokens: { payloadHash: createHash("sha256").update(text).digest("hex") },
    });
    if (caller.anonymous) throw new TokenError("MissingAuthenticationToken", "Request is missing Authentication Token", 403);
    const form = new URLSearchParams(text);
    const name = form.get("Action");
    if (name === null) throw new TokenError("MissingAction", "The request does not say which Action it asks for.");
    const action = Object.hasOwn(actions, name) ? actions[name] : undefined;
    if (action === undefined) throw new TokenError("InvalidAction", `Could not find operation ${name} for version 2011-06-15`);
    const result = await action({ ...context, caller }, form);
    return answer(
      200,
      `${name}Response`,
      group(`${name}Result`, result) + group("ResponseMetadata", element("RequestId", requestId())),
    );
  } catch (error) {
    return refusal(error);
  }
};

const requestId = (): string => crypto.randomUUID();

const answer = (status: number, root: string, inside: string): S3Response => ({
  status,
  headers: { "Content-Type": "text/xml" },
  body: `<${root} xmlns="${namespace}">${inside}</${root}>`,
});

/** What S3 calls otherwise. */
const otherNames: Record<string, string> = { InvalidAccessKeyId: "InvalidClientTokenId", InvalidToken: "InvalidClientTokenId" };

function refusal(error: unknown): S3Response {
  let told: TokenError;
  if (error instanceof TokenError) told = error;
  else {
    const known = toS3Error(error);
    if (known.status >= 500 || known.code === "MethodNotAllowed") throw known;
    const message = CloudError.is(error) ? error.message : known.message;
    told = new TokenError(otherNames[known.code] ?? known.code, message, known.status);
  }
  const inside = group("Error", element("Type", "Sender"), element("Code", told.code), element("Message", told.message));
  return answer(told.status, "ErrorResponse", inside + element("RequestId", requestId()));
}

const invalid = (message: string): TokenError => new TokenError("ValidationError", message);

function secondsOf(form: Form, { otherwise, max }: { otherwise: number; max: number }): number {
  const text = form.get("DurationSeconds");
  if (text === null) return otherwise;
  const seconds = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(seconds >= leastSeconds && seconds <= max))
    throw invalid(`DurationSeconds must be a number of seconds from ${leastSeconds} to ${max}.`);
  return seconds;
}

async function assumeRole(context: S3Context, form: Form): Promise<string> {
  const { caller, door } = context;
  const [arn, name] = [form.get("RoleArn") ?? "", form.get("RoleSessionName") ?? ""];
  if (!/^[\w+=,.@-]{2,64}$/.test(name))
    throw invalid("RoleSessionName must have 2 to 64 letters, digits or characters of +=,.@-_");
  const [, account, role] = /^arn:aws:iam::(\d{12}):role\/([\w+=,.@-]+)$/.exec(arn) ?? [];
  if (account === undefined || role === undefined)
    throw invalid(
      `RoleArn must be arn:aws:iam::${caller.accountId}:role/ and one of the cloud's roles, such as viewer or editor.`,
    );
  if (account !== caller.accountId)
    throw new TokenError(
      "AccessDenied",
      `User: ${caller.arns[0]} is not authorized to perform: sts:AssumeRole on resource: ${arn}`,
      403,
    );
  const policy = sessionPolicy(form);
  const seconds = secondsOf(form, durations.AssumeRole);
  const made = await door.credentials.sessions.open(caller, { seconds, role, name, ...(policy !== undefined && { policy }) });
  return (
    credentials(made) +
    group(
      "AssumedRoleUser",
      element("AssumedRoleId", `${caller.userId}:${name}`),
      element("Arn", `arn:aws:sts::${account}:assumed-role/${role}/${name}`),
    ) +
    element("PackedPolicySize", policy === undefined ? undefined : Math.ceil((policy.length * 100) / longestPolicy))
  );
}

function sessionPolicy(form: Form): string | undefined {
  if ([...form.keys()].some((key) => key.startsWith("PolicyArns.")))
    throw invalid("There are no managed policies here. Give the policy itself, as Policy.");
  const text = form.get("Policy");
  if (text === null || text === "") return undefined;
  if (text.length > longestPolicy)
    throw new TokenError("PackedPolicyTooLarge", `Policy may have at most ${longestPolicy} characters.`);
  try {
    parsePolicy(text);
  } catch (error) {
    throw new TokenError("MalformedPolicyDocument", (error as Error).message);
  }
  return text;
}

async function getSessionToken({ caller, door }: S3Context, form: Form): Promise<string> {
  return credentials(await door.credentials.sessions.open(caller, { seconds: secondsOf(form, durations.GetSessionToken) }));
}

const getCallerIdentity = ({ caller }: S3Context): string =>
  element("Arn", arnOf(caller)) + element("UserId", caller.userId) + element("Account", caller.accountId);

const actions: Record<string, Action> = {
  AssumeRole: assumeRole,
  GetSessionToken: getSessionToken,
  GetCallerIdentity: getCallerIdentity,
};

const arnOf = (caller: S3Caller): string => caller.session?.arn ?? (caller.arns[0] as string);

const credentials = (made: Awaited<ReturnType<S3Context["door"]["credentials"]["sessions"]["open"]>>): string =>
  group(
    "Credentials",
    element("AccessKeyId", made.accessKeyId),
    element("SecretAccessKey", made.secretAccessKey),
    element("SessionToken", made.sessionToken),
    element("Expiration", xmlTime(made.expiresAtMs)),
  );
