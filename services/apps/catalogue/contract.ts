import { z } from "zod";
import { actor, event, page, pageQuery, revision, route, slug, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";
import { operation } from "../../operations/contract.ts";
import { settingName } from "../deploying/contract.ts";

export const templateCategories = [
  "web",
  "notes",
  "files",
  "developers",
  "automation",
  "monitoring",
  "analytics",
  "security",
  "reading",
  "money",
] as const;
export type TemplateCategory = (typeof templateCategories)[number];

/** The same in each language of the console. */
const words = z.object({ en: z.string(), fr: z.string(), uk: z.string() });
export type Words = z.output<typeof words>;

export const templateSummary = z.object({
  id: z.string(),
  name: z.string(),
  description: words,
  category: z.enum(templateCategories),
  icon: z.object({ letters: z.string(), hue: z.number().int().describe("Degrees of the colour circle.") }),
  homepage: z.string().optional(),
  licence: z.string().describe("SPDX."),
  version: z.string(),
  builtHere: z.boolean().describe("Its source comes with Khmara, and nothing is fetched; otherwise it is a public image."),
  hasDisks: z.boolean(),
  hasDatabase: z.boolean(),
  memoryBytes: z.number().int().describe("Of its containers, and of its database."),
});
export type TemplateSummary = z.output<typeof templateSummary>;

export const templateSetting = z.object({
  name: z.string(),
  kind: z.enum(["text", "email", "password", "choice"]),
  label: words,
  help: words.optional(),
  /** Taken when nothing is said. */
  value: z.string().optional(),
  required: z.boolean(),
  minimum: z.number().int().optional().describe("So many letters at least."),
  choices: z.array(z.object({ value: z.string(), label: words })).optional(),
});
export type TemplateSettingView = z.output<typeof templateSetting>;

export const template = templateSummary.extend({
  documentation: z.string().optional(),
  /** Absent of one that is built here. */
  image: z.string().optional(),
  capabilities: z.array(z.string()).describe("What its containers keep of root's rights inside themselves."),
  disks: z.array(z.object({ name: z.string(), path: z.string(), text: words })),
  settings: z.array(templateSetting).describe("What is asked; the others are worked out."),
  firstSteps: z.array(words),
  updateNotes: words.optional(),
});
export type TemplateView = z.output<typeof template>;

export const installationState = z.enum(["installing", "installed", "updating", "removing"]);
export type InstallationState = z.output<typeof installationState>;
export const installationAction = z.enum(["update", "remove"]);
export type InstallationAction = z.output<typeof installationAction>;
/** The rules of states as data. */
export const installationActions: Record<InstallationAction, readonly InstallationState[]> = {
  update: ["installed"],
  remove: ["installed"],
};

/** An app that was made of a template. */
export const installation = z.object({
  id: id("installation"),
  organisationId: id("organisation"),
  projectId: id("project"),
  appId: id("app"),
  /** Of the app. */
  name: z.string(),
  url: z.string(),
  template: z.object({
    id: z.string(),
    name: z.string(),
    icon: templateSummary.shape.icon,
    /** It is in the catalogue still. */
    isListed: z.boolean(),
  }),
  version: z.string(),
  /** What an update brings. Absent: there is none. */
  update: z.object({ version: z.string(), notes: words.optional() }).optional(),
  state: installationState,
  /** What went wrong last, for people. */
  stateReason: z.string().optional(),
  allowedActions: z.array(installationAction),
  operationId: id("operation").optional(),
  database: z.object({ id: id("database"), name: z.string() }).optional(),
  bucket: z
    .object({ id: id("bucket"), name: z.string() })
    .optional()
    .describe("Where its backups go unless said otherwise."),
  lastBackupId: id("appBackup").optional(),
  hasDisks: z.boolean(),
  firstSteps: z.array(words),
  createdBy: actor,
  createdAt: timestamp,
  updatedAt: timestamp,
  revision,
});
export type Installation = z.output<typeof installation>;

const byInstallation = z.object({ installation: id("installation") });
const bucket = z.string().min(1).max(100).optional();

export const catalogueRoutes = {
  templateList: route({
    method: "GET",
    path: "/v1/templates",
    summary: "List the templates of the catalogue",
    description: "Applications that can be installed with one request.",
    permission: "apps.template.list",
    roles: ["viewer"],
    query: pageQuery.extend({
      project: id("project"),
      search: z.string().max(100).optional().describe("Part of the name or the description."),
      category: z.enum(templateCategories).optional(),
    }),
    response: page(templateSummary),
    errors: ["not_found"],
  }),
  templateGet: route({
    method: "GET",
    path: "/v1/templates/{template}",
    summary: "Show a template of the catalogue",
    permission: "apps.template.read",
    roles: ["viewer"],
    params: z.object({ template: slug }),
    query: z.object({ project: id("project") }),
    response: template,
    errors: ["not_found"],
  }),
  appInstall: route({
    method: "POST",
    path: "/v1/installations",
    summary: "Install an app from the catalogue",
    description:
      "Makes the app, its disks, settings and database, and deploys it. When anything of it fails, all of it is taken away again. The operation's resource is the installation.",
    permission: "apps.installation.create",
    roles: ["editor"],
    body: z.object({
      project: id("project"),
      template: slug,
      name: slug.describe("Of the app: part of its address."),
      settings: z.record(settingName, z.string().max(4096)).default({}).describe("Of what the template asks."),
      bucket: bucket.describe("Id or name of a bucket of the project, for backups."),
    }),
    status: 202,
    response: operation,
    errors: ["not_found", "already_exists", "failed_precondition", "invalid_argument", "quota_exceeded"],
  }),
  installationList: route({
    method: "GET",
    path: "/v1/installations",
    summary: "List what is installed from the catalogue",
    permission: "apps.installation.list",
    roles: ["viewer"],
    query: pageQuery.extend({ project: id("project"), app: id("app").optional().describe("That of this app.") }),
    response: page(installation),
    errors: ["not_found"],
  }),
  installationGet: route({
    method: "GET",
    path: "/v1/installations/{installation}",
    summary: "Show what is installed from the catalogue",
    permission: "apps.installation.read",
    roles: ["viewer"],
    params: byInstallation,
    response: installation,
    errors: ["not_found"],
  }),
  installationUpdate: route({
    method: "POST",
    path: "/v1/installations/{installation}/update",
    summary: "Update an installed app to the version of the catalogue",
    description:
      "First its disks are copied into a bucket and its database is backed up. When the new version does not come up, the old one goes on with its disks as they were.",
    permission: "apps.installation.update",
    roles: ["editor"],
    params: byInstallation,
    body: z.object({
      bucket: bucket.describe("Id or name of a bucket of the project; absent: the one it was given before."),
      skipBackup: z.boolean().default(false).describe("Without a copy: what a new version does to the data cannot be undone."),
    }),
    status: 202,
    response: operation,
    errors: ["not_found", "failed_precondition", "conflict", "invalid_argument"],
  }),
  installationDelete: route({
    method: "DELETE",
    path: "/v1/installations/{installation}",
    summary: "Remove an installed app",
    description: "The app with its disks, releases and domains; its database when that is said. Backups stay in their bucket.",
    permission: "apps.installation.delete",
    roles: ["editor"],
    params: byInstallation,
    query: z.object({
      confirm: z.string().max(100).describe("The name of the app, as a word that it is meant."),
      backup: z.stringbool().default(false).describe("Copy its disks into its bucket once more before."),
      bucket: bucket.describe("Id or name of a bucket for that; absent: the one it was given before."),
      deleteDatabase: z.stringbool().default(false).describe("With everything in it. Otherwise the database stays."),
    }),
    status: 202,
    response: operation,
    errors: ["not_found", "failed_precondition", "conflict", "invalid_argument"],
  }),
};

export const catalogueEvents = {
  installationChanged: event({
    type: "apps.installation.changed",
    payload: z.object({
      installationId: id("installation"),
      appId: id("app"),
      state: z.union([installationState, z.literal("removed")]),
    }),
  }),
};
