import type { Run } from "./run.ts";
import { plain } from "./table.ts";
import { formatTime } from "./units.ts";

/** Prints events as they come, a line each, until Ctrl-C. */
export async function runWatch({ cloud, terminal, values, options }: Run): Promise<number> {
  const stop = new AbortController();
  const onInterrupt = () => stop.abort();
  process.once("SIGINT", onInterrupt);
  process.once("SIGTERM", onInterrupt);
  if (!options.quiet) terminal.note("Watching; Ctrl-C ends it.\n");
  try {
    for await (const event of cloud.client.events(values as { organisation: string }, { signal: stop.signal })) {
      if (options.json) terminal.out(`${JSON.stringify(event)}\n`);
      else {
        const words = Object.entries(event.payload).map(
          ([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`,
        );
        terminal.out(`${formatTime(event.at)}  ${plain(event.type)}  ${plain(words.join(" "))}\n`);
      }
    }
  } finally {
    process.off("SIGINT", onInterrupt);
    process.off("SIGTERM", onInterrupt);
  }
  return 0;
}
