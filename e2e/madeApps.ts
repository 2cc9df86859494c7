import { mkdirSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { homedir, tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import type { RouteDefinition } from "../kernel/contract.ts";
import { newId } from "../kernel/ids.ts";
import { buildConsole } from "../server/console-build.ts";
import { contracts } from "../services/contracts.ts";
import { repository } from "./cloud.ts";

/**
 * The console before an API whose answers are made: what its pages of apps look like when there is much, when something fails, and what
 * they send. Every answer is checked against the contract, so that what is made here cannot differ from what the cloud answers.
 */
const routes = Object.assign({}, ...contracts.map(({ routes }) => routes)) as Record<string, RouteDefinition>;

const now = Date.now();
export const ago = (minutes: number) => new Date(now - minutes * 60_000).toISOString();
const organisationId = newId("organisation");
const projectId = newId("project");
const userId = newId("user");
export const person = { kind: "user", id: userId, name: "Olena Kovalchuk" } as const;
export const place = { organisationId, projectId };
export const shopId = newId("app");
const brokenId = newId("app");
export const newAppId = newId("app");
const stoppedId = newId("app");
export const deploymentIds = { failed: newId("deployment"), live: newId("deployment"), building: newId("deployment") };
const releaseIds = [newId("release"), newId("release"), newId("release")] as const;
const operationId = newId("operation");

const app = (
  given: { id: string; name: string; state: string; allowedActions: string[] } & Record<string, unknown>,
): Record<string, unknown> => ({
  ...place,
  description: "",
  url: `http://${given.name}.default.localhost:8081/`,
  hosts: [`${given.name}.default.localhost`],
  processes: [],
  hasDisks: false,
  protected: false,
  createdAt: ago(60 * 24 * 30),
  revision: 3,
  ...given,
});
const all = ["deploy", "configure", "rollback", "stop", "restart", "scale", "run", "terminal", "delete"];
const apps = [
  app({
    id: shopId,
    name: "timetable-of-the-lyceum-and-homework",
    description: "Timetable, homework and marks for pupils and parents",
    state: "running",
    allowedActions: all,
    url: "https://lyceum.example/",
    hosts: ["timetable-of-the-lyceum-and-homework.default.apps.example.org", "lyceum.example", "www.lyceum.example"],
    runtime: "Node 24, npm",
    releaseId: releaseIds[0],
    releaseNumber: 12,
    processes: [
      { name: "web", wanted: 2, running: 2 },
      { name: "worker", wanted: 1, running: 1 },
    ],
    hasDisks: true,
    deployedAt: ago(12),
  }),
  app({
    id: brokenId,
    name: "chat",
    state: "failing",
    stateReason: "web ends right after its start with exit code 1: Error: Cannot find module 'express'.",
    allowedActions: all,
    runtime: "Dockerfile",
    releaseId: releaseIds[1],
    releaseNumber: 3,
    processes: [{ name: "web", wanted: 2, running: 0 }],
    deployedAt: ago(3),
  }),
  app({
    id: stoppedId,
    name: "old-website",
    state: "stopped",
    allowedActions: ["deploy", "configure", "rollback", "start", "scale", "run", "delete"],
    runtime: "Static site",
    releaseId: releaseIds[2],
    releaseNumber: 1,
    processes: [{ name: "web", wanted: 1, running: 0 }],
    protected: true,
    deployedAt: ago(60 * 24 * 90),
  }),
  app({ id: newAppId, name: "fresh", state: "new", allowedActions: ["deploy", "configure", "delete"] }),
];

const source = { kind: "archive", description: "lyceum", sizeBytes: 1_834_112 } as const;
const deployments = [
  {
    id: deploymentIds.failed,
    number: 13,
    state: "failed",
    error:
      "The build failed at `npm ci` (exit code 1): package-lock.json and package.json do not fit together. Run `npm install` and deploy again.",
    source,
    runtime: "Node 24, npm",
    startedAt: ago(4),
    finishedAt: ago(3),
    createdAt: ago(5),
  },
  {
    id: deploymentIds.live,
    number: 12,
    state: "succeeded",
    source,
    runtime: "Node 24, npm",
    releaseId: releaseIds[0],
    releaseNumber: 12,
    startedAt: ago(13),
    finishedAt: ago(12),
    createdAt: ago(13),
  },
  {
    id: newId("deployment"),
    number: 11,
    state: "succeeded",
    source: { kind: "settings", description: "LOG_LEVEL" },
    releaseId: releaseIds[1],
    releaseNumber: 11,
    startedAt: ago(400),
    finishedAt: ago(399),
    createdAt: ago(400),
  },
  {
    id: newId("deployment"),
    number: 10,
    state: "superseded",
    source: { kind: "image", description: "", image: "docker.io/library/nginx:1.27" },
    createdAt: ago(900),
    finishedAt: ago(890),
  },
  {
    id: deploymentIds.building,
    number: 14,
    state: "building",
    source: {
      kind: "git",
      description: "Marks of the second term",
      branch: "main",
      commit: "4f1c0de5b1a2c3d4e5f60718293a4b5c6d7e8f90",
    },
    startedAt: ago(0.5),
    createdAt: ago(1),
  },
].map((one) => ({ appId: shopId, projectId, logBytes: 4000, createdBy: person, ...one }));
const releases = [12, 11, 7].map((number, index) => ({
  id: releaseIds[index] as string,
  appId: shopId,
  projectId,
  number,
  isLive: index === 0,
  canRollBack: index < 2,
  imageDigest: `sha256:${"0123456789abcdef".repeat(4)}`,
  imageBytes: 214_958_080,
  runtime: "Node 24, npm",
  source: index === 1 ? { kind: "settings", description: "LOG_LEVEL" } : source,
  processes: [
    { name: "web", command: index === 1 ? "node old.js" : "node server.js" },
    { name: "worker", command: "node worker.js" },
  ],
  settings: index === 1 ? ["LOG_LEVEL", "OLD_SWITCH"] : ["DATABASE_URL", "LOG_LEVEL"],
  port: 8080,
  capabilities: index === 0 ? ["CHOWN", "SETUID"] : [],
  createdBy: person,
  createdAt: ago(12 + index * 400),
}));
const settings = [
  {
    name: "DATABASE_URL",
    isSecret: true,
    origin: "link",
    isMissing: false,
    updatedAt: ago(900),
    description: "The database marks",
  },
  { name: "LOG_LEVEL", value: "info", isSecret: false, origin: "manifest", isMissing: false },
  {
    name: "MAIL_FROM",
    isSecret: false,
    origin: "manifest",
    isMissing: true,
    description: "Who the letters to parents come from",
  },
  { name: "SESSION_SECRET", isSecret: true, origin: "person", isMissing: false, updatedAt: ago(90) },
  { name: "TERM", value: "2026/27, the first one", isSecret: false, origin: "person", isMissing: false, updatedAt: ago(9) },
];
const mebibyte = 1024 ** 2;
const processes = [
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
const containers = [
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
const domains = [
  {
    id: newId("domain"),
    appId: shopId,
    host: "lyceum.example",
    active: true,
    certificate: { state: "issued", issuer: "Let's Encrypt R11", expiresAt: ago(-60 * 24 * 70) },
    checkedAt: ago(30),
    createdAt: ago(4000),
  },
  {
    id: newId("domain"),
    appId: shopId,
    host: "www.lyceum.example",
    redirectTo: "lyceum.example",
    active: false,
    challenge: { name: "_khmara-challenge.www.lyceum.example", value: "khmara-5f2ab1c09d4e7788a1b2c3d4e5f60718293a4b5c" },
    problem: "The name www.lyceum.example does not exist in the DNS.",
    certificate: { state: "waiting" },
    checkedAt: ago(2),
    createdAt: ago(10),
  },
];
const preview = (given: { branch: string } & Record<string, unknown>) => ({
  id: newId("app"),
  appId: shopId,
  projectId,
  commit: "4f0c2a9b7d1e5f3a8c6b2d4e9f1a7c3b5d8e0f21",
  name: `${given.branch.replaceAll("/", "-")}--timetable`,
  url: `http://${given.branch.replaceAll("/", "-")}--timetable.default.localhost:8081/`,
  state: "running",
  expiresAt: ago(-60 * 24 * 6),
  pushedAt: ago(60 * 20),
  createdAt: ago(60 * 30),
  ...given,
});
const previews = [
  preview({ branch: "feature/marks-for-parents-in-several-languages" }),
  preview({
    branch: "fix/holidays",
    state: "failing",
    stateReason: "web ends by itself: exit code 1. Error: connect ECONNREFUSED 10.64.0.7:5432",
  }),
  preview({
    branch: "new-timetable",
    state: "new",
    deployment: { id: deploymentIds.building, number: 1, state: "building" },
    expiresAt: ago(-60 * 5),
  }),
];
const previewSettings = {
  enabled: true,
  branches: ["feature/*", "fix/*", "new-timetable"],
  lifeDays: 7,
  most: 10,
  variables: [
    { name: "DATABASE_URL", isSecret: true },
    { name: "MAIL_SENDER", value: "previews@lyceum.example", isSecret: false },
  ],
  revision: 2,
};
const imageTags = ["1.4.0", "1.5.0-rc.1", "latest"].map((name, i) => ({
  name,
  digest: `sha256:${String(i).repeat(64)}`,
  sizeBytes: 184_000_000 + i * 3_000_000,
  isIndex: false,
  reference: `cloud.example.org/default/timetable-of-the-lyceum-and-homework:${name}`,
  pushedAt: ago(60 * 24 * (3 - i)),
}));
const access = {
  httpsOnly: true,
  basicAuth: { users: ["teachers", "parents"] },
  signIn: { audience: "organisation", users: [] },
  allow: ["203.0.113.0/24"],
  deny: [],
  rateLimit: { requests: 100, seconds: 10 },
  maintenance: false,
  maximumBodyBytes: 20_000_000,
  revision: 2,
};
const links = [
  {
    id: newId("appLink"),
    appId: shopId,
    projectId,
    kind: "database",
    resourceId: newId("database"),
    resourceName: "books",
    prefix: "",
    access: "read_write",
    state: "active",
    variables: ["DATABASE_URL", "PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGSSLMODE", "DATABASE_CA_CERT"],
    createdBy: person,
    createdAt: ago(3000),
  },
  {
    id: newId("appLink"),
    appId: shopId,
    projectId,
    kind: "bucket",
    resourceId: newId("bucket"),
    resourceName: "shop-media",
    prefix: "MEDIA",
    access: "read_only",
    state: "deleting",
    variables: ["MEDIA_S3_ENDPOINT", "MEDIA_S3_BUCKET"],
    createdBy: person,
    createdAt: ago(90),
  },
  {
    id: newId("appLink"),
    appId: shopId,
    projectId,
    kind: "mail_account",
    resourceId: newId("mailAccount"),
    resourceName: "post-office",
    prefix: "",
    access: "read_write",
    state: "active",
    variables: ["SMTP_HOST", "SMTP_PORT", "SMTP_USER", "SMTP_PASSWORD", "SMTP_SECURITY", "SMTP_FROM", "SMTP_URL"],
    createdBy: person,
    createdAt: ago(10),
  },
];
const mailAccounts = [
  {
    id: newId("mailAccount"),
    projectId,
    name: "post-office",
    description: "Orders and bills",
    host: "smtp.a-provider-with-a-long-name.example.org",
    port: 587,
    security: "starttls",
    userName: "orders@shop.example.org",
    sender: "orders@shop.example.org",
    linkedApps: 1,
    createdAt: ago(5000),
    revision: 2,
  },
  {
    id: newId("mailAccount"),
    projectId,
    name: "relay",
    description: "",
    host: "relay.example.org",
    port: 25,
    security: "none",
    userName: "",
    sender: "shop@example.org",
    linkedApps: 0,
    createdAt: ago(20),
    revision: 1,
  },
];
const mailTest = {
  succeeded: false,
  steps: [
    { step: "address", succeeded: true, message: "relay.example.org is 203.0.113.25" },
    { step: "connect", succeeded: false, message: "Nobody listens at port 25: the connection was refused. Check host and port." },
  ],
  durationMs: 40,
};
const disks = [{ id: newId("appDisk"), appId: shopId, name: "homework", path: "/data/homework", createdAt: ago(4000) }];
const points = Array.from({ length: 60 }, (_, index) => ago(60 - index));
const wave = (base: number, by: number, shift = 0) =>
  points.map((at, index) => ({ at, value: Math.max(0, base + by * Math.sin((index + shift) / 6)) }));
const metrics = {
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
const buildLog = `Source code: 214 files, 1.8 MB
Found: Node 24, npm
Step 1/9 : FROM base.khmara.internal/node:24 AS build
 ---> 4f1c0de5b1a2
Step 4/9 : RUN npm ci
\u001b[31mnpm error\u001b[0m code EUSAGE
npm error \`npm ci\` can only install packages when your package.json and package-lock.json are in sync.
npm error Missing: express@5.1.0 from lock file
`;
const logLine = (index: number) => {
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

export interface Sent {
  key: string;
  params: Record<string, string>;
  query: URLSearchParams;
  body: Buffer;
}

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
const nodes = [
  nodeOf("khmara", "10.20.0.1", { home: true, allowedActions: [] }),
  nodeOf("node-2", "10.20.0.2", { draining: true, containers: 0, allowedActions: ["activate", "delete"] }),
  nodeOf("node-3", "10.20.0.3", {
    state: "down",
    containers: undefined,
    disks: [{ app: "shop", name: "uploads" }],
    allowedActions: ["drain", "delete"],
  }),
];

/** What a cloud with apps answers, by the key of the route. */
const answers: Record<string, (request: Sent) => unknown> = {
  cloudGet: () => ({
    name: "Khmara",
    version: "0.1.0",
    setupNeeded: false,
    signUpOpen: false,
    currency: "EUR",
    ssh: {
      host: "cloud.example.org",
      port: 2222,
      fingerprint: "SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDh0pT8xXj1QJwPq0w",
      hostKey: "ssh-ed25519 AAAA",
    },
    s3: { endpoint: "http://127.0.0.1:9000", region: "khmara" },
  }),
  myExtensionList: () => ({ items: [] }),
  identityGet: () => ({
    principal: person,
    user: {
      id: userId,
      email: "owner@example.org",
      name: person.name,
      locale: "en",
      state: "active",
      totpEnabled: false,
      passkeyCount: 0,
      createdAt: ago(9999),
      revision: 1,
    },
    bindings: [{ id: newId("roleBinding"), principal: person, role: "owner", createdAt: ago(9999) }],
    organisations: [
      {
        id: organisationId,
        name: "Lyceum",
        slug: "home",
        state: "active",
        createdAt: ago(9999),
        revision: 1,
        projects: [{ id: projectId, organisationId, name: "Default", slug: "default", createdAt: ago(9999), revision: 1 }],
      },
    ],
    recoveryCodesLeft: 0,
  }),
  operationList: () => ({ items: [] }),
  quotaList: () => ({ items: [] }),
  appEngineGet: () => ({
    version: "20.10.24",
    cpus: 8,
    memoryBytes: 32 * 1024 ** 3,
    userNamespaces: "none",
    gateway: { httpPort: 80, httpsPort: 443 },
    appsDomain: "apps.example.org",
    trustDomains: false,
    acme: { directory: "https://acme-v02.api.letsencrypt.org/directory", email: "admin@example.org" },
    revision: 4,
  }),
  nodeList: () => ({ items: nodes }),
  nodeInvite: () => ({ name: "node-4", invitation: "khn_0123456789", command: "sudo ./khmara node join khn_0123456789" }),
  appList: ({ query }) => ({ items: apps.filter(({ name }) => String(name).includes(query.get("search") ?? "")) }),
  appGet: ({ params }) => apps.find(({ id }) => id === params["app"]),
  deploymentList: ({ params }) => ({ items: params["app"] === shopId ? deployments.slice(0, 4) : [] }),
  deploymentGet: ({ params }) => deployments.find(({ id }) => id === params["deployment"]),
  deploymentLog: ({ query }) => {
    const offset = Number(query.get("offset") ?? 0);
    const bytes = Buffer.from(buildLog);
    return {
      offset,
      nextOffset: bytes.length,
      text: bytes.subarray(offset).toString(),
      finished: true,
      truncated: false,
    };
  },
  releaseList: ({ params }) => ({ items: params["app"] === newAppId ? [] : releases }),
  settingList: ({ params }) => ({ items: params["app"] === shopId ? settings : [] }),
  settingUpdate: () => ({ deploymentId: deploymentIds.building }),
  processList: ({ params }) => ({ items: params["app"] === shopId ? processes : [] }),
  processScale: () => operation,
  containerList: ({ params }) => ({ items: params["app"] === shopId ? containers : [] }),
  appLogList: () => ({ items: [] }),
  appMetrics: ({ params }) => (params["app"] === shopId ? metrics : { stepSeconds: 30, series: [] }),
  previewList: ({ params }) => ({ items: params["app"] === shopId ? previews : [] }),
  previewSettingsGet: ({ params }) =>
    params["app"] === shopId
      ? previewSettings
      : { ...previewSettings, enabled: false, variables: [], branches: ["*"], revision: 0 },
  imageTagList: ({ params }) => ({ items: params["app"] === shopId ? imageTags : [] }),
  domainList: ({ params }) => ({ items: params["app"] === shopId ? domains : [] }),
  appAccessGet: () => access,
  appAccessUpdate: () => access,
  appLinkList: ({ params }) => ({ items: params["app"] === shopId ? links : [] }),
  mailAccountList: () => ({ items: mailAccounts }),
  mailAccountCreate: () => mailAccounts[1],
  mailAccountTest: () => mailTest,
  appDiskList: ({ params }) => ({ items: params["app"] === shopId ? disks : [] }),
  appCreate: () => apps[3],
  appDeploy: () => operation,
  appRollback: () => operation,
};
const bareAnswers: typeof answers = {
  mailAccountList: () => ({ items: [] }),
  nodeList: () => ({ items: [] }),
  appList: () => ({ items: [] }),
  appEngineGet: () => ({
    missing: "There is no engine for applications. Add one with: ./khmara up --install-engines",
    gateway: { missing: "HAProxy is not installed. Add it with: ./khmara up --install-engines" },
    appsDomain: "localhost",
    trustDomains: false,
    revision: 1,
  }),
};
export const operation = {
  id: operationId,
  kind: "apps.app.deploy",
  state: "pending",
  ...place,
  resource: { kind: "deployment", id: deploymentIds.building },
  progress: 0,
  steps: [],
  cancelRequested: false,
  createdBy: person,
  createdAt: ago(0),
  updatedAt: ago(0),
};

const types: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};

export class MadeCloud {
  /** What was sent, newest last; reading alone is not kept. */
  readonly sent: Sent[] = [];
  /** Faults of this file: answers that the contract does not allow, routes that nobody answers. */
  readonly faults: string[] = [];
  /** A cloud on which nothing was installed, and nobody has made an app. */
  bare = false;
  readonly server: Server;
  #folder = "";
  readonly #more: typeof answers;

  /** `more`: answers of other services. */
  constructor(more: typeof answers = {}) {
    this.#more = more;
    this.server = createServer((request, response) => void this.#answer(request, response));
  }

  async start(): Promise<string> {
    this.#folder = await builtConsole();
    await new Promise<void>((done) => this.server.listen(0, "127.0.0.1", done));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://cloud");
    if (!url.pathname.startsWith("/api/")) return this.#file(url.pathname, response);
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const path = url.pathname.slice("/api".length);
    for (const [key, route] of Object.entries(routes)) {
      const params = route.method === request.method && matched(route.path, path);
      if (!params) continue;
      const sent: Sent = { key, params, query: url.searchParams, body: Buffer.concat(parts) };
      if (request.method !== "GET") this.sent.push(sent);
      if (key === "eventWatch" || key === "appLogFollow") return this.#stream(key, response);
      const answer = (this.#more[key] ?? (this.bare ? (bareAnswers[key] ?? answers[key]) : answers[key]))?.(sent);
      if (answer === undefined) {
        this.faults.push(`${request.method} ${path}: nothing is made for ${key}`);
        response.writeHead(404, { "content-type": "application/problem+json" });
        response.end(JSON.stringify({ status: 404, code: "not_found", detail: "Not there." }));
        return;
      }
      const checked = route.response?.safeParse(answer);
      if (checked && !checked.success) this.faults.push(`${key}: ${checked.error.message}`);
      response.writeHead(route.status ?? 200, { "content-type": "application/json" });
      response.end(JSON.stringify(answer));
      return;
    }
    this.faults.push(`${request.method} ${path}: no such route`);
    response.writeHead(404).end();
  }

  #stream(key: string, response: ServerResponse): void {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(": here\n\n");
    if (key === "appLogFollow")
      for (let index = 0; index < 40; index++) response.write(`data: ${JSON.stringify(logLine(index))}\n\n`);
  }

  #file(path: string, response: ServerResponse): void {
    const name = extname(path) === "" ? "/index.html" : path;
    try {
      const bytes = readFileSync(join(this.#folder, normalize(name)));
      // As the cloud does it (server/console-files.ts): else the browser compiles the same programs for each page.
      const kept = name.startsWith("/assets/") ? "public, max-age=31536000, immutable" : "no-cache";
      response
        .writeHead(200, { "content-type": types[extname(name)] ?? "application/octet-stream", "cache-control": kept })
        .end(bytes);
    } catch {
      response.writeHead(404).end();
    }
  }
}

/** The folder of the console, built once for all stories and clouds of the same sources. */
async function builtConsole(): Promise<string> {
  const cacheFolder = process.env["KHMARA_CACHE"] ?? join(homedir(), ".cache", "khmara");
  const logFolder = join(tmpdir(), "khmara-console-build");
  mkdirSync(logFolder, { recursive: true });
  const signal = AbortSignal.timeout(300_000);
  return (await buildConsole({ repository, cacheFolder, logFolder, signal, onBuild: () => {} })) as string;
}

/** The parameters of a path, where it is one of a route's. */
function matched(pattern: string, path: string): Record<string, string> | undefined {
  const names = [...pattern.matchAll(/\{(\w+)\}/g)].map(([, name]) => name as string);
  const found = new RegExp(`^${pattern.replace(/\{\w+\}/g, "([^/]+)")}$`).exec(path);
  return found
    ? Object.fromEntries(names.map((name, index) => [name, decodeURIComponent(found[index + 1] as string)]))
    : undefined;
}
