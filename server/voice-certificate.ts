import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { createSecureContext } from "node:tls";
import type { Log } from "../kernel/log.ts";
import { errorCode } from "./start-error.ts";

export interface PhoneCertificate {
  cert: Buffer;
  key: Buffer;
}

/** Whoever renews a certificate writes the file anew; a minute is soon enough. */
const lookMs = 60_000;

/** @throws what is wrong with the file, such as a key that is not that of the certificate */
function readCertificate(file: string): PhoneCertificate {
  const pem = readFileSync(file);
  if (!new X509Certificate(pem).checkPrivateKey(createPrivateKey(pem)))
    throw new Error("The key is not that of the certificate. The file begins with the certificate that the key belongs to.");
  createSecureContext({ cert: pem, key: pem });
  return { cert: pem, key: pem };
}

/**
 * The certificate in a file, and each that takes its place. One that is of no use, half of it written perhaps, is told and looked at again;
 * the one before stays. Asks for its time alone: a link to a file elsewhere (as certbot has it) is followed, which watching a folder would not.
 * @throws when the first one cannot be used
 */
export function openCertificate(
  file: string,
  { log, everyMs = lookMs }: { log: Pick<Log, "info" | "warn">; everyMs?: number },
): { first: PhoneCertificate; onChange(taken: (certificate: PhoneCertificate) => void): void; close(): void } {
  const seen = (): string => {
    const { mtimeMs, ino, size } = statSync(file);
    return `${mtimeMs} ${ino} ${size}`;
  };
  let before = seen();
  const first = readCertificate(file);
  let current = first.cert;
  let told = "";
  let timer: NodeJS.Timeout | undefined;
  const look = (taken: (certificate: PhoneCertificate) => void) => {
    try {
      const now = seen();
      if (now === before) return;
      const certificate = readCertificate(file);
      before = now;
      told = "";
      if (certificate.cert.equals(current)) return;
      taken(certificate);
      current = certificate.cert;
      log.info({ file, validTo: new X509Certificate(current).validTo }, "phones get a new certificate");
    } catch (error) {
      const reason = errorCode(error) ?? String(error);
      if (reason !== told)
        log.warn(
          { err: error, file },
          "the certificate of phones cannot be read: they are shown the one before. Put a whole one there",
        );
      told = reason;
    }
  };
  return {
    first,
    onChange(taken) {
      clearInterval(timer);
      timer = setInterval(() => look(taken), everyMs).unref();
    },
    close: () => clearInterval(timer),
  };
}
