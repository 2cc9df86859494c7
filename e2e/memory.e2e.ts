import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { processTree, rssBytes } from "../testing/processes.ts";
import { clientEnvironment, newCloud } from "./cloud.ts";

/** A 5 GiB object goes in and comes out through aws; what the cloud's processes hold stays flat. */
const sizeBytes = Number(process.env["KHMARA_LARGE_BYTES"] ?? 5 * 2 ** 30);
/** Buffers of the transfer and what the garbage collector has not come to; nothing that grows with the object. */
const allowanceBytes = 160 * 2 ** 20;
// A second process for S3, which starts under load, is not what grows with the object.
process.env["KHMARA_OBJECT_PROCESSES"] = "1";
const cloud = await newCloud();
let env: Record<string, string>;

before(async () => {
  await cloud.start();
  const { client, projectId } = await cloud.signIn();
  const key = await client.accessKeyCreate({ project: projectId as never, name: "memory" });
  await client.bucketCreate({ project: projectId as never, name: "large" });
  env = {
    AWS_ACCESS_KEY_ID: key.accessKeyId,
    AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
    AWS_DEFAULT_REGION: "us-east-1",
    AWS_EC2_METADATA_DISABLED: "true",
  };
});
after(() => cloud.remove());

/** The most that the cloud's processes together held while `work` ran. */
async function peakDuring(work: () => Promise<void>): Promise<number> {
  let peak = 0;
  const timer = setInterval(() => {
    const now = processTree(cloud.pid)
      .filter(({ command }) => /server\/(control|objects)\.ts/.test(command))
      .reduce((sum, { pid }) => sum + rssBytes(pid), 0);
    peak = Math.max(peak, now);
  }, 100);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  return peak;
}

test("memory stays flat while a 5 GiB object goes in and out", { timeout: 1_500_000 }, async (t) => {
  const idle = await peakDuring(() => new Promise((resolve) => setTimeout(resolve, 500)));
  const sent = createHash("sha256");
  const upload = await peakDuring(async () => {
    const aws = spawn(
      "/usr/bin/aws",
      ["--endpoint-url", cloud.s3Url, "s3", "cp", "--expected-size", String(sizeBytes), "-", "s3://large/object"],
      { env: { ...clientEnvironment(), ...env }, stdio: ["pipe", "inherit", "inherit"] },
    );
    const block = Buffer.alloc(2 ** 20);
    for (let i = 0; i * block.length < sizeBytes; i++) {
      const chunk = Buffer.from(block.subarray(0, Math.min(block.length, sizeBytes - i * block.length)));
      chunk.writeUInt32LE(i, 0);
      sent.update(chunk);
      if (!aws.stdin.write(chunk)) await once(aws.stdin, "drain");
    }
    aws.stdin.end();
    const [code] = await once(aws, "close");
    assert.equal(code, 0);
  });
  const received = createHash("sha256");
  const download = await peakDuring(async () => {
    const aws = spawn("/usr/bin/aws", ["--endpoint-url", cloud.s3Url, "s3", "cp", "s3://large/object", "-"], {
      env: { ...clientEnvironment(), ...env },
      stdio: ["ignore", "pipe", "inherit"],
    });
    for await (const chunk of aws.stdout) received.update(chunk as Buffer);
    if (aws.exitCode === null) await once(aws, "close");
    assert.equal(aws.exitCode, 0);
  });
  assert.equal(received.digest("hex"), sent.digest("hex"));
  const mib = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`;
  t.diagnostic(`idle ${mib(idle)}, at most ${mib(upload)} while it goes in, ${mib(download)} while it comes out`);
  assert.ok(
    upload < idle + allowanceBytes && download < idle + allowanceBytes,
    `idle ${mib(idle)}, in ${mib(upload)}, out ${mib(download)}`,
  );
});
