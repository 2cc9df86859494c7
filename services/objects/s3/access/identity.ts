import { createHash } from "node:crypto";

/** How the cloud's projects and people are named in the terms of S3 and IAM: a project is to S3 what an account is there. */

/** Nothing can be worked out of the hash that the ids do not tell anyway. */
export const canonicalIdOf = (projectId: string): string => createHash("sha256").update(projectId).digest("hex");

/** What old clients show of an account. Made of the canonical id, so that it can be told of every account that a list names. */
export const displayNameOf = (canonicalId: string): string => `account-${canonicalId.slice(0, 12)}`;

/** 12 digits, from the project's id. Two of a cloud's projects have the same one as good as never: 10¹² there are. */
export const accountIdOf = (projectId: string): string =>
  (createHash("sha256").update(`account ${projectId}`).digest().readBigUInt64BE(0) % 10n ** 12n).toString().padStart(12, "0");

/** People can change their names, so policies name them, and service accounts, by their ids. */
export const userArn = (accountId: string, userId: string): string => `arn:aws:iam::${accountId}:user/${userId}`;
export const roleArn = (accountId: string, role: string): string => `arn:aws:iam::${accountId}:role/${role}`;
export const sessionArn = (accountId: string, role: string, session: string): string =>
  `arn:aws:sts::${accountId}:assumed-role/${role}/${session}`;

/** Who comes without a signature (S3's own canonical id for it). */
export const anonymousCaller = {
  accessKeyId: "",
  principal: undefined,
  displayName: "Anonymous",
  canonicalId: "65a011a29cdf8ec533ec3d1ccaae921c",
  accountId: "anonymous",
  userId: "anonymous",
  arns: [],
  anonymous: true,
} as const;
