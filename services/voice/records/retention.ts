import { audit } from "../../../kernel/audit.ts";
import { systemActor } from "../../../kernel/auth/principal.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import type { Worker } from "../../../kernel/service.ts";
import { deleteAudio } from "../audio/store.ts";
import { subjectOf, type VoiceParts } from "../parts.ts";
import { creditStore, type SystemRow, systemStore } from "../systems/store.ts";
import { recordingStore } from "./store/recordings.ts";
import { voicemailStore } from "./store/voicemails.ts";
import { deleteVoicemail } from "./voicemails.ts";

const dayMs = 24 * 60 * 60 * 1000;
/** So long a voicemail can be taken out of its folder of deleted ones. */
const undeleteDays = 7;
/** The longest month, and a day for time zones. */
const spendingDays = 32;
const atOnce = 50;

/** Some of what a phone system does not keep any longer; how many it was. */
async function deleteSome(tx: Tx, system: SystemRow, now: number): Promise<number> {
  const before = (days: number) => new Date(now - days * dayMs);
  const recordings = await recordingStore.expired(tx, system.id, before(system.settings.recording.retentionDays), atOnce);
  for (const row of recordings) {
    await recordingStore.delete(tx, row);
    await deleteAudio(tx, row.audioId);
  }
  const voicemails = await voicemailStore.expired(
    tx,
    system.id,
    before(system.settings.voicemail.retentionDays),
    before(undeleteDays),
    atOnce,
  );
  for (const row of voicemails) await deleteVoicemail(tx, row);
  const count = recordings.length + voicemails.length;
  if (count > 0)
    audit(tx, {
      ...subjectOf("phoneSystem", system, system.name),
      action: "voice.retention.delete",
      actor: systemActor,
      before: { recordings: recordings.map(({ id }) => id), voicemails: voicemails.map(({ id }) => id) },
    });
  return count;
}

/** Deletes recordings and voicemails that are older than their phone system keeps them, and what no limit of an extension counts any more. */
export const retentionWorker = ({ database }: Pick<VoiceParts, "database">): Worker => ({
  name: "voice.retention",
  everySeconds: 600,
  async run(signal) {
    const counted = new Date(Date.now() - spendingDays * dayMs);
    await database.transaction("system", (tx) => creditStore.forgetSpending(tx, counted));
    const systems = await database.transaction("system", (tx) => systemStore.versions(tx));
    for (const { id } of systems) {
      for (let deleted = atOnce; deleted > 0 && !signal.aborted; )
        deleted = await database.transaction("system", async (tx) => {
          const system = await systemStore.find(tx, id);
          return system === undefined ? 0 : deleteSome(tx, system, Date.now());
        });
    }
  },
});
