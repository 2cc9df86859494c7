import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { CloudError } from "../../../../kernel/errors.ts";
import { contentIn } from "./contents.ts";
import { Database, isTable, journalMark, type TableName } from "./database.ts";
import { contentName, Files, syncFolder } from "./files.ts";
import { type Frame, framesIn, snapshotName } from "./journalFrames.ts";
import { isOwned } from "./owners.ts";

export interface RebuildReport {
  /** Commits that were taken from the journal, after those in the snapshot. */
  commits: number;
  objects: number;
  /** How often a piece of the history is missing: what was changed there may be absent, or as it was before. */
  gaps: number;
  /** Records whose file is missing. */
  lostFiles: number;
  /** Files that no record names; they are moved to `unnamedFolder`. */
  unnamedFiles: number;
  unnamedFolder: string | undefined;
  /** What was there before, if anything was. */
  oldIndexFolder: string | undefined;
}

const changesAtOnce = 20_000;

/**
 * Makes the index anew from its snapshot and its journal (journal.ts); the old one is put aside. failed_precondition while a process has
 * the store open, or when there is nothing to make it from.
 */
export async function rebuildIndex(directory: string, onProgress: (commits: number) => void = () => {}): Promise<RebuildReport> {
  await refuseWhileOpen(join(directory, "tmp"));
  const unfinished = join(directory, "index.new");
  await rm(unfinished, { recursive: true, force: true });
  const database = new Database(unfinished, Date.now);
  const report = { commits: 0, objects: 0, gaps: 0, lostFiles: 0 };
  let unnamed: { count: number; folder: string | undefined };
  try {
    await replay(database, join(directory, "journal"), report, onProgress);
    report.objects = database.count("objects");
    unnamed = await compareFiles(database, directory, report);
  } finally {
    await database.close();
  }
  const suffix = new Date().toISOString().replace(/[-:.]/g, "");
  const index = join(directory, "index");
  const oldIndexFolder = existsSync(index) ? join(directory, `index.old-${suffix}`) : undefined;
  if (oldIndexFolder !== undefined) await rename(index, oldIndexFolder);
  await syncFolder(unfinished);
  await rename(unfinished, index);
  await syncFolder(directory);
  return { ...report, unnamedFiles: unnamed.count, unnamedFolder: unnamed.folder, oldIndexFolder };
}

async function refuseWhileOpen(tmp: string): Promise<void> {
  for (const owner of await readdir(tmp).catch(() => []))
    if (await isOwned(join(tmp, owner)))
      throw new CloudError("failed_precondition", "The object store is in use. Stop Khmara first.", {
        details: { resource: "store", reason: "in_use" },
      });
}

async function replay(
  database: Database,
  folder: string,
  report: { commits: number; gaps: number },
  onProgress: (commits: number) => void,
): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  const snapshot = await newestSnapshot(folder, names);
  const logs = names.filter((name) => name.endsWith(".log"));
  if (snapshot === undefined && logs.length === 0)
    throw new CloudError("failed_precondition", `There is no journal in ${folder} that the index could be made from.`);
  let waiting: Frame["changes"] extends () => Generator<infer Each> ? Each[] : never = [];
  const flush = async (): Promise<void> => {
    const changes = waiting;
    waiting = [];
    await database.write((transaction) => {
      for (const { table, key, value } of changes) {
        // Of a later version of Khmara: it is not lost for that one, which knows it from the journal.
        if (!isTable(table)) continue;
        if (value === undefined) transaction.remove(table as TableName, key);
        else transaction.put(table as TableName, key, value);
      }
    });
  };
  const apply = async (frame: Frame): Promise<void> => {
    for (const change of frame.changes()) waiting.push(change);
    if (waiting.length >= changesAtOnce) await flush();
  };

  if (snapshot !== undefined) for await (const frame of framesIn(join(folder, snapshot.name))) await apply(frame);
  let last = { sequence: snapshot?.sequence ?? 0, id: snapshot?.id ?? Buffer.alloc(8) };
  for await (const frame of chain(
    logs.map((name) => join(folder, name)),
    last.sequence,
  )) {
    if (frame.sequence !== last.sequence + 1 || !frame.previousId.equals(last.id)) report.gaps++;
    await apply(frame);
    last = { sequence: frame.sequence, id: Buffer.from(frame.id) };
    onProgress(++report.commits);
  }
  await flush();
  await database.write((transaction) => transaction.put("counters", journalMark.key, journalMark.encode(last)));
}

/** One that was written to its end. */
async function newestSnapshot(folder: string, names: string[]) {
  for (const name of names
    .filter((each) => snapshotName.test(each))
    .sort()
    .reverse()) {
    let first: Frame | undefined;
    let last: Frame | undefined;
    for await (const frame of framesIn(join(folder, name))) {
      first ??= frame;
      last = frame;
    }
    if (first?.kind === "snapshot" && last?.kind === "snapshotEnd")
      return { name, sequence: first.sequence, id: Buffer.from(first.id) };
  }
  return undefined;
}

/** The entries after `sequence` of all files in their order, without those whose commit failed. */
async function* chain(paths: string[], sequence: number): AsyncGenerator<Frame> {
  let same: Frame[] = [];
  for await (const frame of merged(paths, sequence)) {
    if (same.length > 0 && (same[0] as Frame).sequence !== frame.sequence) {
      const next = frame;
      // Several of one number: those commits failed but for the one that the next entry names.
      yield same.find(({ id }) => id.equals(next.previousId)) ?? latest(same);
      same = [];
    }
    same.push(frame);
  }
  if (same.length > 0) yield latest(same);
}

const latest = (frames: Frame[]): Frame => frames.reduce((one, other) => (other.atMs >= one.atMs ? other : one));

/** Within a file sequences never fall. */
async function* merged(paths: string[], after: number): AsyncGenerator<Frame> {
  const heads: { frames: AsyncGenerator<Frame>; frame: Frame }[] = [];
  const advance = async (frames: AsyncGenerator<Frame>): Promise<Frame | undefined> => {
    for (;;) {
      const { value, done } = await frames.next();
      if (done) return undefined;
      if (value.sequence > after) return value;
    }
  };
  for (const path of paths) {
    const frames = framesIn(path);
    const frame = await advance(frames);
    if (frame !== undefined) heads.push({ frames, frame });
  }
  while (heads.length > 0) {
    let least = 0;
    for (let i = 1; i < heads.length; i++)
      if ((heads[i] as { frame: Frame }).frame.sequence < (heads[least] as { frame: Frame }).frame.sequence) least = i;
    const head = heads[least] as (typeof heads)[number];
    yield head.frame;
    const next = await advance(head.frames);
    if (next === undefined) heads.splice(least, 1);
    else head.frame = next;
  }
}

/** A file that no record names may be somebody's object whose record is lost: it is put aside, not removed. */
async function compareFiles(database: Database, directory: string, report: { lostFiles: number }) {
  const files = await Files.open(directory);
  const folder = join(directory, `unnamed-${new Date().toISOString().replace(/[-:.]/g, "")}`);
  let count = 0;
  try {
    for await (const { contentId, path } of files.all()) {
      if (contentName.test(contentId) && database.read((index) => contentIn(index, contentId))?.kind === "file") continue;
      if (count++ === 0) await mkdir(folder);
      await rename(path, join(folder, contentId));
    }
  } finally {
    await files.close();
  }
  for (const contentId of database.keys("contents")) {
    const id = contentId.toString("hex");
    if (database.read((index) => contentIn(index, id))?.kind !== "file") continue;
    if ((await stat(files.pathOf(id)).catch(() => undefined)) === undefined) report.lostFiles++;
  }
  return { count, folder: count === 0 ? undefined : folder };
}
