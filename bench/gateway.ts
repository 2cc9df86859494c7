/**
 * Reverse proxies beside each other, in front of the same small application: HAProxy as the gateway drives it (all its rules, and its request
 * log), nginx and Caddy with the least that does the same (TLS, HTTP/2, a log), and the least that Node can do by itself.
 * `wrk` and `h2load` come from Debian. Rounds go around, so that a busy moment hits all of them.
 */
import { spawn, spawnSync } from "node:child_process";
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createAuthority, issueCertificate } from "../gateway/certificates/authority.ts";
import { Gateway } from "../gateway/gateway.ts";
import { freePort } from "../testing/ports.ts";
import { installTestTools } from "../tools/test-tools.ts";
import { cpuSeconds, figure, mebibytes, median, table, tell } from "./report.ts";
import type { BenchOptions } from "./run.ts";

interface Proxy {
  name: string;
  http: number;
  https: number;
  /** Its processes. */
  pids(): number[];
  stop(): Promise<void>;
}

interface Measure {
  perSecond: number;
  p50: number;
  p99: number;
  /** Processor time of the proxy, in microseconds for each request. */
  cpu: number;
}

const tools = {
  "/usr/sbin/haproxy": "haproxy",
  "/usr/sbin/nginx": "nginx-light",
  "/usr/bin/caddy": "caddy",
  "/usr/bin/wrk": "wrk",
  "/usr/bin/h2load": "nghttp2-client",
};

const scenarios = [
  { name: "HTTP/1.1, 1 connection", tool: "wrk", tls: false, connections: 1, path: "/" },
  { name: "HTTP/1.1, 16", tool: "wrk", tls: false, connections: 16, path: "/" },
  { name: "HTTP/1.1, 64", tool: "wrk", tls: false, connections: 64, path: "/" },
  { name: "TLS, HTTP/1.1, 64", tool: "wrk", tls: true, connections: 64, path: "/" },
  { name: "TLS, HTTP/2, 8 × 8", tool: "h2load", tls: true, connections: 8, path: "/" },
  { name: "10 MB body, 4", tool: "wrk", tls: false, connections: 4, path: "/large" },
] as const;

export async function run({ rounds = 3, seconds = 3 }: Partial<BenchOptions>): Promise<string> {
  if ((await installTestTools(tools)).length > 0) return "Not measured: its tools are missing.";
  const folder = mkdtempSync(join(tmpdir(), "khmara-bench-gateway-"));
  const stops: (() => Promise<void>)[] = [];
  try {
    const application = await startApplication(folder, stops);
    const { certificate, key } = await issueCertificate(await createAuthority({ name: "Bench" }), ["bench.test"]);
    writeFileSync(join(folder, "cert.pem"), certificate);
    writeFileSync(join(folder, "key.pem"), key);
    const proxies: Proxy[] = [];
    for (const start of [startHaproxy, startNginxProxy, startCaddy, startNode]) {
      const proxy = await start({ folder, application, certificate, key });
      stops.push(proxy.stop);
      proxies.push(proxy);
      await ready(proxy.http);
      await ready(proxy.https);
    }
    const results = new Map<string, Measure[]>();
    for (let round = 0; round < (rounds ?? 3); round++)
      for (const scenario of scenarios)
        for (const proxy of proxies) {
          const measure = measureOne(proxy, scenario, seconds ?? 3, folder);
          tell(`${scenario.name}: ${proxy.name}: ${Math.round(measure.perSecond)}/s, p99 ${measure.p99.toFixed(2)} ms`);
          const key = `${scenario.name}|${proxy.name}`;
          results.set(key, [...(results.get(key) ?? []), measure]);
        }
    const cell = (scenario: string, proxy: string) => {
      const all = results.get(`${scenario}|${proxy}`) ?? [];
      const of = (pick: (measure: Measure) => number) => median(all.map(pick));
      return `${figure(of(({ perSecond }) => perSecond))}/s · ${figure(of(({ p50 }) => p50))} / ${figure(of(({ p99 }) => p99))} ms · ${figure(of(({ cpu }) => cpu))} µs`;
    };
    const rows = scenarios.map(({ name }) => [name, ...proxies.map((proxy) => cell(name, proxy.name))]);
    rows.push(["memory afterwards", ...proxies.map((proxy) => mebibytes(memory(proxy.pids())))]);
    return `Requests per second · p50 / p99 · processor time of the proxy for each request\n\n${table(["", ...proxies.map(({ name }) => name)], rows)}`;
  } finally {
    for (const stop of stops.reverse()) await stop().catch(() => {});
    rmSync(folder, { recursive: true, force: true });
  }
}

function measureOne(proxy: Proxy, scenario: (typeof scenarios)[number], seconds: number, folder: string): Measure {
  const { tool, tls, connections, path } = scenario;
  const url = tls ? `https://127.0.0.1:${proxy.https}${path}` : `http://127.0.0.1:${proxy.http}${path}`;
  const used = () => proxy.pids().reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const before = used();
  const log = join(folder, "h2load.log");
  const words =
    tool === "wrk"
      ? [
          "-t",
          "1",
          "-c",
          String(connections),
          "-d",
          `${seconds}s`,
          "--timeout",
          "30s",
          "--latency",
          "-H",
          "Host: bench.test",
          url,
        ]
      : [
          "-t",
          "1",
          "-c",
          String(connections),
          "-m",
          "8",
          "-D",
          String(seconds),
          `--log-file=${log}`,
          "-H",
          ":authority: bench.test",
          url,
        ];
  rmSync(log, { force: true });
  const { stdout, stderr, status } = spawnSync(tool, words, { encoding: "utf8", timeout: 120_000 });
  if (status !== 0) throw new Error(`${tool} failed for ${proxy.name}: ${stdout}${stderr}`);
  const cpu = used() - before;
  if (tool === "h2load") {
    const lines = readFileSync(log, "utf8").trim().split("\n");
    const took = lines.map((line) => Number(line.split("\t")[2]) / 1000).sort((a, b) => a - b);
    if (lines.some((line) => line.split("\t")[1] !== "200")) throw new Error(`${proxy.name} refuses HTTP/2 requests.`);
    const at = (share: number) => took[Math.floor(took.length * share)] ?? 0;
    return { perSecond: took.length / seconds, p50: at(0.5), p99: at(0.99), cpu: (cpu * 1e6) / took.length };
  }
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(`${proxy.name}: ${stdout}`);
  const ms = (name: string) => {
    const [, value, unit] = new RegExp(`^\\s+${name}%\\s+([\\d.]+)(us|ms|s)\\s*$`, "m").exec(stdout) ?? [];
    return Number(value) * { us: 0.001, ms: 1, s: 1000 }[unit as "us" | "ms" | "s"];
  };
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1]);
  const perSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]);
  return { perSecond, p50: ms("50"), p99: ms("99"), cpu: (cpu * 1e6) / requests };
}

interface Place {
  folder: string;
  /** The port of the application. */
  application: number;
  certificate: string;
  key: string;
}

/** nginx again, as it costs least: what is measured are the proxies. */
async function startApplication(folder: string, stops: (() => Promise<void>)[]): Promise<number> {
  const port = await freePort();
  mkdirSync(join(folder, "files"));
  writeFileSync(join(folder, "files", "large"), Buffer.alloc(10_000_000, "x"));
  const started = startNginx(join(folder, "application"), [
    "access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;",
    `server { listen 127.0.0.1:${port} reuseport; root ${folder}/files; location = / { default_type text/plain; return 200 "hello\\n"; } }`,
  ]);
  stops.push(started.stop);
  await ready(port);
  return port;
}

function startNginx(folder: string, lines: string[]): { pids(): number[]; stop(): Promise<void> } {
  mkdirSync(folder);
  const config = join(folder, "nginx.conf");
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/${name};`);
  writeFileSync(
    config,
    `daemon off; pid ${folder}/pid; error_log stderr crit; worker_processes 2; ${process.getuid?.() === 0 ? "user root;" : ""}
events { worker_connections 4096; }
http { ${paths.join(" ")}
${lines.join("\n")}
}
`,
  );
  return startChild("/usr/sbin/nginx", ["-c", config, "-p", folder]);
}

async function startHaproxy({ application, certificate, key }: Place): Promise<Proxy> {
  const gateway = new Gateway({ folder: mkdtempSync("/tmp/khgb-"), threads: 2 });
  const [http, https] = [await freePort(), await freePort()];
  await gateway.apply({
    listeners: [
      { protocol: "http", address: "127.0.0.1", port: http },
      { protocol: "https", address: "127.0.0.1", port: https },
    ],
    certificates: [{ name: "bench", hosts: ["bench.test"], certificate, key }],
    defaultCertificate: "bench",
    routes: [
      {
        id: "bench",
        hosts: ["*"],
        target: { kind: "servers", servers: [{ name: "a", address: "127.0.0.1", port: application }] },
      },
    ],
  });
  const state = await gateway.state();
  return {
    name: "HAProxy",
    http,
    https,
    pids: () => [state?.master ?? 0, state?.worker ?? 0],
    async stop() {
      await gateway.stop();
      rmSync(gateway.folder, { recursive: true, force: true });
    },
  };
}

async function startNginxProxy({ folder, application }: Place): Promise<Proxy> {
  const [http, https] = [await freePort(), await freePort()];
  const started = startNginx(join(folder, "nginx"), [
    `access_log ${folder}/nginx.log; keepalive_requests 1000000000; http2_max_requests 1000000000;`,
    `upstream application { server 127.0.0.1:${application}; keepalive 128; keepalive_requests 1000000000; }`,
    `server { listen 127.0.0.1:${http}; listen 127.0.0.1:${https} ssl http2;
  ssl_certificate ${folder}/cert.pem; ssl_certificate_key ${folder}/key.pem; ssl_session_cache shared:ssl:4m;
  location / { proxy_pass http://application; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme; } }`,
  ]);
  return { name: "nginx", http, https, ...started };
}

async function startCaddy({ folder, application }: Place): Promise<Proxy> {
  const [http, https] = [await freePort(), await freePort()];
  const file = join(folder, "Caddyfile");
  const handle = `reverse_proxy 127.0.0.1:${application}\n log {\n  output file ${folder}/caddy.log\n }`;
  writeFileSync(
    file,
    `{
 admin off
 auto_https off
 http_port ${http}
 https_port ${https}
}
http://:${http} {\n bind 127.0.0.1\n ${handle}\n}
https://:${https} {\n bind 127.0.0.1\n tls ${folder}/cert.pem ${folder}/key.pem\n ${handle}\n}
`,
  );
  return {
    name: "Caddy",
    http,
    https,
    ...startChild("/usr/bin/caddy", ["run", "--adapter", "caddyfile", "--config", file], { XDG_DATA_HOME: folder, HOME: folder }),
  };
}

/** A gateway of our own could not do less than this. */
async function startNode({ folder, application }: Place): Promise<Proxy> {
  const [http, https] = [await freePort(), await freePort()];
  const file = join(folder, "proxy.mjs");
  writeFileSync(
    file,
    `import { Agent, createServer, request } from "node:http";
import { createSecureServer } from "node:http2";
import { createWriteStream, readFileSync } from "node:fs";
const agent = new Agent({ keepAlive: true, maxSockets: 128 });
const log = createWriteStream(${JSON.stringify(join(folder, "node.log"))});
const handle = (incoming, outgoing) => {
  const began = performance.now();
  const headers = {};
  for (const name in incoming.headers) if (name[0] !== ":" && name !== "connection") headers[name] = incoming.headers[name];
  headers.host ??= incoming.headers[":authority"];
  headers["x-forwarded-for"] = incoming.socket.remoteAddress;
  const sent = request({ agent, host: "127.0.0.1", port: ${application}, method: incoming.method, path: incoming.url, headers }, (answer) => {
    const { connection, "keep-alive": keep, "transfer-encoding": encoding, ...rest } = answer.headers;
    outgoing.writeHead(answer.statusCode, rest);
    answer.pipe(outgoing);
    outgoing.on("close", () => log.write(JSON.stringify({ path: incoming.url, status: answer.statusCode, ms: performance.now() - began }) + "\\n"));
  });
  sent.on("error", () => outgoing.destroy());
  incoming.pipe(sent);
};
createServer(handle).listen(${http}, "127.0.0.1");
const tls = { cert: readFileSync(${JSON.stringify(join(folder, "cert.pem"))}), key: readFileSync(${JSON.stringify(join(folder, "key.pem"))}) };
createSecureServer({ ...tls, allowHTTP1: true }, handle).listen(${https}, "127.0.0.1");
`,
  );
  return { name: "Node", http, https, ...startChild(process.execPath, [file]) };
}

function startChild(program: string, words: string[], environment: NodeJS.ProcessEnv = {}) {
  const child = spawn(program, words, { stdio: ["ignore", "ignore", "ignore"], env: { ...process.env, ...environment } });
  const pid = child.pid ?? 0;
  const ended = new Promise<void>((resolve) => child.on("close", () => resolve()));
  return {
    pids: () => [pid, ...childrenOf(pid)],
    async stop() {
      child.kill("SIGTERM");
      await Promise.race([ended, sleep(5_000).then(() => child.kill("SIGKILL"))]);
      await ended;
    },
  };
}

const childrenOf = (pid: number): number[] =>
  globSync(`/proc/${pid}/task/*/children`).flatMap((file) => readFileSync(file, "utf8").split(" ").filter(Boolean).map(Number));

const memory = (pids: number[]): number =>
  pids.reduce(
    (sum, pid) => sum + 1024 * Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1]),
    0,
  );

async function ready(port: number): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => resolve(true)).on("error", () => resolve(false));
      socket.on("connect", () => socket.destroy());
    });
    if (open) return;
    if (attempt === 200) throw new Error(`Nobody listens on port ${port}.`);
    await sleep(50);
  }
}
