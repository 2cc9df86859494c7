/** The gateway beside its cloud: started with it, found again after any death, and ended with it. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { Agent } from "node:https";
import type { LookupFunction } from "node:net";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { connect as tlsConnect } from "node:tls";
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { chromium } from "playwright-core";
import { runningKhmara } from "../server/data-folder.ts";
import { gatewayProcesses } from "../server/gateway-process.ts";
import { dockerMissing, testContext, testRootfs } from "../testing/docker.ts";
import { eventually, gone } from "../testing/launcher.ts";
import { exec, newCloud, owner, type TestCloud } from "./cloud.ts";

/** Names below localhost lead to this machine: curl and browsers know that without a DNS (RFC 6761, 6.3). */
const consoleHost = "console.cloud.localhost";
const objectsHost = "s3.cloud.localhost";

describe("the gateway of a cloud", { skip: dockerMissing() ?? false }, () => {
  let cloud: TestCloud;
  before(async () => {
    cloud = await newCloud({ apps: true });
    process.env["KHMARA_PUBLIC_URL"] = `https://${consoleHost}:${cloud.apps?.httpsPort}`;
    process.env["KHMARA_S3_URL"] = `https://${objectsHost}:${cloud.apps?.httpsPort}`;
    await cloud.start();
  });
  after(() => cloud?.remove());

  /** What curl gets: the head of the answer, and its body. */
  const curl = async (...args: string[]): Promise<{ status: number; head: string; body: string }> => {
    const text = await exec("/usr/bin/curl", ["--silent", "--insecure", "--include", "--max-time", "60", ...args]);
    const end = text.search(/\r?\n\r?\n/);
    const head = text.slice(0, end);
    return { status: Number(/^HTTP\/[\d.]+ (\d+)/.exec(head)?.[1]), head, body: text.slice(end).trimStart() };
  };

  const folder = () => `${cloud.dataDirectory}/gateway`;
  const masterOf = () => gatewayProcesses(folder())[0];
  const ask = async (): Promise<number> => {
    const response = await fetch(`http://127.0.0.1:${cloud.apps?.httpPort}/`, { headers: { connection: "close" } });
    assert.match(await response.text(), /There is nothing here/);
    return response.status;
  };
  const answers = () => eventually(ask, (status) => status === 404, 120_000);
  const control = () => runningKhmara(cloud.dataDirectory)?.children.find(({ name }) => name === "control")?.pid as number;

  test("it is there with the cloud, which says where", async () => {
    await answers();
    assert.match(cloud.output, new RegExp(`Docker [\\d.]+.*gateway on ${cloud.apps?.httpPort} and ${cloud.apps?.httpsPort}`));
    const { client } = await cloud.signIn();
    const engine = await client.appEngineGet({});
    assert.deepEqual(
      [engine.missing, engine.gateway],
      [undefined, { httpPort: cloud.apps?.httpPort, httpsPort: cloud.apps?.httpsPort }],
    );
    assert.ok((engine.cpus ?? 0) > 0 && engine.version !== undefined);
  });

  test("the console is at its name over TLS and HTTP/2, and so is S3", async () => {
    const url = `https://${consoleHost}:${cloud.apps?.httpsPort}`;
    const page = await eventually(
      () => curl("--http2", `${url}/sign-in`),
      ({ status }) => status === 200,
      120_000,
    );
    assert.match(page.head, /^HTTP\/2 200/);
    assert.match(page.body, /<div id="root">|<script type="module"/);
    const plain = await curl(`http://${consoleHost}:${cloud.apps?.httpPort}/a?b=c`);
    assert.deepEqual([plain.status, /^location: (.*)$/im.exec(plain.head)?.[1]?.trim()], [308, `${url}/a?b=c`]);
    // Whoever comes says of themselves what they like; what is believed is the address that they come from.
    const signedIn = await curl(
      ...["--json", JSON.stringify(owner), "-H", "X-Forwarded-For: 203.0.113.9", "-H", `Origin: ${url}`],
      `${url}/api/v1/sessions`,
    );
    assert.equal(signedIn.status, 201, signedIn.body);
    const cookie = /^set-cookie: (__Host-khmara_session=[\w-]+); Path=\/; HttpOnly; SameSite=Lax; .*Secure/im.exec(
      signedIn.head,
    )?.[1];
    assert.ok(cookie, signedIn.head);
    const sessions = JSON.parse((await curl("-H", `Cookie: ${cookie}`, `${url}/api/v1/sessions`)).body);
    assert.equal(sessions.items.find(({ current }: { current: boolean }) => current).sourceIp, "127.0.0.1");
    // An upload of unknown length, and one that asks first, go through as they are.
    const { client, projectId } = await cloud.signIn();
    const key = await client.accessKeyCreate({ project: projectId as never, name: "gateway" });
    const file = join(cloud.folder, "upload.bin");
    const bytes = Buffer.alloc(20_000_000, "khmara");
    writeFileSync(file, bytes);
    const s3 = [
      "--aws-sigv4",
      "aws:amz:us-east-1:s3",
      "--user",
      `${key.accessKeyId}:${key.secretAccessKey}`,
      "-H",
      "x-amz-content-sha256: UNSIGNED-PAYLOAD",
    ];
    const objects = `https://${objectsHost}:${cloud.apps?.httpsPort}/through-the-gateway`;
    const made = await curl(...s3, "-X", "PUT", objects);
    assert.equal(made.status, 200, made.body);
    const put = await curl(...s3, "-T", file, `${objects}/upload.bin`);
    assert.match(put.head, new RegExp(`"${createHash("md5").update(bytes).digest("hex")}"`));
    assert.match((await curl(...s3, "-I", `${objects}/upload.bin`)).head, /content-length: 20000000/i);
  });

  test("a library that knows S3 has its bucket in the host's name, over TLS, in parts and with a key of its own", async () => {
    const { client, projectId } = await cloud.signIn();
    const { accessKeyId, secretAccessKey } = await client.accessKeyCreate({ project: projectId as never, name: "hosted" });
    const Bucket = "hosted-bucket";
    const { httpsPort: port = 0 } = cloud.apps ?? {};
    const host = `${Bucket}.${objectsHost}`;
    const socket = tlsConnect({ host: "127.0.0.1", port, servername: host, rejectUnauthorized: false });
    await once(socket, "secureConnect");
    const ca = socket.getPeerX509Certificate()?.toString() as string;
    socket.destroy();
    // A name below localhost is not in every DNS. Nothing else is let pass: this certificate, for the name that is asked.
    const lookup: LookupFunction = (_, options, found) =>
      options.all ? found(null, [{ address: "127.0.0.1", family: 4 }]) : found(null, "127.0.0.1", 4);
    const s3 = new S3Client({
      endpoint: `https://${objectsHost}:${port}`,
      region: "us-east-1",
      credentials: { accessKeyId, secretAccessKey },
      requestHandler: { httpsAgent: new Agent({ ca, allowPartialTrustChain: true, lookup }) },
    });
    const key = randomBytes(32);
    const own = {
      SSECustomerAlgorithm: "AES256",
      SSECustomerKey: key.toString("base64"),
      SSECustomerKeyMD5: createHash("md5").update(key).digest("base64"),
    };
    try {
      await client.bucketCreate({ project: projectId as never, name: Bucket });
      await s3.send(new PutObjectCommand({ Bucket, Key: "a b/ü", Body: "hosted", ...own }));
      const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key: "a b/ü", ...own }));
      assert.equal(await Body?.transformToString(), "hosted");
      await assert.rejects(s3.send(new GetObjectCommand({ Bucket, Key: "a b/ü" })), { name: "InvalidRequest" });
      const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: "whole", ...own }));
      const part = { Bucket, Key: "whole", UploadId, PartNumber: 1, Body: "part", ...own };
      const { ETag } = await s3.send(new UploadPartCommand(part));
      const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
      const done = await s3.send(new CompleteMultipartUploadCommand({ Bucket, Key: "whole", UploadId, MultipartUpload, ...own }));
      assert.equal(done.Location, `https://${host}:${port}/whole`);
    } finally {
      s3.destroy();
    }
  });

  test("a bucket is a website with the word of a client that knows S3", async () => {
    const { client, projectId } = await cloud.signIn();
    const key = await client.accessKeyCreate({ project: projectId as never, name: "website" });
    const env = {
      AWS_ACCESS_KEY_ID: key.accessKeyId,
      AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
      AWS_DEFAULT_REGION: "us-east-1",
      HOME: cloud.folder,
    };
    const aws = (...args: string[]) => exec("/usr/bin/aws", ["--endpoint-url", cloud.s3Url, ...args], { env });
    const write = (name: string, text: string) => {
      const path = join(cloud.folder, name);
      writeFileSync(path, text);
      return path;
    };
    await aws("s3", "mb", "s3://pages");
    await aws("s3", "cp", "--quiet", write("index.html", `<h1>Pages</h1>${" and more".repeat(500)}`), "s3://pages/index.html");
    await aws("s3", "cp", "--quiet", write("404.html", "<h1>Lost</h1>"), "s3://pages/404.html");
    await assert.rejects(aws("s3api", "get-bucket-website", "--bucket", "pages"), /NoSuchWebsiteConfiguration/);
    await assert.rejects(client.bucketWebsiteGet({ bucket: "pages" }), { code: "not_found" });
    await aws("s3", "website", "s3://pages", "--index-document", "index.html", "--error-document", "404.html");
    assert.deepEqual(JSON.parse(await aws("s3api", "get-bucket-website", "--bucket", "pages")), {
      IndexDocument: { Suffix: "index.html" },
      ErrorDocument: { Key: "404.html" },
    });
    const { url } = await client.bucketWebsiteGet({ bucket: "pages" });
    assert.equal(url, `http://pages.default.sites.localhost:${cloud.apps?.httpPort}`);
    // It opens nothing by itself.
    await eventually(
      () => curl(`${url}/`),
      ({ status }) => status === 403,
      60_000,
    );
    const reads = { Effect: "Allow", Principal: "*", Action: "s3:GetObject", Resource: "arn:aws:s3:::pages/*" };
    const policy = JSON.stringify({ Version: "2012-10-17", Statement: [reads] });
    await aws("s3api", "put-bucket-policy", "--bucket", "pages", "--policy", policy);
    const page = await eventually(
      () => curl("--compressed", `${url}/`),
      ({ status }) => status === 200,
      60_000,
    );
    assert.match(page.body, /^<h1>Pages<\/h1> and more/);
    assert.match(page.head, /content-type: text\/html/i);
    assert.match(page.head, /content-encoding: gzip/i);
    const etag = /^etag: (.*)$/im.exec((await curl(`${url}/index.html`)).head)?.[1]?.trim();
    assert.equal((await curl("-H", `If-None-Match: ${etag}`, `${url}/index.html`)).status, 304);
    const part = await curl("-r", "4-8", `${url}/index.html`);
    assert.deepEqual([part.status, part.body], [206, "Pages"]);
    const lost = await curl(`${url}/nothing`);
    assert.deepEqual([lost.status, lost.body], [404, "<h1>Lost</h1>"]);
    // Another one is private as before, whatever is said to the gateway.
    await aws("s3", "mb", "s3://private-things");
    assert.equal((await curl("-H", "X-Khmara-Website: private-things", `${url}/index.html`)).status, 200);
    assert.equal((await curl("-H", "X-Khmara-Website: private-things", `${cloud.s3Url}/index.html`)).status, 404);
    await aws("s3api", "delete-bucket-website", "--bucket", "pages");
    await eventually(
      () => curl(`${url}/`),
      ({ status }) => status === 404,
      60_000,
    );
  });

  test("an app only for who is signed in to this cloud: a browser is led to the sign-in and back", async () => {
    const { client, projectId, token } = await cloud.signIn();
    const app = await client.appCreate({ project: projectId as never, name: "inside" });
    const upload = await fetch(`${cloud.url}/api/v1/apps/${app.id}/image-uploads`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/octet-stream" },
      body: new Uint8Array(await webImage()),
    });
    assert.equal(upload.status, 202, await upload.clone().text());
    const url = `http://inside.default.localhost:${cloud.apps?.httpPort}`;
    await eventually(
      () => curl(`${url}/`),
      ({ status }) => status === 200,
      180_000,
    );
    await client.appAccessUpdate({ app: app.id, signIn: { audience: "project" } });
    await eventually(
      () => curl(`${url}/`),
      ({ status }) => status === 401,
      60_000,
    );
    const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
    try {
      const context = await browser.newContext({ ignoreHTTPSErrors: true });
      context.setDefaultTimeout(60_000);
      const page = await context.newPage();
      await page.goto(`${url}/page.html?x=1#there`);
      assert.equal(new URL(page.url()).hostname, consoleHost);
      await page.getByLabel("E-mail").fill(owner.email);
      await page.getByLabel("Password", { exact: true }).fill(owner.password);
      await page.getByRole("button", { name: "Sign in", exact: true }).click();
      await page.getByRole("heading", { name: "Inside", exact: true }).waitFor();
      assert.equal(page.url().replace(/#.*/, ""), `${url}/page.html?x=1`);
      const cookies = await context.cookies(url);
      const visit = cookies.find(({ name }) => name === "khmara-visit");
      assert.deepEqual([visit?.domain, visit?.httpOnly, visit?.sameSite], ["inside.default.localhost", true, "Lax"]);
      // Scripts of the app go on as before, and are told when it is over.
      const status = () => page.evaluate(() => fetch("/page.html").then((answer) => answer.status));
      assert.equal(await status(), 200);
      // Another of the browser's sites of this cloud needs no password again.
      await context.clearCookies({ domain: "inside.default.localhost" });
      assert.equal(await status(), 401);
      await page.goto(`${url}/page.html`);
      await page.getByRole("heading", { name: "Inside", exact: true }).waitFor();
      await visitsWithoutControl(() => status());
      await page.goto(`${url}/.khmara/sign-out`);
      await page.getByRole("heading", { name: "You have left" }).waitFor();
      assert.deepEqual(
        (await context.cookies(url)).filter(({ name }) => name === "khmara-visit"),
        [],
      );
    } finally {
      await browser.close();
    }
    await client.appDelete({ app: app.id, confirm: "inside" });
  });

  /** Who is signed in sees the app all the same; the console says that it is coming. */
  async function visitsWithoutControl(status: () => Promise<number>): Promise<void> {
    const before = control();
    process.kill(before, "SIGSTOP");
    try {
      assert.equal(await status(), 200);
    } finally {
      process.kill(before, "SIGKILL");
    }
    await gone(before);
    assert.equal(await status(), 200);
    const console = await curl(`https://${consoleHost}:${cloud.apps?.httpsPort}/`);
    if (console.status !== 200) {
      assert.equal(console.status, 503);
      assert.match(console.body, /http-equiv="refresh"/);
    }
    await eventually(
      async () => (await curl(`https://${consoleHost}:${cloud.apps?.httpsPort}/readyz`)).status,
      (now) => now === 200,
      120_000,
    );
  }

  test("it goes on while the control plane is dead, and is the same one afterwards", async () => {
    const master = masterOf();
    const before = control();
    process.kill(before, "SIGKILL");
    await gone(before);
    assert.equal(await ask(), 404);
    await eventually(control, (pid) => pid !== undefined && pid !== before, 120_000);
    await eventually(
      async () => (await fetch(`${cloud.url}/readyz`)).status,
      (status) => status === 200,
      120_000,
    );
    assert.equal(await ask(), 404);
    assert.equal(masterOf(), master);
  });

  test("it outlives a supervisor that is killed, and the next start takes it over", async () => {
    const master = masterOf();
    await cloud.kill();
    assert.equal(await ask(), 404);
    await cloud.start();
    await answers();
    assert.equal(masterOf(), master);
    // And it is changed as before: one that was killed is made anew.
    for (const pid of gatewayProcesses(folder())) process.kill(pid, "SIGKILL");
    await answers();
    assert.notEqual(masterOf(), master);
  });

  test("it ends with the cloud", async () => {
    await cloud.stop();
    assert.deepEqual(gatewayProcesses(folder()), []);
    await assert.rejects(ask);
    await cloud.start();
    await answers();
  });
});

/** As `docker save` writes it: a web server of busybox, of which the tests have a copy. */
async function webImage(): Promise<Buffer> {
  const layer = await testRootfs({
    "www/index.html": "<h1>Home</h1>",
    "www/page.html": "<!doctype html><title>Inside</title><h1>Inside</h1>",
  });
  const config = {
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    os: "linux",
    config: { Cmd: ["/bin/httpd", "-f", "-p", "8080", "-h", "/www"], ExposedPorts: { "8080/tcp": {} } },
    rootfs: { type: "layers", diff_ids: [`sha256:${createHash("sha256").update(layer).digest("hex")}`] },
  };
  const manifest = [{ Config: "config.json", RepoTags: null, Layers: ["layer.tar"] }];
  return buffer(
    testContext({ "manifest.json": JSON.stringify(manifest), "config.json": JSON.stringify(config), "layer.tar": layer }),
  );
}
