import { useMemo, useState } from "react";
import type { ObjectEntry } from "../../../services/objects/contract.ts";
import type { Operation } from "../../../services/operations/contract.ts";
import { client } from "../../api/api.ts";
import { translate } from "../../i18n/i18n.ts";
import { toastDone } from "../../ui/toast.ts";
import { nameOf, parentOf } from "./keys.ts";
import { chunks, finished, restoreTrash, work } from "./work.tsx";

/** One request takes so many. */
const keysAtOnce = 1000;
const prefixesAtOnce = 100;

const named = (keys: readonly string[]) => ({ count: keys.length, name: nameOf(keys[0] ?? "") });
const isFolder = (key: string) => key.endsWith("/");

interface Selected {
  keys: string[];
  prefixes: string[];
}

function requests(selected: readonly string[]): Selected[] {
  return [
    ...chunks(
      selected.filter((key) => !isFolder(key)),
      keysAtOnce,
    ).map((keys) => ({ keys, prefixes: [] })),
    ...chunks(selected.filter(isFolder), prefixesAtOnce).map((prefixes) => ({ keys: [], prefixes })),
  ];
}

export interface ObjectActions {
  /** Keys that are on their way out: not shown any more, and shown again if it fails. */
  leaving: ReadonlySet<string>;
  trash: (keys: string[]) => Promise<void>;
  move: (keys: string[], targetPrefix: string) => Promise<void>;
  rename: (key: string, name: string) => Promise<void>;
  download: (entries: ObjectEntry[]) => Promise<void>;
  newFolder: (prefix: string, name: string) => Promise<void>;
}

/** What can be done to objects of a bucket; the list shows the result at once and the operation follows. */
export function useObjectActions(bucket: string, refresh: () => Promise<void>): ObjectActions {
  const [leaving, setLeaving] = useState<ReadonlySet<string>>(new Set());

  return useMemo(() => {
    const hide = (keys: string[]) => setLeaving((now) => new Set([...now, ...keys]));
    const showAgain = (keys: string[]) =>
      setLeaving((now) => {
        const next = new Set(now);
        for (const key of keys) next.delete(key);
        return next;
      });
    /** Hidden until the list without them is here, so that nothing flickers back. */
    const leave = async (keys: string[], act: () => Promise<unknown>) => {
      hide(keys);
      try {
        await act();
        await refresh();
      } finally {
        showAgain(keys);
      }
    };
    const moveRequests = (keys: string[], targetPrefix: string, rename?: string): Promise<Operation[]> =>
      Promise.all(
        requests(keys).map((selection) =>
          client.objectMove({ bucket, ...selection, targetPrefix, overwrite: false, ...(rename ? { rename } : {}) }),
        ),
      );

    const moveBack = async (keys: string[], targetPrefix: string, rename?: string) => {
      const operations = await moveRequests(keys, targetPrefix, rename);
      await Promise.all(operations.map((operation) => finished(operation)));
      toastDone(translate("objects.move.undone", named(keys)));
      await refresh();
    };

    const trash = (keys: string[]) =>
      leave(keys, () =>
        work({
          working: translate("objects.trash.working", named(keys)),
          done:
            keys.length === 1 ? translate("objects.trash.doneOne", named(keys)) : translate("objects.trash.done", named(keys)),
          start: () => Promise.all(requests(keys).map((selection) => client.objectTrash({ bucket, ...selection }))),
          undo: async (operations) => {
            const restores = await Promise.all(operations.map(({ result }) => restoreTrash(bucket, String(result?.["trashId"]))));
            await Promise.all(restores.map((restore) => finished(restore)));
            toastDone(translate("objects.restored", named(keys)));
            await refresh();
          },
        }),
      );

    const move = (keys: string[], targetPrefix: string) => {
      const from = parentOf(keys[0] ?? "");
      // A search finds things in many folders; one Undo could not put them all back.
      const together = keys.every((key) => parentOf(key) === from);
      const target = targetPrefix === "" ? translate("objects.top") : nameOf(targetPrefix);
      const moved = keys.map((key) => targetPrefix + nameOf(key) + (isFolder(key) ? "/" : ""));
      return leave(keys, () =>
        work({
          working: translate("objects.move.working", named(keys)),
          done:
            keys.length === 1
              ? translate("objects.move.doneOne", { ...named(keys), target })
              : translate("objects.move.done", { ...named(keys), target }),
          start: () => moveRequests(keys, targetPrefix),
          undo: together ? () => moveBack(moved, from) : undefined,
        }),
      );
    };

    const rename = async (key: string, name: string) => {
      const parent = parentOf(key);
      const newKey = parent + name + (isFolder(key) ? "/" : "");
      await work({
        working: translate("objects.rename.working", { name }),
        done: translate("objects.rename.done", { name }),
        start: () => moveRequests([key], parent, name),
        undo: () => moveBack([newKey], parent, nameOf(key)),
      });
      await refresh();
    };

    /** Links one after another: browsers ask once whether a page may download several files. */
    const download = async (entries: ObjectEntry[]) => {
      for (const [index, { key, name }] of entries.entries()) {
        if (index > 0) await new Promise((resolve) => setTimeout(resolve, 600));
        const link = document.createElement("a");
        link.href = client.url("objectDownload", { bucket, key });
        link.download = name;
        link.click();
      }
    };

    /** An object of no bytes whose key ends in a slash: what S3 consoles and clients take for a folder. */
    const newFolder = async (prefix: string, name: string) => {
      await client.objectUpload(
        { bucket, key: `${prefix}${name}/` },
        { rawBody: new Blob([], { type: "application/x-directory" }), headers: { "if-none-match": "*" } },
      );
      await refresh();
    };

    return { leaving, trash, move, rename, download, newFolder };
  }, [bucket, refresh, leaving]);
}
