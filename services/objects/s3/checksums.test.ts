import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { ChecksumAlgorithm, ObjectStore } from "../driver.ts";
import { openLocalStore } from "../drivers/local/index.ts";
import { checksumOf } from "./checksums.ts";
import { type Answer, type Call, send } from "./testing/client.ts";
import { startDoor } from "./testing/door.ts";

let directory: string;
let store: ObjectStore;
let door: Awaited<ReturnType<typeof startDoor>>;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "khmara-s3-"));
  store = await openLocalStore({ directory });
  door = await startDoor(store);
  assert.equal((await call("PUT", "/box-one")).status, 200);
});

after(async () => {
  await door.stop();
  await store.close();
  await rm(directory, { recursive: true, force: true });
});

type Headers = Record<string, string>;
const call = (method: string, path: string, headers: Headers = {}, body?: Call["body"], payloadHash?: string): Promise<Answer> =>
  send({ port: door.port, method, path, headers, ...(body === undefined ? {} : { body }), ...(payloadHash && { payloadHash }) });
const outcome = ({ status, text }: Answer): unknown[] =>
  status < 300 ? [status] : [status, /<Code>(\w+)<\/Code>/.exec(text)?.[1]];
const element = (name: string, { text }: Answer): string | undefined => new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1];
const withMode = { "x-amz-checksum-mode": "ENABLED" };

/** Of "123456789", from the catalogue of parametrised CRC algorithms, RFC 1321, FIPS 180 and xxhsum. */
const published: Record<ChecksumAlgorithm, string> = {
  crc32: "cbf43926",
  crc32c: "e3069283",
  crc64nvme: "ae8b14860a799888",
  md5: "25f9e794323b453885f5181f1b624d0b",
  sha1: "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
  sha256: "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
  xxhash64: "8cb841db40e6ae83",
  xxhash3: "72dcb18b67a17dff",
  xxhash128: "33119477ede5dcd5e9716427681d5860",
  sha512:
    "d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274ad27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85",
};
const rows = Object.entries(published).map(
  ([name, hex]) => [name as ChecksumAlgorithm, Buffer.from(hex, "hex").toString("base64")] as const,
);
const text = "123456789";

test("each algorithm in a header and in a trailer, kept and told when asked for", async () => {
  for (const [name, sum] of rows) {
    const header = `x-amz-checksum-${name}`;
    const told = (answer: Answer): unknown[] => [answer.status, answer.headers[header], answer.headers["x-amz-checksum-type"]];
    assert.deepEqual(told(await call("PUT", "/box-one/sum", { [header]: sum }, text)), [200, sum, "FULL_OBJECT"]);
    assert.deepEqual(told(await call("GET", "/box-one/sum")), [200, undefined, undefined]);
    for (const method of ["GET", "HEAD"])
      assert.deepEqual(told(await call(method, "/box-one/sum", withMode)), [200, sum, "FULL_OBJECT"]);
    const range = await call("GET", "/box-one/sum", { ...withMode, Range: "bytes=0-3" });
    assert.deepEqual(told(range), [206, undefined, undefined], "the sum of the whole says nothing of a piece");

    const trailed = (value: string) =>
      call(
        "PUT",
        "/box-one/trailed",
        { "Content-Encoding": "aws-chunked", "x-amz-decoded-content-length": "9", "x-amz-trailer": header },
        `9\r\n${text}\r\n0\r\n${header}:${value}\r\n\r\n`,
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
      );
    assert.deepEqual(told(await trailed(sum)), [200, sum, "FULL_OBJECT"]);
    const wrong = Buffer.from(sum, "base64").fill(0).toString("base64");
    assert.deepEqual(outcome(await trailed(wrong)), [400, "BadDigest"]);
    assert.deepEqual(outcome(await call("PUT", "/box-one/bad", { [header]: wrong }, text)), [400, "BadDigest"]);
    assert.deepEqual(outcome(await call("PUT", "/box-one/bad", { [header]: "AAAA" }, text)), [400, "InvalidRequest"]);
    const copied = await call("PUT", "/box-one/copy", {
      "x-amz-copy-source": "/box-one/sum",
      "x-amz-checksum-algorithm": name.toUpperCase(),
    });
    assert.equal(element(`Checksum${name.toUpperCase()}`, copied), sum);
    const attributes = await call("GET", "/box-one/sum?attributes", { "x-amz-object-attributes": "Checksum" });
    assert.match(attributes.text, new RegExp(`<Checksum><Checksum${name.toUpperCase()}>`));
  }
  const [first, second] = rows as [(typeof rows)[number], (typeof rows)[number]];
  const two = { [`x-amz-checksum-${first[0]}`]: first[1], [`x-amz-checksum-${second[0]}`]: second[1] };
  assert.deepEqual(outcome(await call("PUT", "/box-one/bad", two, text)), [400, "InvalidRequest"]);
  assert.deepEqual(outcome(await call("PUT", "/box-one/bad", { "x-amz-sdk-checksum-algorithm": "CRC32" }, text)), [
    400,
    "InvalidRequest",
  ]);
  const md5 = rows.find(([name]) => name === "md5")![1];
  const bySdk = await call("PUT", "/box-one/sdk", { "x-amz-sdk-checksum-algorithm": "MD5", "Content-MD5": md5 }, text);
  assert.deepEqual([bySdk.status, bySdk.headers["x-amz-checksum-md5"]], [200, md5]);
  assert.deepEqual(outcome(await call("PUT", "/box-one/bad", { "Content-MD5": "AAAA" }, text)), [400, "InvalidDigest"]);
  assert.deepEqual(
    outcome(await call("PUT", "/box-one/bad", { "Content-MD5": createHash("md5").update("x").digest("base64") }, text)),
    [400, "BadDigest"],
  );
  assert.equal((await call("HEAD", "/box-one/bad")).status, 404, "nothing of all these was stored");
});

const parts = [Buffer.alloc(5 * 1024 * 1024, "a"), Buffer.alloc(5 * 1024 * 1024, "b"), Buffer.from(text)];

async function upload(key: string, headers: Headers, algorithm: ChecksumAlgorithm) {
  const begun = await call("POST", `/box-one/${key}?uploads`, headers);
  assert.equal(begun.status, 200, begun.text);
  const uploadId = element("UploadId", begun) as string;
  const sums = parts.map((part) => checksumOf(algorithm, part));
  const etags: string[] = [];
  for (const [index, part] of parts.entries()) {
    const path = `/box-one/${key}?partNumber=${index + 1}&uploadId=${uploadId}`;
    const put = await call("PUT", path, { [`x-amz-checksum-${algorithm}`]: sums[index] as string }, part);
    assert.deepEqual([put.status, put.headers[`x-amz-checksum-${algorithm}`]], [200, sums[index]]);
    etags.push(put.headers.etag as string);
  }
  const name = `Checksum${algorithm.toUpperCase()}`;
  const document = (wrong?: number): string =>
    `<CompleteMultipartUpload>${etags
      .map(
        (etag, index) =>
          `<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag><${name}>${sums[index === wrong ? 0 : index]}</${name}></Part>`,
      )
      .join("")}</CompleteMultipartUpload>`;
  return { uploadId, sums, document, name };
}

test("in parts: of the parts' checksums or of the whole, and nothing is completed that does not fit", async () => {
  const whole = Buffer.concat(parts);
  const kinds: [ChecksumAlgorithm, "COMPOSITE" | "FULL_OBJECT"][] = [
    ["crc32", "COMPOSITE"],
    ["crc32", "FULL_OBJECT"],
    ["crc32c", "FULL_OBJECT"],
    ["crc64nvme", "FULL_OBJECT"],
    ["sha1", "COMPOSITE"],
    ["sha256", "COMPOSITE"],
    ["sha512", "COMPOSITE"],
    ["md5", "COMPOSITE"],
    ["xxhash64", "COMPOSITE"],
    ["xxhash3", "COMPOSITE"],
    ["xxhash128", "COMPOSITE"],
  ];
  for (const [algorithm, type] of kinds) {
    const asked = { "x-amz-checksum-algorithm": algorithm.toUpperCase(), "x-amz-checksum-type": type };
    const { uploadId, sums, document, name } = await upload("parts", asked, algorithm);
    const composite = `${checksumOf(algorithm, Buffer.concat(sums.map((sum) => Buffer.from(sum, "base64"))))}-3`;
    const expected = type === "COMPOSITE" ? composite : checksumOf(algorithm, whole);
    const complete = (body: string, headers: Headers = {}) => call("POST", `/box-one/parts?uploadId=${uploadId}`, headers, body);
    const header = `x-amz-checksum-${algorithm}`;
    assert.deepEqual(outcome(await complete(document(1))), [400, "InvalidPart"]);
    assert.deepEqual(outcome(await complete(document(), { [header]: sums[0] as string })), [400, "BadDigest"]);
    for (const value of ["no sum", `${sums[0]}-x`, `${sums[0]}-3-3`])
      assert.deepEqual(outcome(await complete(document(), { [header]: value })), [400, "InvalidRequest"]);
    const bare = document().replace(new RegExp(`<${name}>[^<]*</${name}>`), "");
    assert.deepEqual(outcome(await complete(bare.replace("</Part>", `<${name}>no sum</${name}></Part>`))), [
      400,
      "InvalidArgument",
    ]);
    const two = `<${name}>${sums[0]}</${name}><ChecksumMD5>${rows.find(([each]) => each === "md5")![1]}</ChecksumMD5></Part>`;
    if (algorithm !== "md5") assert.deepEqual(outcome(await complete(bare.replace("</Part>", two))), [400, "InvalidArgument"]);
    const other = algorithm === "sha1" ? "sha256" : "sha1";
    const foreign = `<Checksum${other.toUpperCase()}>${checksumOf(other, parts[0]!)}</Checksum${other.toUpperCase()}></Part>`;
    assert.deepEqual(outcome(await complete(bare.replace("</Part>", foreign))), [400, "BadDigest"]);
    const mode = await complete(bare, { "x-amz-checksum-type": type === "COMPOSITE" ? "FULL_OBJECT" : "COMPOSITE" });
    assert.match(mode.text, new RegExp(`<Code>InvalidRequest.* ${type} checksum mode`), "before the parts are looked at");
    if (type === "COMPOSITE") {
      assert.deepEqual(outcome(await complete(bare)), [400, "InvalidRequest"]);
      const part = await call("PUT", `/box-one/parts?partNumber=9&uploadId=${uploadId}`, {}, text);
      assert.deepEqual(outcome(part), [400, "InvalidRequest"], "a part without the checksum");
    }
    assert.deepEqual(outcome(await complete(document(), { "x-amz-mp-object-size": "5" })), [400, "InvalidRequest"]);
    const done = await complete(document(), { [header]: expected, "x-amz-mp-object-size": String(whole.length) });
    const again = await complete(document(), { [header]: expected });
    assert.deepEqual([again.status, element(name, again)], [200, expected], "who did not hear the answer asks again");
    assert.deepEqual([done.status, element(name, done), element("ChecksumType", done)], [200, expected, type]);
    const { headers } = await call("HEAD", "/box-one/parts", withMode);
    assert.deepEqual([headers[header], headers["x-amz-checksum-type"]], [expected, type]);
    const attributes = await call("GET", "/box-one/parts?attributes", { "x-amz-object-attributes": "Checksum" });
    assert.deepEqual([element(name, attributes), element("ChecksumType", attributes)], [expected.replace(/-3$/, ""), type]);
    const part = (await call("HEAD", "/box-one/parts?partNumber=3", withMode)).headers;
    assert.deepEqual([part["x-amz-mp-parts-count"], part["content-length"], part[header]], ["3", "9", sums[2]]);
  }
  for (const [algorithm, type] of [
    ["SHA256", "FULL_OBJECT"],
    ["CRC64NVME", "COMPOSITE"],
  ] as const)
    assert.deepEqual(
      outcome(
        await call("POST", "/box-one/refused?uploads", { "x-amz-checksum-algorithm": algorithm, "x-amz-checksum-type": type }),
      ),
      [400, "InvalidRequest"],
    );
  const { uploadId } = await upload("other", { "x-amz-checksum-algorithm": "CRC32" }, "crc32");
  const path = `/box-one/other?partNumber=1&uploadId=${uploadId}`;
  const sha = { "x-amz-checksum-sha256": checksumOf("sha256", Buffer.from(text)) };
  assert.deepEqual(outcome(await call("PUT", path, sha, text)), [400, "InvalidRequest"], "not the algorithm of the upload");
});

test("GetObjectAttributes tells of the parts, page by page", async () => {
  const { uploadId, sums, document } = await upload("paged", { "x-amz-checksum-algorithm": "SHA256" }, "sha256");
  assert.equal((await call("POST", `/box-one/paged?uploadId=${uploadId}`, {}, document())).status, 200);
  const attributes = (headers: Headers) =>
    call("GET", "/box-one/paged?attributes", {
      "x-amz-object-attributes": "ETag,Checksum,ObjectParts,StorageClass,ObjectSize",
      ...headers,
    });
  const all = await attributes({});
  assert.equal(element("PartsCount", all), "3");
  assert.deepEqual(
    [...all.text.matchAll(/<ChecksumSHA256>([^<]*)<\/ChecksumSHA256><\/Part>/g)].map(([, sum]) => sum),
    sums,
  );
  assert.deepEqual([element("StorageClass", all), element("ObjectSize", all)], ["STANDARD", String(2 * 5 * 1024 * 1024 + 9)]);
  const seen: string[] = [];
  for (let marker = "0", more = true; more; ) {
    const page = await attributes({ "x-amz-max-parts": "2", "x-amz-part-number-marker": marker });
    seen.push(...[...page.text.matchAll(/<PartNumber>(\d+)</g)].map(([, number]) => number as string));
    marker = element("NextPartNumberMarker", page) as string;
    more = element("IsTruncated", page) === "true";
  }
  assert.deepEqual(seen, ["1", "2", "3"]);
  assert.deepEqual(outcome(await attributes({ "x-amz-object-attributes": "Colour" })), [400, "InvalidArgument"]);
  assert.deepEqual(outcome(await call("GET", "/box-one/paged?attributes")), [400, "InvalidRequest"]);
});

test("who sends no checksum has CRC-64/NVME of the whole kept, of puts and of uploads, whatever their parts came with", async () => {
  const sum = rows.find(([name]) => name === "crc64nvme")![1];
  const told = ({ status, headers }: Answer): unknown[] => [
    status,
    headers["x-amz-checksum-crc64nvme"],
    headers["x-amz-checksum-type"],
  ];
  assert.deepEqual(told(await call("PUT", "/box-one/implied", {}, text)), [200, sum, "FULL_OBJECT"]);
  assert.deepEqual(told(await call("HEAD", "/box-one/implied", withMode)), [200, sum, "FULL_OBJECT"]);
  const copied = await call("PUT", "/box-one/implied-copy", { "x-amz-copy-source": "/box-one/implied" });
  assert.equal(element("ChecksumCRC64NVME", copied), sum);

  const begun = await call("POST", "/box-one/implied-parts?uploads");
  assert.equal(begun.headers["x-amz-checksum-algorithm"], undefined, "it was not asked for");
  const id = element("UploadId", begun)!;
  const big = Buffer.alloc(5 * 1024 ** 2, "x");
  const tags: (string | undefined)[] = [];
  for (const [number, body, headers] of [
    [1, big, {}],
    [2, Buffer.from(text), { "x-amz-checksum-crc32": rows[0]![1] }],
  ] as const) {
    const part = await call("PUT", `/box-one/implied-parts?partNumber=${number}&uploadId=${id}`, headers, body);
    assert.deepEqual([part.status, part.headers["x-amz-checksum-crc64nvme"]], [200, undefined]);
    assert.equal(part.headers["x-amz-checksum-crc32"], number === 1 ? undefined : rows[0]![1], "what came is told again");
    tags.push(part.headers.etag);
  }
  for (const list of ["/box-one?uploads&prefix=implied", `/box-one/implied-parts?uploadId=${id}`])
    assert.doesNotMatch((await call("GET", list)).text, /Checksum/);
  const complete = (of2: string, headers: Headers = {}) =>
    call(
      "POST",
      `/box-one/implied-parts?uploadId=${id}`,
      headers,
      `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${tags[0]}</ETag></Part><Part><PartNumber>2</PartNumber><ETag>${tags[1]}</ETag>${of2}</Part></CompleteMultipartUpload>`,
    );
  const withSum = await complete(`<ChecksumCRC32>${rows[0]![1]}</ChecksumCRC32>`);
  assert.deepEqual(outcome(withSum), [400, "InvalidPart"]);
  assert.deepEqual(outcome(await complete("", { "x-amz-checksum-type": "FULL_OBJECT" })), [400, "InvalidRequest"]);
  const done = await complete("", { "x-amz-checksum-crc32": "NSRBwg==-2" });
  const whole = checksumOf("crc64nvme", Buffer.concat([big, Buffer.from(text)]));
  assert.deepEqual([done.status, element("ChecksumCRC64NVME", done)], [200, whole]);
  assert.deepEqual(told(await call("HEAD", "/box-one/implied-parts", withMode)), [200, whole, "FULL_OBJECT"]);
});
