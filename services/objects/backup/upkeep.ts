import { inParallel } from "../walk.ts";
import {
  backupsFolder,
  contentOf,
  contentsFolder,
  LocalManifest,
  manifestNames,
  manifestOf,
  settingsOf,
  summaryNames,
} from "./manifest.ts";
import type { RemoteBucket } from "./remote.ts";

/** So many names of contents are held in memory at once. */
const namesAtOnce = 100_000;
const pageAtOnce = 500;

/**
 * Deletes the contents that no list names which lies there. Only while no backup is being made: what it has sent is in no list yet.
 * Returns how many.
 */
export async function sweep(
  remote: RemoteBucket,
  { signal, onProgress }: { signal: AbortSignal; onProgress: () => void },
): Promise<number> {
  const manifests = await fetchAll(remote);
  let removed = 0;
  const removeUnneeded = async (names: Set<string>): Promise<void> => {
    for (const manifest of manifests) {
      signal.throwIfAborted();
      for await (const content of manifest.contents()) names.delete(content);
    }
    await inParallel([...names], async (name) => {
      signal.throwIfAborted();
      await remote.remove(contentOf(name));
      removed++;
      onProgress();
    });
    names.clear();
  };
  try {
    const names = new Set<string>();
    for await (const page of remote.list(contentsFolder)) {
      for (const { name } of page) names.add(name.slice(contentsFolder.length));
      if (names.size >= namesAtOnce) await removeUnneeded(names);
      onProgress();
    }
    if (names.size > 0) await removeUnneeded(names);
    return removed;
  } finally {
    for (const manifest of manifests) await manifest.close();
  }
}

/** All lists or none: a content that is named only in a list that could not be read must stay. One that was not finished goes. */
async function fetchAll(remote: RemoteBucket): Promise<LocalManifest[]> {
  const [names, whole] = [[] as string[], new Set<string>()];
  for await (const page of remote.list(backupsFolder)) {
    names.push(...manifestNames(page));
    for (const name of summaryNames(page)) whole.add(name);
  }
  const manifests: LocalManifest[] = [];
  try {
    for (const name of names) {
      if (whole.has(name)) manifests.push(await LocalManifest.fetch(remote, name));
      else for (const each of [manifestOf(name), settingsOf(name)]) await remote.remove(each);
    }
    return manifests;
  } catch (error) {
    for (const manifest of manifests) await manifest.close();
    throw error;
  }
}

export interface Checked {
  objects: number;
  missing: number;
  missingKeys: string[];
}

/** Whether each content of a list lies there with its size. */
export async function checkContents(
  remote: RemoteBucket,
  manifest: LocalManifest,
  { signal, onProgress }: { signal: AbortSignal; onProgress: (objects: number) => void },
): Promise<Checked> {
  const checked: Checked = { objects: 0, missing: 0, missingKeys: [] };
  let page: { content: string; key: string; sizeBytes: number }[] = [];
  const flush = async () => {
    await inParallel(page, async ({ content, key, sizeBytes }) => {
      signal.throwIfAborted();
      const there = await remote.head(contentOf(content));
      if (there?.sizeBytes === sizeBytes) return;
      checked.missing++;
      if (checked.missingKeys.length < 100) checked.missingKeys.push(key);
    });
    page = [];
    onProgress(checked.objects);
  };
  for await (const { content, entry } of manifest.entries()) {
    if (entry.leftOut !== undefined) continue;
    checked.objects++;
    if (entry.sizeBytes > 0) page.push({ content, key: entry.key, sizeBytes: entry.sizeBytes });
    if (page.length === pageAtOnce) await flush();
  }
  await flush();
  return checked;
}
