import { createPrivateKey, webcrypto } from "node:crypto";
import "reflect-metadata";
import { cryptoProvider, Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension } from "@peculiar/x509";

// Node's own, and not the global one of a test that replaced it.
cryptoProvider.set(webcrypto as Crypto);

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** A new key (PEM, PKCS #8; P-256), and what an authority is asked with for a certificate of it (RFC 2986, DER). */
export async function certificateRequest(names: readonly string[]): Promise<{ request: Buffer; key: string }> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const request = await Pkcs10CertificateRequestGenerator.create({
    keys: keys as Parameters<typeof Pkcs10CertificateRequestGenerator.create>[0] extends { keys: infer K } ? K : never,
    signingAlgorithm: algorithm,
    extensions: [new SubjectAlternativeNameExtension(names.map((value) => ({ type: "dns" as const, value })))],
  });
  const der = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey));
  return {
    request: Buffer.from(request.rawData),
    key: createPrivateKey({ key: der, type: "pkcs8", format: "der" }).export({ type: "pkcs8", format: "pem" }).toString(),
  };
}
