import { z } from "zod";
import { event, page, pageQuery, revision, route, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";
import { bucketName, objectKey } from "../../objects/contract.ts";
import { operation } from "../../operations/contract.ts";
import { instanceKind } from "../instances/contract.ts";

/** Names are one namespace among what a project sees; a project's own image goes before one of the same name from elsewhere. */
export const imageName = z
  .string()
  .min(1, "Give it a name.")
  .max(63, "A name has at most 63 characters.")
  .regex(
    /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/,
    "Use small letters, digits, dots and hyphens; begin and end with a letter or digit.",
  );
const description = z.string().trim().max(500);
const defaultUser = z
  .string()
  .regex(/^[a-z_][a-z0-9_-]{0,31}$/, "The name of a user inside the guest, such as debian.")
  .describe("The user that cloud-init makes, and that `khmara ssh` signs in as.");
const minimumDiskBytes = z
  .number()
  .int()
  .min(0)
  .max(64 * 1024 ** 4)
  .describe("An instance needs at least such a disk.");

/** Those that end in -ing have an operation (or an upload) at work. */
export const imageState = z.enum(["building", "importing", "ready", "deleting", "error"]);
export type ImageState = z.output<typeof imageState>;

export const imageAction = z.enum(["use", "update", "share", "download", "export", "delete"]);
export type ImageAction = z.output<typeof imageAction>;

/** The rules of states as data: what may be done in which state. */
export const imageActions: Record<ImageAction, readonly ImageState[]> = {
  use: ["ready"],
  update: ["building", "importing", "ready", "error"],
  share: ["building", "importing", "ready", "error"],
  download: ["ready"],
  export: ["ready"],
  delete: ["ready", "error"],
};

export const imageVisibility = z
  .enum(["private", "shared", "organisation", "public"])
  .describe(
    "Who may make instances from it. private: its project (of the cloud's own: its administrators); shared: also the projects that are listed; organisation: all projects of its organisation; public: everybody in the cloud.",
  );
export type ImageVisibility = z.output<typeof imageVisibility>;

export const imageSource = z
  .object({
    kind: z.enum(["recipe", "server", "upload", "object", "instance"]),
    /** The recipe, the alias at the server, the name of the file, `bucket/key`, the name of the instance. */
    name: z.string(),
  })
  .describe("Where it comes from.");

export const image = z.object({
  id: id("image"),
  scope: z.enum(["cloud", "project"]).describe("cloud: made by its administrators, for everybody; project: a project's own."),
  organisationId: id("organisation").optional(),
  projectId: id("project").optional(),
  name: z.string(),
  description: z.string(),
  kind: instanceKind,
  state: imageState,
  /** Why it is in `error`, for people. */
  stateReason: z.string().optional(),
  /** What the caller's role and the state allow; the rest answers 403 or 409. */
  allowedActions: z.array(imageAction),
  /** The operation that is at work on it. */
  operationId: id("operation").optional(),
  architecture: z.string().optional().describe("amd64, arm64; absent until it is there."),
  sizeBytes: z.number().int().describe("0 until it is there."),
  minimumDiskBytes: z.number().int(),
  defaultUser: z.string(),
  /** SHA-256 of its bytes, as the engine counts it. */
  fingerprint: z.string().optional(),
  visibility: imageVisibility,
  /** With `shared`: with whom; only whom it belongs to sees it. */
  sharedProjects: z.array(z.object({ id: id("project"), name: z.string() })).optional(),
  source: imageSource,
  createdAt: timestamp,
  revision,
});
export type Image = z.output<typeof image>;

export const imageRecipe = z.object({
  name: z.string().describe("debian-12"),
  title: z.string().describe("Debian 12 (bookworm)"),
  distribution: z.string(),
  release: z.string(),
  kind: instanceKind,
  defaultUser: z.string(),
  minimumDiskBytes: z.number().int(),
  /** Where its packages come from. */
  mirror: z.string(),
  available: z.boolean().describe("Whether it can be built here, now."),
  /** Why not, and what to do about it. */
  reason: z.string().optional(),
});
export type ImageRecipe = z.output<typeof imageRecipe>;

const byImage = z.object({ image: id("image") });
const project = id("project");
/** Whose an image becomes. */
const owner = {
  project: project.optional().describe("Whose it becomes; needed with the scope project."),
  scope: z
    .enum(["cloud", "project"])
    .default("project")
    .describe("cloud: everybody's, made by administrators of the cloud; project: that project's."),
};
const act = {
  status: 202,
  response: operation,
  errors: ["not_found", "already_exists", "failed_precondition", "quota_exceeded", "storage_full"],
} as const;

export const imageRoutes = {
  imageRecipeList: route({
    method: "GET",
    path: "/v1/image-recipes",
    summary: "List what images can be built here",
    description: "From the mirrors of the distributions, and whether they can be reached from here.",
    permission: "self",
    query: pageQuery,
    response: page(imageRecipe),
    // Looks at the mirrors.
    stream: {},
  }),
  imageList: route({
    method: "GET",
    path: "/v1/images",
    summary: "List images",
    description:
      "All that a project may use: its own, shared ones, the cloud's. Without a project, the cloud's own (administrators of the cloud).",
    permission: "compute.image.list",
    roles: ["viewer"],
    query: pageQuery.extend({
      project: project.optional(),
      search: z.string().max(100).optional().describe("Part of the name."),
      kind: instanceKind.optional(),
      state: imageState.optional(),
    }),
    response: page(image),
    errors: ["not_found"],
  }),
  imageGet: route({
    method: "GET",
    path: "/v1/images/{image}",
    summary: "Show an image",
    permission: "compute.image.read",
    roles: ["viewer"],
    params: byImage,
    response: image,
    errors: ["not_found"],
  }),
  imageBuild: route({
    method: "POST",
    path: "/v1/images/build",
    summary: "Build an image",
    description: "A fresh system from its distribution's own mirror, with sshd and cloud-init. `imageRecipeList` says which.",
    permission: "compute.image.build",
    roles: ["editor"],
    body: z.object({
      recipe: z.string().max(63).describe("debian-12"),
      ...owner,
      name: imageName.optional().describe("Absent: the recipe's."),
      description: description.default(""),
    }),
    ...act,
  }),
  imageFetch: route({
    method: "POST",
    path: "/v1/images/fetch",
    summary: "Fetch an image from the public image server",
    description: "Needs a way to the internet.",
    permission: "compute.image.fetch",
    roles: ["editor"],
    body: z.object({
      alias: z
        .string()
        .regex(/^[\w.-]+(\/[\w.-]+){0,4}$/, "An alias of the server, such as debian/12.")
        .max(100)
        .describe("debian/12"),
      ...owner,
      name: imageName.optional().describe("Absent: the alias, with hyphens."),
      kind: instanceKind.default("container"),
      server: z
        .url({ protocol: /^https$/ })
        .max(300)
        .optional()
        .describe("Another server that speaks simplestreams (administrators of the cloud)."),
      description: description.default(""),
      defaultUser: defaultUser.default("root"),
      minimumDiskBytes: minimumDiskBytes.default(0),
    }),
    ...act,
  }),
  imageUpload: route({
    method: "POST",
    path: "/v1/images/upload",
    summary: "Upload an image from a file",
    description:
      "The body is the file: an image as LXD and Incus export it (a unified tarball), the tarball of a root file system, or the disk of a virtual machine (qcow2). It is there when this answers.",
    permission: "compute.image.upload",
    roles: ["editor"],
    query: z.object({
      project: owner.project,
      scope: owner.scope,
      name: imageName,
      description: description.default(""),
      defaultUser: defaultUser.default("root"),
      minimumDiskBytes: z.coerce.number().pipe(minimumDiskBytes).default(0),
    }),
    response: image,
    status: 201,
    stream: { request: "bytes" },
    errors: [...act.errors, "payload_too_large"],
  }),
  imageImport: route({
    method: "POST",
    path: "/v1/images/import",
    summary: "Import an image from a bucket",
    description: "What `imageUpload` takes, out of a bucket of the project.",
    permission: "compute.image.import",
    roles: ["editor"],
    body: z.object({
      bucket: z.union([id("bucket"), bucketName]).describe("The id or the name of a bucket of the project."),
      key: objectKey,
      project,
      name: imageName,
      description: description.default(""),
      defaultUser: defaultUser.default("root"),
      minimumDiskBytes: minimumDiskBytes.default(0),
    }),
    ...act,
  }),
  imageCreate: route({
    method: "POST",
    path: "/v1/images",
    summary: "Make an image from an instance",
    description:
      "Its root disk as it is now, in the instance's project. A running instance goes on; what it has not written yet is not in the image: stop it first for one that is exact.",
    permission: "compute.image.create",
    roles: ["editor"],
    body: z.object({
      instance: id("instance"),
      name: imageName,
      description: description.default(""),
    }),
    ...act,
  }),
  imageUpdate: route({
    method: "PATCH",
    path: "/v1/images/{image}",
    summary: "Change an image",
    permission: "compute.image.update",
    roles: ["editor"],
    params: byImage,
    body: z.object({
      name: imageName.optional(),
      description: description.optional(),
      defaultUser: defaultUser.optional(),
      minimumDiskBytes: minimumDiskBytes.optional(),
    }),
    response: image,
    errors: ["not_found", "already_exists", "failed_precondition", "precondition_failed"],
  }),
  imageShare: route({
    method: "POST",
    path: "/v1/images/{image}/share",
    summary: "Say who may use an image",
    description:
      "Projects of another organisation can be given by those who administer both; `public` by administrators of the cloud. What was made from it stays.",
    permission: "compute.image.share",
    roles: ["admin"],
    params: byImage,
    body: z.object({
      visibility: imageVisibility,
      projects: z.array(project).max(100).default([]).describe("With `shared`: all projects that may use it besides its own."),
    }),
    response: image,
    errors: ["not_found", "already_exists", "failed_precondition", "precondition_failed"],
  }),
  imageDownload: route({
    method: "GET",
    path: "/v1/images/{image}/content",
    summary: "Download an image",
    description: "A file that `imageUpload`, LXD and Incus take.",
    permission: "compute.image.download",
    roles: ["editor"],
    params: byImage,
    stream: { response: "bytes" },
    errors: ["not_found", "failed_precondition"],
  }),
  imageExport: route({
    method: "POST",
    path: "/v1/images/{image}/export",
    summary: "Export an image into a bucket",
    permission: "compute.image.export",
    roles: ["editor"],
    params: byImage,
    body: z.object({
      project: project.describe("Whose bucket it is."),
      bucket: z.union([id("bucket"), bucketName]).describe("The id or the name of a bucket of the project."),
      key: objectKey.optional().describe("Absent: the name of the image and what kind of file it is."),
    }),
    ...act,
  }),
  imageDelete: route({
    method: "DELETE",
    path: "/v1/images/{image}",
    summary: "Delete an image",
    description: "Instances that were made from it stay.",
    permission: "compute.image.delete",
    roles: ["editor"],
    params: byImage,
    ...act,
    errors: ["not_found", "failed_precondition", "precondition_failed"],
  }),
};

export const imageEvents = {
  imageChanged: event({
    type: "compute.image.changed",
    payload: z.object({ imageId: id("image"), name: z.string(), state: z.union([imageState, z.literal("deleted")]) }),
  }),
};

export const imageQuotas = {
  "compute.images": { unit: "count", summary: "Images", default: 50 },
} as const;

export const imageMeters = {
  "compute.images": { unit: "byte_seconds", summary: "Images of a project, from when they are there to their deletion" },
} as const;
