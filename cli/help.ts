import { globalFlags } from "./arguments.ts";
import { type Argument, type Command, commands, resources, verbsOf } from "./commands.ts";
import { extrasOf } from "./extras.ts";

const columns = (rows: [string, string][], indent = 2): string => {
  const left = Math.max(0, ...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `${" ".repeat(indent)}${name.padEnd(left)}  ${text}`.trimEnd()).join("\n");
};

/** The verbs that the launcher handles itself (the `khmara` script), and those of the CLI that no route stands behind. */
const launcherVerbs: [string, string][] = [
  ["up", "start a cloud on this machine and serve it"],
  ["service install", "let systemd start it at every boot (also: uninstall, status)"],
  ["password-reset-link EMAIL", "the way back in for an owner who is locked out"],
  ["test", "run all tests"],
  ["dev", "start it for development: hot reload, throwaway data"],
  ["check", "types, lint, format, import rules, translations, OpenAPI"],
  ["version", "show the version"],
];
export const ownVerbs: [string, string][] = [
  ["login", "sign in to a cloud and keep a token"],
  ["logout", "revoke that token and forget it"],
  ["profile list|show|use|set|delete", "the clouds that you are signed in to, and the defaults there"],
  ["ssh NAME [COMMAND…]", "sign in to an instance, whatever network it is in"],
  ["completion bash|zsh|fish", "print a script that completes commands in your shell"],
  ["help [RESOURCE [VERB]]", "show help"],
];

const shouted = (argument: Argument): string => argument.flag.toUpperCase().replaceAll("-", "_");

function valueName(argument: Argument): string {
  const { value } = argument;
  if (value.kind === "choice") return value.choices.join("|");
  if (value.kind === "number") return "N";
  if (value.kind === "time") return "TIME";
  if (value.kind === "json") return "JSON";
  return shouted(argument);
}

/** A positional that may be left out: the organisation or project of the profile, where nothing is destroyed. */
const mayBeLeftOut = (command: Command, argument: Argument): boolean =>
  !argument.required || (["organisation", "project"].includes(argument.field) && !command.destructive);

/** `khmara bucket create NAME` */
export function usage(command: Command): string {
  const words = ["khmara", command.resource, command.verb];
  for (const argument of command.positionals)
    words.push(mayBeLeftOut(command, argument) ? `[${shouted(argument)}]` : shouted(argument));
  const extras = extrasOf(command.key);
  if (extras.rest) words.push(extras.rest);
  for (const argument of command.arguments) {
    const given =
      command.positionals.includes(argument) ||
      !argument.required ||
      argument.field === "confirm" ||
      argument.secret ||
      extras.optional?.includes(argument.field);
    if (given || ["organisation", "project"].includes(argument.field) || argument.value.kind === "time") continue;
    words.push(`--${argument.flag} ${valueName(argument)}`);
  }
  return words.join(" ");
}

function spoken(value: unknown): string {
  if (Array.isArray(value) && value.every((one) => typeof one !== "object")) return value.join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function describe(argument: Argument): string {
  const parts: string[] = [];
  if (argument.description) parts.push(argument.description);
  if (argument.named && !argument.description) parts.push(`The ${argument.named.by} or id of the ${argument.named.kind}.`);
  if (argument.list) parts.push("May be repeated.");
  if (argument.value.kind === "time") parts.push("2026-11-21, 2026-11-21T15:00, now, or how long ago: 24h, 7d.");
  const fallback = argument.default;
  const isEmpty = typeof fallback === "object" && fallback !== null && Object.keys(fallback).length === 0;
  if (fallback !== undefined && fallback !== "" && !isEmpty) parts.push(`Otherwise ${spoken(fallback)}.`);
  return parts.join(" ");
}

/** A likely value, for the examples. */
function example(argument: Argument): string {
  if (argument.value.kind === "choice") return argument.value.choices[0] ?? "";
  if (argument.value.kind === "number") return argument.field === "limit" ? "100" : "7";
  const examples: Record<string, string> = {
    bucket: "photos",
    key: "holiday/beach.jpg",
    email: "olena@example.org",
    reason: '"unpaid bill"',
    organisation: "home",
    project: "default",
    targetPrefix: "archive/",
    prefix: "holiday/",
  };
  if (argument.field === "name") return "photos";
  const names: Record<string, string> = { instance: "web", network: "inside", volume: "data", image: "debian-12", app: "shop" };
  return examples[argument.field] ?? names[argument.named?.kind ?? ""] ?? argument.example ?? shouted(argument);
}

function examples(command: Command): string[] {
  const own = extrasOf(command.key).examples;
  if (own) return own;
  const words = ["khmara", command.resource, command.verb];
  for (const argument of command.positionals) words.push(example(argument));
  for (const argument of command.arguments) {
    if (command.positionals.includes(argument) || !argument.required || argument.field === "confirm" || argument.secret) continue;
    if (["organisation", "project"].includes(argument.field) || argument.value.kind === "time") continue;
    words.push(`--${argument.flag} ${example(argument)}`);
  }
  const lines = [words.join(" ")];
  if (command.isList) lines.push(`${words.join(" ")} --all --json`);
  else if (command.destructive) lines.push(`${words.join(" ")} --yes`);
  else lines.push(`${words.join(" ")} --json`);
  return lines;
}

export function commandHelp(command: Command): string {
  const extras = extrasOf(command.key);
  const named = command.positionals.map((one): [string, string] => [shouted(one), describe(one)]);
  const flags = command.arguments
    .filter((one) => one.place !== "path" || !command.positionals.includes(one))
    .filter((one) => !["organisation", "project"].includes(one.field))
    .flatMap((one): [string, string][] => {
      const left = one.value.kind === "boolean" ? `--[no-]${one.flag}` : `--${one.flag} ${valueName(one)}`;
      const rows: [string, string][] = [[left, describe(one)]];
      if (one.secret) rows.push([`--${one.flag}-file FILE`, "reads it from a file (- is the input); otherwise it is asked for"]);
      return rows;
    });
  flags.push(
    ...extras.flags.map((one): [string, string] => [
      `${one.short === undefined ? "" : `-${one.short}, `}--${one.flag}${one.value ? " VALUE" : ""}`,
      one.summary,
    ]),
  );
  const general = Object.entries(globalFlags)
    .filter(([name]) =>
      name === "all" ? command.isList : name === "yes" ? command.destructive : name === "no-wait" ? command.isOperation : true,
    )
    .filter(
      ([name]) =>
        !["organisation", "project"].includes(name) ||
        command.arguments.some((one) => one.field === name || one.named?.within === name || one.named?.within === "project"),
    )
    .map(([name, one]): [string, string] => [
      `${"short" in one ? `-${one.short}, ` : ""}--${name}${one.value ? ` ${name.toUpperCase()}` : ""}`,
      one.summary,
    ]);
  const sections = [
    `${command.summary}.`,
    command.description,
    `Usage: ${usage(command)}`,
    named.length > 0 && `Arguments:\n${columns(named)}`,
    flags.length > 0 && `Flags:\n${columns(flags)}`,
    `For every command:\n${columns(general)}`,
    `Examples:\n${examples(command)
      .map((line) => `  ${line}`)
      .join("\n")}`,
    command.roles && `Needs the role ${command.roles.join(" or ")} there, or one that includes it.`,
  ];
  return `${sections.filter(Boolean).join("\n\n")}\n`;
}

export function resourceHelp(resource: string): string {
  const rows = verbsOf(resource).map((one): [string, string] => [usage(one).replace("khmara ", ""), one.summary]);
  return `Usage: khmara ${resource} VERB\n\n${columns(rows)}\n\n\`khmara ${resource} VERB --help\` shows the flags and examples.\n`;
}

export function overview(): string {
  const sections: string[] = ["Khmara: your own cloud.", "Usage: khmara RESOURCE VERB [ARGUMENTS] [--flags]"];
  sections.push(`This machine:\n${columns(launcherVerbs)}`, `You:\n${columns(ownVerbs)}`);
  for (const service of new Set(commands().map((one) => one.service))) {
    const rows = resources().flatMap((resource): [string, string][] => {
      const verbs = verbsOf(resource).filter((one) => one.service === service);
      return verbs.length === 0 ? [] : [[resource, verbs.map((one) => one.verb).join(", ")]];
    });
    sections.push(`${service}:\n${columns(rows)}`);
  }
  sections.push("`khmara RESOURCE --help` and `khmara RESOURCE VERB --help` say more. Add --json for programs.");
  return `${sections.join("\n\n")}\n`;
}
