/** Writes what is derived from the contracts and committed: client/routes.ts, cli/commands.json and openapi.json. `--check` only compares. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { deriveCommands } from "../cli/derive.ts";
import type { RouteDefinition } from "../kernel/contract.ts";
import { openApiDocument } from "../kernel/http/openapi.ts";
import { contracts, schemas } from "../services/contracts.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** What the client needs of a route to send it: without zod, so that the console's bundle stays small. */
function clientRoute(route: RouteDefinition) {
  return {
    method: route.method,
    path: route.path,
    ...(route.query && { query: Object.keys(route.query.shape).sort() }),
    ...(route.body && { body: true }),
    ...(route.stream?.request && { sends: route.stream.request }),
    ...(route.stream?.response && { receives: route.stream.response }),
  };
}

function clientRoutes(): string {
  const lines = ["/** Generated from the contracts by `npm run generate`: do not edit. */", "export const routes = {"];
  for (const contract of contracts) {
    for (const [key, route] of Object.entries(contract.routes)) lines.push(`  ${key}: ${JSON.stringify(clientRoute(route))},`);
  }
  lines.push("} as const;", "");
  return formatted("client/routes.ts", lines.join("\n"));
}

/** What is committed must satisfy the formatter as every other file does. */
const formatted = (path: string, text: string): string =>
  execFileSync("node_modules/.bin/biome", ["format", `--stdin-file-path=${path}`], {
    cwd: root,
    input: text,
    encoding: "utf8",
    stdio: ["pipe", "pipe", "ignore"],
  });

function openApi(): string {
  const { version } = JSON.parse(readFileSync(`${root}package.json`, "utf8")) as { version: string };
  return `${JSON.stringify(openApiDocument(contracts, { version, schemas }), null, 2)}\n`;
}

function read(path: string): string {
  try {
    return readFileSync(root + path, "utf8");
  } catch {
    return "";
  }
}

export const generated: Record<string, () => string> = {
  "client/routes.ts": clientRoutes,
  "openapi.json": openApi,
  "cli/commands.json": () => formatted("cli/commands.json", JSON.stringify(deriveCommands())),
};

/** The generated files that are not what the contracts say. */
export const drift = (): string[] => Object.keys(generated).filter((path) => read(path) !== generated[path]?.());

if (import.meta.main) {
  if (process.argv.includes("--check")) {
    const stale = drift();
    if (stale.length > 0) {
      console.error(
        `${stale.join(" and ")} no longer ${stale.length > 1 ? "fit" : "fits"} the contracts: run \`npm run generate\` and commit.`,
      );
      process.exit(1);
    }
  } else {
    for (const [path, text] of Object.entries(generated)) {
      const content = text();
      if (content === read(path)) continue;
      writeFileSync(root + path, content);
      console.log(`wrote ${path}`);
    }
  }
}
