import { registerHooks } from "node:module";

/**
 * postgres.js 3.4.9 clears the timer of its next write when a connection closes, but keeps its handle: that pooled connection, once it is made
 * anew, waits for a timer that never comes, and so do its queries (src/connection.js, terminate() and closed()). As a database restarts
 * now and then, such lines are mended while the module is loaded. A test fails when a new version has no such lines any more.
 */
const mendings = [
  {
    faulty: "\n    clearImmediate(nextWriteTimer)",
    right: "\n    clearImmediate(nextWriteTimer)\n    chunk = nextWriteTimer = null",
  },
  // A query for a connection that is closed and not yet made anew has nowhere to go; it is told so.
  { faulty: "\n    if (terminated)\n", right: "\n    if (terminated || !socket)\n" },
  // The connection's own first query, when it fails, fails what waits for it instead of the whole process.
  { faulty: "return fetchArrayTypes()\n", right: "return fetchArrayTypes().catch(errored)\n" },
];
/** How many places were mended. */
export let mended = 0;
registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    if (!url.endsWith("/postgres/src/connection.js")) return loaded;
    let source = String(loaded.source);
    for (const { faulty, right } of mendings) {
      mended += source.split(faulty).length - 1;
      source = source.replaceAll(faulty, right);
    }
    return { ...loaded, source };
  },
});

// Not a static import: those are loaded before any of this runs.
export const { default: postgres } = await import("postgres");
