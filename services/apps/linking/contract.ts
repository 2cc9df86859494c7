import { z } from "zod";
import { actor, page, pageQuery, route, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";

export const linkKind = z.enum(["database", "bucket", "mail_account"]);
export type LinkKind = z.output<typeof linkKind>;

export const linkPrefix = z
  .string()
  .max(30)
  .regex(/^([A-Z][A-Z0-9_]*[A-Z0-9]|[A-Z]?)$/, "Capital letters, digits and underscores, such as ANALYTICS; or nothing.");

/** What an app uses: a database or a bucket, with a user or a key that only this app has, or a mail account. */
export const appLink = z.object({
  id: id("appLink"),
  appId: id("app"),
  projectId: id("project"),
  kind: linkKind,
  resourceId: z.string(),
  resourceName: z.string(),
  prefix: z.string().describe("Before the names of its variables, with an underscore; empty: none."),
  access: z.enum(["read_write", "read_only"]).describe("Of a mail account always read_write."),
  state: z
    .enum(["creating", "active", "deleting"])
    .describe("deleting: its user or key goes as soon as no release that runs has it any more."),
  variables: z.array(z.string()).describe("What the app's environment has of it."),
  createdBy: actor,
  createdAt: timestamp,
});
export type AppLink = z.output<typeof appLink>;

const begun = {
  deploymentId: id("deployment").optional().describe("Which brings the change to what runs; absent when nothing does."),
  operationId: id("operation").optional(),
};
const deploy = z.boolean().default(true).describe("false: it waits for the next deployment.");

export const linkingRoutes = {
  appLinkList: route({
    method: "GET",
    path: "/v1/apps/{app}/links",
    summary: "List the databases, buckets and mail accounts that an app uses",
    permission: "apps.link.list",
    roles: ["viewer"],
    params: z.object({ app: id("app") }),
    query: pageQuery,
    response: page(appLink),
    errors: ["not_found"],
  }),
  appLinkCreate: route({
    method: "POST",
    path: "/v1/apps/{app}/links",
    summary: "Link a database, a bucket or a mail account to an app",
    description:
      "Of the same project. A database gives DATABASE_URL and the PG… variables of libpq; a bucket S3_ENDPOINT, S3_BUCKET, AWS_REGION and an access key for it alone; " +
      "a mail account SMTP_HOST, SMTP_PORT, SMTP_USER, SMTP_PASSWORD, SMTP_SECURITY, SMTP_FROM and SMTP_URL. " +
      "They come with a new release of the same image, which begins at once when the app runs.",
    permission: "apps.link.create",
    roles: ["editor"],
    params: z.object({ app: id("app") }),
    body: z
      .object({
        database: id("database").optional(),
        bucket: id("bucket").optional(),
        mailAccount: id("mailAccount").optional(),
        prefix: linkPrefix.default("").describe("For a second one of its kind: ANALYTICS gives ANALYTICS_DATABASE_URL."),
        access: z.enum(["read_write", "read_only"]).default("read_write"),
        deploy,
      })
      .refine(
        ({ database, bucket, mailAccount }) => [database, bucket, mailAccount].filter((each) => each !== undefined).length === 1,
        "Give a database, a bucket or a mail account.",
      ),
    response: z.object({ link: appLink, ...begun }),
    status: 201,
    errors: ["not_found", "already_exists", "failed_precondition", "conflict", "quota_exceeded"],
    stream: {},
  }),
  appLinkDelete: route({
    method: "DELETE",
    path: "/v1/app-links/{link}",
    summary: "Take a link away from an app",
    description:
      "Its variables go with a new release, and then the user or the key that was made for it. What is in the database or bucket stays, and so does a mail account.",
    permission: "apps.link.delete",
    roles: ["editor"],
    params: z.object({ link: id("appLink") }),
    query: z.object({ deploy: z.stringbool().default(true).describe("false: it waits for the next deployment.") }),
    status: 200,
    response: z.object(begun),
    errors: ["not_found", "failed_precondition", "conflict"],
  }),
};
