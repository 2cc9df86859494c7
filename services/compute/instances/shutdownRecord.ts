import { CloudError } from "../../../kernel/errors.ts";
import type { ComputeDriver } from "../driver.ts";

/** Where Linux systems write down their boots and shutdowns: utmp(5). */
const file = "/var/log/wtmp";
/** Logins are in it too: so many of them at the end are looked through for the last boot. */
const keptRecords = 4096;
const mostAttempts = 8;
const mostBytes = 64 * 1024 ** 2;
/** `struct utmp` of the GNU C library: 384 bytes on amd64, 400 where a long has its own place. */
const recordBytes: Record<string, number> = { amd64: 384, i386: 384, armhf: 384, ppc64el: 384 };
const otherRecordBytes = 400;
const bootTime = 2;
const runLevel = 1;

/**
 * Whether a container that stopped had shut itself down. The engine tells that and the sudden death of its first process the same, but
 * a guest with systemd writes its boots and shutdowns down. undefined where it does not, or cannot be asked.
 */
export async function shutItselfDown(
  driver: ComputeDriver,
  engineName: string,
  signal?: AbortSignal,
): Promise<boolean | undefined> {
  const { architecture } = await driver.info();
  const size = recordBytes[architecture] ?? otherRecordBytes;
  for (let attempt = 1; ; attempt++) {
    try {
      return await lookInto(driver, engineName, size);
    } catch (error) {
      // The engine may still be busy with the stop itself.
      if (CloudError.is(error, "not_found") || attempt === mostAttempts || signal?.aborted) return undefined;
      await new Promise((resolve) => setTimeout(resolve, attempt * 500));
    }
  }
}

async function lookInto(driver: ComputeDriver, engineName: string, size: number): Promise<boolean | undefined> {
  const found = await driver.fileRead(engineName, file);
  if (found.kind !== "file") return undefined;
  const keptBytes = size * keptRecords;
  let total = 0;
  let tail = Buffer.alloc(0);
  for await (const chunk of found.content as AsyncIterable<Buffer>) {
    total += chunk.length;
    if (total > mostBytes) return undefined;
    tail = Buffer.concat([tail, chunk]);
    // Cut between two records.
    if (tail.length > 2 * keptBytes) tail = tail.subarray(Math.floor((tail.length - keptBytes) / size) * size);
  }
  return lastEnd(tail, size);
}

/** Of records one after the other, the newest last: whether the last boot ended with a shutdown. */
export function lastEnd(records: Buffer, size: number): boolean | undefined {
  for (let at = (Math.floor(records.length / size) - 1) * size; at >= 0; at -= size) {
    const type = records.readInt16LE(at);
    const user = records
      .subarray(at + 44, at + 76)
      .toString("latin1")
      .replace(/\0.*$/s, "");
    if (type === runLevel && user === "shutdown") return true;
    if (type === bootTime) return false;
  }
  return undefined;
}
