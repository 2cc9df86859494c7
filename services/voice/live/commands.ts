import type { Database } from "../../../kernel/db/database.ts";
import { CloudError } from "../../../kernel/errors.ts";
import { newId } from "../../../kernel/ids.ts";
import type { Log } from "../../../kernel/log.ts";
import { answerChannel, type Command, type CommandResult, commandChannel, commandStore } from "./store/commands.ts";

/** Both ends of what the control plane asks of the voice process: rows of the database, and a word over NOTIFY. */

const answerMs = 10_000;
/** Who runs takes at once what is asked; after so long nobody does. */
const takenMs = 2000;

export interface CommandLine {
  /**
   * Asks, and waits for the answer.
   * @throws what the voice process answers; unavailable when none takes it, deadline_exceeded when one does not end it in time.
   */
  ask(command: Omit<Command, "id">): Promise<Record<string, unknown>>;
  close(): Promise<void>;
}

export function openCommandLine(database: Database): CommandLine {
  const waiting = new Map<string, () => void>();
  let listener: Promise<{ close(): Promise<void> }> | undefined;
  const listen = () => {
    // Only once somebody asks: few control planes ever do, and a connection each would be held for it.
    listener ??= database.listen(answerChannel, (id) => waiting.get(id)?.());
    return listener;
  };
  return {
    async ask(command) {
      await listen();
      const id = newId("callCommand");
      const { promise: told, resolve } = Promise.withResolvers<void>();
      waiting.set(id, resolve);
      const within = (ms: number) => Promise.race([told, new Promise<void>((late) => setTimeout(late, ms).unref())]);
      try {
        await database.transaction("system", (tx) => commandStore.insert(tx, { ...command, id }));
        await within(takenMs);
        if (await database.transaction("system", (tx) => commandStore.withdraw(tx, id)))
          throw new CloudError(
            "unavailable",
            "The phone service of this cloud does not run at the moment. Try again in a minute.",
          );
        await within(answerMs - takenMs);
        const result = await database.transaction("system", (tx) => commandStore.result(tx, id));
        if (result?.state === "done") return result.result;
        if (result?.state === "failed") throw new CloudError(result.result.code, result.result.message);
        throw new CloudError(
          "deadline_exceeded",
          "The phone service took too long. Look at the calls that run before trying again.",
        );
      } finally {
        waiting.delete(id);
      }
    },
    async close() {
      await (await listener)?.close();
    },
  };
}

export type CommandHandler = (command: Command) => Promise<Record<string, unknown>>;

/** The voice process's end: takes what is asked and answers it. A CloudError is the answer; anything else is told as a failure of ours. */
export async function serveCommands(
  database: Database,
  log: Log,
  processId: string,
  handle: CommandHandler,
): Promise<{ close(): Promise<void> }> {
  const running = new Set<Promise<void>>();
  const work = async () => {
    for (;;) {
      const taken = await database.transaction("system", (tx) => commandStore.take(tx, processId, answerMs / 1000));
      if (taken.length === 0) return;
      await Promise.all(taken.map(answer));
    }
  };
  const answer = async (command: Command) => {
    const result = await handle(command).then(
      (done): CommandResult => ({ state: "done", result: done }),
      (error): CommandResult => ({ state: "failed", result: failureOf(error, command, log) }),
    );
    await database.transaction("system", (tx) => commandStore.answer(tx, command.id, result));
  };
  const look = () => {
    const round = work().catch((error) => log.warn({ err: error }, "commands could not be taken"));
    running.add(round);
    void round.finally(() => running.delete(round));
  };
  const listener = await database.listen(commandChannel, look, look);
  return {
    async close() {
      await listener.close();
      await Promise.all(running);
    },
  };
}

function failureOf(error: unknown, command: Command, log: Log): (CommandResult & { state: "failed" })["result"] {
  if (CloudError.is(error, "not_found")) return { code: "not_found", message: error.message };
  if (CloudError.is(error, "deadline_exceeded")) return { code: "deadline_exceeded", message: error.message };
  if (CloudError.is(error)) return { code: "failed_precondition", message: error.message };
  log.error({ err: error, command: command.id, kind: command.kind }, "a command failed");
  return { code: "failed_precondition", message: "The phone service could not do it. Its log says why." };
}
