import type { Tx } from "../../../kernel/db/database.ts";
import type { PhoneLanguage } from "../destinations/contract.ts";

/** What a phone system says in place of a recorded word. */
export interface OwnPromptRow {
  organisationId: string;
  projectId: string;
  systemId: string;
  language: PhoneLanguage;
  prompt: string;
  audioId: string;
  fileName: string;
  sizeBytes: number;
  milliseconds: number;
  createdAt: Date;
}

const columns = `organisation_id as "organisationId", project_id as "projectId", system_id as "systemId", language, prompt,
  audio_id as "audioId", file_name as "fileName", size_bytes as "sizeBytes", milliseconds, created_at as "createdAt"`;

export const ownPromptStore = {
  /** At most as many as there are words. */
  all: (tx: Tx, systemId: string, language: PhoneLanguage): Promise<OwnPromptRow[]> =>
    tx.sql<OwnPromptRow[]>`
      select ${tx.sql.unsafe(columns)} from voice.own_prompts where system_id = ${systemId} and language = ${language}`,

  async find(tx: Tx, systemId: string, language: PhoneLanguage, prompt: string): Promise<OwnPromptRow | undefined> {
    const [row] = await tx.sql<OwnPromptRow[]>`
      select ${tx.sql.unsafe(columns)} from voice.own_prompts
      where system_id = ${systemId} and language = ${language} and prompt = ${prompt}`;
    return row;
  },

  /** In place of the one that was there. */
  set: (tx: Tx, row: OwnPromptRow): Promise<unknown> =>
    tx.sql`
      insert into voice.own_prompts (organisation_id, project_id, system_id, language, prompt, audio_id, file_name, size_bytes, milliseconds, created_at)
      values (${row.organisationId}, ${row.projectId}, ${row.systemId}, ${row.language}, ${row.prompt}, ${row.audioId}, ${row.fileName},
        ${row.sizeBytes}, ${row.milliseconds}, ${row.createdAt})
      on conflict (system_id, language, prompt) do update set audio_id = excluded.audio_id, file_name = excluded.file_name,
        size_bytes = excluded.size_bytes, milliseconds = excluded.milliseconds, created_at = excluded.created_at`,

  delete: (tx: Tx, row: OwnPromptRow): Promise<unknown> =>
    tx.sql`delete from voice.own_prompts where system_id = ${row.systemId} and language = ${row.language} and prompt = ${row.prompt}`,

  /** The sounds of a phone system's own words, by `language/prompt`. */
  async sounds(tx: Tx, systemId: string): Promise<Map<string, string>> {
    const rows = await tx.sql<{ name: string; audioId: string }[]>`
      select language || '/' || prompt as name, audio_id as "audioId" from voice.own_prompts where system_id = ${systemId}`;
    return new Map(rows.map(({ name, audioId }) => [name, audioId]));
  },
};
