/**
 * Authorities that this host's administrator added to those of the distribution (update-ca-certificates(8)): of an organisation's own
 * servers, or of a proxy that looks into TLS. What is built here must trust them too, or it reaches neither.
 */
import { X509Certificate } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const hostFolder = "/usr/local/share/ca-certificates";
const certificate = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** In PEM, each once, in an order that does not depend on their files. What is no certificate is left out. */
export function hostAuthorities(folder = hostFolder): string[] {
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(
    (entry) => entry.isFile() && entry.name.endsWith(".crt"),
  );
  const found = files.flatMap((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1").match(certificate) ?? []);
  return [...new Set(found.filter(isAuthority))].sort();
}

function isAuthority(pem: string): boolean {
  try {
    return new X509Certificate(pem).ca;
  } catch {
    return false;
  }
}
