import { execFile } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { dockerTools } from "../server/engines/docker.ts";
import { hostSystem, hostTools, missingTools, type Tools } from "../server/engines/packages.ts";
import { oneAtATime } from "../testing/oneAtATime.ts";

/** What the compute engine and the networks around it need: unit tests drive real ones (testing/lxd.ts). */
export const engineTools: Tools = {
  // Debian 13 and Ubuntu have Incus instead; an engine of either kind will do.
  "/usr/{bin/lxd,libexec/incus/incusd}": isOldDebian() ? "lxd" : "incus-base",
  ...hostTools,
  "/{usr/,}bin/setpriv": "util-linux",
  "/usr/bin/ssh": "openssh-client",
  "/{usr/,}bin/busybox": "busybox",
};

/** What applications need: tests drive a real Docker (testing/docker.ts). */
export const containerTools: Tools = {
  ...dockerTools,
  "/{usr/,}{s,}bin/ip": "iproute2",
  "/{usr/,}bin/busybox": "busybox",
  "/usr/bin/getent": "libc-bin",
};

/** A client of registries of images that we did not write. */
export const registryTools: Tools = { "/usr/bin/skopeo": "skopeo" };

/** Phones that we did not write (services/voice/testing), and what speaks and converts sound. */
export const phoneTools: Tools = {
  "/usr/bin/baresip": "baresip-core",
  "/usr/bin/linphonec": "linphone-cli",
  "/usr/bin/sipp": "sip-tester",
  "/usr/bin/espeak-ng": "espeak-ng",
  "/usr/bin/ffmpeg": "ffmpeg",
  "/usr/bin/chromium": "chromium",
  "/{usr/,}bin/setpriv": "util-linux",
};

/** A storage cluster of its own (services/objects/drivers/cluster/testing). */
export const storageTools: Tools = {
  "/usr/bin/ceph-mon": "ceph-mon",
  "/usr/bin/ceph-osd": "ceph-osd",
  "/usr/bin/radosgw": "radosgw",
};

/** For what a test loads into a process (services/objects/drivers/local/powerLoss). */
export const compilerTools: Tools = { "/usr/bin/gcc": "gcc", "/usr/include/stdio.h": "libc6-dev" };

/** What single files of tests need besides (testing/pebble.ts, services/voice/media). */
const singleTools: Tools = {
  "/usr/bin/pebble": "pebble",
  "/usr/bin/turnserver": "coturn",
  "/usr/bin/rtpengine": "rtpengine-daemon",
};

/** What the end-to-end tests drive: real clients that we did not write. */
const clientTools: Tools = {
  "/usr/bin/aws": "awscli",
  "/usr/bin/s3cmd": "s3cmd",
  "/usr/bin/rclone": "rclone",
  "/usr/bin/restic": "restic",
  "/usr/bin/s3fs": "s3fs",
  "/usr/lib/python3/dist-packages/boto3": "python3-boto3",
  "/usr/bin/chromium": "chromium",
  "/{usr/,}bin/ping": "iputils-ping",
  "/usr/bin/curl": "curl",
  "/usr/lib/postgresql/*/bin/initdb": "postgresql",
};

/** LXD came with Debian 12; from 13 on Incus is the one that is kept up. */
function isOldDebian(): boolean {
  const { id, versionId } = hostSystem();
  return id === "debian" && Number(versionId) <= 12;
}

/** What tests take where it is there: Chromium without any window computes a third less. */
export const lighterTools: Tools = { "/usr/bin/chromium-headless-shell": "chromium-headless-shell" };

/** Debian starts a service when it installs it, unless this says no: the tests start a PostgreSQL of their own. */
const servicePolicy = "/usr/sbin/policy-rc.d";

async function withoutServices<T>(work: () => Promise<T>): Promise<T> {
  const made = !existsSync(servicePolicy);
  if (made) writeFileSync(servicePolicy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    return await work();
  } finally {
    if (made) rmSync(servicePolicy);
  }
}

/** Installs what is missing, when this is Debian and we are root. Returns what is still missing and must not be. */
export async function installTestTools(
  tools: Tools = {
    ...clientTools,
    ...engineTools,
    ...containerTools,
    ...registryTools,
    ...phoneTools,
    ...storageTools,
    ...compilerTools,
    ...singleTools,
  },
): Promise<string[]> {
  if (missingTools(tools).length === 0) return [];
  if (existsSync("/usr/bin/apt-get") && process.getuid?.() === 0) {
    // Test files run at once, and apt lets one at a time in; whoever waited finds it done.
    const late = "Another process installs the tools of the tests, and does not come to an end.";
    await oneAtATime(join(tmpdir(), "khmara-test-tools.lock"), late, () => install(missingTools(tools)));
  }
  const left = missingTools(tools);
  if (left.length > 0)
    process.stdout.write(
      `Missing for the tests: ${left.join(", ")}. Install them (Debian: apt-get install ${left.join(" ")}).\n`,
    );
  return left;
}

async function install(packages: string[]): Promise<void> {
  if (packages.length === 0) return;
  process.stdout.write(`Installing for the tests: ${packages.join(", ")}\n`);
  await apt(300_000, "update", "-qq");
  // What is unpacked here need not outlive a loss of power: waiting for the disk after each file would take most of the time.
  const options = ["--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Options::=--force-unsafe-io"];
  const words = ["install", "-y", "-qq", ...options];
  const said = await withoutServices(async () => {
    const all = await apt(900_000, ...words, ...packages);
    if (all === "" || packages.length === 1) return all;
    // One that this distribution has not got keeps none of the others away.
    let each = "";
    for (const name of packages) each += await apt(900_000, ...words, name);
    return each;
  });
  if (said !== "") process.stdout.write(`${said}\n`);
}

/** Beside it the checks go on. Why it failed, or an empty text. */
async function apt(timeout: number, ...words: string[]): Promise<string> {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  try {
    await promisify(execFile)("apt-get", words, { env, timeout, maxBuffer: 2 ** 26 });
    return "";
  } catch (error) {
    return (error as { stderr?: string }).stderr || (error as Error).message;
  }
}
