import { ago, now } from "./madePlace.ts";

/** What runs of the apps of e2e/madeApps.ts, and on which machines. */
const mebibyte = 1024 ** 2;
export const processes = [
  { name: "web", command: "node server.js", count: 2, running: 2, memoryBytes: 512 * mebibyte, cpus: 0.5, revision: 1 },
  {
    name: "worker",
    command: "node worker.js --queue letters-to-parents --retries 5",
    count: 1,
    running: 1,
    memoryBytes: 256 * mebibyte,
    cpus: 0.25,
    autoscale: { minimum: 1, maximum: 4, cpuPercent: 70 },
    revision: 1,
  },
];
export const containers = [
  ["web-1", "web", "healthy"],
  ["web-2", "web", "unhealthy"],
  ["worker-1", "worker", "running"],
].map(([name, process, state]) => ({
  name,
  process,
  releaseNumber: 12,
  state,
  ...(state === "unhealthy" ? { stateReason: "GET /health answered 500." } : {}),
  startedAt: ago(12),
  restarts: state === "unhealthy" ? 3 : 0,
  cpuPercent: 12.5,
  memoryBytes: 143 * mebibyte,
  memoryLimitBytes: 512 * mebibyte,
}));
const points = Array.from({ length: 60 }, (_, index) => ago(60 - index));
const wave = (base: number, by: number, shift = 0) =>
  points.map((at, index) => ({ at, value: Math.max(0, base + by * Math.sin((index + shift) / 6)) }));
export const metrics = {
  stepSeconds: 60,
  series: [
    { metric: "requests", unit: "per_second", points: wave(24, 9) },
    { metric: "errors", unit: "per_second", points: wave(0.2, 0.3) },
    { metric: "latency_p50", unit: "milliseconds", points: wave(18, 4) },
    { metric: "latency_p95", unit: "milliseconds", points: wave(74, 20, 3) },
    { metric: "latency_p99", unit: "milliseconds", points: wave(140, 60, 5) },
    { metric: "cpu", unit: "percent", process: "web", points: wave(34, 12) },
    { metric: "cpu", unit: "percent", process: "worker", points: wave(12, 6, 9) },
    { metric: "memory", unit: "bytes", process: "web", points: wave(280 * mebibyte, 20 * mebibyte) },
    { metric: "memory", unit: "bytes", process: "worker", points: wave(90 * mebibyte, 5 * mebibyte) },
  ],
};
export const logLine = (index: number) => {
  const isError = index % 7 === 3;
  return {
    at: new Date(now - (40 - index) * 1500).toISOString().replace("Z", "123456Z"),
    process: index % 5 === 4 ? "worker" : "web",
    container: index % 5 === 4 ? "worker-1" : `web-${(index % 2) + 1}`,
    stream: isError ? "stderr" : "stdout",
    text: isError
      ? "Warning: the letter to parents could not be sent, it is tried again in 30 seconds; the mail server said: 451 4.7.1 Please try again later"
      : `GET /timetable/${index} 200 ${10 + index} ms`,
  };
};

const nodeOf = (name: string, address: string, change: object = {}) => ({
  name,
  address,
  home: false,
  state: "ready",
  draining: false,
  engineVersion: "20.10.24",
  architecture: "amd64",
  cpus: 8,
  memoryBytes: 32 * 1024 ** 3,
  containers: 12,
  disks: [],
  allowedActions: ["drain"],
  ...change,
});
export const nodes = [
  nodeOf("khmara", "10.20.0.1", { home: true, allowedActions: [] }),
  nodeOf("node-2", "10.20.0.2", { draining: true, containers: 0, allowedActions: ["activate", "delete"] }),
  nodeOf("node-3", "10.20.0.3", {
    state: "down",
    containers: undefined,
    disks: [{ app: "shop", name: "uploads" }],
    allowedActions: ["drain", "delete"],
  }),
];
