import { CloudError } from "../kernel/errors.ts";
import type { Operation } from "../services/operations/contract.ts";
import { type Parsed, parse } from "./arguments.ts";
import { Cloud } from "./cloud.ts";
import { type Argument, type Command, findCommand } from "./commands.ts";
import { extrasOf } from "./extras.ts";
import { commandHelp, usage } from "./help.ts";
import { resolveNames } from "./names.ts";
import { follow, isFinished, outcome } from "./operation.ts";
import { settings } from "./profiles.ts";
import { readSecret } from "./secret.ts";
import { ask, askSecret, confirm, Declined, type Terminal } from "./terminal.ts";
import { UsageError } from "./usage-error.ts";
import { emptyNote, isPage, isShownOnce, view } from "./views.ts";

type Values = Record<string, unknown>;
type Call = (args: Values) => Promise<unknown>;

const usageLine = (command: Command): string => `Usage: ${usage(command)}`;

/** The parts of a command's line, with everything that could still be found out filled in. */
export interface Run extends Parsed {
  command: Command;
  cloud: Cloud;
  terminal: Terminal;
  /** Organisation and project as the person named them. */
  named: Values;
}

function contextFlag(command: Command, field: "organisation" | "project"): Argument | undefined {
  return command.arguments.find((one) => one.field === field);
}

/** Puts ids where slugs and names were given, and the defaults where nothing was. */
async function resolveContext({ command, values, options, cloud, named, extra }: Run): Promise<void> {
  const { organisation: defaultOrganisation, project: defaultProject } = cloud.settings;
  for (const field of ["organisation", "project"] as const) {
    const argument = contextFlag(command, field);
    if (!argument) continue;
    const given = (values[field] as string | undefined) ?? options[field];
    // What is destroyed is named, not taken from a profile; and a filter that may be absent stays absent.
    if (given === undefined && command.destructive && command.positionals.includes(argument)) {
      throw new UsageError(`Which ${field}?`, usageLine(command));
    }
    const { ownContext, ownProject } = extrasOf(command.key);
    const isMeant = (field === "organisation" ? ownContext : ownProject) && !extra["cloud"] && values["scope"] !== "cloud";
    if (given === undefined && !argument.required && !isMeant) continue;
    if (given !== undefined) named[field] = given;
    values[field] =
      field === "organisation"
        ? await cloud.organisation(given ?? defaultOrganisation)
        : await cloud.project(given ?? defaultProject, options.organisation ?? cloud.settings.organisation);
  }
}

async function askForSecrets({ command, values, extra, terminal }: Run): Promise<void> {
  for (const argument of command.arguments.filter((one) => one.secret)) {
    const file = extra[`${argument.flag}-file`];
    if (typeof file === "string") values[argument.field] = readSecret(file);
    if (values[argument.field] !== undefined || !argument.required || !terminal.interactive) continue;
    const words = argument.flag.replaceAll("-", " ");
    values[argument.field] = await askSecret(terminal, `${words.charAt(0).toUpperCase()}${words.slice(1)}: `);
  }
}

/** The last month, where a period is needed and none was given. */
function fillPeriod({ command, values }: Run): void {
  const isMissing = (field: string) =>
    command.arguments.some((one) => one.field === field && one.required && one.value.kind === "time") &&
    values[field] === undefined;
  if (isMissing("to")) values["to"] = new Date().toISOString();
  if (isMissing("from")) values["from"] = new Date(Date.parse(String(values["to"])) - 30 * 86_400_000).toISOString();
}

export function requireArguments({ command, values }: Pick<Run, "command" | "values">): void {
  const optional = extrasOf(command.key).optional ?? [];
  const missing = command.arguments.filter(
    (one) => one.required && values[one.field] === undefined && !optional.includes(one.field) && !isFilledLater(command, one),
  );
  if (missing.length === 0) return;
  const names = missing.map((one) =>
    command.positionals.includes(one) ? one.flag.toUpperCase().replaceAll("-", "_") : `--${one.flag}${one.secret ? "-file" : ""}`,
  );
  throw new UsageError(`${names.join(", ")} ${names.length > 1 ? "are" : "is"} missing.`, usageLine(command));
}

/** Organisation, project and confirmation are found out after the rest of the line is known to be right. */
const isFilledLater = (command: Command, argument: Argument): boolean =>
  argument.field === "confirm" ||
  (["organisation", "project"].includes(argument.field) && !(command.destructive && command.positionals.includes(argument)));

/** How a person names the thing that a command is about. */
function subject({ command, values, named }: Run): string {
  const words = command.positionals.map((one) => named[one.field] ?? values[one.field]).filter((one) => one !== undefined);
  return [command.resource.replaceAll("-", " "), ...words].join(" ");
}

async function nameOf({ command, values, cloud }: Run): Promise<string> {
  const get = findCommand(command.resource, "get");
  const own = command.positionals.find((one) => one.place === "path");
  if (!get || !own) return "yes";
  const thing = (await call(cloud, get.key)({ [own.field]: values[own.field] })) as { name?: string };
  return thing.name ?? "yes";
}

async function confirmDestruction(run: Run): Promise<void> {
  const { command, values, options, terminal } = run;
  if (!command.destructive) return;
  const typed = command.arguments.find((one) => one.field === "confirm");
  if (typed && values["confirm"] !== undefined) return;
  if (!options.yes && !terminal.interactive) {
    throw new UsageError(
      `This would ${command.verb} ${subject(run)}, and nobody is there to confirm it.`,
      "Add --yes if you mean it.",
    );
  }
  if (options.yes) {
    if (typed) values["confirm"] = await nameOf(run);
    return;
  }
  const verb = command.verb.charAt(0).toUpperCase() + command.verb.slice(1);
  terminal.note(`${command.summary}${command.description ? `. ${command.description}` : ""}\n`);
  if (typed) {
    values["confirm"] = await ask(terminal, `${verb} ${subject(run)}? Type its name to go on: `);
  } else if (!(await confirm(terminal, `${verb} ${subject(run)}?`))) throw new Declined();
}

const call =
  (cloud: Cloud, key: string): Call =>
  (args) =>
    (cloud.client as unknown as Record<string, Call>)[key]!(args);

async function answerOf(run: Run): Promise<unknown> {
  const { command, values, options, cloud } = run;
  if (!(options.all && command.isList)) return call(cloud, command.key)(values);
  // Larger pages: nobody waits for the first one when all are wanted.
  const items: unknown[] = [];
  for await (const item of cloud.client.all(command.key as "bucketList", { limit: 200, ...values } as never)) items.push(item);
  return { items };
}

function print(run: Run, answer: unknown): void {
  const { command, options, terminal } = run;
  if (options.json) {
    if (answer !== undefined) terminal.out(`${JSON.stringify(answer, null, 2)}\n`);
    return;
  }
  // A pipe has no width: nothing is shortened for a program.
  const columns = terminal.stdoutIsTerminal ? terminal.columns : Number.POSITIVE_INFINITY;
  terminal.out(view(command, answer, columns, options.quiet));
  if (options.quiet) return;
  if (answer === undefined) terminal.note(`${doneWord(command.verb)} ${subject(run)}.\n`);
  if (isPage(answer) && answer.items.length === 0) terminal.note(emptyNote(command));
  if (isPage(answer) && answer.nextCursor !== undefined) terminal.note("There are more: add --all, or --limit N.\n");
  if (isShownOnce(answer)) terminal.note("Keep this now: it is not shown again.\n");
}

const doneWord = (verb: string): string =>
  ({ delete: "Deleted", clear: "Cleared", empty: "Emptied", suspend: "Suspended", update: "Changed" })[verb] ?? "Done:";

/** Runs a command that stands for a route; answers the exit code. */
export async function runCommand(command: Command, words: string[], terminal: Terminal): Promise<number> {
  const parsed = parse(command, words, extrasOf(command.key).flags);
  if (parsed.options.help) {
    terminal.out(commandHelp(command));
    return 0;
  }
  const takesRest = extrasOf(command.key).rest !== undefined;
  if (parsed.rest.length > 0 && !takesRest) throw new UsageError(`"${parsed.rest[0]}" is one word too many.`, usageLine(command));
  if (parsed.options.all && !command.isList) throw new UsageError("--all is for lists.", usageLine(command));
  const run: Run = { ...parsed, command, terminal, named: {}, cloud: new Cloud(settings(terminal.env, parsed.options)) };
  fillPeriod(run);
  await askForSecrets(run);
  requireArguments(run);
  if (run.cloud.settings.token === undefined && !command.isPublic) {
    throw new CloudError("unauthenticated", `You are not signed in to ${run.cloud.settings.endpoint}.`);
  }
  await resolveContext(run);
  await resolveNames(
    run.cloud,
    command.arguments,
    run.values,
    {
      organisation: parsed.options.organisation ?? run.cloud.settings.organisation,
      project: parsed.options.project ?? run.cloud.settings.project,
    },
    run.named,
  );
  const own = await ownRunner(command.key);
  if (own) return own(run);
  await confirmDestruction(run);

  let answer = await answerOf(run);
  const begun = command.isOperation ? (answer as Operation) : undefined;
  if (begun && parsed.options.wait && !isFinished(begun)) {
    answer = await follow(run.cloud, terminal, begun, parsed.options.quiet);
  }
  if (!begun) {
    print(run, answer);
    return answer !== null && typeof answer === "object" && command.key === "auditVerify" && !(answer as { valid: boolean }).valid
      ? 1
      : 0;
  }
  return printOperation(run, answer as Operation);
}

export function printOperation(run: Run, operation: Operation): number {
  const failed = operation.state === "failed" || (operation.state === "cancelled" && run.command.key !== "operationCancel");
  if (run.options.json || run.options.quiet) print(run, operation);
  else if (!isFinished(operation)) run.terminal.out(`It goes on by itself: khmara operation wait ${operation.id}\n`);
  else if (failed) run.terminal.note(outcome(operation));
  else run.terminal.out(outcome(operation));
  return failed ? 1 : 0;
}

/** Commands with files, a stream or a terminal at the other end are written by hand, and loaded when they are used. */
async function ownRunner(key: string): Promise<((run: Run) => Promise<number>) | undefined> {
  if (key === "objectUpload") return (await import("./upload.ts")).runUpload;
  if (key === "objectDownload") return (await import("./download.ts")).runDownload;
  if (key === "imageUpload") return (await import("./image-files.ts")).runImageUpload;
  if (key === "imageDownload") return (await import("./image-files.ts")).runImageDownload;
  if (key === "instanceTerminal") return (await import("./instance-terminal.ts")).runTerminal;
  if (key === "instanceConsole") return (await import("./instance-terminal.ts")).runConsole;
  if (key === "instanceLog") return (await import("./instance-terminal.ts")).runLog;
  if (key === "instanceExec") return (await import("./instance-exec.ts")).runExec;
  if (key === "instanceTunnel") return (await import("./instance-tunnel.ts")).runTunnel;
  if (key === "instanceCp") return (await import("./instance-copy.ts")).runCopy;
  if (key === "appDeploy") return (await import("./app-deploy.ts")).runDeploy;
  if (key === "appLogs") return (await import("./app-logs.ts")).runLogs;
  if (key === "appRun") return (await import("./app-run.ts")).runRun;
  if (key === "appTerminal") return (await import("./app-run.ts")).runTerminal;
  if (key === "settingSet") return (await import("./setting-set.ts")).runSet;
  if (key === "deploymentLog") return (await import("./deployment.ts")).runLog;
  if (key === "eventWatch") return (await import("./watch.ts")).runWatch;
  if (key === "operationWait") {
    return async (run) => {
      const { operation, timeoutSeconds } = run.values as { operation: string; timeoutSeconds?: number };
      const { client } = run.cloud;
      const now = await (timeoutSeconds === undefined
        ? client.operationGet({ operation })
        : client.operationWait({ operation, timeoutSeconds }));
      return printOperation(
        run,
        timeoutSeconds === undefined ? await follow(run.cloud, run.terminal, now, run.options.quiet) : now,
      );
    };
  }
  return undefined;
}
