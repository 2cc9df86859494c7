import { createWriteStream } from "node:fs";
import { chmod, open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, posix, resolve } from "node:path";
import { Readable } from "node:stream";
import { CloudError } from "../kernel/errors.ts";
import { findCommand } from "./commands.ts";
import { execute } from "./instance-exec.ts";
import { idOf } from "./names.ts";
import { writeTo } from "./pipes.ts";
import { TransferProgress } from "./progress.ts";
import type { Run } from "./run.ts";
import { formatSize } from "./units.ts";
import { UsageError } from "./usage-error.ts";

const usage = "khmara instance cp FILE... NAME:/PATH, or khmara instance cp NAME:/PATH FILE";
const errorLetters = 2000;

interface Remote {
  instance: string;
  name: string;
  path: string;
}

/** `web:/srv/site`. A local name with a colon is written with a slash before it: `./a:b`. */
function remoteOf(word: string): { name: string; path: string } | undefined {
  const [, name, path] = /^([A-Za-z0-9_-]+):(.*)$/s.exec(word) ?? [];
  return name === undefined ? undefined : { name, path: path as string };
}

export async function runCopy(run: Run): Promise<number> {
  const words = [...run.rest];
  const last = words.pop();
  if (last === undefined || words.length === 0) throw new UsageError("What is to be copied, and where to?", usage);
  const target = remoteOf(last);
  const sources = words.map(remoteOf);
  if (target && sources.some(Boolean))
    throw new UsageError("From one instance into another goes by way of this machine, in two steps.", usage);
  const [source, ...more] = sources;
  if (!target && (!source || more.length > 0)) {
    throw new UsageError(
      more.length > 0 ? "Only one thing at a time is copied out of an instance." : "One side is inside an instance: NAME:/PATH.",
      usage,
    );
  }
  const { name, path } = (target ?? source) as { name: string; path: string };
  if (!path.startsWith("/")) throw new UsageError(`A path inside an instance begins with a slash: ${name}:/root/${path}`, usage);
  const named = findCommand("instance", "get")?.positionals[0]?.named;
  if (!named) throw new Error("There is no command `instance get`.");
  const place = {
    organisation: run.options.organisation ?? run.cloud.settings.organisation,
    project: run.options.project ?? run.cloud.settings.project,
  };
  const remote: Remote = { instance: await idOf(run.cloud, named, name, place), name, path };
  const progress = new TransferProgress(run.terminal);
  if (run.options.quiet) progress.draw = () => {};
  try {
    return target ? await copyIn(run, words, remote, progress) : await copyOut(run, remote, last, progress);
  } finally {
    progress.end();
  }
}

interface Probe {
  kind: "file" | "directory" | "none";
  hasParent: boolean;
  hasTar: boolean;
}

const probeScript = `if [ -d "$1" ]; then echo directory; elif [ -e "$1" ]; then echo file; else echo none; fi
[ -d "$(dirname -- "$1")" ] && echo parent
command -v tar >/dev/null && echo tar
true`;

async function probe(run: Run, { instance, path }: Remote): Promise<Probe> {
  const { stdout } = await run.cloud.client.instanceExec({
    instance: instance as never,
    command: ["sh", "-c", probeScript, "sh", path],
  });
  const [kind, ...has] = stdout.split("\n");
  return { kind: kind as Probe["kind"], hasParent: has.includes("parent"), hasTar: has.includes("tar") };
}

async function copyIn(run: Run, sources: string[], remote: Remote, progress: TransferProgress): Promise<number> {
  const there = await probe(run, remote);
  const into = there.kind === "directory";
  if (!into && (sources.length > 1 || remote.path.endsWith("/"))) {
    throw new CloudError(
      "failed_precondition",
      `${remote.path} is no folder inside ${remote.name}. Make it first: khmara instance exec ${remote.name} -- mkdir -p ${remote.path}`,
    );
  }
  if (!into && !there.hasParent) {
    const parent = posix.dirname(remote.path);
    throw new CloudError(
      "not_found",
      `There is no folder ${parent} inside ${remote.name}. Make it first: khmara instance exec ${remote.name} -- mkdir -p ${parent}`,
    );
  }
  const [only] = sources;
  if (sources.length === 1 && only === "-") {
    if (into) throw new UsageError(`${remote.path} is a folder: give the name of the file, too.`, usage);
    return upload(run, remote, { body: run.terminal.stdin, mode: 0o644 }, progress);
  }
  const found = await Promise.all(sources.map(async (path) => ({ path, about: await aboutLocal(path) })));
  if (sources.length === 1 && found[0]?.about.isFile()) {
    const { path, about } = found[0];
    const file = await open(path);
    const target = into ? { ...remote, path: posix.join(remote.path, basename(path)) } : remote;
    progress.label = basename(path);
    progress.totalBytes = about.size;
    const body = file.createReadStream();
    return upload(run, target, { body, mode: about.mode, sizeBytes: about.size }, progress);
  }
  if (there.kind === "file")
    throw new CloudError("already_exists", `${remote.path} is a file inside ${remote.name}; a folder cannot take its place.`);
  requireTar(there, remote);
  const { packFiles } = await import("./archive.ts");
  const folder = into ? remote.path : posix.dirname(remote.path);
  const wanted = found.map(({ path }) => ({
    path: resolve(path),
    name: into ? basename(resolve(path)) : posix.basename(remote.path),
  }));
  const archive = await packFiles(wanted, {
    onTotal: (bytes) => {
      progress.totalBytes = bytes;
    },
    onBytes: (bytes) => progress.add(bytes),
    onFile: (name) => {
      progress.label = name;
    },
    onSkipped: (path, why) => run.terminal.note(`${path}: ${why}\n`),
  });
  await tar(run, remote, ["-x", "-o", "-f", "-", "-C", folder], archive.bytes, () => {});
  progress.end();
  report(run, archive.files, progress.doneBytes, `${remote.name}:${remote.path}`);
  return 0;
}

async function upload(
  run: Run,
  remote: Remote,
  { body, mode, sizeBytes }: { body: Readable; mode: number; sizeBytes?: number },
  progress: TransferProgress,
): Promise<number> {
  await run.cloud.client.instanceFileUpload(
    {
      instance: remote.instance as never,
      path: remote.path,
      mode: (mode & 0o7777).toString(8).padStart(4, "0"),
      user: String(run.values["user"] ?? "root"),
    },
    {
      rawBody: Readable.toWeb(body) as never,
      ...(sizeBytes !== undefined && { rawBodyBytes: sizeBytes }),
      onProgress: (sent) => {
        progress.doneBytes = sent;
        progress.draw();
      },
    },
  );
  progress.end();
  report(run, 1, progress.doneBytes, `${remote.name}:${remote.path}`);
  return 0;
}

async function copyOut(run: Run, remote: Remote, target: string, progress: TransferProgress): Promise<number> {
  const there = await probe(run, remote);
  if (there.kind === "none") throw new CloudError("not_found", `There is no ${remote.path} inside ${remote.name}.`);
  const local = await stat(target).catch(() => undefined);
  const name = posix.basename(remote.path) || "root";
  if (there.kind === "file") {
    const response = await run.cloud.client.instanceFileDownload({ instance: remote.instance as never, path: remote.path });
    const length = response.headers.get("content-length");
    if (length !== null) progress.totalBytes = Number(length);
    progress.label = name;
    const bytes = (async function* () {
      for await (const piece of response.body ?? []) {
        progress.add(piece.length);
        yield piece as Uint8Array;
      }
    })();
    if (target === "-") {
      for await (const piece of bytes) await writeTo(run.terminal.stdout, piece);
      return 0;
    }
    const path = local?.isDirectory() || target.endsWith("/") ? join(target, name) : target;
    await writeAside(path, bytes, Number.parseInt(response.headers.get("x-khmara-mode") ?? "0644", 8));
    progress.end();
    report(run, 1, progress.doneBytes, path);
    return 0;
  }
  if (target === "-")
    throw new UsageError(
      `${remote.path} is a folder. As an archive: khmara instance exec ${remote.name} -- tar -c ${remote.path}`,
    );
  if (local && !local.isDirectory())
    throw new CloudError("already_exists", `${target} is a file; a folder cannot take its place.`);
  if (!local && !(await stat(dirname(resolve(target))).catch(() => undefined))?.isDirectory()) {
    throw new CloudError("not_found", `There is no folder ${dirname(resolve(target))} here.`);
  }
  requireTar(there, remote);
  const { unpackInto } = await import("./archive.ts");
  const root = local ? resolve(target, name) : resolve(target);
  const unpacking = unpackInto(root, {
    onBytes: (bytes) => progress.add(bytes),
    onFile: (path) => {
      progress.label = path;
    },
    onSkipped: (path, why) => run.terminal.note(`${path}: ${why}\n`),
  });
  const base = posix.basename(remote.path) || ".";
  await tar(run, remote, ["-c", "-f", "-", "-C", posix.dirname(remote.path), "--", base], undefined, (bytes) =>
    unpacking.write(bytes),
  );
  const files = await unpacking.end();
  progress.end();
  report(run, files, progress.doneBytes, root);
  return 0;
}

/** Runs tar inside; its own words when it fails. */
async function tar(
  run: Run,
  { instance, name }: Remote,
  words: string[],
  stdin: Readable | undefined,
  stdout: (bytes: Uint8Array) => void | Promise<void>,
): Promise<void> {
  let said = "";
  const exitCode = await execute(run.cloud, {
    instance,
    start: { command: ["tar", ...words], user: run.values["user"] ?? "root" },
    stdin,
    stdout,
    stderr: (bytes) => {
      if (said.length < errorLetters) said += Buffer.from(bytes).toString();
    },
  });
  if (exitCode === 0) return;
  // 1: a file changed while it was read, which a running system does.
  if (exitCode === 1 && words.includes("-c")) return void run.terminal.note(said);
  throw new CloudError(
    "failed_precondition",
    `Not everything could be copied: tar inside ${name} ended with ${exitCode}.\n${said.trim()}`,
  );
}

function requireTar({ hasTar }: Probe, { name }: Remote): void {
  if (hasTar) return;
  throw new CloudError(
    "failed_precondition",
    `There is no tar inside ${name}, which folders need. Install it, or copy files one by one.`,
  );
}

async function aboutLocal(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") throw new UsageError(`There is no ${path} here.`);
    throw error;
  }
}

/** What has the name is whole. */
async function writeAside(path: string, bytes: AsyncIterable<Uint8Array>, mode: number): Promise<void> {
  const aside = join(dirname(path), `.${basename(path)}.${process.pid}.khmara`);
  try {
    const sink = createWriteStream(aside, { mode: 0o600 });
    await new Promise<void>((done, fail) => {
      sink.once("error", fail).once("finish", done);
      Readable.from(bytes).once("error", fail).pipe(sink);
    });
    await chmod(aside, mode & 0o777);
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
}

function report(run: Run, files: number, bytes: number, where: string): void {
  if (run.options.json) run.terminal.out(`${JSON.stringify({ path: where, files, sizeBytes: bytes }, null, 2)}\n`);
  else if (!run.options.quiet) run.terminal.out(`${where}  ${files === 1 ? "" : `${files} files, `}${formatSize(bytes)}\n`);
}
