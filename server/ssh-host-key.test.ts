import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ensureSshHostKey } from "./ssh-host-key.ts";
import { StartError } from "./start-error.ts";

test("the key of git over SSH is made once, for its owner alone, as OpenSSH reads it", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "khmara-host-key-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "secrets", "ssh_host_ed25519_key");
  const [key, same] = await Promise.all([ensureSshHostKey(file), ensureSshHostKey(file)]);
  assert.deepEqual(same, key);
  assert.deepEqual(await ensureSshHostKey(file), key);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal(
    execFileSync("ssh-keygen", ["-y", "-f", file], { encoding: "utf8" }).split(" ", 2).join(" ").trim(),
    key.publicKey,
  );
  assert.equal(execFileSync("ssh-keygen", ["-l", "-f", file], { encoding: "utf8" }).split(" ")[1], key.fingerprint);

  writeFileSync(file, "half a ke");
  await assert.rejects(ensureSshHostKey(file), (error) => error instanceof StartError && /is damaged/.test(error.message));
});
