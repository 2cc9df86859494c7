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
  return JSON.stringify({ Version, ...rest, Statement: [Statement, statementOf(template, bucket, accountId)].flat() }, null, 2);
}

/** Whether it lets in everybody, for all that one sees at a glance: whoever saves such a thing is asked first. */
export function isOpen(text: string): boolean {
  const statements = [read(text)?.Statement ?? []].flat() as { Effect?: unknown; Principal?: unknown; NotPrincipal?: unknown }[];
  return statements.some(({ Effect, Principal, NotPrincipal }) => {
    const named = typeof Principal === "object" && Principal !== null ? Object.values(Principal).flat() : [Principal];
    return Effect === "Allow" && (named.includes("*") || NotPrincipal !== undefined);
  });
}
