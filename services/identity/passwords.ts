import { argon2, randomBytes, timingSafeEqual } from "node:crypto";
import { availableParallelism } from "node:os";
import { CloudError } from "../../kernel/errors.ts";

export interface Argon2Parameters {
  memoryKib: number;
  passes: number;
  parallelism: number;
}

/** OWASP Password Storage Cheat Sheet: the second of its equal choices for argon2id. */
export const owaspParameters: Argon2Parameters = { memoryKib: 19_456, passes: 2, parallelism: 1 };

export interface Passwords {
  hash(password: string): Promise<string>;
  /**
   * Takes as long for an account that does not exist (`hash` undefined) as for a wrong password. `outdated`: the password is right, and
   * its hash was made with other parameters than today's.
   */
  verify(hash: string | undefined, password: string): Promise<{ right: boolean; outdated: boolean }>;
}

/** How many may wait for their turn; past that a flood is turned away instead of piling up. */
const mostWaiting = 256;
const saltBytes = 16;
const tagBytes = 32;

export function createPasswords(parameters: Argon2Parameters = owaspParameters): Passwords {
  // Each hash holds its memory while it runs: a few at a time, however many sign in.
  let free = Math.max(1, Math.min(4, availableParallelism()));
  const waiting: (() => void)[] = [];

  async function derive(password: string, salt: Buffer, using: Argon2Parameters, length: number): Promise<Buffer> {
    if (free > 0) free -= 1;
    else if (waiting.length >= mostWaiting) {
      throw new CloudError("unavailable", "Too many people are signing in at this moment. Try again in a few seconds.", {
        details: { retryAfterSeconds: 3 },
      });
    } else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await new Promise((resolve, reject) =>
        argon2(
          "argon2id",
          {
            // The same password typed on another keyboard may come in another Unicode form (NIST SP 800-63B, 3.1.1.2).
            message: password.normalize("NFKC"),
            nonce: salt,
            memory: using.memoryKib,
            passes: using.passes,
            parallelism: using.parallelism,
            tagLength: length,
          },
          (error, tag) => (error ? reject(error) : resolve(tag)),
        ),
      );
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free += 1;
    }
  }

  async function hash(password: string): Promise<string> {
    const salt = randomBytes(saltBytes);
    return format(parameters, salt, await derive(password, salt, parameters, tagBytes));
  }

  const nobody = format(parameters, randomBytes(saltBytes), randomBytes(tagBytes));

  return {
    hash,
    async verify(stored, password) {
      const { using, salt, tag } = parse(stored ?? nobody);
      const right = timingSafeEqual(await derive(password, salt, using, tag.length), tag) && stored !== undefined;
      const outdated =
        using.memoryKib !== parameters.memoryKib ||
        using.passes !== parameters.passes ||
        using.parallelism !== parameters.parallelism;
      return { right, outdated: right && outdated };
    },
  };
}

const unpadded = (bytes: Buffer) => bytes.toString("base64").replace(/=+$/, "");

/** The PHC string format: `$argon2id$v=19$m=…,t=…,p=…$salt$hash`. */
const format = (parameters: Argon2Parameters, salt: Buffer, tag: Buffer): string =>
  `$argon2id$v=19$m=${parameters.memoryKib},t=${parameters.passes},p=${parameters.parallelism}$${unpadded(salt)}$${unpadded(tag)}`;

function parse(stored: string): { using: Argon2Parameters; salt: Buffer; tag: Buffer } {
  const match = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(stored);
  if (!match) throw new Error("A stored password hash is not an argon2id hash in the PHC format.");
  const [, memory, passes, parallelism, salt, tag] = match as unknown as [string, string, string, string, string, string];
  return {
    using: { memoryKib: Number(memory), passes: Number(passes), parallelism: Number(parallelism) },
    salt: Buffer.from(salt, "base64"),
    tag: Buffer.from(tag, "base64"),
  };
}
