import { enableCompileCache } from "node:module";
import { CloudError } from "../kernel/errors.ts";
import { processTerminal, type Terminal } from "./terminal.ts";
import { suggestion, UsageError } from "./usage-error.ts";

/** 0 all right, 1 the cloud said no, 2 the command line is wrong, 3 not signed in. */
export async function main(words: string[], terminal: Terminal): Promise<number> {
  try {
    return await dispatch(words, terminal);
  } catch (error) {
    return report(error, words, terminal);
  }
}

/** What the `khmara` script does itself. */
const launcherWords = new Set(["up", "test", "service", "password-reset-link", "version", "dev", "check"]);

/** Each branch loads only what it needs: the contracts are the most of the start-up time. */
async function dispatch(words: string[], terminal: Terminal): Promise<number> {
  const [first, second, ...rest] = words;
  switch (first) {
    case "login":
      return (await import("./login.ts")).login(words.slice(1), terminal);
    case "logout":
      return (await import("./login.ts")).logout(words.slice(1), terminal);
    case "profile":
      if (second !== "update") return (await import("./profile-commands.ts")).profileCommand(words.slice(1), terminal);
      break;
    case "ssh":
      return (await import("./ssh.ts")).ssh(words.slice(1), terminal);
    case "completion":
      return (await import("./completion.ts")).completionCommand(words.slice(1), terminal);
    case undefined:
    case "help":
    case "--help":
    case "-h":
      return help(words.slice(1), terminal);
  }
  const { findCommand, resources, verbsOf } = await import("./commands.ts");
  const resource = first as string;
  if (resource.startsWith("-")) throw new UsageError("A command begins with a resource.", "khmara --help lists them.");
  const verbs = verbsOf(resource).map((one) => one.verb);
  if (verbs.length === 0) {
    const known = [...resources(), "login", "logout", "profile", "ssh", "completion", "help", ...launcherWords];
    throw new UsageError(`There is no resource "${resource}".`, suggestion(resource, known) ?? "khmara --help lists them.");
  }
  if (second === undefined || second === "--help" || second === "-h" || second === "help") return help([resource], terminal);
  const command = findCommand(resource, second);
  if (!command) {
    throw new UsageError(`There is no verb "${second}" for ${resource}: ${verbs.join(", ")}.`, suggestion(second, verbs));
  }
  return (await import("./run.ts")).runCommand(command, rest, terminal);
}

async function help([resource, verb]: string[], terminal: Terminal): Promise<number> {
  const { commandHelp, overview, resourceHelp } = await import("./help.ts");
  const { findCommand, resources, verbsOf } = await import("./commands.ts");
  if (resource === undefined || resource.startsWith("-")) {
    terminal.out(overview());
    return 0;
  }
  if (launcherWords.has(resource)) {
    terminal.out(`\`khmara ${resource} --help\` shows it: that command is of this machine, not of the cloud.\n`);
    return 0;
  }
  if (resource === "profile" && verb !== "update") {
    return (await import("./profile-commands.ts")).profileCommand(["--help"], terminal);
  }
  if (["login", "logout", "completion", "ssh"].includes(resource)) return dispatch([resource, "--help"], terminal);
  if (verbsOf(resource).length === 0) {
    throw new UsageError(`There is no resource "${resource}".`, suggestion(resource, resources()) ?? "khmara --help lists them.");
  }
  const command = verb === undefined ? undefined : findCommand(resource, verb);
  terminal.out(command ? commandHelp(command) : resourceHelp(resource));
  return 0;
}

function report(error: unknown, words: string[], terminal: Terminal): number {
  const say = (line: string) => terminal.note(`${line}\n`);
  if (error instanceof UsageError) {
    say(`khmara: ${error.message}`);
    if (error.hint) say(error.hint);
    return 2;
  }
  if (CloudError.is(error)) {
    const { fields, requestId, reason, retryAfterSeconds } = error.details;
    if (words.includes("--json")) {
      say(JSON.stringify({ code: error.code, detail: error.message, ...error.details }, null, 2));
      return error.code === "unauthenticated" ? 3 : 1;
    }
    const inRequest = /\b(body|query|params|path)\.(?=\w)/;
    say(`khmara: ${error.message.replace(inRequest, "")}`);
    for (const field of fields ?? []) {
      if (!error.message.includes(field.message)) say(`  ${field.path.replace(inRequest, "")}: ${field.message}`);
    }
    if (retryAfterSeconds) say(`Try again in ${retryAfterSeconds} s.`);
    if (error.code === "internal" && typeof reason === "string") say(`Reason: ${reason}`);
    if (typeof requestId === "string") say(`Request ${requestId}`);
    if (error.code !== "unauthenticated") return 1;
    say("Sign in: khmara login");
    return 3;
  }
  // Ctrl-C at a question, or "no" to one: nothing was done, and no more is to be said.
  if (["Interrupted", "Declined", "AbortError"].includes((error as Error)?.constructor?.name ?? "")) {
    say("Nothing was done.");
    return 1;
  }
  say(`khmara: ${(error as Error)?.message ?? String(error)}`);
  if (terminal.env["KHMARA_DEBUG"]) say((error as Error)?.stack ?? "");
  return 1;
}

if (import.meta.main) {
  enableCompileCache();
  process.exitCode = await main(process.argv.slice(2), processTerminal());
}
