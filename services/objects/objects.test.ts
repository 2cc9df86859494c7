import assert from "node:assert/strict";
import { request } from "node:http";
import { after, before, test } from "node:test";
import { setQuota } from "../../kernel/quota.ts";
import { contentDisposition } from "./presentation.ts";
import { type TestCloud, testCloud } from "./testing/fixture.ts";

let cloud: TestCloud;
let bucket: { id: string; name: string };
before(async () => {
  cloud = await testCloud({ runner: false });
  bucket = await cloud.bucket();
});
after(() => cloud.stop());

async function* bytesOf(text: string) {
  yield Buffer.from(text);
}
const content = (key: string, query = "") => `/buckets/${bucket.id}/object/content?key=${encodeURIComponent(key)}${query}`;

test("an object goes in as a stream and comes out the same", async () => {
  const bytes = new Uint8Array(3_000_001).map((_, index) => index * 7);
  const put = await cloud.fetch("editor", content("a/big.bin"), {
    method: "PUT",
    headers: { "content-type": "application/x-thing" },
    body: bytes,
  });
  assert.equal(put.status, 201);
  const made = (await put.json()) as { etag: string; sizeBytes: number; contentType: string };
  assert.deepEqual([made.sizeBytes, made.contentType], [3_000_001, "application/x-thing"]);
  assert.equal(put.headers.get("etag"), `"${made.etag}"`);
  const got = await cloud.fetch("viewer", content("a/big.bin"));
  assert.equal(got.status, 200);
  assert.equal(got.headers.get("content-length"), "3000001");
  assert.deepEqual(new Uint8Array(await got.arrayBuffer()), bytes);

  const chunked = await cloud.fetch("editor", content("a/chunked"), {
    method: "PUT",
    duplex: "half",
    body: new ReadableStream({
      start(controller) {
        for (const piece of ["one ", "two ", "three"]) controller.enqueue(Buffer.from(piece));
        controller.close();
      },
    }),
  });
  assert.equal(chunked.status, 201);
  assert.equal(await cloud.text(bucket.id, "a/chunked"), "one two three");

  const shown = await cloud.call("viewer", "GET", `/buckets/${bucket.id}/object?key=a/big.bin`);
  assert.equal(shown.body.etag, made.etag);
  assert.equal((await cloud.call("viewer", "GET", `/buckets/${bucket.id}/object?key=none`)).status, 404);
  assert.equal((await cloud.call("editor", "DELETE", `/buckets/${bucket.id}/object?key=none`)).status, 404);

  const audited = await cloud.database
    .sql`select action, resource_name from kernel.audit_entries where resource_id = ${`${bucket.id}/a/big.bin`}`;
  assert.deepEqual({ ...audited[0] }, { action: "objects.object.write", resource_name: `${bucket.name}/a/big.bin` });
  const events = await cloud.database.sql`select payload from kernel.events where type = 'objects.object.changed'`;
  assert.ok(events.some(({ payload }) => payload.bucketId === bucket.id && payload.prefix === "a/"));
});

test("conditions of writing", async () => {
  const put = (headers: Record<string, string>) => cloud.fetch("editor", content("cond"), { method: "PUT", headers, body: "x" });
  const first = await put({ "if-none-match": "*" });
  assert.equal(first.status, 201);
  assert.equal((await put({ "if-none-match": "*" })).status, 412);
  assert.equal((await put({ "if-match": '"0123"' })).status, 412);
  // Refused at its first byte, and told so all the same.
  const big = { method: "PUT", headers: { "if-none-match": "*" }, body: new Uint8Array(20_000_000) };
  assert.equal((await cloud.fetch("editor", content("cond"), big)).status, 412);
  assert.equal((await cloud.fetch("viewer", content("cond"), big)).status, 403);
  assert.equal((await put({ "if-match": first.headers.get("etag") as string })).status, 201);
  assert.equal((await put({ "content-md5": Buffer.alloc(16).toString("base64") })).status, 400);
});

test("too large is refused before it is sent, and a client that goes leaves nothing", async () => {
  const url = new URL(`${cloud.url}/api/v1${content("gone")}`);
  const refused = await new Promise<number | undefined>((resolve) => {
    const sent = request(
      url,
      { method: "PUT", headers: { authorization: "Bearer editor", "content-length": String(6 * 2 ** 30) } },
      (response) => {
        resolve(response.statusCode);
        sent.destroy();
      },
    );
    sent.on("error", () => {});
    sent.write("x");
  });
  assert.equal(refused, 413);
  await new Promise<void>((resolve) => {
    const sent = request(url, { method: "PUT", headers: { authorization: "Bearer editor", "content-length": "1000000" } });
    sent.on("error", () => resolve());
    sent.write(Buffer.alloc(200_000));
    setTimeout(() => sent.destroy(), 100);
    sent.on("close", resolve);
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal((await cloud.call("viewer", "GET", `/buckets/${bucket.id}/object?key=gone`)).status, 404);
});

test("ranges and conditions of reading", async () => {
  await cloud.put(bucket.id, "range.txt", "0123456789");
  const get = async (headers: Record<string, string>, method = "GET") => {
    const response = await cloud.fetch("viewer", content("range.txt"), { method, headers });
    return { status: response.status, text: await response.text(), headers: response.headers };
  };
  const whole = await get({});
  const etag = whole.headers.get("etag") as string;
  const modified = whole.headers.get("last-modified") as string;
  assert.equal(whole.headers.get("accept-ranges"), "bytes");
  const some = await get({ range: "bytes=2-4" });
  assert.deepEqual([some.status, some.text, some.headers.get("content-range")], [206, "234", "bytes 2-4/10"]);
  assert.equal((await get({ range: "bytes=-3" })).text, "789");
  assert.equal((await get({ range: "bytes=8-100" })).text, "89");
  const beyond = await get({ range: "bytes=10-" });
  assert.deepEqual([beyond.status, beyond.headers.get("content-range")], [416, "bytes */10"]);
  assert.equal((await get({ range: "lines=1-2" })).status, 200);
  assert.equal((await get({ range: "bytes=2-4", "if-range": etag })).status, 206);
  assert.equal((await get({ range: "bytes=2-4", "if-range": '"other"' })).status, 200);
  assert.equal((await get({ range: "bytes=2-4", "if-range": modified })).status, 206);
  const same = await get({ "if-none-match": etag });
  assert.deepEqual([same.status, same.text, same.headers.get("etag")], [304, "", etag]);
  assert.equal((await get({ "if-none-match": '"other"' })).status, 200);
  assert.equal((await get({ "if-modified-since": modified })).status, 304);
  assert.equal((await get({ "if-match": '"other"' })).status, 412);
  const head = await get({}, "HEAD");
  assert.deepEqual([head.status, head.text, head.headers.get("content-length")], [200, "", "10"]);
  await cloud.put(bucket.id, "empty", "");
  const empty = await cloud.fetch("viewer", content("empty"));
  assert.deepEqual([empty.status, await empty.text(), empty.headers.get("content-length")], [200, "", "0"]);
});

test("nothing that a browser would run is shown by it", async () => {
  const cases: [string, string, "inline" | "attachment", string?][] = [
    ["page.html", "text/html", "attachment"],
    ["page.xhtml", "application/xhtml+xml", "attachment"],
    ["drawing.svg", "image/svg+xml", "attachment"],
    ["data.xml", "text/xml", "attachment"],
    ["evil.js", "text/javascript", "attachment", "application/octet-stream"],
    ["trick", "image/png, text/html", "attachment", "application/octet-stream"],
    ["trick2", "constructor", "attachment", "application/octet-stream"],
    ["photo.png", "image/png", "inline"],
    ["notes.txt", "text/plain", "inline", "text/plain; charset=utf-8"],
    ["old.txt", "text/plain; charset=koi8-u", "inline", "text/plain; charset=koi8-u"],
    ["song.mp3", "audio/mpeg", "inline"],
    ["film.mp4", "video/mp4", "inline"],
    ["paper.pdf", "application/pdf", "inline"],
  ];
  for (const [key, type, shown, sentType] of cases) {
    // Straight into the store: S3 clients may give any type.
    await cloud.store.put(bucket.id as never, key, bytesOf("<script>alert(1)</script>"), { headers: { contentType: type } });
    for (const asked of ["inline", "attachment"] as const) {
      const response = await cloud.fetch("viewer", content(key, `&disposition=${asked}`));
      await response.arrayBuffer();
      const expected = asked === "inline" ? shown : "attachment";
      assert.ok(response.headers.get("content-disposition")?.startsWith(`${expected};`), `${key} as ${asked}`);
      assert.equal(response.headers.get("x-content-type-options"), "nosniff");
      const policy = response.headers.get("content-security-policy") ?? "";
      assert.match(policy, /default-src 'none'/);
      assert.doesNotMatch(policy, /script-src/);
      if (expected === "attachment") assert.match(policy, /^sandbox;/);
      if (asked === "inline" && sentType) assert.equal(response.headers.get("content-type"), sentType);
    }
  }
});

test("file names travel in any language, and cannot break out of the header", () => {
  assert.equal(
    contentDisposition("attachment", "Звіт «2026».pdf"),
    `attachment; filename="____ _2026_.pdf"; filename*=UTF-8''%D0%97%D0%B2%D1%96%D1%82%20%C2%AB2026%C2%BB.pdf`,
  );
  const nasty = contentDisposition("inline", 'a"b\r\nSet-Cookie: x\u202efdp.exe');
  assert.doesNotMatch(nasty, /[\r\n\u202e]/);
  assert.match(nasty, /^inline; filename="a_bSet-Cookie: xfdp.exe";/);
  assert.match(contentDisposition("attachment", "\ud800"), /filename\*=UTF-8''/);
});

test("folders, everything below, and a search, page by page", async () => {
  const { id } = await cloud.bucket();
  for (const key of ["a/", "a/b/c.txt", "a/Ünïcode.TXT", "a/z.txt", "top.txt", "a.b"]) await cloud.put(id, key, "x");
  const list = async (query: string) => (await cloud.call("viewer", "GET", `/buckets/${id}/objects?${query}`)).body;
  const show = (entries: { kind: string; key: string; name: string }[]) =>
    entries.map(({ kind, key, name }) => `${kind} ${key} ${name}`);
  assert.deepEqual(show((await list("")).items), ["object a.b a.b", "folder a/ a", "object top.txt top.txt"]);
  assert.deepEqual(show((await list("prefix=a/")).items), [
    "folder a/b/ b",
    "object a/z.txt z.txt",
    "object a/Ünïcode.TXT Ünïcode.TXT",
  ]);
  assert.deepEqual((await list("recursive=true&prefix=a/")).items.length, 4);
  const found = await list(`search=${encodeURIComponent("ünïCODE.t")}`);
  assert.deepEqual(show(found.items), ["object a/Ünïcode.TXT Ünïcode.TXT"]);
  assert.equal(found.searchedKeys, 6);
  const first = await list("search=txt&limit=1");
  assert.equal(first.items.length, 1);
  const rest = await list(`search=txt&cursor=${first.nextCursor}`);
  assert.deepEqual(
    [...first.items, ...rest.items].map(({ key }: { key: string }) => key),
    ["a/b/c.txt", "a/z.txt", "a/Ünïcode.TXT", "top.txt"],
  );
  const pages: string[] = [];
  for (let cursor = ""; ; ) {
    const page = await list(`limit=1${cursor}`);
    pages.push(...show(page.items));
    if (!page.nextCursor) break;
    cursor = `&cursor=${page.nextCursor}`;
  }
  assert.deepEqual(pages, ["object a.b a.b", "folder a/ a", "object top.txt top.txt"]);
  assert.equal((await cloud.call("viewer", "GET", `/buckets/${id}/objects?cursor=nonsense`)).status, 400);
});

test("the storage quota holds for the project and frees itself", async () => {
  const { body } = await cloud.call("neighbour", "POST", "/buckets", { project: cloud.otherProject, name: "little-room" });
  const scope = { organisationId: cloud.organisation, projectId: cloud.otherProject };
  await cloud.database.transaction("system", (tx) => setQuota(tx, scope, "objects.storage_bytes", 1000));
  const put = (key: string, bytes: number) =>
    cloud.fetch("neighbour", `/buckets/${body.id}/object/content?key=${key}`, { method: "PUT", body: "x".repeat(bytes) });
  assert.equal((await put("a", 600)).status, 201);
  const over = await put("b", 500);
  assert.deepEqual([over.status, ((await over.json()) as { code: string }).code], [403, "quota_exceeded"]);
  assert.equal((await put("c", 400)).status, 201);
  const upload = await cloud.call("neighbour", "POST", `/buckets/${body.id}/uploads`, { key: "u", sizeBytes: 10 });
  assert.equal(upload.body.code, "quota_exceeded");
  const chunked = await cloud.fetch("neighbour", `/buckets/${body.id}/object/content?key=d`, {
    method: "PUT",
    duplex: "half",
    body: new ReadableStream({
      start(controller) {
        controller.enqueue(Buffer.alloc(100));
        controller.close();
      },
    }),
  });
  assert.equal(chunked.status, 403);
  await cloud.call("neighbour", "DELETE", `/buckets/${body.id}/object?key=a`);
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal((await put("b", 500)).status, 201);
  await cloud.objects.service.workers?.find((worker) => worker.name === "objects.usage")?.run(new AbortController().signal);
  const [reported] = await cloud.database
    .sql`select used from kernel.quota_usage where scope_id = ${cloud.otherProject} and name = 'objects.storage_bytes'`;
  assert.equal(reported?.["used"], 900);
});

test("an upload in parts can be looked at, resumed, finished twice and given up", async () => {
  const at = `/buckets/${bucket.id}/uploads`;
  const huge = await cloud.call("editor", "POST", at, { key: "huge", sizeBytes: 500 * 2 ** 30 });
  assert.ok(huge.body.partSizeBytes * 10_000 >= 500 * 2 ** 30);
  const { body: upload } = await cloud.call("editor", "POST", at, {
    key: "parts.bin",
    sizeBytes: 9 * 2 ** 20,
    contentType: "video/mp4",
  });
  assert.equal(upload.partSizeBytes, 8 * 2 ** 20);
  const putPart = async (number: number, bytes: Uint8Array<ArrayBuffer>) =>
    (await (await cloud.fetch("editor", `${at}/${upload.id}/parts/${number}`, { method: "PUT", body: bytes })).json()) as {
      etag: string;
    };
  const one = await putPart(1, new Uint8Array(8 * 2 ** 20).fill(1));
  const two = await putPart(2, new Uint8Array(2 ** 20).fill(2));
  const parts = await cloud.call("viewer", "GET", `${at}/${upload.id}/parts?limit=1`);
  assert.deepEqual(parts.body.items, [{ number: 1, sizeBytes: 8 * 2 ** 20, etag: one.etag }]);
  const more = await cloud.call("viewer", "GET", `${at}/${upload.id}/parts?cursor=${parts.body.nextCursor}`);
  assert.equal(more.body.items[0].etag, two.etag);
  const listed = await cloud.call("viewer", "GET", `${at}?prefix=parts`);
  assert.deepEqual(listed.body.items, [upload]);
  assert.equal((await cloud.call("viewer", "GET", `/buckets/${bucket.id}`)).body.uploadBytes, 9 * 2 ** 20);
  const wrong = await cloud.call("editor", "POST", `${at}/${upload.id}/complete`, { parts: [{ number: 1, etag: "wrong" }] });
  assert.deepEqual([wrong.status, wrong.body.reason], [409, "invalid_part"]);
  const finish = () =>
    cloud.call("editor", "POST", `${at}/${upload.id}/complete`, {
      parts: [
        { number: 1, etag: one.etag },
        { number: 2, etag: two.etag },
      ],
    });
  const done = await finish();
  assert.deepEqual([done.status, done.body.sizeBytes, done.body.contentType], [201, 9 * 2 ** 20, "video/mp4"]);
  assert.deepEqual((await finish()).body, done.body);
  assert.equal((await cloud.call("editor", "DELETE", `${at}/${huge.body.id}`)).status, 204);
  assert.equal((await cloud.call("editor", "DELETE", `${at}/${huge.body.id}`)).status, 404);
  assert.deepEqual((await cloud.call("viewer", "GET", at)).body.items, []);
});
