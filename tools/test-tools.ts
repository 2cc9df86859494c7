import { spawnSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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

function withoutServices<T>(work: () => T): T {
  const made = !existsSync(servicePolicy);
  if (made) writeFileSync(servicePolicy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    return work();
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

function install(packages: string[]): void {
  if (packages.length === 0) return;
  process.stdout.write(`Installing for the tests: ${packages.join(", ")}\n`);
  const environment = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  spawnSync("apt-get", ["update", "-qq"], { stdio: "ignore", env: environment, timeout: 300_000 });
  const words = ["install", "-y", "-qq", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", ...packages];
  const { status, stderr } = withoutServices(() =>
    spawnSync("apt-get", words, { env: environment, timeout: 900_000, encoding: "utf8" }),
  );
  if (status !== 0) process.stdout.write(`${stderr}\n`);
}
