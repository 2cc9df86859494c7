/** Values of options that several of them have. */
import { readFileSync } from "node:fs";
import { errorCode, StartError } from "./start-error.ts";

export interface Given {
  value: string;
  /** The flag or variable that it came from. */
  from: string;
}

export function portNumber(given: Given | undefined, fallback: number): number {
  if (given === undefined) return fallback;
  const port = Number(given.value);
  if (!/^\d+$/.test(given.value) || port < 1 || port > 65_535) {
    throw new StartError(`${given.from} is ${given.value}, which is not a port. Give a number from 1 to 65535.`);
  }
  return port;
}

export const portOrNone = (given: Given | undefined, fallback: number): number | undefined =>
  given?.value === "none" ? undefined : portNumber(given, fallback);

export function processNumber(given: Given | undefined, fallback: number): number {
  if (given === undefined) return fallback;
  const number = Number(given.value);
  if (!/^\d+$/.test(given.value) || number < 1 || number > 64)
    throw new StartError(`${given.from} is ${given.value}, which is not a number of processes. Give one from 1 to 64.`);
  return number;
}

export function checkPem({ value, from }: Given, parts: string[]): void {
  let text: string;
  try {
    text = readFileSync(value, "utf8");
  } catch (error) {
    throw new StartError(`The certificate ${value} cannot be read (${errorCode(error)}). Check ${from}.`, { cause: error });
  }
  const lacking = parts.find((part) => !new RegExp(`-----BEGIN [A-Z ]*${part}-----`).test(text));
  if (lacking !== undefined) throw new StartError(`${value} has no ${lacking.toLowerCase()} (PEM). Check ${from}.`);
}
