/** Mail accounts as links and other services see them. */
import type { Database, Tx } from "../../../kernel/db/database.ts";
import { outboundSettings } from "../../../kernel/outbound/settings.ts";
import type { Secrets } from "../../../kernel/secrets.ts";
import type { MailSending } from "./contract.ts";
import { type MailAccountRow, mailAccountStore } from "./store.ts";
import { sendMail } from "./trying.ts";

/** What it takes to send mail. */
export interface MailLogin extends Pick<MailAccountRow, "host" | "port" | "security" | "userName" | "sender"> {
  /** Absent: without signing in. */
  password?: string | undefined;
}

const purposeOf = (id: string): string => `apps.mail_account:${id}`;

export const sealPassword = (secrets: Secrets, id: string, password: string): Buffer => secrets.encrypt(purposeOf(id), password);

export const loginOf = (secrets: Secrets, row: MailAccountRow): MailLogin => ({
  host: row.host,
  port: row.port,
  security: row.security,
  userName: row.userName,
  sender: row.sender,
  ...(row.password === null ? {} : { password: secrets.decrypt(purposeOf(row.id), row.password).toString() }),
});

/** One of this project, which stays until the transaction is over; undefined: there is none. */
export async function accountToLink(tx: Tx, projectId: string, id: string): Promise<MailAccountRow | undefined> {
  const row = await mailAccountStore.find(tx, id, { lock: "use" });
  return row?.projectId === projectId ? row : undefined;
}

/** As it is now; undefined: it is gone. */
export async function loginToLink(tx: Tx, secrets: Secrets, id: string): Promise<MailLogin | undefined> {
  const row = await mailAccountStore.find(tx, id);
  return row && loginOf(secrets, row);
}

export const createMailSending = (parts: { database: Database; secrets: Secrets }): MailSending => ({
  hold: async (tx, projectId, id) => (await accountToLink(tx, projectId, id))?.name,
  async send(id, { to, compose }, signal) {
    const { login, allowedNetworks } = await parts.database.transaction("system", async (tx) => ({
      login: await loginToLink(tx, parts.secrets, id),
      ...(await outboundSettings(tx)),
    }));
    if (login === undefined) return { delivered: false, final: false, message: "The mail account is gone. Choose another one." };
    return sendMail({ login, to, message: await compose(login.sender), allowedNetworks, signal });
  },
});
