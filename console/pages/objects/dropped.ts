/** What a person dropped or chose: files with their path below the target, and folders that hold nothing. */
export interface DroppedTree {
  files: { path: string; file: File }[];
  emptyFolders: string[];
}

/** Litter that operating systems leave in folders and nobody means to upload. */
const litter = new Set([".DS_Store", "Thumbs.db", "desktop.ini"]);

/** Must be called within the drop event: the items are gone after the first await. */
export async function droppedTree(transfer: DataTransfer): Promise<DroppedTree> {
  const tree: DroppedTree = { files: [], emptyFolders: [] };
  const entries = [...transfer.items].flatMap((item) => {
    const entry = item.kind === "file" ? item.webkitGetAsEntry?.() : null;
    return entry ? [entry] : [];
  });
  if (entries.length === 0) {
    for (const file of transfer.files) tree.files.push({ path: file.name, file });
    return tree;
  }
  for (const entry of entries) await walk(entry, "", tree);
  return tree;
}

async function walk(entry: FileSystemEntry, folder: string, tree: DroppedTree): Promise<void> {
  const path = folder + entry.name;
  if (entry.isFile) {
    if (folder && litter.has(entry.name)) return;
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    tree.files.push({ path, file });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  let count = 0;
  // A reader hands out at most 100 entries at a time, and an empty list at the end.
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) break;
    count += some.length;
    for (const child of some) await walk(child, `${path}/`, tree);
  }
  if (count === 0) tree.emptyFolders.push(`${path}/`);
}

/** Of an <input type=file>, with or without `webkitdirectory`. */
export function chosenTree(list: FileList): DroppedTree {
  return {
    files: [...list].flatMap((file) => {
      const path = file.webkitRelativePath || file.name;
      return path.includes("/") && litter.has(file.name) ? [] : [{ path, file }];
    }),
    emptyFolders: [],
  };
}
