/** Loads the modules that it is given, and ends: of the warm-up of the compile cache (compile-cache.ts). */
import { pathToFileURL } from "node:url";

// Whatever is wrong with one shows where it is used.
for (const file of process.argv.slice(2)) await import(pathToFileURL(file).href).catch(() => {});
process.exit(0);
