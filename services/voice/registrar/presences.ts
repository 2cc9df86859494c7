import type { Database } from "../../../kernel/db/database.ts";
import { emitAll } from "../../../kernel/events.ts";
import type { Log } from "../../../kernel/log.ts";
import type { Locations } from "./locations.ts";

type System = { id: string; organisationId: string; projectId: string };

/** After a power cut all phones come at once: what comes within so long is told as one. */
const settleMs = 500;

/** Whoever looks at a list of extensions sees phones come and go: each phone system is told of once for many of them. */
export function tellPresences(parts: {
  database: Database;
  log: Log;
  locations: Pick<Locations, "onWritten">;
  systemOf: (systemId: string) => System | undefined;
}): { close(): Promise<void> } {
  const changed = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let telling = Promise.resolve();
  const tell = () => {
    timer = undefined;
    const systems = [...changed].flatMap((id) => parts.systemOf(id) ?? []);
    changed.clear();
    const events = systems.map(({ id, organisationId, projectId }) => ({
      type: "voice.presence.changed",
      ...{ organisationId, projectId },
      payload: { phoneSystemId: id },
    }));
    telling = parts.database
      .transaction("system", (tx) => emitAll(tx, events))
      .catch((error) => parts.log.warn({ err: error }, "who watches phones is not told that they came or went"));
  };
  parts.locations.onWritten((systemIds) => {
    for (const id of systemIds) changed.add(id);
    timer ??= setTimeout(tell, settleMs);
  });
  return {
    async close() {
      clearTimeout(timer);
      await telling;
    },
  };
}
