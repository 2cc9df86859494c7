/**
 * Calls a second through one process: sipp → the smallest switchboard → sipp. `node services/voice/sip/testing/bench.ts [calls/s] [seconds]`.
 * The time is that from INVITE to its 200, as the calling sipp sees it.
 */
import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { freePort } from "../../../../testing/ports.ts";
import type { SipStack } from "../ports.ts";
import { openSipStack } from "../stack.ts";
import { backToBack } from "./backToBack.ts";

const [rate = 200, seconds = 20] = process.argv.slice(2).map(Number);
const folder = await mkdtemp(join(tmpdir(), "khmara-sip-bench-"));
const calleePort = await freePort();
const holder: { stack?: SipStack } = {};
const errors: unknown[] = [];
holder.stack = await openSipStack({
  bindings: [{ transport: "udp", host: "127.0.0.1", port: 0 }],
  userAgent: "Khmara bench",
  onRequest: (request) => request.respond(404),
  onError: (error) => errors.push(error),
  ...backToBack(
    () => holder.stack!,
    () => `sip:callee@127.0.0.1:${calleePort}`,
  ),
});
const { port } = holder.stack.bindings[0]!;

const sipp = (words: string[]) =>
  spawn("/usr/bin/sipp", ["-i", "127.0.0.1", "-nostdin", ...words], { cwd: folder, stdio: "ignore" });
const callee = sipp(["-sn", "uas", "-p", String(calleePort)]);
await new Promise((resolve) => setTimeout(resolve, 500));
const before = process.cpuUsage();
const delay = monitorEventLoopDelay({ resolution: 5 });
delay.enable();
const started = performance.now();
const calls = rate * seconds;
const caller = sipp([
  "-sn",
  "uac",
  "-d",
  "1000",
  "-r",
  String(rate),
  "-m",
  String(calls),
  "-l",
  "5000",
  "-trace_rtt",
  "-trace_stat",
  "-fd",
  "1",
  `127.0.0.1:${port}`,
]);
const code = await new Promise((resolve) => caller.once("exit", resolve));
const { user, system } = process.cpuUsage(before);
const elapsedMs = performance.now() - started;
callee.kill();

const files = await readdir(folder);
const times = (await readFile(join(folder, files.find((name) => name.endsWith("_rtt.csv"))!), "utf8"))
  .split("\n")
  .slice(1)
  .flatMap((line) => (line.includes(";") ? [Number(line.split(";")[1])] : []))
  .sort((a, b) => a - b);
const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))];
process.stdout.write(
  `${JSON.stringify({
    callsPerSecond: rate,
    calls,
    sippExit: code,
    measured: times.length,
    inviteTo200Ms: { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: times.at(-1) },
    processorShare: Number(((user + system) / 1000 / elapsedMs).toFixed(3)),
    // What the machine kept from us, or we from ourselves.
    eventLoopDelayMs: { p99: Math.round(delay.percentile(99) / 1e6), max: Math.round(delay.max / 1e6) },
    residentMiB: Math.round(process.memoryUsage.rss() / 2 ** 20),
    left: holder.stack.sessions.size,
    errors: errors.length,
  })}\n`,
);
await holder.stack.close();
await rm(folder, { recursive: true, force: true });
