import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLocalStore } from "../services/objects/drivers/local/index.ts";
import { send } from "../services/objects/s3/testing/client.ts";
import { startDoor } from "../services/objects/s3/testing/door.ts";
import { figure, median, table, tell } from "./report.ts";

const sizes = [1000, 1_000_000];
const folders = 1000;
/** The store takes as many in one transaction. */
const atOnce = 512;

/** Pages of 1,000 through the S3 door, of a bucket with few keys and of one with very many: a page costs what it shows, not what the bucket holds. */
export async function run({ rounds = 3 }: { rounds: number | undefined }): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), "khmara-bench-listing-"));
  const store = await openLocalStore({ directory });
  const door = await startDoor(store);
  const call = (path: string, method = "GET", body?: string) =>
    send({ port: door.port, path, method, ...(body === undefined ? {} : { body }) });
  try {
    const rows: string[][] = [];
    for (const size of sizes) {
      const name = `bucket-${size}`;
      await call(`/${name}`, "PUT");
      await call(`/${name}/first`, "PUT", "x");
      const { bucketId } = await door.backend.bucketByName(name);
      const inEach = size / folders;
      for (let at = 0; at < size; at += atOnce) {
        if (at % 51_200 === 0) tell(`object-listing: ${figure(at)} of ${figure(size)} keys`);
        const keys = Array.from({ length: Math.min(atOnce, size - at) }, (_, i) => keyOf(at + i, inEach));
        // Copies share the bytes: only the index grows.
        await Promise.all(keys.map((key) => store.copy({ bucketId, key: "first" }, { bucketId, key })));
      }
      const middle = keyOf(Math.floor(size / 2), inEach);
      const pages: [string, string][] = [
        ["the first page", ""],
        ["a page from the middle", `&start-after=${encodeURIComponent(middle)}`],
        ["1,000 folders (delimiter /)", "&delimiter=/"],
        ["versions", "versions"],
      ];
      for (const [what, query] of pages) {
        const path = query === "versions" ? `/${name}?versions` : `/${name}?list-type=2${query}`;
        const times: number[] = [];
        for (let i = 0; i < rounds * 20; i++) {
          const began = performance.now();
          const { status } = await call(path);
          if (status !== 200) throw new Error(`${path}: ${status}`);
          times.push(performance.now() - began);
        }
        rows.push([`${what}, of ${figure(size)} keys`, figure(median(times)), figure(Math.min(...times))]);
      }
    }
    return table(
      ["1,000 keys a page", "median ms", "least ms"],
      rows.toSorted((a, b) => String(a[0]).localeCompare(String(b[0]))),
    );
  } finally {
    await door.stop();
    await store.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

const keyOf = (number: number, inEach: number): string =>
  `folder-${String(Math.floor(number / inEach)).padStart(4, "0")}/object-${String(number % inEach).padStart(6, "0")}`;
