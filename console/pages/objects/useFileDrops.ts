import { type DragEvent, useRef, useState } from "react";
import type { ObjectEntry } from "../../../services/objects/contract.ts";
import { toastError } from "../../ui/toast.ts";
import { type DroppedTree, droppedTree } from "./dropped.ts";

/** What a drag within the browser carries, besides which it is files from the computer. */
const ownType = "application/x-khmara-keys";

interface Drops {
  readOnly: boolean;
  selected: ReadonlySet<string>;
  onUpload: (targetPrefix: string, tree: DroppedTree) => void;
  onMove: (targetPrefix: string, keys: string[]) => void;
}

export function useFileDrops({ readOnly, selected, onUpload, onMove }: Drops) {
  const [over, setOver] = useState(false);
  // Entering a child leaves the parent: only the balance says whether the pointer is still inside.
  const depth = useRef(0);
  const fromOutside = (event: DragEvent) => !readOnly && event.dataTransfer.types.includes("Files");

  const drop = (event: DragEvent, targetPrefix: string) => {
    depth.current = 0;
    setOver(false);
    if (readOnly) return;
    const own = event.dataTransfer.getData(ownType);
    if (own) onMove(targetPrefix, JSON.parse(own) as string[]);
    else droppedTree(event.dataTransfer).then((tree) => onUpload(targetPrefix, tree), toastError);
  };

  return {
    over,
    drop,
    dragStart: (event: DragEvent, entry: ObjectEntry) => {
      const keys = selected.has(entry.key) ? [...selected] : [entry.key];
      event.dataTransfer.setData(ownType, JSON.stringify(keys));
      event.dataTransfer.effectAllowed = "move";
    },
    area: (prefix: string) => ({
      onDragEnter: (event: DragEvent) => {
        if (!fromOutside(event)) return;
        depth.current += 1;
        setOver(true);
      },
      onDragLeave: (event: DragEvent) => {
        if (!fromOutside(event)) return;
        depth.current = Math.max(0, depth.current - 1);
        if (depth.current === 0) setOver(false);
      },
      onDragOver: (event: DragEvent) => {
        if (fromOutside(event)) event.preventDefault();
      },
      onDrop: (event: DragEvent) => {
        if (!fromOutside(event)) return;
        event.preventDefault();
        drop(event, prefix);
      },
    }),
  };
}
