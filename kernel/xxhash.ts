import type { IHasher } from "hash-wasm";

/** XXH64, and XXH3 with 64 and 128 bits, all with the seed 0 (https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md). */
const makers = { xxhash64: "createXXHash64", xxhash3: "createXXHash3", xxhash128: "createXXHash128" } as const;
export type XxhashAlgorithm = keyof typeof makers;

const hashers = new Map<XxhashAlgorithm, IHasher>();

const isXxhash = (algorithm: string | undefined): algorithm is XxhashAlgorithm =>
  algorithm !== undefined && Object.hasOwn(makers, algorithm);

/**
 * Must be awaited before `Xxhash` is made for one of these; other algorithms need nothing. Few clients send XXHASH, and WebAssembly
 * for it takes some megabytes of each process: so it comes with the first of them.
 */
export async function loadXxhash(algorithms: Iterable<string | undefined>): Promise<void> {
  for (const algorithm of algorithms) {
    if (!isXxhash(algorithm) || hashers.has(algorithm)) continue;
    const library = await import("hash-wasm");
    hashers.set(algorithm, await library[makers[algorithm]]());
  }
}

/** A running sum. All of one algorithm share one hasher, which takes up the state of each in turn. */
export class Xxhash {
  readonly #hasher: IHasher;
  #state: Uint8Array;

  /** Throws when the algorithm was not loaded. */
  constructor(algorithm: XxhashAlgorithm) {
    const hasher = hashers.get(algorithm);
    if (hasher === undefined) throw new Error(`loadXxhash must be awaited before ${algorithm} is summed.`);
    this.#hasher = hasher;
    this.#state = hasher.init().save();
  }

  update(bytes: Uint8Array): this {
    this.#state = this.#hasher.load(this.#state).update(bytes).save();
    return this;
  }

  /** Big-endian, as the specification's canonical form. */
  digest(): Buffer {
    return Buffer.from(this.#hasher.load(this.#state).digest("binary"));
  }
}
