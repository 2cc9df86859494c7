import type { Argument, Command } from "./commands.ts";
import { parseSize, parseTime } from "./units.ts";
import { suggestion, UsageError } from "./usage-error.ts";

/** The flags that every command has. */
export const globalFlags = {
  json: { value: false, summary: "print exactly what the API answers" },
  all: { value: false, summary: "follow the pages of a list to its end" },
  quiet: { value: false, short: "q", summary: "print only ids, no notes and no progress" },
  yes: { value: false, short: "y", summary: "do not ask before something is deleted" },
  "no-wait": { value: false, summary: "do not wait for the operation that was begun" },
  help: { value: false, short: "h", summary: "show help" },
  organisation: { value: true, summary: "slug, name or id; otherwise the profile's" },
  project: { value: true, summary: "slug, name or id; otherwise the profile's" },
  profile: { value: true, summary: "the profile to use; otherwise the current one" },
  endpoint: { value: true, summary: "where the cloud is: http://127.0.0.1:8080" },
} as const;

export interface Options {
  json: boolean;
  all: boolean;
  quiet: boolean;
  yes: boolean;
  wait: boolean;
  help: boolean;
  organisation: string | undefined;
  project: string | undefined;
  profile: string | undefined;
  endpoint: string | undefined;
}

export interface Parsed {
  options: Options;
  /** By field. Organisation and project are as given, not yet ids. */
  values: Record<string, unknown>;
  /** Flags that the command has beyond its route. */
  extra: Record<string, string | true>;
  /** What was given without a flag and is no argument of the route: file names. */
  rest: string[];
}

/** A flag that a command has beside those of its route: `--recursive`, `--output FILE`. */
export interface ExtraFlag {
  flag: string;
  /** One letter: `f` for `-f`. */
  short?: string;
  value: boolean;
  summary: string;
}

/** Reads one value as its kind; throws a UsageError that says what would be right. */
export function readValue(argument: Argument, text: string): unknown {
  const flag = `--${argument.flag}`;
  if (argument.nullable && ["null", "none", "default"].includes(text)) return null;
  switch (argument.value.kind) {
    case "text":
      return text;
    case "boolean":
      if (["true", "yes", "on", "1"].includes(text)) return true;
      if (["false", "no", "off", "0"].includes(text)) return false;
      throw new UsageError(`${flag} is true or false, not "${text}".`);
    case "number": {
      const number = parseSize(text);
      if (number === undefined || (argument.value.integer && !Number.isInteger(number))) {
        throw new UsageError(`${flag} needs a ${argument.value.integer ? "whole number" : "number"}, not "${text}".`);
      }
      return number;
    }
    case "choice":
      if (argument.value.choices.includes(text)) return text;
      throw new UsageError(
        `${flag} is one of ${argument.value.choices.join(", ")}; not "${text}".`,
        suggestion(text, argument.value.choices),
      );
    case "time": {
      const time = parseTime(text);
      if (time !== undefined) return time;
      throw new UsageError(
        `${flag} needs a time, not "${text}".`,
        "2026-11-21, 2026-11-21T15:00, now, or how long ago: 24h, 7d.",
      );
    }
    case "json":
      try {
        return JSON.parse(text);
      } catch {
        throw new UsageError(`${flag} needs JSON, and "${text}" is not.`);
      }
  }
}

/** Cuts the words of a command line into flags and the rest; `takesValue` says which flags have a value. */
export function readFlags(
  words: string[],
  takesValue: (flag: string) => boolean | undefined,
  known: () => string[],
  shorts: ReadonlyMap<string, string> = new Map(),
): { flags: [string, string | true][]; rest: string[] } {
  const flags: [string, string | true][] = [];
  const rest: string[] = [];
  const short = new Map(shorts);
  for (const [name, one] of Object.entries(globalFlags)) if ("short" in one) short.set(one.short, name);
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string;
    if (word === "--") return { flags, rest: [...rest, ...words.slice(at + 1)] };
    if (!word.startsWith("-") || word === "-") {
      rest.push(word);
      continue;
    }
    const [, dashes = "", name = "", inline] = /^(--?)([^=]+)(?:=([\s\S]*))?$/.exec(word) ?? [];
    const flag = dashes === "-" ? (short.get(name) ?? (name === "o" && takesValue("output") ? "output" : undefined)) : name;
    const valued = flag === undefined ? undefined : takesValue(flag);
    if (flag === undefined || valued === undefined) {
      const negated = flag?.startsWith("no-") && takesValue(flag.slice(3)) === false;
      if (negated && inline === undefined) {
        flags.push([(flag as string).slice(3), "false"]);
        continue;
      }
      throw new UsageError(`There is no flag ${word.split("=")[0]} here.`, suggestion(name, known())?.replace('"', '"--'));
    }
    if (inline !== undefined) flags.push([flag, inline]);
    else {
      const next = words[at + 1];
      if (!valued) {
        // `--enabled false` is what many write; an argument with such a name goes after `--`.
        const said = next === "true" || next === "false";
        flags.push([flag, said ? next : true]);
        if (said) at++;
        continue;
      }
      if (next === undefined || (next.startsWith("--") && next.length > 2)) throw new UsageError(`--${flag} needs a value.`);
      flags.push([flag, next]);
      at++;
    }
  }
  return { flags, rest };
}

const isOn = (value: string | true): boolean => value === true || ["true", "yes", "1"].includes(value);

export function readOptions(flags: [string, string | true][]): Options {
  const options: Options = {
    json: false,
    all: false,
    quiet: false,
    yes: false,
    wait: true,
    help: false,
    organisation: undefined,
    project: undefined,
    profile: undefined,
    endpoint: undefined,
  };
  for (const [flag, value] of flags) {
    if (flag === "no-wait") options.wait = !isOn(value);
    else if (flag === "organisation" || flag === "project" || flag === "profile" || flag === "endpoint")
      options[flag] = String(value);
    else if (flag === "json" || flag === "all" || flag === "quiet" || flag === "yes" || flag === "help")
      options[flag] = isOn(value);
  }
  return options;
}

/** Reads the words after `<resource> <verb>`. Required arguments are not checked yet: some can still be asked for. */
export function parse(command: Command, words: string[], extras: ExtraFlag[] = []): Parsed {
  const byFlag = new Map<string, Argument>();
  for (const argument of command.arguments) for (const name of [argument.flag, ...argument.aliases]) byFlag.set(name, argument);
  const files = new Map(command.arguments.filter((one) => one.secret).map((one) => [`${one.flag}-file`, one]));
  const own = new Map(extras.map((one) => [one.flag, one]));
  const takesValue = (flag: string): boolean | undefined => {
    const argument = byFlag.get(flag);
    if (argument) return argument.value.kind !== "boolean";
    if (files.has(flag)) return true;
    return (
      own.get(flag)?.value ?? (Object.hasOwn(globalFlags, flag) ? globalFlags[flag as keyof typeof globalFlags].value : undefined)
    );
  };
  const shorts = new Map(extras.flatMap(({ flag, short }) => (short === undefined ? [] : [[short, flag]])));
  const known = () => [...byFlag.keys(), ...own.keys(), ...Object.keys(globalFlags)];
  const { flags, rest } = readFlags(words, takesValue, known, shorts);

  const values: Record<string, unknown> = {};
  const extra: Record<string, string | true> = {};
  for (const [flag, value] of flags) {
    const argument = byFlag.get(flag);
    const context = flag === "organisation" || flag === "project";
    if (argument && !context) {
      const read = readValue(argument, value === true ? "true" : value);
      if (argument.list && read === null) values[argument.field] = null;
      else if (argument.list) values[argument.field] = [...((values[argument.field] as unknown[]) ?? []), read];
      else values[argument.field] = read;
    } else if (own.get(flag)?.value === false) {
      if (isOn(value)) extra[flag] = true;
      else delete extra[flag];
    } else if (own.has(flag) || files.has(flag)) extra[flag] = value;
  }
  const left = [...rest];
  for (const argument of command.positionals) {
    if (values[argument.field] !== undefined) continue;
    const word = left.shift();
    if (word === undefined) break;
    values[argument.field] = readValue(argument, word);
  }
  return { options: readOptions(flags), values, extra, rest: left };
}
