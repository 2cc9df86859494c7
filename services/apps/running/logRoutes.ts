import { Readable } from "node:stream";
import { decodeCursor, encodeCursor } from "../../../kernel/http/cursor.ts";
import type { ServerSentEvent } from "../../../kernel/service.ts";
import type { Area } from "../parts.ts";
import { openApp } from "../subjects.ts";
import type { runningRoutes } from "./contract.ts";
import { logFolder } from "./logs/collector.ts";
import { endOfLogs, forwards, type LogFilter, lineOf, readLines } from "./logs/reading.ts";
import type { Runtime } from "./runtime.ts";

type Routes = Pick<typeof runningRoutes, "appLogList" | "appLogFollow" | "appLogDownload">;

const aliveMs = 15_000;

export function logRoutes({ parts }: Runtime): Area<Routes>["handlers"] {
  const folderOf = (appId: string) => logFolder(parts.dataDirectory, appId);
  return {
    async appLogList(context, { params, query }) {
      await context.transaction((tx) => openApp(parts, context, tx, params.app));
      const { cursor, limit, ...filter } = query;
      const [file, offset] = decodeCursor(cursor, 2) ?? [];
      const { lines, next } = await readLines(folderOf(params.app), filter, {
        before: file === undefined ? undefined : { file: String(file), offset: Number(offset) },
        limit,
      });
      return { items: lines.map(lineOf), ...(next && { nextCursor: encodeCursor([next.file, next.offset]) }) };
    },

    async appLogFollow(context, { params, query }) {
      await context.transaction((tx) => openApp(parts, context, tx, params.app));
      const { tail, ...filter } = query;
      return follow(folderOf(params.app), filter, tail, context.signal);
    },

    async appLogDownload(context, { params, query }) {
      const app = await context.transaction((tx) => openApp(parts, context, tx, params.app));
      return {
        status: 200,
        headers: {
          "content-type": "text/plain; charset=utf-8",
          "content-disposition": `attachment; filename="${app.name}.log"`,
          "x-content-type-options": "nosniff",
        },
        body: Readable.from(asText(folderOf(app.id), query, context.signal)),
      };
    },
  };
}

async function* follow(folder: string, filter: LogFilter, tail: number, signal: AbortSignal): AsyncGenerator<ServerSentEvent> {
  // The end first: what comes after it is not missed, and not told twice.
  const end = await endOfLogs(folder);
  let id = 0;
  const event = (line: Parameters<typeof lineOf>[0]): ServerSentEvent => ({
    id: String(++id),
    event: "line",
    data: JSON.stringify(lineOf(line)),
  });
  if (end && tail > 0) {
    const { lines } = await readLines(folder, filter, { before: end, limit: tail });
    for (const line of lines.reverse()) yield event(line);
  }
  let toldMs = Date.now();
  yield { comment: "following" };
  for await (const { lines } of forwards(folder, filter, { from: end, follow: true, signal })) {
    for (const line of lines) yield event(line);
    if (lines.length > 0) toldMs = Date.now();
    else if (Date.now() - toldMs > aliveMs) {
      toldMs = Date.now();
      yield { comment: "alive" };
    }
  }
}

async function* asText(folder: string, filter: LogFilter, signal: AbortSignal): AsyncGenerator<string> {
  for await (const { lines } of forwards(folder, filter, { signal }))
    if (lines.length > 0) yield lines.map(({ at, container, text }) => `${at} ${container} ${text}\n`).join("");
}
