import { z } from "zod";
import { page, pageQuery, revision, route, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";
import { operation } from "../../operations/contract.ts";

const mebibyte = 1024 ** 2;
const processName = z.string().regex(/^[a-z][a-z0-9_-]{0,30}$/, "Small letters, digits, _ and -: web, worker.");

/** One kind of process of an app (web, worker, …), and how many of it are wanted. */
export const appProcess = z.object({
  name: z.string(),
  /** Absent: what the image itself starts. */
  command: z.string().optional(),
  count: z.number().int(),
  running: z.number().int(),
  memoryBytes: z.number().int().describe("Of each container; whoever passes it is ended and started again."),
  cpus: z.number().describe("Processors of each container, such as 0.5."),
  autoscale: z
    .object({ minimum: z.number().int(), maximum: z.number().int(), cpuPercent: z.number().int() })
    .optional()
    .describe("Between these, so that containers use about so much of their processors."),
  revision,
});
export type AppProcess = z.output<typeof appProcess>;

export const appContainer = z.object({
  /** `web-1`. */
  name: z.string(),
  process: z.string(),
  releaseNumber: z.number().int(),
  state: z.enum(["starting", "running", "healthy", "unhealthy", "restarting", "draining", "exited"]),
  /** Why it is not running, for people. */
  stateReason: z.string().optional(),
  startedAt: timestamp.optional(),
  restarts: z.number().int(),
  exitCode: z.number().int().optional(),
  /** The last sample, absent before the first. */
  cpuPercent: z.number().optional().describe("Of what it may use."),
  memoryBytes: z.number().int().optional(),
  memoryLimitBytes: z.number().int(),
  node: z.string().optional().describe("The machine that it is on, where there are several."),
});
export type AppContainer = z.output<typeof appContainer>;

export const logLine = z.object({
  /** With nanoseconds. */
  at: z.string(),
  process: z.string(),
  container: z.string(),
  stream: z.enum(["stdout", "stderr"]),
  text: z.string(),
});
export type LogLine = z.output<typeof logLine>;

export const appDisk = z.object({
  id: id("appDisk"),
  appId: id("app"),
  name: z.string(),
  path: z.string(),
  createdAt: timestamp,
});
export type AppDisk = z.output<typeof appDisk>;

const point = z.object({ at: timestamp, value: z.number() });
const series = z.object({
  metric: z.enum(["cpu", "memory", "requests", "errors", "latency_p50", "latency_p95", "latency_p99", "sent"]),
  unit: z.enum(["percent", "bytes", "per_second", "milliseconds"]),
  /** Absent for what the gateway measures: it is of the app. */
  process: z.string().optional(),
  points: z.array(point),
});

const byApp = z.object({ app: id("app") });
const byProcess = z.object({ app: id("app"), process: processName });
const byDisk = z.object({ disk: id("appDisk") });
const errors = ["not_found"] as const;
const columns = z.coerce.number().int().min(1).max(1000).default(80).describe("Width of the window, in letters.");
const rows = z.coerce.number().int().min(1).max(1000).default(24).describe("Height of the window, in lines.");
const logFilter = {
  process: processName.optional(),
  search: z.string().min(1).max(200).optional().describe("Part of a line; small and large letters are the same."),
  since: timestamp.optional(),
  until: timestamp.optional(),
};

export const runningRoutes = {
  processList: route({
    method: "GET",
    path: "/v1/apps/{app}/processes",
    summary: "List the processes of an app",
    permission: "apps.process.list",
    roles: ["viewer"],
    params: byApp,
    query: pageQuery,
    response: page(appProcess),
    errors,
  }),
  processScale: route({
    method: "POST",
    path: "/v1/apps/{app}/processes/{process}/scale",
    summary: "Scale a process of an app",
    description: "Containers come and go; none that runs is restarted, unless its memory or processors change.",
    permission: "apps.process.scale",
    roles: ["editor"],
    params: byProcess,
    body: z.object({
      count: z.int().min(0).max(100).optional(),
      memoryBytes: z
        .int()
        .min(32 * mebibyte)
        .max(1024 ** 4)
        .optional(),
      cpus: z.number().min(0.05).max(256).optional(),
      autoscale: z
        .object({
          minimum: z.int().min(1).max(100),
          maximum: z.int().min(1).max(100),
          cpuPercent: z.int().min(10).max(95).default(70),
        })
        .refine(({ minimum, maximum }) => minimum <= maximum, "The minimum is above the maximum.")
        .nullable()
        .optional()
        .describe("null: by hand again."),
    }),
    status: 202,
    response: operation,
    errors: ["not_found", "failed_precondition", "conflict", "quota_exceeded", "invalid_argument"],
  }),
  containerList: route({
    method: "GET",
    path: "/v1/apps/{app}/containers",
    summary: "List what runs of an app",
    permission: "apps.container.list",
    roles: ["viewer"],
    params: byApp,
    query: pageQuery,
    response: page(appContainer),
    errors: ["not_found", "failed_precondition"],
    stream: {},
  }),
  appLogList: route({
    method: "GET",
    path: "/v1/apps/{app}/logs",
    summary: "Read the logs of an app",
    description: "What its processes wrote to their standard output and error; newest first.",
    permission: "apps.log.read",
    roles: ["viewer"],
    params: byApp,
    query: pageQuery.extend(logFilter),
    response: page(logLine),
    errors,
    stream: {},
  }),
  appLogFollow: route({
    method: "GET",
    path: "/v1/apps/{app}/logs/follow",
    summary: "Follow the logs of an app",
    description: "Server-sent events, each a line as `appLogList` has it; `tail` of those before come first.",
    permission: "apps.log.read",
    roles: ["viewer"],
    params: byApp,
    query: z.object({
      process: logFilter.process,
      search: logFilter.search,
      tail: z.coerce.number().int().min(0).max(1000).default(100),
    }),
    errors,
    stream: { response: "events" },
    cli: false,
  }),
  appLogDownload: route({
    method: "GET",
    path: "/v1/apps/{app}/logs/content",
    summary: "Download the logs of an app",
    permission: "apps.log.read",
    roles: ["viewer"],
    params: byApp,
    query: z.object(logFilter),
    errors,
    stream: { response: "bytes" },
    cli: false,
  }),
  appMetrics: route({
    method: "GET",
    path: "/v1/apps/{app}/metrics",
    summary: "Show how an app did",
    permission: "apps.metric.read",
    roles: ["viewer"],
    params: byApp,
    query: z.object({
      from: timestamp.optional().describe("Absent: an hour ago."),
      to: timestamp.optional().describe("Absent: now."),
      points: z.coerce.number().int().min(10).max(1000).default(120).describe("How many there should be at the most."),
    }),
    response: z.object({ stepSeconds: z.number().int(), series: z.array(series) }),
    errors,
  }),
  appRun: route({
    method: "GET",
    path: "/v1/apps/{app}/run",
    summary: "Run a command beside an app",
    description:
      "A new container of the live release, with its settings and disks, which ends with the command. A WebSocket: send the text " +
      "`{start: {command: […], terminal: {columns, rows}}}` first. With a terminal, binary messages are its bytes both ways and `{resize: …}` may follow; without, binary " +
      "messages are what the command reads, `{end: true}` comes after the last of them, and what comes back begins with one byte: 1 for the command's output, 2 for its " +
      "messages. `{exit: {code}}` comes last.",
    permission: "apps.app.run",
    roles: ["editor"],
    params: byApp,
    errors: ["not_found", "failed_precondition"],
    stream: { response: "socket" },
    cli: false,
  }),
  appTerminal: route({
    method: "GET",
    path: "/v1/apps/{app}/containers/{container}/terminal",
    summary: "Open a terminal inside a container of an app",
    description: "A WebSocket, with the messages of `instanceTerminal`.",
    permission: "apps.app.terminal",
    roles: ["editor"],
    params: byApp.extend({ container: z.string().regex(/^[a-z][a-z0-9_-]{0,30}-\d{1,3}$/, "As in the list: web-1.") }),
    query: z.object({ columns, rows }),
    errors: ["not_found", "failed_precondition"],
    stream: { response: "socket" },
    cli: false,
  }),
  appDiskList: route({
    method: "GET",
    path: "/v1/apps/{app}/disks",
    summary: "List the disks of an app",
    permission: "apps.disk.list",
    roles: ["viewer"],
    params: byApp,
    query: pageQuery,
    response: page(appDisk),
    errors,
  }),
  appDiskCreate: route({
    method: "POST",
    path: "/v1/apps/{app}/disks",
    summary: "Give an app a disk",
    description: "It is there from the next deployment on, and stays over all releases.",
    permission: "apps.disk.create",
    roles: ["editor"],
    params: byApp,
    body: z.object({
      name: z.string().regex(/^[a-z][a-z0-9-]{0,30}$/, "Small letters, digits and hyphens."),
      path: z
        .string()
        .max(200)
        .regex(/^\/[A-Za-z0-9._/-]+$/, "Where it lies in the containers: /data.")
        .refine((path) => !path.split("/").some((part) => part === ".." || part === "."), "Without . and .."),
    }),
    response: appDisk,
    status: 201,
    errors: ["not_found", "already_exists", "failed_precondition"],
  }),
  appDiskDelete: route({
    method: "DELETE",
    path: "/v1/app-disks/{disk}",
    summary: "Delete a disk of an app",
    description: "With everything on it. Only while no release of the app that runs has it.",
    permission: "apps.disk.delete",
    roles: ["editor"],
    params: byDisk,
    query: z.object({ confirm: z.string().max(100).describe("The name of the disk, as a word that it is meant.") }),
    status: 204,
    errors: ["not_found", "failed_precondition", "invalid_argument"],
    stream: {},
  }),
};

export const runningQuotas = {
  "apps.memory": { unit: "bytes", summary: "Bytes of memory of containers of apps", default: 64 * 1024 ** 3 },
} as const;

export const runningMeters = {
  "apps.memory": { unit: "byte_seconds", summary: "Memory of containers, while they are wanted" },
  "apps.cpus": { unit: "vcpu_seconds", summary: "Processors of containers, while they are wanted" },
} as const;

/**
 * The network of a project on the engine, which whatever runs in the project is in: apps, and databases. Whoever needs it makes it with
 * exactly this (networkCreate of the engine, harmless to repeat).
 */
export const projectNetwork = (projectId: string) => ({
  name: `project-${projectId}`,
  labels: { kind: "project", project: projectId },
  internal: false,
});
