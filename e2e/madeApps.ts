import { newId } from "../kernel/ids.ts";
import {
  type Answers,
  ago,
  brokenId,
  deploymentIds,
  newAppId,
  operation,
  person,
  place,
  placeAnswers,
  projectId,
  releaseIds,
  shopId,
  stoppedId,
} from "./madePlace.ts";
import { containers, metrics, nodes, processes } from "./madeRunning.ts";

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
const buildLog = `Source code: 214 files, 1.8 MB
Found: Node 24, npm
Step 1/9 : FROM base.khmara.internal/node:24 AS build
 ---> 4f1c0de5b1a2
Step 4/9 : RUN npm ci
\u001b[31mnpm error\u001b[0m code EUSAGE
npm error \`npm ci\` can only install packages when your package.json and package-lock.json are in sync.
npm error Missing: express@5.1.0 from lock file
`;
/** What a cloud with apps answers, by the key of the route. */
export const appAnswers: Answers = {
  ...placeAnswers,
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
/** Of one on which nothing was installed. */
export const bareAnswers: Answers = {
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
