import { z } from "zod";
import { page, pageQuery, route, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";

export const imageTag = z.object({
  name: z.string(),
  /** Of the manifest that it stands for: `sha256:…`. */
  digest: z.string(),
  sizeBytes: z.number().int().describe("Of all that the image has, as it was pushed; other tags may share it."),
  isIndex: z.boolean().describe("Several images, one for each kind of machine."),
  /** As `docker pull` takes it. */
  reference: z.string(),
  pushedAt: timestamp,
});
export type ImageTag = z.output<typeof imageTag>;

const byApp = z.object({ app: id("app") });
const tag = z.string().regex(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/, "Letters, digits and . _ -, and none of . and - first.");

export const registryRoutes = {
  imageTagList: route({
    method: "GET",
    path: "/v1/apps/{app}/image-tags",
    summary: "List the images that were pushed to an app",
    description: "The tags of its repository in the cloud's registry, by name. `appDeployImage` deploys one of them.",
    permission: "apps.image_tag.list",
    roles: ["viewer"],
    params: byApp,
    query: pageQuery,
    response: page(imageTag),
    errors: ["not_found"],
  }),
  imageTagDelete: route({
    method: "DELETE",
    path: "/v1/apps/{app}/image-tags/{tag}",
    summary: "Delete a tag from an app's repository",
    description:
      "With the image, when no other tag stands for it; its room is free within a day. What was deployed of it runs on.",
    permission: "apps.image_tag.delete",
    roles: ["editor"],
    params: byApp.extend({ tag }),
    errors: ["not_found"],
  }),
};
