import { z } from "zod";
import { actor, event, page, pageQuery, revision, route, slug, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";
import { operation } from "../../operations/contract.ts";

/**
 * new: nothing was deployed yet; running: the live release answers; failing: its containers do not come up or are not healthy; stopped: by a
 * person's word.
 */
export const appState = z.enum(["new", "running", "failing", "stopped", "deleting"]);
export type AppState = z.output<typeof appState>;

export const appAction = z.enum([
  "deploy",
  "configure",
  "rollback",
  "start",
  "stop",
  "restart",
  "scale",
  "run",
  "terminal",
  "delete",
]);
export type AppAction = z.output<typeof appAction>;

/** The rules of states as data: the API's 409, `allowedActions`, the console's buttons. */
export const appActions: Record<AppAction, readonly AppState[]> = {
  deploy: ["new", "running", "failing", "stopped"],
  configure: ["new", "running", "failing", "stopped"],
  rollback: ["running", "failing", "stopped"],
  start: ["stopped"],
  stop: ["running", "failing"],
  restart: ["running", "failing"],
  scale: ["running", "failing", "stopped"],
  run: ["running", "failing", "stopped"],
  terminal: ["running", "failing"],
  delete: ["new", "running", "failing", "stopped"],
};

/** queued ones wait for their turn: one of an app at a time, and a few in the whole cloud. The last four are final. */
export const deploymentState = z.enum([
  "queued",
  "building",
  "releasing",
  "starting",
  "switching",
  "succeeded",
  "failed",
  "cancelled",
  "superseded",
]);
export type DeploymentState = z.output<typeof deploymentState>;
export const finishedDeploymentStates = [
  "succeeded",
  "failed",
  "cancelled",
  "superseded",
] as const satisfies readonly DeploymentState[];

/** The last so many releases, and the live one, can be rolled back to: their images are kept. */
export const keptReleases = 10;
export const maximumDeploymentLogBytes = 4 * 1024 ** 2;

/**
 * What containers may ask for, of capabilities(7); without them they have none. None of these reaches beyond the container: they are part of
 * what Docker gives by itself.
 */
export const capability = z.enum(["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID", "KILL", "NET_BIND_SERVICE"]);
export type Capability = z.output<typeof capability>;
const capabilities = z.array(capability).max(capability.options.length);

export const runUser = z
  .string()
  .max(64)
  .regex(
    /^([a-z_][a-z0-9_-]{0,31}|\d{1,10})(:([a-z_][a-z0-9_-]{0,31}|\d{1,10}))?$/,
    "A user of the image, by name or number, and a group after a colon: 1000, www-data, 1000:1000.",
  );

export const processName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,30}$/, "Names are small letters, digits and hyphens, such as web or mail-worker.");
const mebibyte = 1024 ** 2;
/** Of a process that nobody has scaled yet. */
export const firstScale = {
  count: z.int().min(0, "is between 0 and 100").max(100, "is between 0 and 100").optional(),
  memoryBytes: z
    .int()
    .min(32 * mebibyte)
    .max(1024 ** 4)
    .optional(),
  cpus: z.number().min(0.05, "is between 0.05 and 256").max(256, "is between 0.05 and 256").optional(),
};

export const sourceKind = z.enum(["archive", "image", "git", "rollback", "settings"]);
export const deploymentSource = z.object({
  kind: sourceKind.describe("settings: the same image with other settings; rollback: what an earlier release was."),
  /** For people: a file's name, the first line of a commit's message, "release 4". */
  description: z.string(),
  /** Of an archive. */
  sizeBytes: z.number().int().optional(),
  /** Of git. */
  branch: z.string().optional(),
  commit: z.string().optional(),
  /** Of an image: as it was named by the person. */
  image: z.string().optional(),
  /** Of a rollback: that release's number. */
  releaseNumber: z.number().int().optional(),
});
export type DeploymentSource = z.output<typeof deploymentSource>;

export const deployment = z.object({
  id: id("deployment"),
  appId: id("app"),
  projectId: id("project"),
  number: z.number().int().describe("1 for the app's first one."),
  state: deploymentState,
  /** Why it failed, for people; what to do about it. */
  error: z.string().optional(),
  source: deploymentSource,
  /** What was found in the source: "Node 24, npm", "Dockerfile". */
  runtime: z.string().optional(),
  releaseId: id("release").optional(),
  releaseNumber: z.number().int().optional(),
  operationId: id("operation").optional(),
  logBytes: z.number().int(),
  createdBy: actor,
  createdAt: timestamp,
  startedAt: timestamp.optional(),
  finishedAt: timestamp.optional(),
});
export type Deployment = z.output<typeof deployment>;

const releaseProcess = z.object({
  name: z.string(),
  command: z.string().optional().describe("Absent: what the image itself starts."),
});

export const release = z.object({
  id: id("release"),
  appId: id("app"),
  projectId: id("project"),
  number: z.number().int(),
  isLive: z.boolean(),
  /** Its image is still there. */
  canRollBack: z.boolean(),
  /** `sha256:…` */
  imageDigest: z.string(),
  imageBytes: z.number().int(),
  runtime: z.string(),
  source: deploymentSource,
  processes: z.array(releaseProcess),
  /** Names only. */
  settings: z.array(z.string()),
  port: z.number().int(),
  healthPath: z.string().optional().describe("Absent: it is healthy when its port takes connections."),
  releaseCommand: z.string().optional(),
  capabilities: z.array(z.string()),
  /** Absent: as the image says. */
  user: z.string().optional(),
  createdBy: actor,
  createdAt: timestamp,
});
export type Release = z.output<typeof release>;

export const app = z.object({
  id: id("app"),
  organisationId: id("organisation"),
  projectId: id("project"),
  name: z.string().describe("A DNS label: part of the app's own address."),
  description: z.string(),
  state: appState,
  /** Why it is failing, for people. */
  stateReason: z.string().optional(),
  allowedActions: z.array(appAction),
  /** Where a browser finds it. */
  url: z.string(),
  hosts: z.array(z.string()),
  runtime: z.string().optional(),
  releaseId: id("release").optional(),
  releaseNumber: z.number().int().optional(),
  /** The one that is queued or at work. */
  deployment: z.object({ id: id("deployment"), number: z.number().int(), state: deploymentState }).optional(),
  processes: z.array(z.object({ name: z.string(), wanted: z.number().int(), running: z.number().int() })),
  hasDisks: z.boolean().describe("With a disk an app is stopped before its next release starts: two never write to it."),
  protected: z.boolean(),
  /** What a person said; absent: what the source asks for (the release tells). */
  capabilities: capabilities.optional(),
  user: z.string().optional(),
  /** It is a preview of a branch of another app. */
  preview: z.object({ appId: id("app"), branch: z.string(), expiresAt: timestamp }).optional(),
  createdAt: timestamp,
  deployedAt: timestamp.optional(),
  revision,
});
export type App = z.output<typeof app>;

export const settingName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, "Letters, digits and underscores, as variables of the environment have.");
export const setting = z.object({
  name: z.string(),
  /** Absent for secrets: they are never answered. */
  value: z.string().optional(),
  isSecret: z.boolean(),
  /** manifest: a default of khmara.json; person: set here; link: of a linked resource, such as a database. */
  origin: z.enum(["person", "manifest", "link"]),
  description: z.string().optional(),
  /** The manifest asks for it, and it has no value: the next deployment is refused until it has. */
  isMissing: z.boolean(),
  updatedAt: timestamp.optional(),
});
export type Setting = z.output<typeof setting>;

export const settingValue = z
  .string()
  .max(65_536, "At most 64 KiB.")
  .refine((text) => !text.includes("\0"), "It cannot contain a null byte.");

const byApp = z.object({ app: id("app") });
const byDeployment = z.object({ deployment: id("deployment") });
const act = {
  status: 202,
  response: operation,
  errors: ["not_found", "failed_precondition", "conflict", "quota_exceeded"],
} as const;
const errors = ["not_found"] as const;

export const deployingRoutes = {
  appList: route({
    method: "GET",
    path: "/v1/apps",
    summary: "List apps",
    permission: "apps.app.list",
    roles: ["viewer"],
    query: pageQuery.extend({
      project: id("project"),
      search: z.string().max(100).optional().describe("Part of the name."),
      previews: z.stringbool().default(false).describe("With the previews of branches, each of which is an app."),
    }),
    response: page(app),
    errors,
  }),
  appCreate: route({
    method: "POST",
    path: "/v1/apps",
    summary: "Create an app",
    description: "It is empty until something is deployed to it: source code, or an image.",
    permission: "apps.app.create",
    roles: ["editor"],
    body: z.object({
      project: id("project"),
      name: slug.describe("Part of its address: <name>.<project>.<apps domain>."),
      description: z.string().trim().max(500).default(""),
    }),
    response: app,
    status: 201,
    errors: ["not_found", "already_exists", "quota_exceeded"],
  }),
  appGet: route({
    method: "GET",
    path: "/v1/apps/{app}",
    summary: "Show an app",
    permission: "apps.app.read",
    roles: ["viewer"],
    params: byApp,
    response: app,
    errors,
  }),
  appUpdate: route({
    method: "PATCH",
    path: "/v1/apps/{app}",
    summary: "Change an app",
    description:
      "Another user or other capabilities come with a new release of the same image, which begins at once when the app runs.",
    permission: "apps.app.update",
    roles: ["editor"],
    params: byApp,
    body: z.object({
      description: z.string().trim().max(500).optional(),
      protected: z.boolean().optional().describe("A protected app cannot be deleted."),
      capabilities: capabilities
        .nullable()
        .optional()
        .describe(
          "What containers keep of root's rights inside themselves, for images that start as root and change their user (CHOWN, SETGID, SETUID). null: what khmara.json says, or none.",
        ),
      user: runUser.nullable().optional().describe("As whom containers run. null: as khmara.json or the image says."),
    }),
    response: app,
    errors: ["not_found", "precondition_failed", "failed_precondition", "conflict"],
  }),
  appDelete: route({
    method: "DELETE",
    path: "/v1/apps/{app}",
    summary: "Delete an app",
    description: "With its releases, logs, domains and disks: nothing of it is left.",
    permission: "apps.app.delete",
    roles: ["editor"],
    params: byApp,
    query: z.object({ confirm: z.string().max(100).describe("The name of the app, as a word that it is meant.") }),
    ...act,
    errors: ["not_found", "failed_precondition", "conflict", "invalid_argument"],
  }),
  appDeploy: route({
    method: "POST",
    path: "/v1/apps/{app}/deployments",
    summary: "Deploy source code",
    description:
      "The body is an archive (tar, tar.gz, tar.zst, zip). It is built (Dockerfile, khmara.json, Procfile, Node, Python, Go, PHP or a static site), " +
      "started beside what runs, and takes over when it is healthy; when it is not, what runs goes on. The operation's resource is the deployment.",
    permission: "apps.app.deploy",
    roles: ["editor"],
    params: byApp,
    query: z.object({ description: z.string().trim().max(200).optional().describe("For people: a file's name, what is new.") }),
    ...act,
    errors: ["not_found", "failed_precondition", "invalid_argument", "payload_too_large", "quota_exceeded", "storage_full"],
    stream: { request: "bytes" },
    // `khmara app deploy` packs a folder.
    cli: false,
  }),
  appDeployImage: route({
    method: "POST",
    path: "/v1/apps/{app}/image-deployments",
    summary: "Deploy a ready image",
    description: "The image was loaded before (`imageUpload` of the app) or lies in the cloud's registry.",
    permission: "apps.app.deploy",
    roles: ["editor"],
    params: byApp,
    body: z.object({
      image: z
        .string()
        .min(1)
        .max(500)
        .describe(
          "As in the cloud's registry: web:1.2, or web@sha256:…; or a public image with its registry: docker.io/library/nginx:1.",
        ),
      port: z.int().min(1).max(65_535).optional().describe("Where it listens; absent: the one that the image exposes, or 8080."),
      healthPath: z.string().max(500).regex(/^\//, "A path begins with a slash.").optional(),
      processes: z
        .record(processName, z.object({ command: z.string().min(1).max(4096).optional(), ...firstScale }))
        .refine((all) => Object.keys(all).length <= 20, "An app has 20 processes at most.")
        .optional()
        .describe(
          "What runs of it; absent: what the image starts, as web. A command is for sh -c. Count, memory and processors are of a process that is new; those that are there stay as they were scaled.",
        ),
    }),
    ...act,
    // `khmara app deploy --image`.
    cli: false,
  }),
  appUploadImage: route({
    method: "POST",
    path: "/v1/apps/{app}/image-uploads",
    summary: "Deploy an image from a file",
    description: "The body is a tarball as `docker save` writes it, of one image.",
    permission: "apps.app.deploy",
    roles: ["editor"],
    params: byApp,
    query: z.object({
      description: z.string().trim().max(200).optional(),
      port: z.coerce.number().int().min(1).max(65_535).optional(),
      healthPath: z.string().max(500).regex(/^\//, "A path begins with a slash.").optional(),
    }),
    ...act,
    errors: ["not_found", "failed_precondition", "invalid_argument", "payload_too_large", "quota_exceeded", "storage_full"],
    stream: { request: "bytes" },
    cli: false,
  }),
  appRollback: route({
    method: "POST",
    path: "/v1/apps/{app}/rollback",
    summary: "Go back to an earlier release",
    description: "Its image, settings and processes as they were; nothing is built, nothing is fetched.",
    permission: "apps.app.deploy",
    roles: ["editor"],
    params: byApp,
    body: z.object({ release: z.int().min(1).describe("Its number.") }),
    ...act,
  }),
  appStart: route({
    method: "POST",
    path: "/v1/apps/{app}/start",
    summary: "Start an app",
    permission: "apps.app.start",
    roles: ["editor"],
    params: byApp,
    ...act,
  }),
  appStop: route({
    method: "POST",
    path: "/v1/apps/{app}/stop",
    summary: "Stop an app",
    description: "Its address answers that it is stopped; its release, disks and settings stay.",
    permission: "apps.app.stop",
    roles: ["editor"],
    params: byApp,
    ...act,
  }),
  appRestart: route({
    method: "POST",
    path: "/v1/apps/{app}/restart",
    summary: "Restart an app",
    description: "New containers of the same release take over from the old ones.",
    permission: "apps.app.restart",
    roles: ["editor"],
    params: byApp,
    ...act,
  }),
  deploymentList: route({
    method: "GET",
    path: "/v1/apps/{app}/deployments",
    summary: "List the deployments of an app",
    description: "Newest first.",
    permission: "apps.deployment.list",
    roles: ["viewer"],
    params: byApp,
    query: pageQuery,
    response: page(deployment),
    errors,
  }),
  deploymentGet: route({
    method: "GET",
    path: "/v1/deployments/{deployment}",
    summary: "Show a deployment",
    permission: "apps.deployment.read",
    roles: ["viewer"],
    params: byDeployment,
    response: deployment,
    errors,
  }),
  deploymentLog: route({
    method: "GET",
    path: "/v1/deployments/{deployment}/log",
    summary: "Read the log of a deployment",
    permission: "apps.deployment.log",
    roles: ["viewer"],
    params: byDeployment,
    query: z.object({
      offset: z.coerce.number().int().min(0).default(0).describe("Where to begin, in bytes: `nextOffset` of the answer before."),
      waitSeconds: z.coerce.number().int().min(0).max(30).default(0).describe("Wait so long for more than is there at `offset`."),
    }),
    response: z.object({
      offset: z.number().int(),
      nextOffset: z.number().int(),
      text: z.string().describe("UTF-8, at most 256 KiB."),
      finished: z.boolean().describe("Nothing more will come."),
      truncated: z.boolean().describe("The log got longer than is kept."),
    }),
    errors,
    stream: {},
  }),
  deploymentCancel: route({
    method: "POST",
    path: "/v1/deployments/{deployment}/cancel",
    summary: "Cancel a deployment",
    description: "Until it has switched; what ran before runs on.",
    permission: "apps.deployment.cancel",
    roles: ["editor"],
    params: byDeployment,
    response: deployment,
    errors: ["not_found", "failed_precondition"],
  }),
  releaseList: route({
    method: "GET",
    path: "/v1/apps/{app}/releases",
    summary: "List the releases of an app",
    description: "Newest first.",
    permission: "apps.release.list",
    roles: ["viewer"],
    params: byApp,
    query: pageQuery,
    response: page(release),
    errors,
  }),
  settingList: route({
    method: "GET",
    path: "/v1/apps/{app}/settings",
    summary: "List the settings of an app",
    description: "Variables of its environment. Values of secrets are never answered.",
    permission: "apps.setting.list",
    roles: ["editor"],
    params: byApp,
    query: pageQuery,
    response: page(setting),
    errors,
  }),
  settingUpdate: route({
    method: "PATCH",
    path: "/v1/apps/{app}/settings",
    summary: "Change settings of an app",
    description:
      "All at once, as a new release of the same image when the app runs: `deploymentId` tells which deployment brings them.",
    permission: "apps.setting.update",
    roles: ["editor"],
    params: byApp,
    body: z.object({
      set: z.record(settingName, settingValue).default({}).describe("Seen by everyone who may change settings."),
      setSecrets: z.record(settingName, settingValue).default({}).describe("Kept sealed; never answered again."),
      unset: z.array(settingName).max(500).default([]),
      deploy: z.boolean().default(true).describe("false: they wait for the next deployment."),
    }),
    response: z.object({ deploymentId: id("deployment").optional(), operationId: id("operation").optional() }),
    errors: ["not_found", "failed_precondition", "conflict"],
  }),
};

export const deployingEvents = {
  appChanged: event({
    type: "apps.app.changed",
    payload: z.object({ appId: id("app"), name: z.string(), state: z.union([appState, z.literal("deleted")]) }),
  }),
  deploymentChanged: event({
    type: "apps.deployment.changed",
    payload: z.object({ deploymentId: id("deployment"), appId: id("app"), state: deploymentState }),
  }),
};

export const deployingQuotas = {
  "apps.apps": { unit: "count", summary: "Apps", default: 50 },
  "apps.images": { unit: "bytes", summary: "Bytes of images of apps", default: 100 * 1024 ** 3 },
} as const;

export const deployingMeters = {
  "apps.build": { unit: "seconds", summary: "Builds, while they run" },
  "apps.images": { unit: "byte_seconds", summary: "Images of releases, as long as they are kept" },
} as const;
