import { randomBytes } from "node:crypto";
import { posix } from "node:path";
import { Transform } from "node:stream";
import type { RouteInput } from "../../../kernel/contract.ts";
import { CloudError, invalid } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import type { BytesResponse, StreamContext } from "../../../kernel/service.ts";
import type { ComputeDriver } from "../driver.ts";
import type { ComputeParts } from "../parts.ts";
import type { accessRoutes, InstanceFile } from "./contract.ts";
import { enter } from "./entry.ts";
import { guestExit, listCommand, parseListing, placeCommand, removeCommand, userCommand } from "./guest.ts";

type Query<K extends keyof typeof accessRoutes> = RouteInput<(typeof accessRoutes)[K]>["query"];

const maxListingBytes = 16 * 1024 ** 2;
const commandSeconds = 30;
const maxFileBytes = 64 * 1024 ** 3;

export function createFiles(parts: ComputeParts) {
  return {
    async list(context: StreamContext, instanceId: string, { path, cursor, limit }: Query<"instanceFileList">) {
      const from = decodeCursor(cursor, 1)?.[0];
      const { instance, engine } = await enter(parts, context, instanceId);
      const { exitCode, stdout, truncated } = await command(engine, instance.engineName, listCommand(path), context.signal);
      if (exitCode === guestExit.missing) throw nothingAt(path);
      if (exitCode === guestExit.kind) throw wrongKind(`${path} is no folder. Download it instead.`);
      if (exitCode !== 0) throw new CloudError("failed_precondition", `${path} could not be listed inside the instance.`);
      if (truncated) {
        throw new CloudError(
          "failed_precondition",
          `${path} holds too many files to list here. Use a command inside the instance.`,
        );
      }
      const files = parseListing(stdout);
      const start = from === undefined ? 0 : files.findIndex(({ name }) => name > String(from));
      const rows = start < 0 ? [] : files.slice(start, start + limit + 1);
      return toPage<InstanceFile, InstanceFile>(
        rows,
        limit,
        (file) => file,
        ({ name }) => [name],
      );
    },

    async download(context: StreamContext, instanceId: string, { path }: Query<"instanceFileDownload">): Promise<BytesResponse> {
      const audit = { path };
      const { instance, engine } = await enter(parts, context, instanceId, { audit });
      const file = await engine.fileRead(instance.engineName, path, { signal: context.signal });
      if (file.kind === "directory") {
        throw wrongKind(`${path} is a folder. List it, or copy it whole: khmara instance cp ${instance.name}:${path} .`);
      }
      return {
        status: 200,
        headers: {
          "content-type": "application/octet-stream",
          "content-disposition": attachment(posix.basename(path)),
          "content-security-policy": "sandbox",
          "x-khmara-mode": (file.mode & 0o7777).toString(8).padStart(4, "0"),
          ...(file.sizeBytes !== undefined && { "content-length": String(file.sizeBytes) }),
        },
        body: file.content,
      };
    },

    async upload(
      context: StreamContext,
      instanceId: string,
      { path, mode, user, makeParents }: Query<"instanceFileUpload">,
    ): Promise<undefined> {
      if (path.endsWith("/")) throw invalid("query.path", "A file's name does not end with a slash.");
      if (Number(context.request.headers["content-length"] ?? 0) > maxFileBytes) throw tooLarge();
      const audit = { path, mode, user };
      const { instance, engine } = await enter(parts, context, instanceId, { audit });
      const name = instance.engineName;
      const run = (words: string[]) => command(engine, name, words, AbortSignal.timeout(commandSeconds * 1000));
      const owner = user === "root" ? { uid: 0, gid: 0 } : await numbersOf(user, run);
      // Beside its place first: whoever reads it there never sees half of it.
      const aside = posix.join(posix.dirname(path), `.${posix.basename(path).slice(0, 100)}.${randomBytes(6).toString("hex")}`);
      try {
        await engine.fileWrite(name, aside, bounded(context), {
          mode: Number.parseInt(mode, 8),
          ...owner,
          makeParents,
          signal: context.signal,
        });
        const { exitCode, stderr } = await run(placeCommand(aside, path));
        if (exitCode === guestExit.kind) throw wrongKind(`${path} is a folder: give the name of the file, too.`);
        if (exitCode !== 0)
          throw new CloudError("failed_precondition", Buffer.from(stderr).toString().trim() || `${path} could not be written.`);
      } catch (error) {
        await run(removeCommand(aside)).catch(() => {});
        if (!CloudError.is(error)) throw error;
        const folder = posix.dirname(path);
        const message =
          error.code === "not_found" && !makeParents
            ? `There is no folder ${folder} inside the instance. Make it first, or ask for makeParents.`
            : error.message.replaceAll(aside, path);
        throw new CloudError(error.code, message, { cause: error, details: error.details });
      }
    },
  };
}

const command = (engine: ComputeDriver, name: string, words: string[], signal: AbortSignal) =>
  engine.instanceExec(name, {
    command: words,
    environment: { LC_ALL: "C" },
    maxOutputBytes: maxListingBytes,
    signal: AbortSignal.any([signal, AbortSignal.timeout(commandSeconds * 1000)]),
  });

async function numbersOf(
  user: string,
  run: (words: string[]) => ReturnType<ComputeDriver["instanceExec"]>,
): Promise<{ uid: number; gid: number }> {
  const { exitCode, stdout } = await run(userCommand(user));
  const [uid, gid] = Buffer.from(stdout).toString().trim().split("\n").map(Number);
  if (exitCode !== 0 || !Number.isInteger(uid) || !Number.isInteger(gid)) {
    throw new CloudError("failed_precondition", `There is no user ${user} inside the instance.`, {
      details: { reason: "unknown_user" },
    });
  }
  return { uid: uid as number, gid: gid as number };
}

/** The body, never held whole, never longer than allowed. */
function bounded({ request }: StreamContext): Transform {
  let bytes = 0;
  const counter = new Transform({
    transform(piece: Buffer, _encoding, done) {
      bytes += piece.length;
      if (bytes > maxFileBytes) done(tooLarge());
      else done(null, piece);
    },
  });
  request.once("aborted", () =>
    counter.destroy(new CloudError("cancelled", "The connection broke off before everything was sent.")),
  );
  return request.pipe(counter);
}

const tooLarge = () =>
  new CloudError("payload_too_large", "A file has at most 64 GiB here.", { details: { maxBytes: maxFileBytes } });
const nothingAt = (path: string) =>
  new CloudError("not_found", `There is no ${path} inside the instance.`, { details: { resource: "file" } });
const wrongKind = (message: string) => new CloudError("failed_precondition", message, { details: { reason: "wrong_kind" } });

/** RFC 6266, with the name in UTF-8 (RFC 8187). */
const attachment = (name: string): string =>
  `attachment; filename*=UTF-8''${encodeURIComponent(name).replace(/['()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`)}`;
