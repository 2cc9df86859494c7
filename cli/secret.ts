import { readFileSync } from "node:fs";
import { UsageError } from "./usage-error.ts";

/** A secret out of a file, or out of the input with `-`: on the command line every user of the machine could read it. */
export function readSecret(file: string): string {
  try {
    return readFileSync(file === "-" ? 0 : file, "utf8").replace(/\r?\n$/, "");
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${(error as Error).message}`);
  }
}
