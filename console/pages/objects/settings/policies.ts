/** Statements that people need most, to begin with (S3 User Guide, "Bucket policy examples"). */
export const policyTemplates = ["readAll", "readFolder", "readProject", "onlyTls"] as const;
export type PolicyTemplate = (typeof policyTemplates)[number];

interface PolicyDocument {
  Version?: string;
  Statement?: unknown;
}

function statementOf(template: PolicyTemplate, bucket: string, accountId: string): Record<string, unknown> {
  const arn = `arn:aws:s3:::${bucket}`;
  switch (template) {
    case "readAll":
      return { Sid: "EverybodyReads", Effect: "Allow", Principal: "*", Action: "s3:GetObject", Resource: `${arn}/*` };
    case "readFolder":
      return {
        Sid: "EverybodyReadsFolder",
        Effect: "Allow",
        Principal: "*",
        Action: "s3:GetObject",
        Resource: `${arn}/public/*`,
      };
    case "readProject":
      return {
        Sid: "ProjectReads",
        Effect: "Allow",
        Principal: { AWS: accountId },
        Action: ["s3:GetObject", "s3:ListBucket"],
        Resource: [arn, `${arn}/*`],
      };
    case "onlyTls":
      return {
        Sid: "OnlyEncryptedConnections",
        Effect: "Deny",
        Principal: "*",
        Action: "s3:*",
        Resource: [arn, `${arn}/*`],
        Condition: { Bool: { "aws:SecureTransport": "false" } },
      };
  }
}

function read(text: string): PolicyDocument | undefined {
  try {
    const document = JSON.parse(text) as unknown;
    return typeof document === "object" && document !== null && !Array.isArray(document) ? document : undefined;
  } catch {
    return undefined;
  }
}

/** The policy with one statement more; undefined when what stands there is no JSON. */
export function withTemplate(text: string, template: PolicyTemplate, bucket: string, accountId: string): string | undefined {
  const document = text.trim() === "" ? {} : read(text);
  if (document === undefined) return undefined;
  const { Version = "2012-10-17", Statement = [], ...rest } = document;
  const statements = [Statement].flat() as { Sid?: unknown }[];
  const { Sid: name, ...added } = statementOf(template, bucket, accountId);
  // Each has a name of its own.
  let [Sid, count] = [String(name), 1];
  while (statements.some((one) => one?.Sid === Sid)) Sid = `${String(name)}${++count}`;
  return JSON.stringify({ Version, ...rest, Statement: [...statements, { Sid, ...added }] }, null, 2);
}

/** The statements that let everybody read all of a bucket, whatever their names, and the others. */
function parted(document: PolicyDocument, bucket: string): { reading: unknown[]; others: unknown[] } {
  const { Sid: _, ...wanted } = statementOf("readAll", bucket, "");
  const isReading = (given: unknown): boolean => {
    if (typeof given !== "object" || given === null) return false;
    const { Sid: __, ...terms } = given as Record<string, unknown>;
    const names = Object.keys(wanted);
    return Object.keys(terms).length === names.length && names.every((name) => terms[name] === wanted[name]);
  };
  const all = [document.Statement ?? []].flat() as unknown[];
  return { reading: all.filter(isReading), others: all.filter((one) => !isReading(one)) };
}

/** The policy under which everybody reads all of a bucket; undefined when what stands there is no JSON. */
export function withReading(text: string, bucket: string): string | undefined {
  const document = read(text);
  return document && parted(document, bucket).reading.length > 0 ? text : withTemplate(text, "readAll", bucket, "");
}

/** The policy without that, null when nothing is left; undefined when it does not say it. */
export function withoutReading(text: string, bucket: string): string | null | undefined {
  const document = read(text);
  const { reading, others } = document ? parted(document, bucket) : { reading: [], others: [] };
  if (reading.length === 0) return undefined;
  return others.length === 0 ? null : JSON.stringify({ ...document, Statement: others }, null, 2);
}

/** Whether it lets in everybody, for all that one sees at a glance: whoever saves such a thing is asked first. */
export function isOpen(text: string): boolean {
  const statements = [read(text)?.Statement ?? []].flat() as { Effect?: unknown; Principal?: unknown; NotPrincipal?: unknown }[];
  return statements.some(({ Effect, Principal, NotPrincipal }) => {
    const named = typeof Principal === "object" && Principal !== null ? Object.values(Principal).flat() : [Principal];
    return Effect === "Allow" && (named.includes("*") || NotPrincipal !== undefined);
  });
}
