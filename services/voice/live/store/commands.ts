import type { Tx } from "../../../../kernel/db/database.ts";

/** What the voice process is asked to do. */
export interface Command {
  id: string;
  organisationId: string;
  systemId: string;
  kind: "call_start" | "call_out" | "call_act" | "conference_get" | "conference_act";
  input: Record<string, unknown>;
}

export type CommandResult =
  | { state: "done"; result: Record<string, unknown> }
  | { state: "failed"; result: { code: "not_found" | "failed_precondition" | "deadline_exceeded"; message: string } };

export const commandChannel = "voice_command";
export const answerChannel = "voice_answer";

export const commandStore = {
  async insert(tx: Tx, command: Command): Promise<void> {
    await tx.sql`insert into voice.commands (id, organisation_id, system_id, kind, input, state)
      values (${command.id}, ${command.organisationId}, ${command.systemId}, ${command.kind}, ${tx.sql.json(command.input as never)}, 'waiting')`;
    await tx.sql`select pg_notify(${commandChannel}, ${command.id})`;
  },

  /** For the process that has the call, else for the one that serves the phone system; older ones have nobody who waits for them. */
  take: (tx: Tx, processId: string, maximumAgeSeconds: number): Promise<Command[]> => tx.sql<Command[]>`
    update voice.commands set state = 'taken' where id in (
      select id from voice.commands where state = 'waiting' and ${processId} = coalesce(
        (select process_id from voice.active_calls a where a.id = input ->> 'callId'),
        (select process_id from voice.served v where v.system_id = commands.system_id))
      and created_at > now() - make_interval(secs => ${maximumAgeSeconds})
      order by created_at limit 100 for update skip locked)
    returning id, organisation_id as "organisationId", system_id as "systemId", kind, input`,

  async answer(tx: Tx, id: string, { state, result }: CommandResult): Promise<void> {
    await tx.sql`update voice.commands set state = ${state}, result = ${tx.sql.json(result as never)} where id = ${id}`;
    await tx.sql`select pg_notify(${answerChannel}, ${id})`;
  },

  async result(tx: Tx, id: string): Promise<CommandResult | undefined> {
    const [row] = await tx.sql<
      CommandResult[]
    >`select state, result from voice.commands where id = ${id} and state in ('done', 'failed')`;
    return row;
  },

  /** Nobody takes it any more. False when somebody has. */
  async withdraw(tx: Tx, id: string): Promise<boolean> {
    const rows = await tx.sql`delete from voice.commands where id = ${id} and state = 'waiting' returning id`;
    return rows.length > 0;
  },

  async forget(tx: Tx, olderThanSeconds: number): Promise<void> {
    await tx.sql`delete from voice.commands where created_at < now() - make_interval(secs => ${olderThanSeconds})`;
  },
};
