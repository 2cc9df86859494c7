import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { CloudError } from "../../../../kernel/errors.ts";

/** What is called, and the Debian package that brings it. */
export const packages: Record<string, string> = {
  ip: "iproute2",
  bridge: "iproute2",
  nft: "nftables",
  nsenter: "util-linux",
  dnsmasq: "dnsmasq-base",
  haproxy: "haproxy",
};

// root's PATH lacks these where a service was started by hand.
const path = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin", "/usr/bin", "/bin"]
  .filter((folder, index, all) => folder !== "" && all.indexOf(folder) === index)
  .join(delimiter);

const found = new Map<string, string>();

export function findProgram(name: string): string | undefined {
  const known = found.get(name);
  if (known !== undefined) return known;
  for (const folder of path.split(delimiter)) {
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      found.set(name, file);
      return file;
    } catch {}
  }
  return undefined;
}

/** failed_precondition that names the package, when a program is not there. */
export function needProgram(name: string): string {
  const file = findProgram(name);
  if (file) return file;
  throw new CloudError(
    "failed_precondition",
    `${name} is missing on this host. Install it (Debian, Ubuntu: apt-get install ${packages[name] ?? name}) and try again.`,
    { details: { reason: "program_missing", program: name } },
  );
}

/** Killed, we leave no script behind that goes on changing what the next process makes. */
const dyingWithUs = (): string[] => (findProgram("setpriv") ? ["setpriv", "--pdeathsig", "KILL"] : []);

const timeoutMs = 30_000;

/** Runs `sh` with this script, in a network namespace when one is given. Resolves with what it printed; the first failing line ends it. */
export function runScript(
  script: string,
  options: { namespace?: string | undefined; signal?: AbortSignal | undefined } = {},
): Promise<string> {
  const enter = options.namespace === undefined ? [] : ["nsenter", `--net=/run/netns/${options.namespace}`, "--"];
  const [command = "", ...rest] = [...dyingWithUs(), ...enter, "sh", "-eu"];
  return new Promise((resolve, reject) => {
    const child = spawn(command, rest, { stdio: ["pipe", "pipe", "pipe"], env: { PATH: path, LC_ALL: "C" } });
    const output: Buffer[] = [];
    const problems: Buffer[] = [];
    const end = (reason: unknown) => {
      child.kill("SIGKILL");
      reject(reason);
    };
    const timer = setTimeout(
      () =>
        end(
          new CloudError("deadline_exceeded", `A command for the host's network took longer than ${timeoutMs / 1000} seconds.`),
        ),
      timeoutMs,
    );
    const onAbort = () => end(options.signal?.reason);
    options.signal?.addEventListener("abort", onAbort, { once: true });
    const settled = () => {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", onAbort);
    };
    child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => problems.push(chunk));
    child.on("error", (error) => {
      settled();
      reject(new CloudError("internal", `${command} could not be started: ${error.message}`, { cause: error }));
    });
    const printed = new Promise<void>((done) => child.stdout.once("close", done));
    // Of the errors only what is there: a daemon that the script leaves behind may keep that end open.
    const complained = new Promise<void>((done) => child.stderr.once("close", done));
    child.on("exit", async (code, signal) => {
      settled();
      await printed;
      if (code === 0) return resolve(Buffer.concat(output).toString());
      await Promise.race([complained, new Promise((done) => setTimeout(done, 200))]);
      const said = Buffer.concat(problems).toString().trim().split("\n").slice(0, 5).join(" ");
      reject(new CloudError("internal", `The host's network could not be changed: ${said || `status ${code ?? signal}`}`));
    });
    child.stdin.on("error", () => {});
    child.stdin.end(script);
    if (options.signal?.aborted) onAbort();
  });
}

const delimiterLine = "KHMARA-END";
const document = (command: string, lines: string): string =>
  `${command} <<'${delimiterLine}'\n${lines.trimEnd()}\n${delimiterLine}\n`;

/** A line of the script that hands these lines to `ip -batch`; `force`: failing lines are passed over. */
export const ipBatch = (lines: readonly string[], options: { force?: boolean } = {}): string =>
  lines.length === 0
    ? ""
    : document(options.force ? "{ ip -force -batch - 2>/dev/null || true; }" : "ip -batch -", lines.join("\n"));

/** A line of the script that loads these rules, all of them or none. `otherwise`: printed where they cannot be, and the script goes on. */
export const nftLoad = (rules: string, otherwise?: string): string =>
  rules === ""
    ? ""
    : document(otherwise === undefined ? "nft -f -" : `{ nft -f - 2>/dev/null || echo ${quote(otherwise)}; }`, rules);

export const quote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;
