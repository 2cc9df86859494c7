import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "../../../testing/ports.ts";
import { PhoneProcess, patienceMs } from "./phoneProcess.ts";

export interface SippOptions {
  /** `uac`, `uas` and the like are in SIPp itself; otherwise the XML of a scenario. */
  scenario: string;
  /** `host:port`; needed by scenarios that call. */
  target?: string;
  transport?: "udp" | "tcp";
  /** How many calls; then it ends. Default 1. */
  calls?: number;
  /** Calls per second; default 1. */
  rate?: number;
  /** At once. */
  limit?: number;
  /** `[service]` of scenarios: who is called. */
  service?: string;
  user?: string;
  password?: string;
  /** Seconds that calls of SIPp's own scenarios last; default 0. */
  seconds?: number;
  /** `[name]` of the scenario. */
  keys?: Readonly<Record<string, string>>;
  /** Lines of `[field0]`, `[field1]` …: one line per call, in order. */
  fields?: readonly (readonly string[])[];
  /** Where it listens; by default 127.0.0.1 and a port that is free. */
  host?: string;
  port?: number;
  /** Keeps how long each answer took, for `SippFigures.times`. */
  timed?: boolean;
  /** Keeps its messages, for `SippFigures.errors` of what failed. */
  traced?: boolean;
}

/** What SIPp counted at its end. */
export interface SippFigures {
  /** 0: all went as in the scenario; 1: at least one call did not. */
  exitCode: number | null;
  calls: number;
  successful: number;
  failed: number;
  retransmissions: number;
  unexpected: number;
  /** Between what the scenario marks with `start_rtd` and `rtd`; mean over all calls. */
  responseMs: number;
  callMs: number;
  /** Milliseconds between the marks, of each call, the shortest first; only when `timed`. */
  times: number[];
  /** Messages that the scenario did not expect, in words. */
  errors: string;
}

/** A SIPp that runs. */
export class Sipp {
  /** Where it listens, `127.0.0.1:port`. */
  readonly address: string;
  readonly #process: PhoneProcess;

  constructor(address: string, process: PhoneProcess) {
    this.address = address;
    this.#process = process;
  }

  /** Waits until it ends by itself, and counts. */
  async finished(timeoutMs = 5 * patienceMs): Promise<SippFigures> {
    const timer = setTimeout(() => void this.#process.kill(), timeoutMs);
    const exitCode = await this.#process.exited();
    clearTimeout(timer);
    const { folder, output } = this.#process;
    const names = await readdir(folder);
    const table = await readFile(join(folder, "figures.csv"), "utf8").catch(() => "");
    const log = (name: string) => (names.includes(name) ? readFile(join(folder, name), "utf8") : "");
    const errors = `${await log("errors.log")}${exitCode === 0 ? "" : await log("messages.log")}`;
    const rtt = names.find((name) => name.endsWith("_rtt.csv"));
    const times = rtt === undefined ? [] : timesOf(await readFile(join(folder, rtt), "utf8"));
    if (table === "") throw new Error(`SIPp did not begin (code ${exitCode}):\n${errors}${output.slice(-4000)}`);
    return { exitCode, ...figuresOf(table), times, errors };
  }

  /** Waits until it has sent or received something with these words in it; it must be `traced`. */
  async seen(words: string): Promise<void> {
    const log = join(this.#process.folder, "messages.log");
    const deadline = Date.now() + patienceMs;
    while (!(await readFile(log, "utf8").catch(() => "")).includes(words)) {
      if (!this.#process.running || Date.now() > deadline) throw new Error(`SIPp has not seen "${words}".`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async close(): Promise<void> {
    await this.#process.close();
  }
}

/** The last line of SIPp's table has the sums over all the time, below names that end in `(C)`. */
export function figuresOf(table: string): Omit<SippFigures, "exitCode" | "errors" | "times"> {
  const lines = table.trim().split("\n");
  const names = lines[0]!.split(";");
  const values = lines.at(-1)!.split(";");
  const count = (name: string): number => Number(values[names.indexOf(name)] ?? 0);
  return {
    calls: count("TotalCallCreated"),
    successful: count("SuccessfulCall(C)"),
    failed: count("FailedCall(C)"),
    retransmissions: count("Retransmissions(C)"),
    unexpected: count("FailedUnexpectedMessage(C)"),
    responseMs: duration(values[names.indexOf("ResponseTime1(C)")]),
    callMs: duration(values[names.indexOf("CallLength(C)")]),
  };
}

/** Lines of `date;milliseconds;name`. */
const timesOf = (csv: string): number[] =>
  csv
    .split("\n")
    .slice(1)
    .flatMap((line) => (line.includes(";") ? [Number(line.split(";")[1])] : []))
    .sort((a, b) => a - b);

/** `00:00:01:500000`: hours, minutes, seconds, microseconds. */
function duration(text: string | undefined): number {
  const [hours = 0, minutes = 0, seconds = 0, microseconds = 0] = (text ?? "").split(":").map(Number);
  return ((hours * 60 + minutes) * 60 + seconds) * 1000 + microseconds / 1000;
}

/** Starts SIPp; close it when the test is done. It needs Debian's sip-tester (`phoneTools` of tools/test-tools.ts). */
export async function startSipp(options: SippOptions): Promise<Sipp> {
  const port = options.port ?? (await freePort());
  const process = await PhoneProcess.start(
    "sipp",
    async (folder) => {
      if (ownScenario(options)) await writeFile(join(folder, "scenario.xml"), options.scenario);
      const lines = ["SEQUENTIAL", ...(options.fields ?? []).map((fields) => fields.join(";"))];
      await writeFile(join(folder, "fields.csv"), `${lines.join("\n")}\n`);
    },
    (folder) => ["sipp", ...words(folder, options, port)],
  );
  try {
    if (options.target === undefined) await listening(process, options.transport ?? "udp", port);
  } catch (error) {
    await process.close();
    throw error;
  }
  return new Sipp(`${options.host ?? "127.0.0.1"}:${port}`, process);
}

/** As the kernel tells it (proc(5), /proc/net): it writes nothing when it is there. */
async function listening(process: PhoneProcess, transport: "udp" | "tcp", port: number): Promise<void> {
  const place = `:${port.toString(16).toUpperCase().padStart(4, "0")} `;
  const deadline = Date.now() + patienceMs;
  while (!(await readFile(`/proc/net/${transport}`, "utf8")).includes(place)) {
    if (!process.running || Date.now() > deadline) throw new Error(`SIPp does not listen:\n${process.output.slice(-4000)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function ownScenario({ scenario }: SippOptions): boolean {
  return scenario.includes("<");
}

function words(folder: string, options: SippOptions, port: number): string[] {
  const host = options.host ?? "127.0.0.1";
  const optional = (name: string, value: string | number | undefined): string[] =>
    value === undefined ? [] : [name, String(value)];
  return [
    ...(options.target === undefined ? [] : [options.target]),
    ...(ownScenario(options) ? ["-sf", join(folder, "scenario.xml")] : ["-sn", options.scenario]),
    ...["-i", host, "-p", String(port), "-t", options.transport === "tcp" ? "t1" : "u1", "-mi", host],
    ...["-m", String(options.calls ?? 1), "-r", String(options.rate ?? 1), "-d", String((options.seconds ?? 0) * 1000)],
    ...optional("-l", options.limit),
    ...optional("-s", options.service),
    ...optional("-au", options.user),
    ...optional("-ap", options.password),
    ...(options.fields === undefined ? [] : ["-inf", join(folder, "fields.csv")]),
    ...Object.entries(options.keys ?? {}).flatMap(([name, value]) => ["-key", name, value]),
    ...["-trace_stat", "-stf", join(folder, "figures.csv"), "-fd", "1", "-trace_err", "-error_file", join(folder, "errors.log")],
    ...(options.timed ? ["-trace_rtt", "-rtt_freq", "1"] : []),
    ...(options.traced ? ["-trace_msg", "-message_file", join(folder, "messages.log")] : []),
    ...["-nostdin", "-cid_str", "%u-%p.khmara.test"],
  ];
}
