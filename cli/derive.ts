import type { z } from "zod";
import { type RouteDefinition, routeWords } from "../kernel/contract.ts";
import { idKinds } from "../kernel/ids.ts";
import { contracts } from "../services/contracts.ts";
import { type Argument, kebab, type NamedKind, type ValueKind, type WrittenCommand } from "./commands.ts";
import { extrasOf } from "./extras.ts";

const destructiveVerbs = new Set(["delete", "empty", "clear", "suspend"]);
const singular = (word: string): string =>
  word
    .replace(/ixes$/, "ix")
    .replace(/(ch|sh|ss)es$/, "$1")
    .replace(/(?<!s)s$/, "");

interface Definition {
  type: string;
  innerType?: z.ZodType;
  in?: z.ZodType;
  out?: z.ZodType;
  element?: z.ZodType;
  options?: z.ZodType[];
  entries?: Record<string, string>;
  values?: unknown[];
  defaultValue?: unknown;
  format?: string;
}
const definitionOf = (schema: z.ZodType): Definition => schema._zod.def as unknown as Definition;

/** Whether what comes out of a chain of pipes is a boolean: how z.stringbool() is made. */
function isBoolean(schema: z.ZodType | undefined): boolean {
  if (!schema) return false;
  const definition = definitionOf(schema);
  return definition.type === "boolean" || (definition.type === "pipe" && isBoolean(definition.out));
}

function valueKind(schema: z.ZodType): ValueKind {
  const definition = definitionOf(schema);
  switch (definition.type) {
    case "number":
      return { kind: "number", integer: (schema as z.ZodNumber).format?.includes("int") === true };
    case "boolean":
      return { kind: "boolean" };
    case "enum":
      return { kind: "choice", choices: Object.values(definition.entries ?? {}) };
    case "literal":
      return { kind: "choice", choices: (definition.values ?? []).map(String) };
    case "pipe":
      return isBoolean(schema) ? { kind: "boolean" } : valueKind(definition.in as z.ZodType);
    case "union": {
      const kinds = (definition.options ?? []).map(valueKind);
      return kinds.some((one) => one.kind === "text") ? { kind: "text" } : (kinds[0] ?? { kind: "text" });
    }
    case "string":
      return definition.format === "datetime" ? { kind: "time" } : { kind: "text" };
    default:
      return { kind: "json" };
  }
}

function exampleOf(schema: z.ZodType): string | undefined {
  const [first] = (schema.meta()?.["examples"] as string[] | undefined) ?? [];
  return first ?? definitionOf(schema).options?.map(exampleOf).find(Boolean);
}

const routeOf = new Map(contracts.flatMap((contract) => Object.entries(contract.routes as Record<string, RouteDefinition>)));
const kindOfPrefix = new Map(Object.entries(idKinds).map(([kind, prefix]) => [prefix as string, kind]));

/** For a plain id whose kind has a list of named things; what else can tell an organisation or project has rules of its own. */
function namedKind(schema: z.ZodType): NamedKind | undefined {
  if (definitionOf(schema).type !== "string") return undefined;
  const prefix = /^([a-z]+)_[0-9a-f]{32}$/.exec(exampleOf(schema) ?? "")?.[1];
  const kind = prefix === undefined ? undefined : kindOfPrefix.get(prefix);
  if (prefix === undefined || kind === undefined || kind === "organisation" || kind === "project") return undefined;
  const list = `${kind}List`;
  const route = routeOf.get(list);
  const query = route?.query?.shape ?? {};
  const page = route?.response as z.ZodObject | undefined;
  const items = page?.shape?.["items"] as z.ZodType | undefined;
  const item = items && (definitionOf(items).element as z.ZodObject | undefined);
  const by = (["name", "address"] as const).find((field) => item?.shape?.[field] !== undefined);
  const needs = Object.entries(query).filter(([, one]) => !(one as z.ZodType).safeParse(undefined).success);
  if (!by || !("cursor" in query) || route?.params || needs.some(([field]) => !["project", "organisation"].includes(field)))
    return undefined;
  const within = (["project", "organisation"] as const).find((field) => field in query);
  return { prefix, kind: kebab(kind).replaceAll("-", " "), list, by, search: "search" in query, ...(within && { within }) };
}

function argument(field: string, given: z.ZodType, place: Argument["place"]): Argument {
  let schema = given;
  let description = given.description;
  let required = true;
  let nullable = false;
  let list = false;
  let fallback: unknown;
  for (;;) {
    const definition = definitionOf(schema);
    if (definition.type === "optional") required = false;
    else if (definition.type === "default" || definition.type === "prefault") {
      required = false;
      fallback = definition.defaultValue;
    } else if (definition.type === "nullable") nullable = true;
    else if (definition.type === "array" && !list) list = true;
    else break;
    schema = (definition.innerType ?? definition.element) as z.ZodType;
    description ??= schema.description;
  }
  const flag = kebab(field);
  // `--project` is where a thing lives, also where `projects` are given.
  const one = list && !["organisation", "project"].includes(singular(flag)) ? singular(flag) : flag;
  const example = exampleOf(schema);
  const named = namedKind(schema);
  return {
    field,
    flag: one,
    aliases: one === flag ? [] : [flag],
    value: valueKind(schema),
    list,
    nullable,
    required,
    ...(fallback !== undefined && { default: fallback }),
    ...(description !== undefined && { description }),
    ...(example !== undefined && { example }),
    secret: /password|secret/i.test(field),
    place,
    ...(named && { named }),
  };
}

function command(key: string, route: RouteDefinition, service: string): WrittenCommand {
  const { resource, verb } = routeWords(key);
  const all: Argument[] = [];
  for (const [place, object] of [
    ["path", route.params],
    ["query", route.query],
    ["body", route.body],
  ] as const) {
    for (const [field, schema] of Object.entries(object?.shape ?? {})) all.push(argument(field, schema as z.ZodType, place));
  }
  const destructive = destructiveVerbs.has(verb);
  // An organisation or a project that is only where the thing lives comes from a flag or the profile;
  // the one that the command is about is named.
  const isContext = (one: Argument) => ["organisation", "project"].includes(one.field) && kebab(one.field) !== resource;
  const byName = (one: Argument) =>
    one.place !== "path" &&
    one.required &&
    !one.secret &&
    !one.list &&
    one.value.kind === "text" &&
    one.field !== "confirm" &&
    !extrasOf(key).optional?.includes(one.field);
  const positionals = all.filter((one) => !isContext(one) && (one.place === "path" || byName(one)));
  return {
    key,
    resource,
    verb,
    service,
    summary: route.summary,
    ...(route.description !== undefined && { description: route.description }),
    isPublic: route.permission === "public",
    ...(route.roles && { roles: [...route.roles] }),
    isList: route.method === "GET" && "cursor" in (route.query?.shape ?? {}),
    isOperation: route.status === 202,
    destructive,
    arguments: all,
    positionals: positionals.map((one) => one.field),
  };
}

/**
 * Every command of the cloud, from the contracts and in their order. `npm run generate` writes them down, so that the CLI starts
 * without zod and the contracts, which take longer to load than most commands take to run.
 */
export const deriveCommands = (): WrittenCommand[] =>
  contracts.flatMap((contract) =>
    Object.entries(contract.routes as Record<string, RouteDefinition>)
      .filter(([, route]) => route.cli !== false)
      .map(([key, route]) => command(key, route, contract.title)),
  );
