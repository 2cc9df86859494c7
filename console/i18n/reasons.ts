/** Finds every reason that a refusal or a failure can have (`details.reason` of a CloudError), by reading the source of the cloud. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { parseSync } from "@swc/core";

/** A node of the syntax tree: whatever has a `type`, and its children. */
interface Node {
  type: string;
  [part: string]: unknown;
}
interface Reasons {
  /** By reason, a place where it is given. `state_*`: the rest is known at run time only. */
  found: Map<string, string>;
  /** Places whose reason could not be found out. */
  unknown: string[];
}
/** A function that makes errors, and which argument of its call is the reason. */
interface Maker {
  name: string;
  argument: number;
  file: string;
  exported: boolean;
}

const folders = ["kernel", "services", "server", "gateway"];
const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null && "type" in value;

/** Every node with those that it is in, the nearest last. */
function walk(value: unknown, visit: (node: Node, within: Node[]) => void, within: Node[] = []): void {
  if (Array.isArray(value)) for (const each of value) walk(each, visit, within);
  else if (typeof value === "object" && value !== null) {
    const inside = isNode(value) ? [...within, value] : within;
    if (isNode(value)) visit(value, within);
    for (const part of Object.values(value)) if (typeof part === "object") walk(part, visit, inside);
  }
}

const nameOf = (node: unknown): string | undefined => {
  if (!isNode(node)) return undefined;
  if (node.type === "Identifier" || node.type === "StringLiteral") return node["value"] as string;
  if (node.type === "MemberExpression") return nameOf(node["property"]);
  return node.type === "Parameter" || node.type === "AssignmentPattern" ? nameOf(node["pat"] ?? node["left"]) : undefined;
};

/** The reasons that an expression can be; undefined where that is not to be seen. */
function literals(node: unknown): string[] | undefined {
  if (!isNode(node)) return undefined;
  if (node.type === "StringLiteral") return [node["value"] as string];
  if (node.type === "ConditionalExpression") {
    const [one, other] = [literals(node["consequent"]), literals(node["alternate"])];
    return one && other && [...one, ...other];
  }
  if (node.type !== "TemplateLiteral") return undefined;
  return [(node["quasis"] as { cooked: string }[]).map(({ cooked }) => cooked).join("*")];
}

/** The function around that has a parameter of this name, or the class whose constructor has. */
function makerOf(within: Node[], parameter: string, file: string): Maker | undefined {
  for (const [index, node] of [...within.entries()].reverse()) {
    const argument = ((node["params"] as unknown[] | undefined) ?? []).findIndex((each) => nameOf(each) === parameter);
    if (argument === -1) continue;
    const named = node.type === "Constructor" ? within[index - 1] : node;
    const name = nameOf(named?.["identifier"]) ?? nameOf(within[index - 1]?.["id"]) ?? nameOf(within[index - 1]?.["key"]);
    const exported = within.some(({ type }) => type === "ExportDeclaration");
    return name === undefined ? undefined : { name, argument, file, exported };
  }
  return undefined;
}

/** What a file has by name from which other one. */
function importsOf(tree: unknown, file: string): Map<string, string> {
  const imports = new Map<string, string>();
  walk(tree, (node) => {
    if (node.type !== "ImportDeclaration") return;
    const from = (node["source"] as { value: string }).value;
    for (const { local } of node["specifiers"] as { local: { value: string } }[])
      imports.set(local.value, join(dirname(file), from));
  });
  return imports;
}

/** `details: {…}` of an error, and `details` of a table of such. */
const reasonIn = (node: Node): Node | undefined => {
  const value = node.type === "KeyValueProperty" && nameOf(node["key"]) === "details" ? node["value"] : undefined;
  if (!isNode(value) || value.type !== "ObjectExpression") return undefined;
  return (value["properties"] as Node[]).find((each) => nameOf(each["key"] ?? each) === "reason");
};

export function reasonsOf(repository: string): Reasons {
  const reasons: Reasons = { found: new Map(), unknown: [] };
  const makers: Maker[] = [];
  const trees: [file: string, tree: unknown][] = [];
  for (const folder of folders)
    for (const entry of readdirSync(join(repository, folder), { recursive: true, withFileTypes: true })) {
      const file = join(entry.parentPath, entry.name);
      if (!entry.isFile() || !/\.ts$/.test(file) || /\.test\.ts$|\/testing\//.test(file)) continue;
      const text = readFileSync(file, "utf8");
      if (/\bthrow\b|Error/.test(text)) trees.push([relative(repository, file), parseSync(text, { syntax: "typescript" })]);
    }
  for (const [file, tree] of trees)
    walk(tree, (node, within) => {
      const property = reasonIn(node);
      if (property === undefined) return;
      const given = property.type === "Identifier" ? property : property["value"];
      const known = literals(given);
      const maker = known === undefined ? makerOf(within, nameOf(given) ?? "", file) : undefined;
      for (const reason of known ?? []) reasons.found.set(reason, file);
      if (maker) makers.push(maker);
      else if (known === undefined) reasons.unknown.push(file);
    });
  for (const [file, tree] of trees) {
    const imported = importsOf(tree, file);
    const near = new Map<string, Maker>();
    for (const maker of makers)
      if (maker.file === file || (maker.exported && imported.get(maker.name) === maker.file)) near.set(maker.name, maker);
    walk(tree, (node) => {
      if (node.type !== "CallExpression" && node.type !== "NewExpression") return;
      const maker = near.get(nameOf(node["callee"]) ?? "");
      const given = maker && (node["arguments"] as { expression: Node }[] | undefined)?.[maker.argument]?.expression;
      for (const reason of literals(given) ?? []) if (/^[a-z0-9_*]+$/.test(reason)) reasons.found.set(reason, file);
    });
  }
  return reasons;
}
