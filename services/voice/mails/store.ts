import type { Tx } from "../../../kernel/db/database.ts";
import { emit } from "../../../kernel/events.ts";
import type { Id } from "../../../kernel/ids.ts";
import type { PhoneMail, PhoneMailKind } from "./contract.ts";

export interface MailRow {
  id: Id<"phoneMail">;
  organisationId: string;
  projectId: string;
  systemId: Id<"phoneSystem">;
  kind: PhoneMailKind;
  to: string;
  state: PhoneMail["state"];
  attempts: number;
  message: string | null;
  createdAt: Date;
  triedAt: Date | null;
}

/** Of those against abuse: which one refused or ended a call. */
export type LimitKind = "countries" | "hours" | "prefixes" | "calls" | "day" | "balance" | "extension_day" | "extension_month";

/** What is in a mail; all but the sound of a voicemail, which is read when it is sent. */
export interface MailContent {
  language: "en" | "fr" | "uk";
  /** Whom it is about: an extension as people know it. */
  extension?: string;
  fromNumber?: string;
  fromName?: string;
  /** What was dialled. */
  number?: string;
  milliseconds?: number;
  voicemailId?: Id<"voicemail">;
  attachAudio?: boolean;
  deleteAfterMail?: boolean;
  balance?: string;
  limit?: LimitKind;
  currency?: string;
}

export interface DueMail extends MailRow {
  content: MailContent;
  /** Of the phone system, as it is now. */
  systemName: string;
  timeZone: string;
  mailAccountId: string | null;
}

const columns = `m.id, m.organisation_id as "organisationId", m.project_id as "projectId", m.system_id as "systemId", m.kind, m.to_address as "to",
  m.state, m.attempts, m.message, m.created_at as "createdAt", m.tried_at as "triedAt"`;

const announce = (tx: Tx, { organisationId, projectId, systemId }: Pick<MailRow, "organisationId" | "projectId" | "systemId">) =>
  emit(tx, {
    type: "voice.phone_mail.changed",
    organisationId: organisationId as Id<"organisation">,
    projectId: projectId as Id<"project">,
    payload: { phoneSystemId: systemId },
  });

export const mailStore = {
  async insert(
    tx: Tx,
    row: Pick<MailRow, "id" | "organisationId" | "projectId" | "systemId" | "kind" | "to"> & { content: MailContent },
  ): Promise<void> {
    await tx.sql`insert into voice.mails (id, organisation_id, project_id, system_id, kind, to_address, content)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.systemId}, ${row.kind}, ${row.to}, ${tx.sql.json(row.content as never)})`;
    await announce(tx, row);
  },

  /** The oldest one that is due of each phone system but those; nobody else takes them for so long. */
  takeDue: (tx: Tx, options: { limit: number; heldSeconds: number; except: string[] }): Promise<DueMail[]> => tx.sql<DueMail[]>`
    with due as (
      select distinct on (system_id) id from voice.mails
      where state = 'pending' and due_at <= now() and system_id <> all (${options.except}::text[]) order by system_id, due_at, id),
    taken as (
      update voice.mails set due_at = now() + make_interval(secs => ${options.heldSeconds}) where id in (
        select m.id from voice.mails m join due using (id) where m.state = 'pending' and m.due_at <= now()
        order by m.due_at limit ${options.limit} for update of m skip locked)
      returning *)
    select ${tx.sql.unsafe(columns)}, m.content, s.name as "systemName", s.settings ->> 'timeZone' as "timeZone",
      s.settings ->> 'mailAccountId' as "mailAccountId" from taken m join voice.systems s on s.id = m.system_id`,

  async finish(
    tx: Tx,
    row: Pick<MailRow, "id" | "organisationId" | "projectId" | "systemId">,
    result: { state: MailRow["state"]; message: string; againSeconds?: number },
  ): Promise<void> {
    await tx.sql`update voice.mails set state = ${result.state}, attempts = attempts + 1, message = ${result.message}, tried_at = now(),
      due_at = now() + make_interval(secs => ${result.againSeconds ?? 0}) where id = ${row.id}`;
    await announce(tx, row);
  },

  async find(tx: Tx, id: string, options: { lock?: boolean } = {}): Promise<MailRow | undefined> {
    const [row] = await tx.sql<MailRow[]>`select ${tx.sql.unsafe(columns)} from voice.mails m where m.id = ${id}
      ${options.lock ? tx.sql`for update` : tx.sql``}`;
    return row;
  },

  /** From the beginning; only of one that was given up. */
  async retry(tx: Tx, row: MailRow): Promise<void> {
    await tx.sql`update voice.mails set state = 'pending', attempts = 0, due_at = now() where id = ${row.id}`;
    await announce(tx, row);
  },

  /** The latest first. */
  page: (
    tx: Tx,
    filter: { systemId: string; state?: string | undefined; below?: string | undefined; limit: number },
  ): Promise<MailRow[]> => tx.sql<MailRow[]>`
    select ${tx.sql.unsafe(columns)} from voice.mails m where m.system_id = ${filter.systemId}
      ${filter.state === undefined ? tx.sql`` : tx.sql`and m.state = ${filter.state}`}
      ${filter.below === undefined ? tx.sql`` : tx.sql`and m.id < ${filter.below}`} order by m.id desc limit ${filter.limit}`,

  async forget(tx: Tx, olderThanDays: number): Promise<void> {
    await tx.sql`delete from voice.mails where created_at < now() - make_interval(days => ${olderThanDays})`;
  },

  /** Names of the phone systems that send with this account. */
  async systemsWith(tx: Tx, mailAccountId: string): Promise<string[]> {
    const rows = await tx.sql<{ name: string }[]>`
      select name from voice.systems where settings ->> 'mailAccountId' = ${mailAccountId} order by name limit 10`;
    return rows.map(({ name }) => name);
  },
};
