import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exec } from "../e2e/cloud.ts";
import { type TestLxd, testProject } from "../testing/lxd.ts";

export interface Size {
  vcpus: number;
  memoryBytes: number;
  diskBytes: number;
}

/** The engine's own command line, in a project of its own, with a card on a bridge: what somebody does who has no Khmara. */
export interface Lxc {
  init(name: string, size: Size): Promise<void>;
  launch(name: string, size: Size): Promise<void>;
  createVolume(name: string, sizeBytes: number): Promise<void>;
  /** On a volume of the pool. */
  volume(...words: [verb: string, ...names: string[]]): Promise<void>;
  run(...words: string[]): Promise<void>;
  remove(): Promise<void>;
}

const bridge = "khbench0";

export async function openLxc(lxd: TestLxd): Promise<Lxc> {
  const program = lxd.kind === "lxd" ? "lxc" : "incus";
  const variable = lxd.kind.toUpperCase();
  const configuration = mkdtempSync(join(tmpdir(), "khmara-bench-lxc-"));
  const env = { [`${variable}_SOCKET`]: lxd.socket, [`${variable}_CONF`]: configuration };
  const project = await testProject(lxd, "khbench");
  const ip = (...words: string[]) => execFileSync("ip", ["link", ...words], { stdio: "ignore" });
  const run = async (...words: string[]) => void (await exec(program, ["--project", project.name, ...words], { env }));
  const lxc: Lxc = {
    init: (name, size) => run("init", `local:${lxd.imageAlias}`, name, ...limits(size)),
    launch: (name, size) => run("launch", `local:${lxd.imageAlias}`, name, ...limits(size)),
    createVolume: (name, sizeBytes) => run("storage", "volume", "create", lxd.poolName, name, `size=${sizeBytes}B`),
    volume: (verb, ...names) => run("storage", "volume", verb, lxd.poolName, ...names),
    run,
    async remove() {
      await project.remove();
      ip("delete", bridge);
      rmSync(configuration, { recursive: true, force: true });
    },
  };
  try {
    ip("add", bridge, "type", "bridge");
  } catch {
    // Of a run that was killed.
  }
  ip("set", bridge, "up");
  await run("profile", "device", "add", "default", "eth0", "nic", "nictype=bridged", `parent=${bridge}`);
  return lxc;
}

const limits = ({ vcpus, memoryBytes, diskBytes }: Size): string[] =>
  ["-c", `limits.cpu=${vcpus}`, "-c", `limits.memory=${memoryBytes}B`].concat("-d", `root,size=${diskBytes}B`);
