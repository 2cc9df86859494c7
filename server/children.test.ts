import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { ServerConfig } from "../kernel/config.ts";
import { eventually } from "../testing/launcher.ts";
import { superviseChild } from "./children.ts";
import { openLogFile } from "./log-file.ts";

const folder = mkdtempSync(join(tmpdir(), "khmara-children-"));
after(() => rmSync(folder, { recursive: true, force: true }));

test("a child that computes for ever is ended and started again; one that only works is not", async () => {
  const mark = join(folder, "was-here");
  const entry = join(folder, "child.ts");
  // The first one lives for a while, and then nothing turns in it any more.
  writeFileSync(
    entry,
    `import { existsSync, writeFileSync } from "node:fs";
    const first = !existsSync(${JSON.stringify(mark)});
    writeFileSync(${JSON.stringify(mark)}, "");
    process.send({ type: "ready" });
    setInterval(() => process.send({ type: "alive" }), 50);
    if (first) setTimeout(() => { for (;;); }, 500);`,
  );
  const problems: string[] = [];
  const child = superviseChild({
    name: "objects",
    entry,
    config: {} as ServerConfig,
    log: openLogFile(folder, "objects"),
    longestSilenceMs: 3000,
    onProgress() {},
    onProblem: (line) => problems.push(line),
    onChange() {},
  });
  after(() => child.kill());
  await child.ready;
  const first = child.pid();
  const isNext = (pid: number | undefined) => pid !== undefined && pid !== first;
  await eventually(() => child.pid(), isNext, 60_000);
  assert.deepEqual(problems, [
    "objects did not answer for 3 seconds and was ended; starting it again. See objects.log in the logs.",
  ]);
  const second = child.pid();
  await new Promise((resolve) => setTimeout(resolve, 4000));
  assert.equal(child.pid(), second);
  await child.stop(1000);
  assert.equal(problems.length, 1);
});
