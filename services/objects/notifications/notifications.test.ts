import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { signatureOf } from "../../../kernel/outbound/webhook.ts";
import { S3Error } from "../s3/errors.ts";
import { readNotification, writeNotification } from "../s3/notificationDocument.ts";
import { type TestCloud, testCloud } from "../testing/fixture.ts";
import { openS3Door, type S3Door } from "../testing/s3Door.ts";

let cloud: TestCloud;
let door: S3Door;
let arn: string;
let webhook: { id: string; secret: string };
/** What the address was sent, and how it answers. */
const sent: { headers: IncomingHttpHeaders; body: string }[] = [];
let status = 200;
const listening = createServer(async (request, response) => {
  let body = "";
  for await (const piece of request) body += piece;
  sent.push({ headers: request.headers, body });
  response.writeHead(status).end();
});

before(async () => {
  cloud = await testCloud({ runner: false });
  door = await openS3Door(cloud);
  listening.listen(0, "127.0.0.1");
  await once(listening, "listening");
  const url = `http://127.0.0.1:${(listening.address() as AddressInfo).port}/events`;
  const create = () => cloud.call("editor", "POST", "/bucket-webhooks", { project: cloud.project, name: "orders", url });
  const refused = await create();
  assert.equal(refused.body.code, "failed_precondition", "an address inside of the cloud is not called");
  await cloud.database.sql`update kernel.outbound_settings set allowed_networks = '{127.0.0.0/8}'`;
  const made = await create();
  assert.equal(made.status, 201, JSON.stringify(made.body));
  webhook = { id: made.body.webhook.id, secret: made.body.secret };
  arn = made.body.webhook.arn;
  assert.equal((await door.call({ method: "PUT", path: "/shop-box" })).status, 200);
});
after(async () => {
  listening.closeAllConnections();
  listening.close();
  await door.stop();
  await cloud.stop();
});

const document = (...rules: string[]) => `<NotificationConfiguration>${rules.join("")}</NotificationConfiguration>`;
const topic = (events: string[], filter = "", id = "one", to = arn) =>
  `<TopicConfiguration><Id>${id}</Id><Topic>${to}</Topic>${events.map((event) => `<Event>${event}</Event>`).join("")}${filter}</TopicConfiguration>`;
const put = (body: string, rest: object = {}) => door.call({ method: "PUT", path: "/shop-box?notification", body, ...rest });
const codeOf = (text: string): string | undefined => /<Code>(\w+)/.exec(text)?.[1];
const deliver = () =>
  cloud.objects.service.workers?.find(({ name }) => name === "objects.webhooks")?.run(new AbortController().signal);

/** What was sent since the last time, once it is so many. */
async function told(count: number): Promise<{ headers: IncomingHttpHeaders; body: string }[]> {
  for (const end = Date.now() + 60_000; sent.length < count && Date.now() < end; ) {
    await deliver();
    if (sent.length < count) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await deliver();
  return sent.splice(0);
}
/** The door hears of what the API changes as another process would. */
async function shownAtDoor(wanted: (text: string) => boolean): Promise<void> {
  const asked = async () => (await door.call({ path: "/shop-box?notification" })).text;
  for (const end = Date.now() + 60_000; !wanted(await asked()) && Date.now() < end; )
    await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(wanted(await asked()));
}
// biome-ignore lint/suspicious/noExplicitAny: records as others will read them.
const recordsOf = (deliveries: { body: string }[]): any[] => deliveries.flatMap(({ body }) => JSON.parse(body).Records);

test("a document is put and shown as it was put; who is named is told that this works", async () => {
  assert.equal((await door.call({ path: "/shop-box?notification" })).text.includes("<TopicConfiguration>"), false);
  const filter =
    "<Filter><S3Key><FilterRule><Name>Prefix</Name><Value>in/</Value></FilterRule><FilterRule><Name>Suffix</Name><Value>.csv</Value></FilterRule></S3Key></Filter>";
  const rules = topic(["s3:ObjectCreated:*", "s3:ObjectRemoved:Delete"], filter);
  assert.equal((await put(document(rules))).status, 200);
  const shown = (await door.call({ path: "/shop-box?notification" })).text;
  assert.equal(shown.slice(shown.indexOf("<TopicConfiguration>")), document(rules).slice("<NotificationConfiguration>".length));
  const [hello, ...more] = await told(1);
  assert.deepEqual(more, []);
  const { Event, Bucket, Service } = JSON.parse(String(hello?.body));
  assert.deepEqual([Event, Bucket, Service], ["s3:TestEvent", "shop-box", "Amazon S3"]);
  await put(document(rules), { headers: { "x-amz-skip-destination-validation": "true" } });
  assert.deepEqual(await told(0), []);
});

test("what S3 refuses is refused", async () => {
  const code = (...rules: string[]): string => {
    try {
      readNotification(document(...rules));
      return "taken";
    } catch (error) {
      assert.ok(error instanceof S3Error);
      return error.code;
    }
  };
  const name = (rule: string) => `<Filter><S3Key><FilterRule><Name>${rule}</Name><Value>x</Value></FilterRule></S3Key></Filter>`;
  assert.equal(code(topic(["s3:ObjectCreated:*"]), topic(["s3:ObjectRemoved:*"], "", "two")), "taken");
  assert.equal(code(topic(["s3:ObjectCreated:*"], name("prefix"))), "taken");
  assert.equal(code(topic(["s3:ObjectRestore:*"])), "taken", "what never happens may stand there");
  assert.equal(code(topic(["s3:ObjectEaten"])), "InvalidArgument");
  assert.equal(code(topic([])), "MalformedXML");
  assert.equal(code(topic(["s3:ObjectCreated:*"], name("middle"))), "InvalidArgument");
  assert.equal(code(topic(["s3:ObjectCreated:*"], "", "one", "somewhere")), "InvalidArgument");
  assert.equal(code(topic(["s3:ObjectCreated:*"], "", "one", "arn:aws:ec2:us-east-1:1:orders")), "InvalidArgument");
  assert.equal(code(topic(["s3:ObjectCreated:*"]), topic(["s3:ObjectRemoved:*"])), "InvalidArgument", "one id twice");
  assert.equal(code(topic(["s3:ObjectCreated:*"]), topic(["s3:ObjectCreated:Put"], "", "two")), "InvalidArgument", "overlapping");
  assert.equal(
    code(topic(["s3:ObjectCreated:Put"], name("prefix")), topic(["s3:ObjectCreated:*"], name("suffix"), "two")),
    "InvalidArgument",
  );
  assert.match(writeNotification({ rules: [], eventBridge: true }), /<EventBridgeConfiguration>/);
  const nobody = await put(document(topic(["s3:ObjectCreated:*"], "", "one", arn.replace("orders", "nobody"))));
  assert.equal(codeOf(nobody.text), "InvalidArgument");
  assert.match(nobody.text, /Unable to validate the following destination configurations/);
  assert.equal(codeOf((await put(document(), { key: "KEYVIEWER" })).text), "AccessDenied");
});

test("each change that is wanted is told once, signed, as S3 writes it", async () => {
  const skip = { headers: { "x-amz-skip-destination-validation": "true" } };
  await put(document(topic(["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*", "s3:ObjectAcl:Put"])), skip);
  const call = (method: string, path: string, rest: object = {}) => door.call({ method, path: `/shop-box${path}`, ...rest });
  const written = await call("PUT", "/a%20b%2B%D1%86.csv", { body: "12345" });
  await call("PUT", "/copy", { headers: { "x-amz-copy-source": "/shop-box/a%20b%2B%D1%86.csv" } });
  await call("PUT", "/copy?tagging", { body: "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>" });
  await call("DELETE", "/copy?tagging");
  assert.equal((await call("PUT", "/copy?acl", { headers: { "x-amz-acl": "public-read" } })).status, 200);
  const uploadId = /<UploadId>(\w+)/.exec((await call("POST", "/parts?uploads")).text)?.[1];
  const part = await call("PUT", `/parts?partNumber=1&uploadId=${uploadId}`, { body: "part" });
  await call("POST", `/parts?uploadId=${uploadId}`, {
    body: `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers.etag}</ETag></Part></CompleteMultipartUpload>`,
  });
  await call("DELETE", "/copy");
  await call("DELETE", "/copy");
  const body = "<Delete><Object><Key>parts</Key></Object></Delete>";
  await call("POST", "?delete", { body, headers: { "Content-MD5": createHash("md5").update(body).digest("base64") } });
  await cloud.put("shop-box", "by-api", "x");
  const deliveries = await told(9);
  const records = recordsOf(deliveries);
  const shown = (list: typeof records) => list.map(({ eventName, s3 }) => `${eventName} ${s3.object.key}`).sort();
  assert.deepEqual(
    shown(records),
    [
      "ObjectAcl:Put copy",
      "ObjectCreated:CompleteMultipartUpload parts",
      "ObjectCreated:Copy copy",
      "ObjectCreated:Put a+b%2B%D1%86.csv",
      "ObjectCreated:Put by-api",
      "ObjectRemoved:Delete copy",
      "ObjectRemoved:Delete parts",
      "ObjectTagging:Delete copy",
      "ObjectTagging:Put copy",
    ],
    "what was not there was not removed",
  );
  const record = records.find(({ s3 }) => s3.object.key.startsWith("a+b"));
  assert.deepEqual(
    { ...record, eventTime: "", s3: { ...record.s3, object: { ...record.s3.object, sequencer: "" } } },
    {
      eventVersion: "2.1",
      eventSource: "aws:s3",
      awsRegion: "us-east-1",
      eventTime: "",
      eventName: "ObjectCreated:Put",
      userIdentity: { principalId: record.userIdentity.principalId },
      requestParameters: { sourceIPAddress: "127.0.0.1" },
      responseElements: { "x-amz-request-id": written.headers["x-amz-request-id"], "x-amz-id-2": written.headers["x-amz-id-2"] },
      s3: {
        s3SchemaVersion: "1.0",
        configurationId: "one",
        bucket: {
          name: "shop-box",
          ownerIdentity: { principalId: record.s3.bucket.ownerIdentity.principalId },
          arn: "arn:aws:s3:::shop-box",
        },
        object: { key: "a+b%2B%D1%86.csv", size: 5, eTag: "827ccb0eea8a706c4c34a16891f84e7b", sequencer: "" },
      },
    },
  );
  assert.match(record.userIdentity.principalId, /./);
  const [first] = deliveries as [{ headers: IncomingHttpHeaders; body: string }];
  const signature = String(first.headers["khmara-signature"]);
  assert.equal(signature, signatureOf(webhook.secret, first.body, Number(/^t=(\d+)/.exec(signature)?.[1]) * 1000));
});

test("versions, filters and the cloud's own stream of events", async () => {
  const filter = "<Filter><S3Key><FilterRule><Name>prefix</Name><Value>in/</Value></FilterRule></S3Key></Filter>";
  await put(document(topic(["s3:ObjectRemoved:*"], filter), "<EventBridgeConfiguration></EventBridgeConfiguration>"), {
    headers: { "x-amz-skip-destination-validation": "true" },
  });
  await door.call({
    method: "PUT",
    path: "/shop-box?versioning",
    body: "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
  });
  const { headers } = await door.call({ method: "PUT", path: "/shop-box/in/a", body: "x" });
  await door.call({ method: "DELETE", path: "/shop-box/in/a" });
  await door.call({ method: "DELETE", path: `/shop-box/in/a?versionId=${headers["x-amz-version-id"]}` });
  await door.call({ method: "DELETE", path: "/shop-box/out/a" });
  const records = recordsOf(await told(2)).map(({ eventName, s3 }) => [eventName, s3.object.key, s3.object.versionId]);
  assert.equal(records.length, 2);
  assert.deepEqual(records.map(([name]) => name).sort(), ["ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated"]);
  assert.equal(records.find(([name]) => name === "ObjectRemoved:Delete")?.[2], headers["x-amz-version-id"]);
  const events = await cloud.database
    .sql`select payload from kernel.events where type = 'objects.object.notified' order by at, id`;
  assert.deepEqual(
    events.map(({ payload }) => `${payload.event} ${payload.key}`),
    [
      "ObjectCreated:Put in/a",
      "ObjectRemoved:DeleteMarkerCreated in/a",
      "ObjectRemoved:Delete in/a",
      "ObjectRemoved:DeleteMarkerCreated out/a",
    ],
  );
});

test("the API has the same rules; a test is sent, what was told is listed and sent once more", async () => {
  const path = "/buckets/shop-box/notifications";
  const events = ["s3:ObjectCreated:*"];
  const save = (...rules: object[]) => cloud.call("editor", "PUT", path, { rules });
  const clash = await save({ webhook: "orders", events }, { webhook: "orders", events: ["s3:ObjectCreated:Put"], prefix: "a/" });
  assert.deepEqual([clash.status, clash.body.fields[0].path], [400, "body.rules[1].events"]);
  assert.equal((await save({ webhook: "nobody", events })).body.fields[0].path, "body.rules[0].webhook");
  assert.equal((await save({ webhook: "orders", events: ["s3:ObjectEaten"] })).status, 400);
  assert.equal((await cloud.call("viewer", "PUT", path, { rules: [] })).status, 403);
  const saved = await save({ webhook: "orders", events, prefix: "photos/", suffix: ".jpg" });
  const [rule] = saved.body.rules;
  assert.deepEqual(saved.body, {
    rules: [{ ...rule, webhook: "orders", prefix: "photos/", suffix: ".jpg" }],
    eventBridge: false,
  });
  assert.deepEqual((await cloud.call("viewer", "GET", path)).body, saved.body);
  await shownAtDoor((text) => text.includes(`<Id>${rule.id}</Id><Topic>${arn}</Topic>`));
  assert.deepEqual(await told(0), [], "no test that nobody asked for");

  await cloud.put("shop-box", "photos/cat.jpg", "miaow");
  await cloud.put("shop-box", "photos/cat.txt", "miaow");
  const [event] = recordsOf(await told(1));
  assert.equal(event.s3.object.key, "photos/cat.jpg");
  const list = async () => (await cloud.call("viewer", "GET", "/buckets/shop-box/notification-deliveries")).body.items;
  const shown = (await list())[0];
  assert.deepEqual(
    [shown.event, shown.key, shown.webhook, shown.state, shown.attempts, shown.status],
    ["s3:ObjectCreated:Put", "photos/cat.jpg", "orders", "delivered", 1, 200],
  );
  const again = `/bucket-webhooks/${webhook.id}/deliveries/${shown.id}/send`;
  assert.equal((await cloud.call("viewer", "POST", again)).status, 403);
  assert.equal((await cloud.call("editor", "POST", again)).body.state, "pending");
  const [second] = await told(1);
  assert.equal(second?.headers["khmara-delivery"], shown.id, "by which the other side knows it again");
  assert.equal((await list())[0].attempts, 2);

  const test = (body: object) => cloud.call("editor", "POST", `/bucket-webhooks/${webhook.id}/test`, body);
  assert.equal((await test({ bucket: "nowhere" })).status, 404);
  assert.equal((await test({ bucket: "shop-box" })).status, 202);
  assert.equal(JSON.parse(String((await told(1))[0]?.body)).Event, "s3:TestEvent");
  const changed = await cloud.database.sql`select payload from kernel.events where type = 'objects.delivery.changed'`;
  assert.ok(changed.length > 0);
  await cloud.call("editor", "PATCH", `/bucket-webhooks/${webhook.id}`, { enabled: false });
  assert.equal((await test({ bucket: "shop-box" })).body.reason, "webhook_off");
  assert.equal((await cloud.call("editor", "POST", again)).body.reason, "webhook_off");
  await cloud.call("editor", "PATCH", `/bucket-webhooks/${webhook.id}`, { enabled: true });
  await save();
  await shownAtDoor((text) => !text.includes("<TopicConfiguration>"));
});

test("what is not taken is sent again, and shown; what is switched off is told nothing", async () => {
  await put(document(topic(["s3:ObjectCreated:*"])), { headers: { "x-amz-skip-destination-validation": "true" } });
  status = 503;
  await door.call({ method: "PUT", path: "/shop-box/again", body: "x" });
  const [first] = await told(1);
  const list = async () => (await cloud.call("viewer", "GET", `/bucket-webhooks/${webhook.id}/deliveries`)).body.items;
  const [delivery] = await list();
  assert.deepEqual([delivery.event, delivery.state, delivery.attempts], ["s3:ObjectCreated:Put", "pending", 1]);
  assert.match(delivery.message, /503/);
  status = 200;
  await cloud.database.sql`update objects.webhook_deliveries set due_at = now() where id = ${delivery.id}`;
  const [second] = await told(1);
  assert.equal(second?.body, first?.body);
  assert.equal(second?.headers["khmara-delivery"], first?.headers["khmara-delivery"], "by which the other side knows it again");
  assert.equal((await list())[0].state, "delivered");

  const off = await cloud.call("editor", "PATCH", `/bucket-webhooks/${webhook.id}`, { enabled: false });
  assert.equal(off.body.enabled, false);
  await door.call({ method: "PUT", path: "/shop-box/unheard", body: "x" });
  assert.deepEqual(await told(0), []);
  const clash = await cloud.call("editor", "POST", "/bucket-webhooks", {
    project: cloud.project,
    name: "orders",
    url: "https://a.example/",
  });
  assert.equal(clash.status, 409);
  assert.equal((await cloud.call("viewer", "GET", `/bucket-webhooks?project=${cloud.project}`)).body.items[0].name, "orders");
  assert.equal((await cloud.call("editor", "DELETE", `/bucket-webhooks/${webhook.id}`)).status, 204);
  assert.equal((await door.call({ method: "PUT", path: "/shop-box/gone", body: "x" })).status, 200);
});
