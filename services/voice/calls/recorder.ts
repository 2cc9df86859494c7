import type { Database } from "../../../kernel/db/database.ts";
import type { Log } from "../../../kernel/log.ts";
import type { Call } from "./call.ts";

/** Writes down what goes on, and the record of each call when it is over. */
export interface Recorder {
  changed(call: Call): void;
  finish(call: Call): Promise<void>;
  close(): Promise<void>;
}

export function openRecorder({ log }: { database: Database; log: Log; processId: string }): Recorder {
  return {
    changed() {},
    async finish(call) {
      log.info({ call: call.id, state: call.state }, "a call ended");
    },
    async close() {},
  };
}
