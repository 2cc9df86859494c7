import { createHmac, randomBytes } from "node:crypto";

/**
 * A person of a route's basic auth (RFC 7617). The gateway compares on every request, for all applications in one event loop, so this
 * is one HMAC and not a slow hash: what keeps it is a salt of its own for each, and that it lies in files of root alone. Give out long,
 * random passwords here; the slow hashes are for people's own, at the sign-in.
 */
export function basicAuthUser(name: string, password: string): { name: string; salt: string; hash: string } {
  const salt = randomBytes(16);
  return { name, salt: salt.toString("base64"), hash: createHmac("sha256", salt).update(password).digest("hex") };
}
