import type { BucketSettings, ObjectMarks, Retention } from "../driver.ts";
import { besides } from "./access/actions.ts";
import { mayDo, type Target } from "./access/decide.ts";
import type { S3Bucket } from "./backend.ts";
import { bringsDigest } from "./checksums.ts";
import { invalidArgument, S3Error } from "./errors.ts";
import type { S3Context } from "./operation.ts";
import type { S3Request } from "./request.ts";
import { childrenOf, element, group, parseXml, textOf, type XmlNode, xmlDocument } from "./xml.ts";

/** Object Lock on the wire: S3 User Guide, "Locking objects with Object Lock". */

const modes = { GOVERNANCE: "governance", COMPLIANCE: "compliance" } as const satisfies Record<string, Retention["mode"]>;
type Mode = keyof typeof modes;
const isMode = (text: string | undefined): text is Mode => text !== undefined && Object.hasOwn(modes, text);
const modeName = (mode: Retention["mode"]): string => mode.toUpperCase();

const noLock = (): S3Error => new S3Error("InvalidRequest", "Bucket is missing Object Lock Configuration");

/** invalid request unless objects of this bucket can be locked. */
export async function requireLock({ backend }: S3Context, bucket: S3Bucket): Promise<void> {
  if ((await backend.store.settings(bucket.bucketId)).lock === undefined) throw noLock();
}

const asksBypass = ({ headers }: S3Request): boolean =>
  headers.get("x-amz-bypass-governance-retention")?.toLowerCase() === "true";

/** True where the request asks for it and the caller may; otherwise what is locked stays so, and says it. */
export const mayBypass = async (context: S3Context, bucket: S3Bucket, target: Target): Promise<boolean> =>
  asksBypass(context.request) && mayDo(context, bucket, besides.bypassGovernance, target);

export const bypassAsked = (context: S3Context, bucket: S3Bucket): Promise<boolean> =>
  mayBypass(context, bucket, { key: context.request.key, versionId: context.request.query.get("versionId") });

/** A lock ends when the client said, which may be within a second. */
const exactTime = (timeMs: number): string => new Date(timeMs).toISOString();

function futureTime(text: string | undefined): number {
  const untilMs = text !== undefined && /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(untilMs)) throw new S3Error("MalformedXML");
  if (untilMs <= Date.now()) throw invalidArgument("RetainUntilDate", text ?? "", "The retain until date must be in the future!");
  return untilMs;
}

/** What a new object is locked with: x-amz-object-lock-mode, -retain-until-date and -legal-hold. */
export async function lockHeaders(context: S3Context, bucket: S3Bucket): Promise<Pick<ObjectMarks, "retention" | "legalHold">> {
  const { headers } = context.request;
  const [mode, until, hold] = ["mode", "retain-until-date", "legal-hold"].map((name) => headers.get(`x-amz-object-lock-${name}`));
  if (mode === undefined && until === undefined && hold === undefined) return {};
  await requireLock(context, bucket);
  if ((mode === undefined) !== (until === undefined))
    throw new S3Error("InvalidArgument", "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied", {
      fields: { ArgumentName: `x-amz-object-lock-${mode === undefined ? "mode" : "retain-until-date"}` },
    });
  if (mode !== undefined && !isMode(mode)) throw invalidArgument("x-amz-object-lock-mode", mode, "Unknown wormMode directive.");
  if (hold !== undefined && hold !== "ON" && hold !== "OFF")
    throw invalidArgument("x-amz-object-lock-legal-hold", hold, "Legal Hold must be either of 'ON' or 'OFF'");
  if (until !== undefined && Number.isNaN(Date.parse(until)))
    throw invalidArgument(
      "x-amz-object-lock-retain-until-date",
      until,
      "The retain until date must be provided in ISO 8601 format",
    );
  const lock: Pick<ObjectMarks, "retention" | "legalHold"> = {
    ...(mode !== undefined && { retention: { mode: modes[mode], untilMs: futureTime(until) } }),
    ...(hold !== undefined && { legalHold: hold === "ON" }),
  };
  // What cannot be put again must have come whole (PutObject, "Content-MD5"). Copies and uploads in parts bring no bytes with these headers.
  if (context.operation === "PutObject" && !bringsDigest(context.request))
    throw new S3Error(
      "InvalidRequest",
      "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters",
    );
  return lock;
}

/** How a locked object is described. */
export const describeRetention = ({ mode, untilMs }: Retention): Record<string, string> => ({
  "x-amz-object-lock-mode": modeName(mode),
  "x-amz-object-lock-retain-until-date": exactTime(untilMs),
});

export const describeHold = (legalHold: boolean): Record<string, string> => ({
  "x-amz-object-lock-legal-hold": legalHold ? "ON" : "OFF",
});

/** null: it is taken away. */
export function readRetention(document: string): Retention | null {
  const node = parseXml(document, "Retention");
  const [mode, until] = [textOf(node, "Mode"), textOf(node, "RetainUntilDate")];
  if (mode === undefined && until === undefined) return null;
  if (!isMode(mode)) throw new S3Error("MalformedXML");
  return { mode: modes[mode], untilMs: futureTime(until?.trim()) };
}

export const writeRetention = ({ mode, untilMs }: Retention): string =>
  xmlDocument("Retention", element("Mode", modeName(mode)), element("RetainUntilDate", exactTime(untilMs)));

type Lock = NonNullable<BucketSettings["lock"]>;

export function readLockConfiguration(document: string): Lock {
  const node = parseXml(document, "ObjectLockConfiguration");
  if (textOf(node, "ObjectLockEnabled") !== "Enabled") throw new S3Error("MalformedXML");
  const [rule] = childrenOf(node, "Rule");
  if (rule === undefined) return {};
  const [standard] = childrenOf(rule, "DefaultRetention");
  const mode = standard && textOf(standard, "Mode");
  if (standard === undefined || !isMode(mode)) throw new S3Error("MalformedXML");
  const [days, years] = [period(standard, "Days", 36_500), period(standard, "Years", 100)];
  if ((days === undefined) === (years === undefined)) throw new S3Error("MalformedXML");
  return { retention: { mode: modes[mode], ...(days === undefined ? { years: years as number } : { days }) } };
}

function period(node: XmlNode, name: string, most: number): number | undefined {
  const text = textOf(node, name)?.trim();
  if (text === undefined) return undefined;
  if (!/^-?\d{1,10}$/.test(text)) throw new S3Error("MalformedXML");
  const number = Number(text);
  if (number < 1) throw new S3Error("InvalidRetentionPeriod", "Default retention period must be a positive integer value.");
  if (number > most)
    throw new S3Error("InvalidRetentionPeriod", `Default retention period is too large. ${name}: at most ${most}.`);
  return number;
}

export const writeLockConfiguration = ({ retention }: Lock): string =>
  xmlDocument(
    "ObjectLockConfiguration",
    element("ObjectLockEnabled", "Enabled"),
    retention === undefined
      ? ""
      : group(
          "Rule",
          group(
            "DefaultRetention",
            element("Mode", modeName(retention.mode)),
            element("Days", retention.days),
            element("Years", retention.years),
          ),
        ),
  );
