import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { decodeChunked } from "./chunked.ts";
import { S3Error } from "./errors.ts";
import { type ChunkSigning, chunkSignature, SigningKeys, trailerSignature } from "./signature.ts";

// The example of "Transferring Payload in Multiple Chunks" and "… Including Trailing Headers", S3 API Reference:
// 66,560 bytes of "a" in chunks of 64 KiB.
const scope = { date: "20130524", region: "us-east-1", service: "s3" };
const key = new SigningKeys().derive("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", scope);
const signingFrom = (seedSignature: string): ChunkSigning => ({ key, timestamp: "20130524T000000Z", scope, seedSignature });

const published = (signatures: string[], trailer = ""): Buffer =>
  Buffer.from(
    `10000;chunk-signature=${signatures[0]}\r\n${"a".repeat(65536)}\r\n400;chunk-signature=${signatures[1]}\r\n${"a".repeat(1024)}\r\n0;chunk-signature=${signatures[2]}\r\n${trailer}\r\n`,
  );

const plain = {
  seed: "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
  body: published([
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
  ]),
};
const trailerSignatures = [
  "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
  "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
  "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
];
const trailing = {
  seed: "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
  body: published(
    trailerSignatures,
    "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n",
  ),
};

async function* pieces(body: Buffer, sizes: () => number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < body.length; ) {
    const size = Math.max(1, sizes());
    yield body.subarray(at, at + size);
    at += size;
  }
}

interface Case {
  body: Buffer;
  decodedLength: number;
  signing?: ChunkSigning;
  trailer?: boolean;
  sizes?: () => number;
}

async function decode({ body, decodedLength, signing, trailer = false, sizes = () => body.length }: Case) {
  const trailers = new Map<string, string>();
  const out: Uint8Array[] = [];
  for await (const piece of decodeChunked(pieces(body, sizes), { signing, trailer, decodedLength, trailers })) out.push(piece);
  return { data: Buffer.concat(out), trailers };
}

const refused = (code: string) => (error: unknown) => error instanceof S3Error && error.code === code;

test("the published chunked upload decodes, and nothing in it may change", async () => {
  const signing = signingFrom(plain.seed);
  const { data } = await decode({ body: plain.body, decodedLength: 66_560, signing });
  assert.equal(data.toString(), "a".repeat(66_560));
  for (const at of [100, 66_000, plain.body.length - 10]) {
    const changed = Buffer.from(plain.body);
    changed[at] = changed[at]! === 0x62 ? 0x63 : 0x62;
    await assert.rejects(decode({ body: changed, decodedLength: 66_560, signing }), refused("SignatureDoesNotMatch"));
  }
  await assert.rejects(
    decode({ body: plain.body, decodedLength: 66_560, signing: signingFrom(trailing.seed) }),
    refused("SignatureDoesNotMatch"),
  );
});

test("the published trailer is verified", async () => {
  const signing = signingFrom(trailing.seed);
  const { data, trailers } = await decode({ body: trailing.body, decodedLength: 66_560, signing, trailer: true });
  assert.equal(data.length, 66_560);
  assert.deepEqual([...trailers], [["x-amz-checksum-crc32c", "sOO8/Q=="]]);
  const changed = Buffer.from(trailing.body.toString().replace("sOO8", "sOO9"));
  await assert.rejects(
    decode({ body: changed, decodedLength: 66_560, signing, trailer: true }),
    refused("SignatureDoesNotMatch"),
  );
  const unsigned = published(trailerSignatures, "x-amz-checksum-crc32c:sOO8/Q==\r\n");
  await assert.rejects(
    decode({ body: unsigned, decodedLength: 66_560, signing, trailer: true }),
    refused("SignatureDoesNotMatch"),
  );
});

function encode(data: Buffer, chunkSize: number, signing: ChunkSigning | undefined, trailer: string | undefined): Buffer {
  const out: Buffer[] = [];
  let previous = signing?.seedSignature ?? "";
  const chunk = (bytes: Buffer): void => {
    let extension = "";
    if (signing) {
      previous = chunkSignature(signing, previous, createHash("sha256").update(bytes).digest("hex"));
      extension = ` ; chunk-signature= ${previous}`;
    }
    out.push(Buffer.from(`${bytes.length.toString(16)}${extension}\r\n`), bytes);
    if (bytes.length > 0) out.push(Buffer.from("\r\n"));
  };
  for (let at = 0; at < data.length; at += chunkSize) chunk(data.subarray(at, at + chunkSize));
  chunk(Buffer.alloc(0));
  if (trailer) {
    out.push(Buffer.from(`${trailer}\r\n`));
    if (signing) out.push(Buffer.from(`x-amz-trailer-signature:${trailerSignature(signing, previous, [trailer])}\r\n`));
  }
  out.push(Buffer.from("\r\n"));
  return Buffer.concat(out);
}

test("any data in any chunks arrives whole, however the network splits it", async () => {
  const random = (below: number): number => Math.floor(Math.random() * below);
  for (let round = 0; round < 200; round++) {
    const data = randomBytes(random(30_000));
    const signing = random(2) ? signingFrom(randomBytes(32).toString("hex")) : undefined;
    const trailer = random(2) ? `x-amz-checksum-crc32:${randomBytes(4).toString("base64")}` : undefined;
    const body = encode(data, 8192 + random(7000), signing, trailer);
    const largest = 1 + random(2000);
    const decoded = await decode({
      body,
      decodedLength: data.length,
      ...(signing ? { signing } : {}),
      trailer: trailer !== undefined,
      sizes: () => random(largest),
    });
    assert.ok(decoded.data.equals(data));
    assert.equal(decoded.trailers.get("x-amz-checksum-crc32"), trailer?.slice("x-amz-checksum-crc32:".length));
    // Cut anywhere but within the last line's end, it is refused.
    const cut = random(body.length - 4);
    await assert.rejects(
      decode({
        body: body.subarray(0, cut),
        decodedLength: data.length + (trailer === undefined ? 0 : 1),
        ...(signing ? { signing } : {}),
        trailer: true,
      }),
      S3Error,
    );
  }
});

test("a chunk of less than 8 KiB that is not the last is refused, and told by its number", async () => {
  const data = randomBytes(8192 + 100 + 50);
  const chunks = (...sizes: number[]): Buffer => {
    const framed: Buffer[] = [];
    let at = 0;
    for (const size of sizes) {
      framed.push(Buffer.from(`${size.toString(16)}\r\n`), data.subarray(at, at + size), Buffer.from("\r\n"));
      at += size;
    }
    return Buffer.concat([...framed, Buffer.from("0\r\n\r\n")]);
  };
  assert.ok((await decode({ body: chunks(8192, 150), decodedLength: data.length })).data.equals(data));
  await assert.rejects(decode({ body: chunks(8192, 100, 50), decodedLength: data.length }), (error: unknown) => {
    assert.ok(error instanceof S3Error);
    assert.deepEqual(
      [error.code, error.status, error.fields],
      ["InvalidChunkSizeError", 403, { Chunk: "2", BadChunkSize: "100" }],
    );
    return true;
  });
});

test("framing that is wrong is refused", async () => {
  const wrong = (text: string, decodedLength: number, code: string, trailer = false) =>
    assert.rejects(decode({ body: Buffer.from(text, "latin1"), decodedLength, trailer }), refused(code));
  await wrong("zz\r\n", 1, "IncompleteBody");
  await wrong("3\nabc\r\n0\r\n\r\n", 3, "IncompleteBody");
  await wrong("3\r\nabc\n0\r\n\r\n", 3, "IncompleteBody");
  for (const [header, code] of [
    ["3", "IncompleteBody"],
    ["3;", "IncompleteBody"],
    ["3;chunk-signature=", "IncompleteBody"],
    ["3;chunk-signature=abc", "SignatureDoesNotMatch"],
    [`3;a=b;chunk-signature=${"a".repeat(64)}`, "SignatureDoesNotMatch"],
    [`3;chunk-signature=${"a".repeat(64)};a=b`, "IncompleteBody"],
    [`3:chunk-signature=${"a".repeat(64)}`, "IncompleteBody"],
    [`3;signature=${"a".repeat(64)}`, "IncompleteBody"],
  ] as const)
    await assert.rejects(
      decode({ body: Buffer.from(`${header}\r\nabc\r\n`), decodedLength: 3, signing: signingFrom(plain.seed) }),
      refused(code),
    );
  await wrong("3\r\nabcX\r\n0\r\n\r\n", 3, "IncompleteBody");
  await wrong("3\r\nabc\r\n0\r\n\r\n", 4, "IncompleteBody");
  await wrong("3\r\nabc\r\n0\r\n\r\n", 2, "IncompleteBody");
  await wrong("ffffffffffff\r\n", 3, "IncompleteBody");
  await wrong(`3;${"x".repeat(5000)}`, 3, "IncompleteBody");
  await wrong("0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", 0, "MalformedTrailerError");
  await wrong("0\r\nno colon\r\n\r\n", 0, "MalformedTrailerError", true);
  await wrong(`0\r\n${"a:b\r\n".repeat(20)}\r\n`, 0, "MalformedTrailerError", true);
});

test("the trailer of S3's own example has a bare newline before its end", async () => {
  const { trailers } = await decode({
    body: Buffer.from("3\r\nabc\r\n0\r\nx-amz-checksum-crc32:NSRBwg==\n\r\n\r\n"),
    decodedLength: 3,
    trailer: true,
  });
  assert.equal(trailers.get("x-amz-checksum-crc32"), "NSRBwg==");
});
