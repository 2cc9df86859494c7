/** Node.js: npm, pnpm and Yarn; servers, and front ends that become a static site. */
import { cacheFolder } from "../baseImages/recipes.ts";
import type { SourceTree } from "../source/tree.ts";
import { readProcfile } from "./commands.ts";
import { frontEnd, type PackageJson, serverEntry } from "./nodeFrameworks.ts";
import { type BuildStep, cannotBuild, emptyPlan, type GeneratedPlan } from "./plan.ts";
import { chooseVersion } from "./versions.ts";
import { staticCommand, staticConfigurationFile, staticSite } from "./webServers.ts";

export function readPackageJson(tree: SourceTree, path = "package.json"): PackageJson {
  const text = tree.read(path) ?? "{}";
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw cannotBuild(path, `it is no JSON (${(error as Error).message}).`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw cannotBuild(path, "it is no object in braces.");
  const raw = value as Record<string, unknown>;
  return {
    ...raw,
    scripts: texts(raw["scripts"]),
    dependencies: texts(raw["dependencies"]),
    devDependencies: texts(raw["devDependencies"]),
    engines: texts(raw["engines"]),
  } as PackageJson;
}

const texts = (value: unknown): Record<string, string> =>
  typeof value === "object" && value !== null
    ? Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string"))
    : {};

interface PackageManager {
  name: "npm" | "pnpm" | "yarn";
  /** Another one than the image has: what npm is to install. */
  spec?: string;
  lock: string | undefined;
  berry: boolean;
}

const locks = {
  pnpm: ["pnpm-lock.yaml"],
  yarn: ["yarn.lock"],
  npm: ["package-lock.json", "npm-shrinkwrap.json"],
} as const;

function packageManager(tree: SourceTree, manifest: PackageJson, plan: GeneratedPlan): PackageManager {
  const lockOf = (name: keyof typeof locks) => locks[name].find((file) => tree.has(file));
  const present = (Object.keys(locks) as (keyof typeof locks)[]).filter((name) => lockOf(name) !== undefined);
  const [, asked, version] = /^(npm|pnpm|yarn)@(\d+\.\d+\.\d+[\w.-]*)/.exec(String(manifest.packageManager ?? "")) ?? [];
  const name = (asked as keyof typeof locks | undefined) ?? present[0] ?? "npm";
  if (present.length > 1)
    plan.warnings.push(`${present.map(lockOf).join(" and ")} are both there; ${name} is used. Remove the other.`);
  if (present.length === 0 && (tree.has("bun.lock") || tree.has("bun.lockb")))
    plan.warnings.push("The lock file of Bun is not read here; npm chooses versions by package.json alone.");
  const lock = lockOf(name);
  const berry =
    name === "yarn" &&
    (tree.has(".yarnrc.yml") || /^__metadata:/m.test(tree.read("yarn.lock") ?? "") || Number(version?.split(".")[0]) > 1);
  const ownYarn = tree.names(".yarn/releases").length > 0;
  let spec: string | undefined;
  if (berry && !ownYarn) spec = `@yarnpkg/cli-dist@${version ?? "4"}`;
  else if ((asked === "pnpm" || asked === "yarn") && !berry) spec = `${name}@${version}`;
  else if (name === "pnpm" && /^lockfileVersion: '?5/m.test(tree.read("pnpm-lock.yaml") ?? "")) spec = "pnpm@7";
  return { name, lock, berry, ...(spec === undefined ? {} : { spec }) };
}

function nodeVersion(tree: SourceTree, manifest: PackageJson, wanted: string | undefined): { version: string; why: string } {
  const volta = (manifest["volta"] as { node?: unknown } | undefined)?.node;
  const sources: [file: string, value: string | undefined][] = [
    ["khmara.json", wanted],
    ["package.json (engines.node)", manifest.engines["node"]],
    [".nvmrc", tree.read(".nvmrc")?.trim()],
    [".node-version", tree.read(".node-version")?.trim()],
    ["package.json (volta.node)", typeof volta === "string" ? volta : undefined],
  ];
  for (const [file, value] of sources) {
    if (value === undefined || value === "") continue;
    // Names of lines of releases (`lts/*`) leave the choice to us.
    const range = /^(lts(\/.*)?|node|latest|current|stable)$/i.test(value) ? "*" : value.replace(/^v(?=\d)/, "");
    const version = chooseVersion("node", file === ".nvmrc" || file === ".node-version" ? majorOf(range) : range, file, value);
    return { version, why: `${file} asks for ${value}` };
  }
  return { version: chooseVersion("node", "*", "package.json", "*"), why: "nothing asks for a version" };
}

const majorOf = (range: string): string => /^(\d+)/.exec(range)?.[1] ?? range;

/** Modules that may have to be compiled. */
const native = [
  "bcrypt",
  "better-sqlite3",
  "canvas",
  "node-gyp",
  "sqlite3",
  "node-sass",
  "argon2",
  "re2",
  "usb",
  "serialport",
  "libpq",
];
const lifecycle = ["preinstall", "install", "postinstall", "prepare"];

export function planNode(tree: SourceTree, wantedVersion?: string): GeneratedPlan {
  const manifest = readPackageJson(tree);
  const { version, why } = nodeVersion(tree, manifest, wantedVersion);
  const plan = emptyPlan("node", { runtime: "node", version });
  const manager = packageManager(tree, manifest, plan);
  plan.explanation.push(`Node.js ${version}: ${why}.`);
  const dependencies = { ...manifest.dependencies, ...manifest.devDependencies };
  const names = Object.keys(dependencies);
  if (names.some((name) => native.includes(name))) {
    plan.buildPackages.push("g++", "make", "python3");
    plan.explanation.push("A compiler is there while it is built: some dependency may need one.");
  }
  if (Object.values(dependencies).some((each) => /^(git[+:]|github:|[\w.-]+\/[\w.-]+(#|$))/.test(each)))
    plan.buildPackages.push("git");
  planInstall(tree, manifest, manager, plan);
  const runner = { npm: "npm run", pnpm: "pnpm run", yarn: "yarn run" }[manager.name];
  const scripts = manifest.scripts;
  const buildScript = ["heroku-postbuild", "build"].find((script) => scripts[script] !== undefined);
  if (buildScript !== undefined) plan.build.push({ name: "build", command: `${runner} ${buildScript}` });
  plan.environment["NODE_ENV"] = "production";
  // Whoever brings processes of their own runs a server.
  const own = tree.has("Procfile") ? readProcfile(tree.read("Procfile") ?? "").processes["web"] : undefined;
  const site = own === undefined ? frontEnd(tree, manifest) : undefined;
  if (site !== undefined) {
    if (buildScript === undefined)
      throw cannotBuild("package.json", `${site.name} needs a script "build" in "scripts". Add one.`);
    plan.explanation.push(`${site.name}: what "${buildScript}" writes into ${site.folder} is served by nginx.`);
    plan.runBase = { runtime: "static", version: chooseVersion("static", "*", "package.json", "*") };
    plan.output = site.folder;
    plan.dependencyFolders = [];
    plan.environment = {};
    const served = { folder: "", ...(site.fallback === undefined ? {} : { fallback: site.fallback }) };
    plan.configuration[staticConfigurationFile] = staticSite(served, plan.port);
    plan.processes["web"] = { command: staticCommand, stopSignal: "SIGQUIT" };
    return plan;
  }
  prune(manager, manifest, plan);
  const start = own === undefined ? serverEntry(tree, manifest, manager.name) : undefined;
  if (start !== undefined) {
    plan.processes["web"] = { command: start.command };
    plan.explanation.push(start.why);
  }
  return plan;
}

function planInstall(tree: SourceTree, manifest: PackageJson, manager: PackageManager, plan: GeneratedPlan): void {
  const { name, lock, berry, spec } = manager;
  if (spec !== undefined) {
    plan.install.push({
      name: `install ${spec}`,
      command: `npm install --global --no-audit --prefix=/app/.khmara-tools ${spec}`,
    });
    // At run time too: "pnpm run start" takes the version that package.json names, and would fetch it then.
    plan.environment["PATH"] = "/app/.khmara-tools/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  }
  const command = {
    npm: lock === undefined ? "npm install --include=dev --no-audit" : "npm ci --include=dev --no-audit",
    pnpm: `${pnpm} install --prod=false ${lock === undefined ? "--no-frozen-lockfile" : "--frozen-lockfile"}`,
    yarn: berry
      ? lock === undefined
        ? "yarn install --no-immutable"
        : "yarn install --immutable"
      : `yarn install --production=false --non-interactive${lock === undefined ? "" : " --frozen-lockfile"}`,
  }[name];
  if (lock === undefined)
    plan.warnings.push("There is no lock file: each build may get other versions. Commit package-lock.json.");
  plan.install.push({ name: `install dependencies (${name})`, command });
  plan.explanation.push(`Dependencies by ${name}${lock === undefined ? "" : `, as ${lock} says`}.`);
  const whole = lifecycle.filter((script) => manifest.scripts[script] !== undefined);
  const local = Object.values({ ...manifest.dependencies, ...manifest.devDependencies }).some((each) =>
    /^(file|link|portal):/.test(each),
  );
  const files = manifestsOf(tree);
  if (whole.length > 0 || local) {
    plan.dependencyFiles = "all";
    plan.explanation.push(
      whole.length > 0
        ? `The script "${whole[0]}" may read the source, so dependencies are installed anew when any of it changes.`
        : "Dependencies lie in the source, so they are installed anew when any of it changes.",
    );
  } else plan.dependencyFiles = files;
  // Workspaces have more of them, which stay with the code.
  const workspaces = manifest["workspaces"] !== undefined || tree.has("pnpm-workspace.yaml");
  const pnp = berry && !/nodeLinker:\s*['"]?node-modules/.test(tree.read(".yarnrc.yml") ?? "");
  if (!workspaces && !pnp) plan.dependencyFolders = ["node_modules", ...(spec === undefined ? [] : [".khmara-tools"])];
}

/** Only for itself: npm warns of a setting that it does not know. */
const pnpm = `npm_config_store_dir=${cacheFolder}/pnpm pnpm`;

const managerFiles = new Set([
  ...["package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "pnpm-workspace.yaml", "yarn.lock"],
  ...[".npmrc", ".yarnrc", ".yarnrc.yml", ".pnpmfile.cjs"],
]);

/** All that a package manager reads: the manifests of workspaces, patches and plugins too. */
const manifestsOf = (tree: SourceTree): string[] =>
  tree.entries
    .filter(({ path, kind }) => kind === "file" && !/(^|\/)node_modules\//.test(path))
    .map(({ path }) => path)
    .filter(
      (path) =>
        managerFiles.has(path) ||
        /(^|\/)package\.json$/.test(path) ||
        /^(\.yarn\/(releases|plugins|patches)|patches)\//.test(path),
    );

function prune({ name, berry }: PackageManager, manifest: PackageJson, plan: GeneratedPlan): void {
  const steps: BuildStep[] = [];
  const workspaces = manifest["workspaces"] !== undefined;
  if (Object.keys(manifest.devDependencies).length > 0 && !berry && !workspaces) {
    const command = {
      npm: "npm prune --omit=dev --no-audit",
      pnpm: `CI=true ${pnpm} prune --prod --ignore-scripts`,
      yarn: "yarn install --production --ignore-scripts --prefer-offline --non-interactive --frozen-lockfile",
    }[name];
    steps.push({ name: "remove what only the build needs", command });
  }
  // Where nothing is built, dependencies are all that is made: they are trimmed right after they are installed.
  if (plan.build.length === 0 && plan.dependencyFiles !== "all") plan.install.push(...steps);
  else plan.build.push(...steps);
}
