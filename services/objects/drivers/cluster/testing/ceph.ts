import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { freePort } from "../../../../../testing/ports.ts";
import type { ClusterOptions } from "../contents.ts";

const run = promisify(execFile);

export interface CephCluster extends AsyncDisposable {
  options: ClusterOptions;
  /** Stops and starts the gateway: the cluster does not answer in between. */
  stopGateway(): Promise<void>;
  startGateway(): Promise<void>;
  stop(): Promise<void>;
}

/** A whole Ceph on this machine: a monitor, one OSD in a file, and radosgw, in a folder of its own. Root only, as Ceph's daemons are. */
export async function startCeph(): Promise<CephCluster> {
  const folder = await mkdtemp(join(tmpdir(), "khmara-ceph-"));
  for (const name of ["mon", "osd", "rgw", "run", "log"]) await mkdir(join(folder, name));
  const [monitorPort, gatewayPort] = [await freePort(), await freePort()];
  const fsid = randomUUID();
  const file = join(folder, "ceph.conf");
  await writeFile(file, configuration({ folder, fsid, monitorPort, gatewayPort }));
  const ceph = (program: string, ...rest: string[]) => run(program, ["-c", file, ...rest], { timeout: 120_000 });
  const keys = { accessKeyId: "KHMARATEST", secretAccessKey: "khmara-test-secret" };
  const options: ClusterOptions = {
    endpoint: `http://127.0.0.1:${gatewayPort}`,
    region: "default",
    bucket: "khmara-contents",
    ...keys,
  };
  const startGateway = async () => {
    await ceph("radosgw", "-n", "client.rgw.a");
    await until(async () => (await fetch(options.endpoint)).ok, "radosgw answers");
  };
  const stop = async () => {
    for (const name of ["client.rgw.a", "osd.0", "mon.a"]) await stopDaemon(folder, name);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await ceph("monmaptool", "--create", "--addv", "a", `[v1:127.0.0.1:${monitorPort}]`, "--fsid", fsid, join(folder, "monmap"));
    await ceph("ceph-mon", "--mkfs", "-i", "a", "--monmap", join(folder, "monmap"));
    await ceph("ceph-mon", "-i", "a");
    await ceph("ceph", "--connect-timeout", "60", "osd", "create");
    await ceph("ceph-osd", "-i", "0", "--mkfs");
    await ceph("ceph-osd", "-i", "0");
    await ceph("ceph", "osd", "crush", "add", "0", "1.0", "host=a", "root=default");
    const { accessKeyId, secretAccessKey } = keys;
    const user = ["--uid=khmara", "--display-name=Khmara", `--access-key=${accessKeyId}`, `--secret=${secretAccessKey}`];
    await ceph("radosgw-admin", "user", "create", ...user);
    await startGateway();
    const client = new S3Client({ ...options, credentials: keys, forcePathStyle: true });
    await client.send(new CreateBucketCommand({ Bucket: options.bucket }));
    client.destroy();
  } catch (error) {
    await stop();
    throw error;
  }
  return { options, startGateway, stopGateway: () => stopDaemon(folder, "client.rgw.a"), stop, [Symbol.asyncDispose]: stop };
}

function configuration({
  folder,
  fsid,
  monitorPort,
  gatewayPort,
}: Record<"folder" | "fsid", string> & Record<"monitorPort" | "gatewayPort", number>): string {
  return `[global]
fsid = ${fsid}
mon host = [v1:127.0.0.1:${monitorPort}]
ms bind msgr2 = false
auth cluster required = none
auth service required = none
auth client required = none
run dir = ${folder}/run
admin socket = ${folder}/run/$name.sock
log file = ${folder}/log/$name.log
pid file = ${folder}/run/$name.pid
keyring = ${folder}/keyring
mon data = ${folder}/mon
mon allow pool size one = true
mon data avail crit = 1
mon data avail warn = 2
osd data = ${folder}/osd
osd objectstore = bluestore
osd class update on start = false
osd crush update on start = false
osd memory target = 939524096
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
bluestore block create = true
bluestore block size = 8589934592
rgw data = ${folder}/rgw
rgw frontends = beast endpoint=127.0.0.1:${gatewayPort}
rgw thread pool size = 32
`;
}

async function stopDaemon(folder: string, name: string): Promise<void> {
  const found = await readdir(join(folder, "run")).catch(() => []);
  if (!(found as string[]).includes(`${name}.pid`)) return;
  const pid = Number(await readFile(join(folder, "run", `${name}.pid`), "utf8"));
  const alive = () => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  if (alive()) process.kill(pid, name.startsWith("osd") ? "SIGKILL" : "SIGTERM");
  await until(async () => !alive(), `${name} ends`);
  await rm(join(folder, "run", `${name}.pid`), { force: true });
}

async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  for (const end = Date.now() + 60_000; Date.now() < end; ) {
    if (await holds().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${what}: did not happen in 60 s.`);
}
