import { z } from "zod";
import { event, page, pageQuery, revision, route, slug, timestamp } from "../../../kernel/contract.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { id } from "../../../kernel/ids.ts";

const printable = /^[^\p{Cc}]*$/u;

export const mailSecurity = z
  .enum(["tls", "starttls", "none"])
  .describe(
    "tls: encrypted from the first byte (RFC 8314, usually port 465); starttls: before anything is said (RFC 3207, usually 587); none: never.",
  );
export type MailSecurity = z.output<typeof mailSecurity>;

/** An account at a server that takes mail to send it on (RFC 6409), which apps are linked to. */
export const mailAccount = z.object({
  id: id("mailAccount"),
  projectId: id("project"),
  name: z.string(),
  description: z.string(),
  host: z.string(),
  port: z.number().int(),
  security: mailSecurity,
  userName: z.string().describe("Empty: the server is used without signing in."),
  sender: z.string().describe("The address that mail comes from."),
  linkedApps: z.number().int().describe("How many links of apps there are to it."),
  createdAt: timestamp,
  revision,
});
export type MailAccount = z.output<typeof mailAccount>;

export const mailTestStepName = z.enum(["address", "connect", "greeting", "tls", "login", "send"]);
export type MailTestStepName = z.output<typeof mailTestStepName>;

export const mailTest = z.object({
  succeeded: z.boolean(),
  steps: z
    .array(
      z.object({
        step: mailTestStepName,
        succeeded: z.boolean(),
        message: z.string().describe("What was found, or what went wrong and what to do."),
      }),
    )
    .describe("As far as it came: the last one is the one that failed."),
  durationMs: z.number().int(),
});
export type MailTest = z.output<typeof mailTest>;

const host = z
  .union([z.hostname(), z.ipv4(), z.ipv6()], "A host name or an address, such as smtp.example.org.")
  .refine((value) => value.length <= 253, "At most 253 characters.");
const port = z.int().min(1).max(65_535);
const userName = z.string().max(320).regex(printable, "It cannot contain control characters.");
const password = z.string().min(1).max(1000).regex(printable, "It cannot contain control characters.");
const description = z.string().max(1000);
const sender = z.email("An e-mail address, such as shop@example.org.").max(254);
const byAccount = z.object({ mailAccount: id("mailAccount") });

export const mailAccountRoutes = {
  mailAccountList: route({
    method: "GET",
    path: "/v1/mail-accounts",
    summary: "List the mail accounts of a project",
    permission: "apps.mail_account.list",
    roles: ["viewer"],
    query: pageQuery.extend({ project: id("project") }),
    response: page(mailAccount),
    errors: ["not_found"],
  }),
  mailAccountCreate: route({
    method: "POST",
    path: "/v1/mail-accounts",
    summary: "Add an account at an outgoing mail server",
    description:
      "For apps to send mail with: link it to them. Nothing is sent and nothing is asked of the server before `mailAccountTest`.",
    permission: "apps.mail_account.create",
    roles: ["editor"],
    body: z.object({
      project: id("project"),
      name: slug,
      description: description.default(""),
      host,
      port: port.default(587),
      security: mailSecurity.default("starttls"),
      userName: userName.default(""),
      password: password.optional(),
      sender,
    }),
    response: mailAccount,
    status: 201,
    errors: ["not_found", "already_exists", "failed_precondition", "quota_exceeded"],
  }),
  mailAccountGet: route({
    method: "GET",
    path: "/v1/mail-accounts/{mailAccount}",
    summary: "Show a mail account",
    permission: "apps.mail_account.read",
    roles: ["viewer"],
    params: byAccount,
    response: mailAccount,
    errors: ["not_found"],
  }),
  mailAccountUpdate: route({
    method: "PATCH",
    path: "/v1/mail-accounts/{mailAccount}",
    summary: "Change a mail account",
    description: "Apps that are linked to it get a new release of the same image, which has it as it is then.",
    permission: "apps.mail_account.update",
    roles: ["editor"],
    params: byAccount,
    body: z.object({
      description: description.optional(),
      host: host.optional(),
      port: port.optional(),
      security: mailSecurity.optional(),
      userName: userName.optional().describe("Empty: without signing in; the password is forgotten."),
      password: password.optional().describe("Absent: as it is."),
      sender: sender.optional(),
    }),
    response: mailAccount,
    errors: ["not_found", "failed_precondition", "precondition_failed"],
  }),
  mailAccountDelete: route({
    method: "DELETE",
    path: "/v1/mail-accounts/{mailAccount}",
    summary: "Delete a mail account",
    description: "Not while apps are linked to it. The account at the mail server itself stays.",
    permission: "apps.mail_account.delete",
    roles: ["editor"],
    params: byAccount,
    status: 204,
    errors: ["not_found", "failed_precondition"],
  }),
  mailAccountTest: route({
    method: "POST",
    path: "/v1/mail-accounts/{mailAccount}/test",
    summary: "Try a mail account",
    description:
      "Connects, encrypts and signs in as apps would, and sends a mail when it is said to whom. What went wrong is in the answer, by step. Not to private addresses, " +
      "unless an administrator allows their network (`webhookSettingsUpdate`); apps themselves reach what their network reaches.",
    permission: "apps.mail_account.test",
    roles: ["editor"],
    params: byAccount,
    body: z.object({ to: z.email().max(254).optional().describe("Who gets a mail; absent: none is sent.") }),
    response: mailTest,
    errors: ["not_found", "conflict"],
    stream: {},
  }),
};

export const mailAccountEvents = {
  mailAccountChanged: event({
    type: "apps.mail_account.changed",
    payload: z.object({ mailAccountId: id("mailAccount"), name: z.string(), state: z.enum(["there", "deleted"]) }),
  }),
};

export const mailAccountQuotas = {
  "apps.mail_accounts": { unit: "count", summary: "Mail accounts", default: 50 },
} as const;

/** For services that send mail with the accounts of a project. */
export interface MailSending {
  /** The account's name, when it is of this project: it stays until the transaction is over. */
  hold(tx: Tx, projectId: string, id: string): Promise<string | undefined>;
  /** Hands a mail to the account's server. Never throws for what that does: `final` says that it would do the same again. */
  send(
    id: string,
    mail: { to: string; compose(sender: string): Promise<Buffer> },
    signal: AbortSignal,
  ): Promise<{ delivered: boolean; final: boolean; message: string }>;
}

/** Who keeps an account from being deleted, as people call them. */
export type MailAccountUsers = (tx: Tx, id: string) => Promise<string[]>;
