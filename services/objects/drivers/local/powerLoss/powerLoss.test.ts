import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { newId } from "../../../../../kernel/ids.ts";
import { compilerTools, installTestTools } from "../../../../../tools/test-tools.ts";
import { seededRandom } from "../../conformance.listing.ts";
import { openLocalStore } from "../index.ts";
import { crashProgram, listenTo, nothingSaid, verify, verifyVersions } from "../testing/crashWorker.ts";
import { Disk, deedsIn } from "./disk.ts";

const losses = 24;
const bytesOfWork = 24 * 2 ** 20;
const root = realpathSync(mkdtempSync(join(tmpdir(), "khmara-power-loss-")));
after(() => rmSync(root, { recursive: true, force: true }));

const missing = await installTestTools(compilerTools);
assert.deepEqual(missing, [], "what compiles the recorder");
const library = join(root, "record.so");
execFileSync("gcc", ["-shared", "-fPIC", "-O1", "-o", library, join(import.meta.dirname, "record.c"), "-ldl", "-lpthread"]);

/** A store that is worked on until enough was written; the record of all that it did to the disk. */
async function work(name: string, bucketId: string, more: string[]): Promise<{ place: string; log: Buffer }> {
  const place = join(root, name);
  const log = join(root, `${name}.log`);
  mkdirSync(place);
  const child = spawn(process.execPath, [crashProgram, join(place, "store"), bucketId, name, "7", ...more], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, LD_PRELOAD: library, POWER_LOSS_ROOT: place, POWER_LOSS_LOG: log },
  });
  let said = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    said += chunk.length;
    // So much is said while so much is written.
    if (said > bytesOfWork / 1000) child.kill("SIGKILL");
  });
  await once(child, "close");
  return { place, log: readFileSync(log) };
}

for (const kind of ["plain", "versioned"] as const)
  test(`a disk that loses its power keeps all that was acknowledged, and nothing in part (${kind})`, {
    timeout: 300_000,
  }, async (t) => {
    const bucketId = newId("bucket");
    const { place, log } = await work(kind, bucketId, kind === "versioned" ? ["versioned"] : []);
    const deeds = [...deedsIn(log)];
    assert.ok(
      deeds.some(({ synchronous }) => synchronous),
      "the index writes its meta pages through",
    );
    const seed = Date.now() % 1e9;
    t.diagnostic(`seed ${seed}, ${deeds.length} deeds`);
    const random = seededRandom(seed);
    const points = Array.from({ length: losses }, () => Math.floor(random() * deeds.length)).sort((a, b) => a - b);
    const disk = new Disk();
    const said = nothingSaid();
    const hear = listenTo(said);
    let checked = 0;
    for (const [index, deed] of deeds.entries()) {
      if (deed.operation === "said") for (const line of deed.data.toString().split("\n").filter(Boolean)) hear(line);
      else disk.do(deed);
      for (; points[0] === index; points.shift()) {
        // Before that the folder itself may not be there.
        if (!said.isReady) continue;
        const left = join(root, `${kind}-${checked++}`);
        disk.loseInto(join(place, "store"), left, random);
        const store = await openLocalStore({ directory: left });
        await verify(store, bucketId, said);
        await verifyVersions(store, bucketId, said);
        const { damaged } = await store.scrub();
        assert.deepEqual(damaged, [], "nothing in part");
        await store.put(
          bucketId,
          "afterwards",
          (async function* () {
            yield Buffer.alloc(30_000);
          })(),
        );
        await store.close();
        rmSync(left, { recursive: true });
      }
    }
    assert.ok(checked > losses / 2 && said.acknowledged > 100, `${checked} losses, ${said.acknowledged} acknowledged`);
  });
