import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { objectStoreConformance } from "../conformance.ts";
import { openLocalStore } from "./index.ts";

const root = await mkdtemp(join(tmpdir(), "khmara-objects-"));
after(() => rm(root, { recursive: true, force: true }));
let directories = 0;
const newDirectory = (): string => join(root, `store-${directories++}`);

objectStoreConformance("local", (now) => openLocalStore({ directory: newDirectory(), ...(now && { now }) }));
