import { unfinishedOperations } from "../../../kernel/operations/store.ts";
import type { Worker } from "../../../kernel/service.ts";
import type { ComputeParts } from "../parts.ts";
import { abandonUpload } from "./making.ts";
import type { Scratch } from "./scratch.ts";
import { imageStore } from "./store.ts";

/** An upload tells every ten seconds that it goes on; one so silent has died with its process. */
const silentSeconds = 60;

/** Clears away what died in the middle: uploads without a process, folders without an operation. */
export const imageUpkeep = (parts: ComputeParts, scratch: Scratch): Worker => ({
  name: "compute.images.upkeep",
  everySeconds: 60,
  async run(signal) {
    const dead = await parts.database.transaction("system", (tx) => imageStore.deadUploads(tx, silentSeconds));
    for (const row of dead) {
      if (signal.aborted) return;
      await abandonUpload(parts, row);
    }
    const folders = await scratch.list();
    if (folders.length === 0) return;
    const active = await unfinishedOperations(parts.database, folders);
    for (const folder of folders) {
      if (signal.aborted) return;
      if (!active.has(folder)) await scratch.remove(folder);
    }
  },
});
