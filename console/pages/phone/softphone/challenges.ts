/**
 * A message without the challenges that sip.js cannot answer: it takes the last of several (RFC 8760 lets a server offer SHA-256 beside MD5) and knows
 * MD5 alone.
 */
export const withKnownChallenges = (message: string): string =>
  message.replace(/^(?:WWW|Proxy)-Authenticate:[^\r\n]*\balgorithm="?(?!MD5\b)[^\r\n]*\r\n/gim, "");
