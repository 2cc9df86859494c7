/** What a link puts into the environment: the names that libraries look for by themselves. */
import type { MailLogin } from "../mailAccounts/accounts.ts";
import type { AppLink, LinkKind } from "./contract.ts";

/** Where containers find the certificate of the databases' authority. */
export const certificateFile = "/run/khmara/databases.crt";

/** Of all links to databases together, without a prefix: libpq and what is made like it, and Node.js. */
export const trustVariables: Readonly<Record<string, string>> = {
  PGSSLROOTCERT: certificateFile,
  NODE_EXTRA_CA_CERTS: certificateFile,
};

export type Credential =
  | { kind: "database"; user: string; password: string }
  | { kind: "bucket"; accessKeyId: string; secretAccessKey: string; endpoint: string }
  /** What lets in is the account's own. */
  | { kind: "mail_account" };

export interface Variable {
  value: string;
  isSecret: boolean;
}

const names: Record<LinkKind, readonly string[]> = {
  database: ["DATABASE_URL", "PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGSSLMODE", "DATABASE_CA_CERT"],
  bucket: [
    "S3_ENDPOINT",
    "S3_BUCKET",
    "AWS_ENDPOINT_URL_S3",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
  ],
  mail_account: ["SMTP_HOST", "SMTP_PORT", "SMTP_USER", "SMTP_PASSWORD", "SMTP_SECURITY", "SMTP_FROM", "SMTP_URL"],
};
const prefixed = (prefix: string, name: string): string => (prefix === "" ? name : `${prefix}_${name}`);

export const variableNames = ({ kind, prefix }: Pick<AppLink, "kind" | "prefix">): string[] =>
  names[kind].map((name) => prefixed(prefix, name));

const plain = (value: string): Variable => ({ value, isSecret: false });
const secret = (value: string): Variable => ({ value, isSecret: true });

/**
 * verify-full: the server is proven to be the one of this name. The URL itself has no path of a certificate, which some clients take for a
 * setting of the server; they find it by `trustVariables`.
 */
export function databaseVariables(
  prefix: string,
  { user, password }: Extract<Credential, { kind: "database" }>,
  { host, port, databaseName, certificate }: { host: string; port: number; databaseName: string; certificate: string },
): Record<string, Variable> {
  const authority = `${encodeURIComponent(user)}:${encodeURIComponent(password)}@${host}:${port}`;
  const values: Record<string, Variable> = {
    DATABASE_URL: secret(`postgres://${authority}/${encodeURIComponent(databaseName)}?sslmode=verify-full`),
    PGHOST: plain(host),
    PGPORT: plain(String(port)),
    PGUSER: plain(user),
    PGPASSWORD: secret(password),
    PGDATABASE: plain(databaseName),
    PGSSLMODE: plain("verify-full"),
    DATABASE_CA_CERT: plain(certificate),
  };
  return withPrefix(prefix, values);
}

export const bucketVariables = (
  prefix: string,
  { accessKeyId, secretAccessKey, endpoint }: Extract<Credential, { kind: "bucket" }>,
  { bucket, region }: { bucket: string; region: string },
): Record<string, Variable> =>
  withPrefix(prefix, {
    S3_ENDPOINT: plain(endpoint),
    S3_BUCKET: plain(bucket),
    AWS_ENDPOINT_URL_S3: plain(endpoint),
    AWS_REGION: plain(region),
    AWS_DEFAULT_REGION: plain(region),
    AWS_ACCESS_KEY_ID: plain(accessKeyId),
    AWS_SECRET_ACCESS_KEY: secret(secretAccessKey),
  });

/**
 * Without a user name SMTP_USER and SMTP_PASSWORD are empty. smtps:// is encrypted from the first byte; smtp:// takes STARTTLS where the server has it,
 * which is what clients make of it.
 */
export function mailVariables(
  prefix: string,
  { host, port, security, userName, password, sender }: MailLogin,
): Record<string, Variable> {
  const who = password === undefined ? "" : `${encodeURIComponent(userName)}:${encodeURIComponent(password)}@`;
  const where = host.includes(":") ? `[${host}]` : host;
  return withPrefix(prefix, {
    SMTP_HOST: plain(host),
    SMTP_PORT: plain(String(port)),
    SMTP_USER: plain(userName),
    SMTP_PASSWORD: secret(password ?? ""),
    SMTP_SECURITY: plain(security),
    SMTP_FROM: plain(sender),
    SMTP_URL: secret(`${security === "tls" ? "smtps" : "smtp"}://${who}${where}:${port}`),
  });
}

const withPrefix = (prefix: string, values: Record<string, Variable>): Record<string, Variable> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [prefixed(prefix, name), value]));
