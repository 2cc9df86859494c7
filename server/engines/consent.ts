import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { writeDurable } from "../durable-file.ts";

/** What the operator said about installing an engine; kept in the data folder, so that it is asked once. Each engine has an answer of its own. */
export interface Consent {
  install: boolean;
  saidAt: string;
}

export type ConsentTo = "servers" | "containers";

const files: Record<ConsentTo, string> = { servers: "engine.json", containers: "docker.json" };

const consentFile = (dataDirectory: string, to: ConsentTo): string => join(dataDirectory, files[to]);

export function readConsent(dataDirectory: string, to: ConsentTo = "servers"): Consent | undefined {
  try {
    const { install, saidAt } = JSON.parse(readFileSync(consentFile(dataDirectory, to), "utf8")) as Partial<Consent>;
    return typeof install === "boolean" ? { install, saidAt: saidAt ?? "" } : undefined;
  } catch {
    return undefined;
  }
}

export function rememberConsent(dataDirectory: string, install: boolean, to: ConsentTo = "servers"): void {
  if (readConsent(dataDirectory, to)?.install === install) return;
  const consent: Consent = { install, saidAt: new Date().toISOString() };
  writeDurable(consentFile(dataDirectory, to), `${JSON.stringify(consent)}\n`, { mode: 0o644 });
}

const patienceMs = 60_000;

export interface Terminal {
  input: NodeJS.ReadableStream & { isTTY?: boolean };
  output: NodeJS.WritableStream & { isTTY?: boolean };
}

/** Undefined when there is nobody to ask, or nobody answers: a start that nobody watches must not wait for ever. */
export async function askConsent(terminal: Terminal, question: string, waitMs = patienceMs): Promise<boolean | undefined> {
  if (terminal.input.isTTY !== true || terminal.output.isTTY !== true) return undefined;
  // Without its own handling of the terminal, Ctrl-C stays what it is.
  const lines = createInterface({ input: terminal.input, output: terminal.output, terminal: false });
  try {
    const answer = (await lines.question(`${question} [y/N] `, { signal: AbortSignal.timeout(waitMs) })).trim();
    return /^(y|yes)$/i.test(answer);
  } catch {
    terminal.output.write("\n");
    return undefined;
  } finally {
    lines.close();
  }
}
