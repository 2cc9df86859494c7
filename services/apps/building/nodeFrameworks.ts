/** What becomes of a project in Node: a server, or files that a web server gives out. */
import type { SourceTree } from "../source/tree.ts";
import { quoted } from "./commands.ts";
import { cannotBuild } from "./plan.ts";

export interface PackageJson {
  [field: string]: unknown;
  scripts: Record<string, string>;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  engines: Record<string, string>;
}

export interface FrontEnd {
  name: string;
  /** What the build writes. */
  folder: string;
  fallback?: string;
}

/** Servers for the time of writing: none of them is for production. */
const devServer =
  /(^|&&|;)\s*(npx\s+)?(vite(\s+(dev|serve|preview))?(\s+-|\s*$)|react-scripts\s+start|ng\s+serve|vue-cli-service\s+serve|parcel(?!\s+build)|webpack(-dev-server|\s+serve)|gatsby\s+(develop|serve)|astro\s+(dev|preview)|next\s+dev|nuxi?\s+dev|live-server|(npx\s+)?serve\s|eleventy\s.*--serve|docusaurus\s+(start|serve))/;

const has = (manifest: PackageJson, name: string): boolean => name in manifest.dependencies || name in manifest.devDependencies;

/** Undefined for what is a server. */
export function frontEnd(tree: SourceTree, manifest: PackageJson): FrontEnd | undefined {
  const start = manifest.scripts["start"];
  if (start !== undefined && !devServer.test(start)) return undefined;
  const isServer = [
    "@sveltejs/adapter-node",
    "@astrojs/node",
    "@remix-run/serve",
    "@react-router/serve",
    "nuxt",
    "express",
    "fastify",
    "koa",
    "@nestjs/core",
    "hono",
    "@hapi/hapi",
  ];
  if (isServer.some((name) => name in manifest.dependencies)) return undefined;
  const configuration = (names: string[]) => names.map((name) => tree.read(name)).find((text) => text !== undefined) ?? "";
  if (has(manifest, "next")) {
    const exported = /output\s*:\s*['"]export['"]/.test(configuration(["next.config.js", "next.config.mjs", "next.config.ts"]));
    return exported ? { name: "Next.js (exported)", folder: "out" } : undefined;
  }
  if (has(manifest, "@sveltejs/kit")) {
    if (has(manifest, "@sveltejs/adapter-static")) return { name: "SvelteKit", folder: "build" };
    if (has(manifest, "@sveltejs/adapter-node")) return undefined;
    throw cannotBuild(
      "package.json",
      "SvelteKit needs an adapter here: @sveltejs/adapter-node for a server, @sveltejs/adapter-static for files.",
    );
  }
  if (has(manifest, "@angular/core")) return { name: "Angular", folder: angularFolder(tree), fallback: "index.html" };
  const vite = configuration(["vite.config.ts", "vite.config.js", "vite.config.mts", "vite.config.mjs"]);
  const astro = configuration(["astro.config.mjs", "astro.config.ts", "astro.config.js"]);
  const table: [dependency: string, site: FrontEnd][] = [
    ["astro", { name: "Astro", folder: namedFolder(/outDir\s*:\s*['"]\.?\/?([\w./-]+)['"]/, astro) ?? "dist" }],
    ["gatsby", { name: "Gatsby", folder: "public" }],
    ["@docusaurus/core", { name: "Docusaurus", folder: "build" }],
    ["vitepress", { name: "VitePress", folder: tree.hasFolder("docs/.vitepress") ? "docs/.vitepress/dist" : ".vitepress/dist" }],
    ["@11ty/eleventy", { name: "Eleventy", folder: "_site" }],
    ["react-scripts", { name: "Create React App", folder: "build", fallback: "index.html" }],
    ["@vue/cli-service", { name: "Vue CLI", folder: "dist", fallback: "index.html" }],
    ["parcel", { name: "Parcel", folder: "dist" }],
    [
      "vite",
      { name: "Vite", folder: namedFolder(/outDir\s*:\s*['"]\.?\/?([\w./-]+)['"]/, vite) ?? "dist", fallback: "index.html" },
    ],
  ];
  return table.find(([dependency]) => has(manifest, dependency))?.[1];
}

const namedFolder = (pattern: RegExp, text: string): string | undefined => {
  const folder = pattern.exec(text)?.[1]?.replace(/\/+$/, "");
  return folder === undefined || folder === "" || folder.split("/").includes("..") ? undefined : folder;
};

/** From 17 on the builder `application` writes into a folder `browser`. */
function angularFolder(tree: SourceTree): string {
  try {
    const { projects } = JSON.parse(tree.read("angular.json") ?? "{}") as {
      projects?: Record<
        string,
        { architect?: { build?: { builder?: string; options?: { outputPath?: string | { base?: string } } } } }
      >;
    };
    const [name, project] = Object.entries(projects ?? {})[0] ?? [];
    const build = project?.architect?.build;
    const output = build?.options?.outputPath;
    const base = (typeof output === "string" ? output : output?.base) ?? `dist/${name}`;
    return /:application$/.test(build?.builder ?? "") ? `${base}/browser` : base;
  } catch (error) {
    throw cannotBuild("angular.json", `it is no JSON (${(error as Error).message}).`);
  }
}

export interface Start {
  command: string;
  why: string;
}

/** Undefined where nothing says what to start. */
export function serverEntry(tree: SourceTree, manifest: PackageJson, manager: string): Start | undefined {
  const { scripts } = manifest;
  const start = scripts["start"];
  if (start !== undefined && !devServer.test(start)) {
    const simple =
      /^node(\s+[\w./:@=-]+)+$/.test(start.trim()) && scripts["prestart"] === undefined && scripts["poststart"] === undefined;
    if (simple)
      return {
        command: start.trim(),
        why: `web: "${start.trim()}", started without ${manager} in between, so that it gets SIGTERM.`,
      };
    return { command: `${manager} run start`, why: `web: the script "start" of package.json.` };
  }
  const frameworks: [dependency: string, command: string][] = [
    ["next", "node_modules/.bin/next start -p $PORT"],
    ["nuxt", "node .output/server/index.mjs"],
    ["@sveltejs/adapter-node", "node build"],
    ["@astrojs/node", "node ./dist/server/entry.mjs"],
    ["@remix-run/serve", "node_modules/.bin/remix-serve ./build/server/index.js"],
    ["@react-router/serve", "node_modules/.bin/react-router-serve ./build/server/index.js"],
    ["@nestjs/core", "node dist/main.js"],
  ];
  const known = frameworks.find(([dependency]) => has(manifest, dependency));
  if (known) return { command: known[1], why: `web: ${known[1]}, as ${known[0]} is started.` };
  const main = typeof manifest["main"] === "string" ? manifest["main"].replace(/^\.\//, "") : undefined;
  const file = [
    main,
    "server.js",
    "server.mjs",
    "index.js",
    "index.mjs",
    "app.js",
    "main.js",
    "server.ts",
    "index.ts",
    "src/server.js",
    "src/index.js",
  ].find((path): path is string => path !== undefined && tree.has(path));
  return file === undefined
    ? undefined
    : { command: `node ${quoted(file)}`, why: `web: node ${file}; package.json has no script "start".` };
}
