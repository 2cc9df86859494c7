/**
 * A certificate authority of the cloud's own, for names that no public one gives certificates for: internal ones, and the gateway's answer to
 * clients that ask for a name nobody has. P-256 throughout. Browsers trust it when a person has installed its certificate; so that this is no
 * risk for the rest of the internet, it is limited to names (RFC 5280, section 4.2.1.10).
 */
import { createPrivateKey, randomBytes, webcrypto, X509Certificate } from "node:crypto";
import "reflect-metadata";
import { isIP } from "node:net";
import { AsnConvert } from "@peculiar/asn1-schema";
import { GeneralName, GeneralSubtree, GeneralSubtrees, NameConstraints } from "@peculiar/asn1-x509";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
  X509Certificate as X509Document,
} from "@peculiar/x509";
import { CloudError } from "../../kernel/errors.ts";

// Node's own, and not the global one of a test that replaced it.
cryptoProvider.set(webcrypto as Crypto);

export interface CertificateAndKey {
  /** PEM; with the chain where there is one. */
  certificate: string;
  /** PEM, PKCS #8. */
  key: string;
}

export interface AuthorityOptions {
  /** In the lists of browsers: "Khmara of example.com". */
  name: string;
  /** The domains that it may certify, with everything below each. Absent: any. */
  domains?: readonly string[];
  days?: number;
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const dayMs = 86_400_000;
/** Clocks of clients are late sometimes. */
const earlierMs = 3_600_000;

/** A new authority. Keep its key as a secret. */
export async function createAuthority({ name, domains, days = 3650 }: AuthorityOptions): Promise<CertificateAndKey> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const now = Date.now();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [name] }],
    notBefore: new Date(now - earlierMs),
    notAfter: new Date(now + days * dayMs),
    signingAlgorithm: algorithm,
    keys: keys as Parameters<typeof X509CertificateGenerator.createSelfSigned>[0] extends { keys: infer K } ? K : never,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey as CryptoKey),
      ...(domains === undefined ? [] : [nameConstraints(domains)]),
    ],
  });
  return { certificate: `${certificate.toString("pem")}\n`, key: await pem(keys.privateKey) };
}

/** Names, wildcards and addresses. The chain has the authority itself behind it. 90 days unless said otherwise. `client`: for one, not for a server. */
export async function issueCertificate(
  authority: CertificateAndKey,
  names: readonly string[],
  { days = 90, client = false }: { days?: number; client?: boolean } = {},
): Promise<CertificateAndKey> {
  const [first] = names;
  if (first === undefined) throw new CloudError("invalid_argument", "Say at least one name for the certificate.");
  const issuer = new X509Document(authority.certificate);
  const der = createPrivateKey(authority.key).export({ type: "pkcs8", format: "der" });
  const signingKey = await webcrypto.subtle.importKey("pkcs8", der, algorithm, false, ["sign"]);
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const now = Date.now();
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    // RFC 6125: what counts is the alternative name; a common name has at most 64 characters.
    subject: [{ CN: [first.slice(0, 64)] }],
    issuer: issuer.subject,
    notBefore: new Date(now - earlierMs),
    notAfter: new Date(Math.min(now + days * dayMs, issuer.notAfter.getTime())),
    publicKey: keys.publicKey as CryptoKey,
    signingKey: signingKey as CryptoKey,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([client ? ExtendedKeyUsage.clientAuth : ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isIP(value) === 0 ? ("dns" as const) : ("ip" as const), value })),
        // Critical when there is no subject: there is one.
        false,
      ),
      await AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      await SubjectKeyIdentifierExtension.create(keys.publicKey as CryptoKey),
    ],
  });
  return {
    certificate: `${certificate.toString("pem")}\n${authority.certificate}`,
    key: await pem(keys.privateKey),
  };
}

/** When a certificate should be made anew: after two thirds of its life. */
export function renewAt(certificate: string): Date {
  const { validFromDate, validToDate } = new X509Certificate(certificate);
  const from = validFromDate.getTime();
  return new Date(from + ((validToDate.getTime() - from) * 2) / 3);
}

function nameConstraints(domains: readonly string[]): Extension {
  const permitted = domains.map((domain) => new GeneralSubtree({ base: new GeneralName({ dNSName: domain }) }));
  const value = new NameConstraints({ permittedSubtrees: new GeneralSubtrees(permitted) });
  return new Extension("2.5.29.30", true, AsnConvert.serialize(value));
}

/** RFC 5280: positive, at most 20 bytes, and not to be guessed. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] as number) & 0x7f) | 0x40;
  return bytes.toString("hex");
}

async function pem(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", key));
  return createPrivateKey({ key: der, type: "pkcs8", format: "der" }).export({ type: "pkcs8", format: "pem" }).toString();
}
