import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createAuthority } from "../gateway/certificates/authority.ts";
import { openCertificate } from "./voice-certificate.ts";

const pem = async (name: string) => {
  const { certificate, key } = await createAuthority({ name });
  return certificate + key;
};

async function watched(context: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), "khmara-certificate-"));
  const told: string[] = [];
  const note = (_: object, text: string) => void told.push(text);
  const file = join(folder, "phones.pem");
  const first = await pem("first");
  writeFileSync(join(folder, "1.pem"), first);
  // As certbot does it: a link that leads to the newest.
  symlinkSync("1.pem", file);
  const opened = openCertificate(file, { log: { info: note, warn: note } as never, everyMs: 5 });
  const taken: string[] = [];
  opened.onChange(({ cert }) => taken.push(cert.toString()));
  context.after(() => {
    opened.close();
    rmSync(folder, { recursive: true });
  });
  const until = async (met: () => boolean) => {
    for (let tries = 0; tries < 400 && !met(); tries++) await sleep(5);
    assert.ok(met(), told.join());
  };
  return { folder, file, first, opened, told, taken, until };
}

test("a certificate that is renewed is taken while it runs, and only when it is whole", async (context) => {
  const { folder, file, first, opened, told, taken, until } = await watched(context);
  assert.equal(opened.first.cert.toString(), first);
  const [second, other] = [await pem("second"), await pem("other")];
  writeFileSync(join(folder, "2.pem"), second.slice(0, 200));
  symlinkSync("2.pem", `${file}.new`);
  renameSync(`${file}.new`, file);
  await until(() => told.length === 1);
  assert.match(told[0] as string, /cannot be read/);
  assert.deepEqual(taken, []);
  writeFileSync(join(folder, "2.pem"), second);
  await until(() => taken.length === 1);
  assert.deepEqual(taken, [second]);
  // Another's key would have every handshake fail.
  const [certificate] = second.split("-----BEGIN PRIVATE KEY");
  writeFileSync(join(folder, "2.pem"), certificate + other.slice(other.indexOf("-----BEGIN PRIVATE KEY")));
  await until(() => told.length === 3);
  rmSync(file);
  await until(() => told.length === 4);
  assert.deepEqual(taken, [second]);
});

test("the first one has to be of use", () => {
  assert.throws(() => openCertificate("/nowhere.pem", { log: { info() {}, warn() {} } as never }), /ENOENT/);
});
