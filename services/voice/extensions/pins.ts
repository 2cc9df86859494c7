import { argon2, randomBytes, timingSafeEqual } from "node:crypto";

const parameters = { memory: 19_456, passes: 2, parallelism: 1, tagLength: 32 } as const;

const derive = (pin: string, nonce: Buffer): Promise<Buffer> =>
  new Promise((resolve, reject) =>
    argon2("argon2id", { message: pin, nonce, ...parameters }, (error, tag) =>
      error ? reject(error) : resolve(Buffer.from(tag)),
    ),
  );

/** argon2id with the parameters of the OWASP Password Storage Cheat Sheet. A PIN is short: whoever asks for it limits how often. */
export async function hashPin(pin: string): Promise<string> {
  const nonce = randomBytes(16);
  return `argon2id$${nonce.toString("base64")}$${(await derive(pin, nonce)).toString("base64")}`;
}

/** Takes as long for an extension without a PIN (`hash` undefined), and answers false. */
export async function verifyPin(hash: string | undefined, pin: string): Promise<boolean> {
  const [, nonce, tag] = (hash ?? "").split("$");
  const derived = await derive(pin, nonce === undefined ? randomBytes(16) : Buffer.from(nonce, "base64"));
  const wanted = Buffer.from(tag ?? "", "base64");
  return wanted.length === derived.length && timingSafeEqual(wanted, derived);
}
