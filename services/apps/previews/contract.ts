import { z } from "zod";
import { page, pageQuery, revision, route, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";
import { operation } from "../../operations/contract.ts";
import { appState, deploymentState, settingName, settingValue } from "../deploying/contract.ts";

/** As git allows names of branches (git-check-ref-format(1)), and `*` for anything, slashes too. */
const branchPattern = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\s~^:?[\\\p{C}]+$/u, "The name of a branch; * stands for anything, as in feature/*.");

export const previewSettings = z.object({
  enabled: z.boolean(),
  branches: z.array(z.string()).describe("Of which branches there are previews; * stands for anything."),
  lifeDays: z.number().int().describe("A preview goes so long after the last push to its branch."),
  most: z.number().int().describe("How many there may be at a time."),
  /** What previews have in their environment instead of the app's variables, or besides. */
  variables: z.array(
    z.object({
      name: z.string(),
      /** Absent for secrets: they are never answered. */
      value: z.string().optional(),
      isSecret: z.boolean(),
    }),
  ),
  revision,
});
export type PreviewSettings = z.output<typeof previewSettings>;

export const preview = z.object({
  /** It is an app of its own: its logs, deployments and figures are those of this app. */
  id: id("app"),
  appId: id("app").describe("The app that it is a preview of."),
  projectId: id("project"),
  branch: z.string(),
  commit: z.string(),
  name: z.string(),
  url: z.string(),
  state: appState,
  stateReason: z.string().optional(),
  /** The one that is queued or at work. */
  deployment: z.object({ id: id("deployment"), number: z.number().int(), state: deploymentState }).optional(),
  expiresAt: timestamp,
  pushedAt: timestamp,
  createdAt: timestamp,
});
export type Preview = z.output<typeof preview>;

const byApp = z.object({ app: id("app") });
const byPreview = z.object({ preview: id("app") });
const errors = ["not_found"] as const;

export const previewRoutes = {
  previewSettingsGet: route({
    method: "GET",
    path: "/v1/apps/{app}/preview-settings",
    summary: "Show of which branches an app has previews",
    permission: "apps.preview_settings.read",
    roles: ["editor"],
    params: byApp,
    response: previewSettings,
    errors,
  }),
  previewSettingsUpdate: route({
    method: "PATCH",
    path: "/v1/apps/{app}/preview-settings",
    summary: "Change of which branches an app has previews",
    description:
      "Previews have the app's variables, with those that are set here instead or besides, from their next push on. Linked resources of the app are not given to them: set what they are to use here.",
    permission: "apps.preview_settings.update",
    roles: ["editor"],
    params: byApp,
    body: z.object({
      enabled: z.boolean().optional().describe("false: no new ones; those that are there stay for as long as they have."),
      branches: z.array(branchPattern).min(1).max(20).optional(),
      lifeDays: z.int().min(1).max(90).optional(),
      most: z.int().min(1).max(50).optional(),
      set: z.record(settingName, settingValue).default({}),
      setSecrets: z.record(settingName, settingValue).default({}).describe("Kept sealed; never answered again."),
      unset: z.array(settingName).max(500).default([]),
    }),
    response: previewSettings,
    errors: ["not_found", "failed_precondition", "precondition_failed"],
  }),
  previewList: route({
    method: "GET",
    path: "/v1/apps/{app}/previews",
    summary: "List the previews of an app",
    description: "By branch.",
    permission: "apps.preview.list",
    roles: ["viewer"],
    params: byApp,
    query: pageQuery,
    response: page(preview),
    errors,
  }),
  previewExtend: route({
    method: "POST",
    path: "/v1/previews/{preview}/extend",
    summary: "Keep a preview for longer",
    description: "From now on for as long as a push would.",
    permission: "apps.preview.extend",
    roles: ["editor"],
    params: byPreview,
    response: preview,
    errors: ["not_found", "failed_precondition"],
  }),
  previewDelete: route({
    method: "DELETE",
    path: "/v1/previews/{preview}",
    summary: "Delete a preview",
    description: "With its containers, disks and logs; its branch stays, and another push to it makes it anew.",
    permission: "apps.preview.delete",
    roles: ["editor"],
    params: byPreview,
    status: 202,
    response: operation,
    errors: ["not_found", "failed_precondition", "conflict"],
  }),
};
