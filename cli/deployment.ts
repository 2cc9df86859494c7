import { setTimeout as sleep } from "node:timers/promises";
import { CloudError } from "../kernel/errors.ts";
import type { Deployment } from "../services/apps/deploying/contract.ts";
import type { Run } from "./run.ts";
import { plain, plainLine } from "./table.ts";

/** As long as one question may wait for more of a log; the contract allows 30. */
const waitSeconds = 20;
/** A control plane that is started again is back long before this. */
const patienceMs = 120_000;

const isOver = ({ state }: Deployment): boolean => ["succeeded", "failed", "cancelled", "superseded"].includes(state);

/** Asks again while the cloud cannot be reached: what is asked for goes on without us. */
export async function patiently<T>(ask: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (const deadline = Date.now() + patienceMs; ; ) {
    try {
      return await ask();
    } catch (error) {
      const passing = CloudError.is(error) && ["unavailable", "deadline_exceeded", "rate_limited"].includes(error.code);
      if (signal?.aborted || !passing || Date.now() > deadline) throw error;
      await sleep(1000, undefined, signal ? { signal } : {});
    }
  }
}

/** Cuts text that comes in pieces into whole lines, safe to show. */
class Lines {
  readonly #show: (line: string) => void;
  #rest = "";

  constructor(show: (line: string) => void) {
    this.#show = show;
  }

  add(text: string): void {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() as string;
    for (const line of lines) this.#show(plainLine(line));
  }

  end(): void {
    if (this.#rest !== "") this.#show(plainLine(this.#rest));
    this.#rest = "";
  }
}

/** Reads the log of a deployment, from its beginning to what is there now, or to its end. */
async function readLog(
  { cloud: { client } }: Run,
  deployment: string,
  { follow, signal, show }: { follow: boolean; signal?: AbortSignal | undefined; show: (line: string) => void },
): Promise<void> {
  const lines = new Lines(show);
  let truncated = false;
  for (let offset = 0; ; ) {
    const askedMs = Date.now();
    const args = { deployment: deployment as never, offset, waitSeconds: follow ? waitSeconds : 0 };
    const part = await patiently(() => client.deploymentLog(args, { signal }), signal);
    lines.add(part.text);
    const moved = part.nextOffset > offset;
    offset = part.nextOffset;
    truncated = part.truncated;
    if (part.finished && !moved) break;
    if (!follow && !moved) break;
    // An answer that did not wait, and brought nothing.
    if (!moved && Date.now() - askedMs < 500) await sleep(500, undefined, signal ? { signal } : {});
  }
  lines.end();
  if (truncated) show("… the log got longer than is kept.");
}

/** Shows the log as it grows; answers the deployment when it is over. Ctrl-C leaves it to itself: undefined. */
async function follow(run: Run, deployment: string): Promise<Deployment | undefined> {
  const { cloud, terminal, options } = run;
  const stop = new AbortController();
  const { signal } = stop;
  const endInterrupt = terminal.onInterrupt(() => stop.abort());
  try {
    if (!options.quiet) await readLog(run, deployment, { follow: true, signal, show: (line) => terminal.note(`${line}\n`) });
    for (;;) {
      const now = await patiently(() => cloud.client.deploymentGet({ deployment: deployment as never }, { signal }), signal);
      if (isOver(now)) return now;
      await sleep(500, undefined, { signal });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    return undefined;
  } finally {
    endInterrupt();
  }
}

const howToGoOn = (deployment: string): string =>
  `Follow it: khmara deployment log ${deployment} -f\nCancel it: khmara deployment cancel ${deployment}\n`;

/** Follows a deployment that has just begun, and says what came of it; the exit code. */
export async function seeThrough(run: Run, app: string, deployment: string): Promise<number> {
  const { cloud, options, terminal, extra } = run;
  if (extra["detach"] || !options.wait) {
    const begun = await cloud.client.deploymentGet({ deployment: deployment as never });
    if (options.json) terminal.out(`${JSON.stringify(begun, null, 2)}\n`);
    else if (options.quiet) terminal.out(`${deployment}\n`);
    else terminal.out(`Deployment ${begun.number} goes on by itself.\n${howToGoOn(deployment)}`);
    return 0;
  }
  const ended = await follow(run, deployment);
  if (!ended) {
    terminal.note(`\nThe deployment goes on.\n${howToGoOn(deployment)}`);
    return 130;
  }
  if (options.json) terminal.out(`${JSON.stringify(ended, null, 2)}\n`);
  else if (options.quiet) terminal.out(`${deployment}\n`);
  const now = await patiently(() => cloud.client.appGet({ app: app as never }));
  if (ended.state !== "succeeded") {
    const why = ended.error === undefined ? "" : `: ${ended.error.split("\n").map(plainLine).join("\n")}`;
    terminal.note(`khmara: deployment ${ended.number} ${stateWords[ended.state] ?? ended.state}${why}\n`);
    if (now.releaseNumber !== undefined && ended.state === "failed")
      terminal.note(`Release ${now.releaseNumber} of ${plain(now.name)} is what runs, as before.\n`);
    return 1;
  }
  if (options.json || options.quiet) return 0;
  const release = ended.releaseNumber === undefined ? "" : ` (release ${ended.releaseNumber})`;
  if (now.state === "stopped")
    terminal.out(`${plain(now.name)} is deployed${release}, and stopped: khmara app start ${plain(now.name)}\n`);
  else terminal.out(`${plain(now.name)} is at ${now.url}${release}\n`);
  return 0;
}

const stateWords: Record<string, string> = {
  failed: "failed",
  cancelled: "was cancelled",
  superseded: "was left out, as a newer one came after it",
};

/** `khmara deployment log`: the text itself. */
export async function runLog(run: Run): Promise<number> {
  const { cloud, terminal, values, options, extra } = run;
  if (options.json && !extra["follow"]) {
    const answer = await cloud.client.deploymentLog(values as { deployment: never });
    terminal.out(`${JSON.stringify(answer, null, 2)}\n`);
    return 0;
  }
  const stop = new AbortController();
  const endInterrupt = terminal.onInterrupt(() => stop.abort());
  try {
    await readLog(run, String(values["deployment"]), {
      follow: extra["follow"] === true,
      signal: stop.signal,
      show: (line) => terminal.out(`${line}\n`),
    });
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    return 130;
  } finally {
    endInterrupt();
  }
  return 0;
}
