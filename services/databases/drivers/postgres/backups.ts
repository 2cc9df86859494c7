/**
 * Backups as PostgreSQL's manual has them (chapter 26.3, Continuous Archiving): the files of a server that works, between two calls of it, and the
 * log that was written meanwhile. The log is taken away file by file; a restore replays it.
 */
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { createGunzip } from "node:zlib";
import { pack } from "tar-stream";
import { CloudError } from "../../../../kernel/errors.ts";
import type { BaseBackup, CallOptions, ContainerHost, RestoreSource, ServerSpec } from "../../driver.ts";
import { inside, runBeside, settingsFiles } from "./server.ts";
import { withSession } from "./session.ts";
import { paths } from "./settings.ts";

const day = 24 * 3600;

/** What a copy has to be without (26.3.3.4, Backing Up the Data Directory). */
const leftOut = [
  "pg_wal/*",
  "pg_replslot/*",
  "pg_dynshmem/*",
  "pg_notify/*",
  "pg_serial/*",
  "pg_snapshots/*",
  "pg_stat_tmp/*",
  "pg_subtrans/*",
  "postmaster.pid",
  "postmaster.opts",
  "backup_label",
  "tablespace_map",
  "*/pgsql_tmp*",
  "pg_internal.init*",
  "*/pg_internal.init*",
];

export async function backup(
  host: ContainerHost,
  name: string,
  take: (content: Readable) => Promise<void>,
  { signal }: CallOptions = {},
): Promise<BaseBackup> {
  return withSession(host, name, { database: "postgres", timeoutSeconds: day, signal }, async (sql) => {
    // One session from the start to the end: when it is lost, so is the backup.
    await sql`select pg_backup_start('khmara', true)`;
    const exclude = leftOut.map((each) => `--exclude='./${each}'`).join(" ");
    // Files change and go while they are read (exit code 1): the log has what happened to them.
    const script = `cd ${paths.data}; { tar --create --file=- --anchored ${exclude} . || [ $? -eq 1 ]; } | gzip -1`;
    const session = await host.containerOpen(name, {
      command: ["/bin/bash", "-c", `set -euo pipefail\n${script}`],
      signal,
    });
    session.stdin.end();
    let words = "";
    session.stderr.on("data", (piece: Buffer) => {
      words = `${words}${piece}`.slice(-4000);
    });
    try {
      // Its end is passed on only once it is known to be a good one.
      await take(Readable.from(whole(session.stdout, session.exited, () => words)));
    } finally {
      session.close();
    }
    const [row] = await sql<{ label: string; last: string }[]>`
      select labelfile as label, pg_walfile_name(lsn) as last from pg_backup_stop(true)`;
    const { label, last } = row as { label: string; last: string };
    const firstLog = /^START WAL LOCATION: \S+ \(file ([0-9A-F]{24})\)$/m.exec(label)?.[1];
    if (firstLog === undefined) throw new CloudError("internal", "The label of the backup does not say where it begins.");
    return { label, firstLog, lastLog: last };
  });
}

async function* whole(content: Readable, exited: Promise<number>, words: () => string): AsyncGenerator<Buffer> {
  for await (const piece of content) yield piece as Buffer;
  const code = await exited;
  if (code !== 0)
    throw new CloudError("internal", `The files of the database could not be read to their end (exit code ${code}).`, {
      cause: new Error(words()),
    });
}

/** `000000010000000000000002`, `00000002.history`; what PostgreSQL calls a backup history file is not needed. */
const segmentName = /^[0-9A-F]{24}$/;
const historyName = /^[0-9A-F]{8}\.history$/;

export async function archived(
  host: ContainerHost,
  name: string,
  options?: CallOptions,
): Promise<{ name: string; sizeBytes: number; at: Date }[]> {
  const output = await inside(
    host,
    name,
    `find ${paths.spool} -maxdepth 1 -type f -name '*.gz' -printf '%f %s %T@\\n' | sort`,
    options,
  );
  return output
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [file, size, at] = line.split(" ") as [string, string, string];
      return { name: file.slice(0, -3), sizeBytes: Number(size), at: new Date(Number(at) * 1000) };
    });
}

export async function archivedRead(host: ContainerHost, name: string, file: string, options?: CallOptions): Promise<Readable> {
  checkFile(file);
  const session = await host.containerOpen(name, { command: ["cat", `${paths.spool}/${file}.gz`], signal: options?.signal });
  session.stdin.end();
  session.stderr.resume();
  return Readable.from(whole(session.stdout, session.exited, () => ""));
}

export async function archivedRemove(
  host: ContainerHost,
  name: string,
  files: readonly string[],
  options?: CallOptions,
): Promise<void> {
  for (const file of files) checkFile(file);
  for (let from = 0; from < files.length; from += 200)
    await inside(
      host,
      name,
      `cd ${paths.spool} && rm -f ${files
        .slice(from, from + 200)
        .map((file) => `${file}.gz`)
        .join(" ")}`,
      options,
    );
}

function checkFile(file: string): void {
  if (!/^[0-9A-F]{8}([0-9A-F]{16})?(\.[0-9A-F]{8}\.backup|\.history|\.partial)?$/.test(file))
    throw new CloudError("internal", `${file} is no file of the log.`);
}

export async function archiveNow(host: ContainerHost, name: string, { signal }: CallOptions = {}): Promise<void> {
  const last = await withSession(host, name, { database: "postgres", signal }, async (sql) => {
    // A commit with a time of its own: a recovery to a moment needs one that is later, to know that it has come there.
    await sql`select pg_current_xact_id()`;
    const [row] = await sql<{ file: string }[]>`select pg_walfile_name(pg_switch_wal()) as file`;
    return row?.file as string;
  });
  for (const deadline = Date.now() + 120_000; ; await sleep(200, undefined, signal ? { signal } : {})) {
    const [row] = await withSession(
      host,
      name,
      { database: "postgres", signal },
      (sql) => sql<{ file: string | null }[]>`select last_archived_wal as file from pg_stat_archiver`,
    );
    // Both on the same timeline, or a later one.
    if (row?.file != null && row.file.slice(0, 24) >= last) return;
    if (Date.now() > deadline)
      throw new CloudError("unavailable", "The database does not archive its log in time. Try again.", {
        details: { retryAfterSeconds: 30 },
      });
  }
}

/** Position in the log, without the timeline. */
const position = (file: string): string => file.slice(8, 24);

export function logNeeded(
  files: readonly string[],
  { firstLog, lastLog }: { firstLog: string; lastLog: string },
  until: RestoreSource["until"],
): string[] {
  const segments = files.filter(
    (file) =>
      segmentName.test(file) &&
      position(file) >= position(firstLog) &&
      (until !== "earliest" || (position(file) <= position(lastLog) && file.slice(0, 8) === lastLog.slice(0, 8))),
  );
  return [...files.filter((file) => historyName.test(file)), ...segments].sort();
}

export const logObsolete = (files: readonly string[], firstLog: string): string[] =>
  files.filter((file) => !historyName.test(file) && position(file) < position(firstLog));

/** Into a volume with nothing in it that is kept; the server replays the log when it is started, and is then on its own. */
export async function restore(
  host: ContainerHost,
  spec: ServerSpec,
  source: RestoreSource,
  options: CallOptions = {},
): Promise<void> {
  const unpack = `rm -rf ${paths.volume}/initialised ${paths.data} ${paths.recovery} ${paths.spool}
mkdir -p ${paths.data} ${paths.recovery} ${paths.spool} ${paths.settings}
chmod 700 ${paths.data}
tar --extract --file=- --directory=${paths.data}
cd ${paths.data}; mkdir -p pg_wal/archive_status pg_wal/summaries pg_replslot pg_dynshmem pg_notify pg_serial pg_snapshots pg_stat_tmp pg_subtrans`;
  const base = await source.base();
  const content = createGunzip();
  const bytes = pipeline(base, content);
  bytes.catch(() => {});
  await runBeside(host, spec, "restore", unpack, content, options);
  await bytes;

  const log = pack();
  const filling = (async () => {
    log.entry({ name: "backup_label", mode: 0o600 }, source.label);
    for (const { name, content } of settingsFiles(spec)) log.entry({ name: `settings/${name}`, mode: 0o600 }, content);
    for await (const { name, sizeBytes, content } of source.log) {
      checkFile(name);
      await new Promise<void>((done, fail) => {
        const entry = log.entry({ name: `${name}.gz`, size: sizeBytes, mode: 0o600 }, (error) => (error ? fail(error) : done()));
        content.once("error", fail);
        content.pipe(entry);
      });
    }
    log.finalize();
  })();
  filling.catch((error) => log.destroy(error as Error));
  // A label says where the replay begins; the signal, that it is to be done at all.
  const take = `tar --extract --file=- --directory=${paths.recovery}
mv ${paths.recovery}/backup_label ${paths.data}/backup_label
mv -f ${paths.recovery}/settings/* ${paths.settings}/
cat >${paths.data}/postgresql.auto.conf <<'END'
${recoverySettings(source.until)}END
touch ${paths.data}/recovery.signal
sync
touch ${paths.volume}/initialised
sync ${paths.volume}`;
  await runBeside(host, spec, "log", take, Readable.from(log), options);
  await filling;
}

function recoverySettings(until: RestoreSource["until"]): string {
  const lines = ["recovery_target_action = 'promote'", "recovery_target_timeline = 'latest'"];
  if (until === "earliest") lines.push("recovery_target = 'immediate'");
  else if (until !== "end") lines.push(`recovery_target_time = '${until.toISOString().replace("T", " ").replace("Z", "+00")}'`);
  return `${lines.join("\n")}\n`;
}

/** Once it is on its own: what steered the recovery, and the files that it has read. */
export const forgetRecovery = (host: ContainerHost, name: string, options?: CallOptions): Promise<string> =>
  inside(
    host,
    name,
    `: >${paths.data}/postgresql.auto.conf; rm -rf ${paths.recovery}; mkdir ${paths.recovery}; kill -HUP 1`,
    options,
  );
