import { isoTime } from "../../../kernel/clock.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { leaseStore, type ProcessRow } from "../live/store/leases.ts";
import type { Area, VoiceParts } from "../parts.ts";
import type { processRoutes, VoiceProcess } from "./contract.ts";

/** More than a cloud has. */
const measured = 100;

const addressOf = ({ host, port }: { host: string; port: number }): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;

function view({ id, isSilent, seenAt, systems, calls, webSocketUrl, engine }: ProcessRow): VoiceProcess {
  return {
    name: id,
    state: isSilent ? "silent" : "running",
    seenAt: isoTime(seenAt),
    phoneSystems: systems,
    calls: isSilent ? 0 : calls,
    ...(webSocketUrl === null ? {} : { webSocketUrl }),
    mediaWorkers: engine.workers.map((worker) => ({ calls: isSilent ? 0 : worker.calls })),
    rtpengines: engine.hosts.map((host) => ({
      address: addressOf(host),
      state: host.up ? "up" : "down",
      calls: isSilent ? 0 : host.calls,
    })),
  };
}

/** What the operator sees of the processes that serve phones, and of the engines that move what is said. */
export function createProcessArea(parts: VoiceParts): Area<typeof processRoutes> {
  const rows = (after: string, limit: number) =>
    parts.database.transaction("system", (tx) => leaseStore.page(tx, { after, limit }));
  return {
    async metrics() {
      const processes = (await rows("", measured)).map(view);
      return processes.flatMap(({ name, state, calls, rtpengines }) => [
        { name: "khmara_voice_calls", help: "Calls of a voice process.", labels: { voice_process: name }, value: calls },
        ...rtpengines.map(({ address, state: its }) => ({
          name: "khmara_voice_rtpengine_up",
          help: "Whether an rtpengine answers a voice process.",
          labels: { voice_process: name, rtpengine: address },
          value: state === "running" && its === "up" ? 1 : 0,
        })),
      ]);
    },
    handlers: {
      async voiceProcessList(context, { query }) {
        context.authorize({}, "voiceProcess");
        const [after = ""] = decodeCursor(query.cursor, 1) ?? [];
        return toPage(await rows(String(after), query.limit + 1), query.limit, view, ({ id }) => [id]);
      },
    },
  };
}
