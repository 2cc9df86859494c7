import type { Tx } from "../../../kernel/db/database.ts";
import { type Id, newId } from "../../../kernel/ids.ts";
import { extensionStore } from "../extensions/store.ts";
import type { CallRowWithLegs } from "../records/store/calls.ts";
import type { VoicemailRow } from "../records/store/voicemails.ts";
import { systemStore } from "../systems/store.ts";
import type { PhoneMailKind } from "./contract.ts";
import { type LimitKind, type MailContent, mailStore } from "./store.ts";

/** Writes down which mails are to be sent, each in the transaction of what it tells of. */

interface System {
  id: Id<"phoneSystem">;
  organisationId: string;
  projectId: string;
}

const write = (tx: Tx, system: System, kind: PhoneMailKind, to: string, content: MailContent): Promise<void> =>
  mailStore.insert(tx, {
    id: newId("phoneMail"),
    organisationId: system.organisationId,
    projectId: system.projectId,
    systemId: system.id,
    kind,
    to,
    content,
  });

const callerOf = ({ fromNumber, fromName }: { fromNumber: string; fromName: string | null }) => ({
  fromNumber,
  ...(fromName === null ? {} : { fromName }),
});

export async function mailVoicemail(tx: Tx, row: VoicemailRow): Promise<void> {
  const extension = await extensionStore.find(tx, row.extensionId);
  const { email, attachAudio, deleteAfterMail } = extension?.settings.voicemail ?? { email: null };
  const system = await systemStore.find(tx, row.systemId);
  if (!extension || !system || email === null) return;
  await write(tx, system, "voicemail", email, {
    language: extension.settings.language ?? system.settings.language,
    extension: `${extension.name} (${extension.number})`,
    ...callerOf(row),
    milliseconds: row.milliseconds,
    voicemailId: row.id,
    attachAudio,
    deleteAfterMail,
  });
}

/** To whom it rang, and who wishes it. One who left a message is told of by that. */
export async function mailMissedCall(tx: Tx, call: CallRowWithLegs): Promise<void> {
  if (call.direction === "outbound" || call.answeredAt !== null) return;
  const rang = new Set(call.legs.slice(1).flatMap(({ kind, id }) => (kind === "extension" && id !== undefined ? [id] : [])));
  for (const id of rang) {
    const extension = await extensionStore.find(tx, id);
    const email = extension?.settings.missedCallEmail ?? null;
    if (!extension || email === null) continue;
    const system = await systemStore.find(tx, call.systemId);
    if (!system) return;
    await write(tx, system, "missed_call", email, {
      language: extension.settings.language ?? system.settings.language,
      extension: `${extension.name} (${extension.number})`,
      ...callerOf(call),
    });
  }
}

export async function mailEmergency(
  tx: Tx,
  systemId: string,
  call: { fromNumber: string; fromName: string | null; number: string },
): Promise<void> {
  const system = await systemStore.find(tx, systemId);
  for (const to of system?.settings.emergency.alertEmails ?? [])
    if (system)
      await write(tx, system, "emergency", to, {
        language: system.settings.language,
        ...callerOf(call),
        number: call.number,
      });
}

/** To those who are told of emergencies: whoever has a stolen password calls at night. */
export async function mailLimit(
  tx: Tx,
  systemId: string,
  call: { limit: LimitKind; fromNumber: string; fromName: string | null; number: string },
): Promise<void> {
  const system = await systemStore.find(tx, systemId);
  for (const to of system?.settings.emergency.alertEmails ?? [])
    if (system)
      await write(tx, system, "limit_reached", to, {
        language: system.settings.language,
        ...callerOf(call),
        number: call.number,
        limit: call.limit,
      });
}

/** Once, when a charge takes the balance below what was set. Decimals; `taken` is positive. */
export async function mailLowBalance(tx: Tx, systemId: string, balance: string, taken: string): Promise<void> {
  const system = await systemStore.find(tx, systemId);
  const { below, emails } = system?.settings.balanceAlert ?? { below: null, emails: [] };
  if (!system || below === null) return;
  const [crossed] = await tx.sql<{ yes: boolean }[]>`
    select ${balance}::numeric < ${below}::numeric and ${balance}::numeric + ${taken}::numeric >= ${below}::numeric as yes`;
  if (!crossed?.yes) return;
  const { language, currency } = system.settings;
  for (const to of emails) await write(tx, system, "low_balance", to, { language, balance, currency });
}
