import { createHash } from "node:crypto";
import { existsSync, linkSync, readFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { makeFolder, syncFolder, writeDurable } from "./durable-file.ts";
import { StartError } from "./start-error.ts";

export interface SshHostKey {
  /** As OpenSSH writes it. */
  privateKey: string;
  /** `ssh-ed25519 AAAA…` */
  publicKey: string;
  /** `SHA256:…`, as clients show it. */
  fingerprint: string;
}

/** The key by which clients of git know this cloud: made once, and kept, as they remember it. */
export async function ensureSshHostKey(file: string): Promise<SshHostKey> {
  const { default: ssh2 } = await import("ssh2");
  if (!existsSync(file)) {
    makeFolder(dirname(file), 0o700);
    const made = `${file}.${process.pid}.made`;
    writeDurable(made, ssh2.utils.generateKeyPairSync("ed25519", { comment: "khmara" }).private, { mode: 0o600 });
    try {
      // Another control plane may have made one at this moment: the first is the cloud's.
      linkSync(made, file);
      syncFolder(dirname(file));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    } finally {
      rmSync(made, { force: true });
    }
  }
  const privateKey = readFileSync(file, "utf8");
  const key = ssh2.utils.parseKey(privateKey);
  if (key instanceof Error || key.type !== "ssh-ed25519" || !key.isPrivateKey())
    throw new StartError(
      `The key of git over SSH, ${file}, is damaged. Restore it from your backup, or remove it: a new one is made then.`,
    );
  const blob = key.getPublicSSH();
  return {
    privateKey,
    publicKey: `ssh-ed25519 ${blob.toString("base64")}`,
    fingerprint: `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`,
  };
}
