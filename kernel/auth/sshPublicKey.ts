import { createHash } from "node:crypto";
import { invalid } from "../errors.ts";

export interface PublicKey {
  type: string;
  /** SHA256:… as ssh-keygen -l prints it. */
  fingerprint: string;
  /** `type base64 comment`, in one line. */
  line: string;
}

const rsaBitsAtLeast = 2048;
const points: Record<string, number> = { nistp256: 65, nistp384: 97, nistp521: 133 };
const accepted = "ssh-ed25519, ecdsa-sha2-nistp256/384/521, ssh-rsa with at least 2048 bits, and the sk- types of security keys";

/**
 * Reads one line of an OpenSSH public key file and looks into the key itself: RFC 4253, 6.6 (RSA), RFC 5656, 3.1 (ECDSA), RFC 8709, 4
 * (Ed25519), and OpenSSH's PROTOCOL.u2f (sk-). invalid_argument says what is wrong with anything else, at the field `path`.
 */
export function parsePublicKey(text: string, path: string): PublicKey {
  const refuse = (message: string) => invalid(path, message);
  const line = text.trim();
  if (/PRIVATE KEY/.test(line))
    throw refuse("This is a private key, which never leaves your computer. Paste the public one: the content of the .pub file.");
  if (/^---- BEGIN SSH2 PUBLIC KEY/.test(line))
    throw refuse("This key is in the format of RFC 4716. Convert it: ssh-keygen -i -f key.pub");
  if (/^-----BEGIN /.test(line)) throw refuse("This key is in PEM format. Convert it: ssh-keygen -i -m PKCS8 -f key.pem");
  if (/[\r\n]/.test(line)) throw refuse("Give one key, in one line; add others one by one.");
  const [type = "", base64 = "", ...comment] = line.split(/[ \t]+/);
  if (!/^(ssh-|ecdsa-|sk-)/.test(type))
    throw refuse("A public key begins with its type, such as ssh-ed25519: the content of ~/.ssh/id_ed25519.pub.");
  if (type === "ssh-dss")
    throw refuse("DSA keys are not safe any more, and servers refuse them. Make a new key: ssh-keygen -t ed25519");
  if (type.includes("-cert-v")) throw refuse("This is a certificate. Add the public key that it was made for.");
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64) || base64.length % 4 !== 0)
    throw refuse("This key is cut off or damaged: copy the whole line again.");
  const blob = Buffer.from(base64, "base64");
  const fields = wireFields(blob);
  if (!fields || fields[0]?.toString() !== type) throw refuse("This key is cut off or damaged: copy the whole line again.");
  const problem = problemOf(type, fields);
  if (problem !== undefined) throw refuse(problem);
  return {
    type,
    fingerprint: `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`,
    line: [type, base64, comment.join(" ").replace(/[^\x20-\x7e\u00a0-\uffff]/g, "")].filter(Boolean).join(" "),
  };
}

/** The length-prefixed strings that a key is made of (RFC 4251, 5); undefined when they do not fill it exactly. */
function wireFields(blob: Buffer): Buffer[] | undefined {
  const fields: Buffer[] = [];
  for (let at = 0; at < blob.length; ) {
    if (at + 4 > blob.length) return undefined;
    const end = at + 4 + blob.readUInt32BE(at);
    if (end > blob.length) return undefined;
    fields.push(blob.subarray(at + 4, end));
    at = end;
  }
  return fields;
}

function problemOf(type: string, fields: readonly Buffer[]): string | undefined {
  const damaged = "This key is cut off or damaged: copy the whole line again.";
  const [, first, second, third] = fields;
  switch (type) {
    case "ssh-ed25519":
      return fields.length === 2 && first?.length === 32 ? undefined : damaged;
    case "sk-ssh-ed25519@openssh.com":
      return fields.length === 3 && first?.length === 32 ? undefined : damaged;
    case "ssh-rsa": {
      if (fields.length !== 3 || !second) return damaged;
      const bits = bitsOf(second);
      return bits >= rsaBitsAtLeast
        ? undefined
        : `This RSA key has only ${bits} bits; it needs at least ${rsaBitsAtLeast}. Better make a new one: ssh-keygen -t ed25519`;
    }
    case "ecdsa-sha2-nistp256":
    case "ecdsa-sha2-nistp384":
    case "ecdsa-sha2-nistp521": {
      const curve = type.slice("ecdsa-sha2-".length);
      return fields.length === 3 && first?.toString() === curve && isPoint(second, curve) ? undefined : damaged;
    }
    case "sk-ecdsa-sha2-nistp256@openssh.com":
      return fields.length === 4 && first?.toString() === "nistp256" && isPoint(second, "nistp256") && third
        ? undefined
        : damaged;
    default:
      return `Keys of the type ${type.slice(0, 60)} are not accepted. There are: ${accepted}.`;
  }
}

const isPoint = (point: Buffer | undefined, curve: string): boolean =>
  point !== undefined && point.length === points[curve] && point[0] === 4;

function bitsOf(integer: Buffer): number {
  let at = 0;
  while (at < integer.length && integer[at] === 0) at++;
  return at === integer.length ? 0 : (integer.length - at) * 8 - Math.clz32(integer[at] as number) + 24;
}
