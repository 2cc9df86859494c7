import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { until } from "./testing/rtpPeer.ts";

const isThere = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

test("workers end when the process that started them is killed, without a word", async () => {
  const source = `
    const { openMediaEngine } = await import(${JSON.stringify(new URL("./openEngine.ts", import.meta.url).href)});
    const engine = await openMediaEngine({ kind: "embedded", workers: 2, ports: [33_600, 33_699], advertised: ["127.0.0.1"] });
    const leg = engine.call("one").leg();
    await leg.offer();
    // The other worker's: each starts with its first call.
    await engine.call("two").leg().offer();
    leg.play({ tone: { segments: [{ frequencies: [425], ms: 1000 }], repeat: true } });
    console.log(JSON.stringify((await engine.figures()).workers.map(({ pid }) => pid)));
  `;
  const parent = spawn(process.execPath, ["--input-type=module", "-e", source], { stdio: ["ignore", "pipe", "pipe"] });
  let errors = "";
  parent.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  const [line] = (await once(parent.stdout, "data")) as [Buffer];
  const pids = JSON.parse(line.toString()) as number[];
  assert.equal(pids.length, 2);
  assert.ok(pids.every(isThere));
  const closed = once(parent, "close");
  parent.kill("SIGKILL");
  // "close" comes when nobody holds its standard error any longer, which the workers have too.
  await closed;
  await until("the workers are gone", () => !pids.some(isThere));
  assert.equal(errors, "");
});
