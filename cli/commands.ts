import { readFileSync } from "node:fs";
import { ownCommands } from "./own-commands.ts";

/** What a value on the command line may look like. */
export type ValueKind =
  | { kind: "text" }
  | { kind: "number"; integer: boolean }
  | { kind: "boolean" }
  | { kind: "choice"; choices: string[] }
  | { kind: "time" }
  | { kind: "json" };

/** One field of a route, as an argument of its command. */
export interface Argument {
  /** The field in the route: `expiresInDays`. */
  field: string;
  /** The flag without its dashes: `expires-in-days`. For lists in the singular, as it is repeated. */
  flag: string;
  /** Other spellings that work. */
  aliases: string[];
  value: ValueKind;
  list: boolean;
  nullable: boolean;
  required: boolean;
  default?: unknown;
  description?: string;
  /** A value that the contract gives as an example: an id, say. */
  example?: string;
  secret: boolean;
  place: "path" | "query" | "body";
  /** An id, instead of which a name may be given. */
  named?: NamedKind;
}

/** How the name of a thing leads to its id. */
export interface NamedKind {
  /** What ids of the kind begin with. */
  prefix: string;
  /** The kind, for people: "security group". */
  kind: string;
  /** The route that lists them. */
  list: string;
  /** The field that people call it by. */
  by: "name" | "address";
  /** Whether the list can look for part of a name. */
  search: boolean;
  /** What the list wants to know. */
  within?: "organisation" | "project";
}

export interface Command {
  key: string;
  resource: string;
  verb: string;
  service: string;
  summary: string;
  description?: string;
  isPublic: boolean;
  roles?: string[];
  /** Whether it answers in pages. */
  isList: boolean;
  /** Whether it answers an operation that goes on by itself. */
  isOperation: boolean;
  destructive: boolean;
  arguments: Argument[];
  /** Those that may be given without their flag, in this order. */
  positionals: Argument[];
}

/** As cli/commands.json has it: positionals by their field. */
export type WrittenCommand = Omit<Command, "positionals"> & { positionals: string[] };

export const kebab = (word: string): string => word.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

let read: Command[] | undefined;

/** Every command: those that stand for a route, in the order of the contracts, and a few that stand for several. */
export function commands(): Command[] {
  read ??= [
    ...(JSON.parse(readFileSync(new URL("commands.json", import.meta.url), "utf8")) as WrittenCommand[]).map((one) => ({
      ...one,
      positionals: one.positionals.map((field) => one.arguments.find((argument) => argument.field === field) as Argument),
    })),
    ...ownCommands,
  ];
  return read;
}

export const resources = (): string[] => [...new Set(commands().map((one) => one.resource))];
export const verbsOf = (resource: string): Command[] => commands().filter((one) => one.resource === resource);
export const findCommand = (resource: string, verb: string): Command | undefined =>
  commands().find((one) => one.resource === resource && one.verb === verb);
