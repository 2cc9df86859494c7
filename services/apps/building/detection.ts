/**
 * From a source tree to a plan, with nothing but the tree: the same source always comes out the same. The order is that in which people say
 * what they want: manifest, Dockerfile, Procfile, and then what lies there.
 */

import { CloudError } from "../../../kernel/errors.ts";
import { versionsOf } from "../baseImages/recipes.ts";
import type { SourceTree } from "../source/tree.ts";
import { readProcfile } from "./commands.ts";
import { exposedPort, lintDockerfile } from "./dockerfileLint.ts";
import { planGo } from "./go.ts";
import { type Manifest, manifestFile, readManifest } from "./manifest.ts";
import { planNode } from "./node.ts";
import { planPhp } from "./php.ts";
import {
  type BuildPlan,
  cannotBuild,
  type DockerfilePlan,
  defaultHealthCheck,
  defaultPort,
  emptyPlan,
  type GeneratedPlan,
  type PlanKind,
  type RunPlan,
} from "./plan.ts";
import { planPython, pythonFiles } from "./python.ts";
import { findSite, planStatic, siteFolders } from "./staticFiles.ts";
import { chooseVersion } from "./versions.ts";
import { staticCommand, staticConfigurationFile, staticSite } from "./webServers.ts";

const languages: [kind: Exclude<PlanKind, "dockerfile" | "base" | "static">, files: readonly string[]][] = [
  ["node", ["package.json"]],
  ["python", [...pythonFiles, "manage.py", "main.py", "app.py"]],
  ["go", ["go.mod"]],
  ["php", ["composer.json", "index.php", "public/index.php"]],
];

/**
 * Throws invalid_argument: what is wrong with which file and field, or (`details.reason` nothing_detected) what was looked for and what to
 * add.
 */
export function planBuild(tree: SourceTree): BuildPlan {
  const text = tree.read(manifestFile);
  const manifest = text === undefined ? undefined : readManifest(text);
  const kind = manifest?.runtime ?? kindOf(tree, manifest);
  const plan = kind === "dockerfile" ? planDockerfile(tree, manifest) : planGenerated(kind, tree, manifest);
  if (manifest) plan.explanation.unshift(`${manifestFile} is followed.`);
  if (kind !== "dockerfile" || tree.has("Procfile")) applyProcfile(tree, plan);
  if (manifest) applyManifest(plan, manifest);
  if (plan.kind !== "dockerfile") finish(plan, tree);
  return plan;
}

function kindOf(tree: SourceTree, manifest: Manifest | undefined): PlanKind {
  if (manifest?.build?.dockerfile !== undefined || tree.has("Dockerfile")) return "dockerfile";
  const found = languages.find(([, files]) => files.some((file) => tree.has(file)))?.[0];
  if (found !== undefined) return found;
  if (manifest?.static !== undefined) return "static";
  // Programs that are there already need nothing but a system around them.
  if (tree.has("Procfile") || manifest?.processes?.["web"] !== undefined) return "base";
  if (findSite(tree) !== undefined) return "static";
  throw nothingFound(tree);
}

function nothingFound(tree: SourceTree): CloudError {
  const top = tree.names("").slice(0, 12);
  const below = tree
    .names("")
    .filter((name) => tree.hasFolder(name))
    .find((name) =>
      ["Dockerfile", "Procfile", "package.json", "go.mod", "composer.json", ...pythonFiles].some((file) =>
        tree.has(`${name}/${file}`),
      ),
    );
  const hint =
    below === undefined
      ? 'Add one of these: a Dockerfile; or khmara.json with {"processes": {"web": "…"}}; or an index.html.'
      : `There is something in the folder ${below}: deploy that folder, or add a Dockerfile.`;
  return new CloudError(
    "invalid_argument",
    `How to build this could not be found out. Looked for: khmara.json, Dockerfile, Procfile, package.json (Node.js), ${pythonFiles.join(", ")} (Python), go.mod (Go), composer.json or index.php (PHP), index.html in ${siteFolders.map((each) => each || "the root").join(", ")}. There is: ${top.length === 0 ? "nothing" : top.join(", ")}. ${hint}`,
    { details: { reason: "nothing_detected" } },
  );
}

function planDockerfile(tree: SourceTree, manifest: Manifest | undefined): DockerfilePlan {
  const dockerfile = manifest?.build?.dockerfile ?? "Dockerfile";
  const text = tree.read(dockerfile);
  if (text === undefined) throw cannotBuild(dockerfile, "it is not there. Add it, or take its name out of khmara.json.");
  const { errors, warnings, bases } = lintDockerfile(text, manifest?.build?.target);
  if (errors.length > 0) throw cannotBuild(dockerfile, errors.join(" "));
  const port = exposedPort(text, manifest?.build?.target);
  return {
    kind: "dockerfile",
    dockerfile,
    ...(manifest?.build?.target === undefined ? {} : { target: manifest.build.target }),
    buildArguments: manifest?.build?.arguments ?? {},
    processes: {},
    port: port ?? defaultPort,
    healthCheck: defaultHealthCheck,
    mounts: [],
    cron: [],
    settings: {},
    capabilities: [],
    links: [],
    warnings,
    explanation: [
      `${dockerfile} is used as it is, on ${bases.join(", ")}.`,
      port === undefined
        ? `It has no EXPOSE: the app must listen on $PORT (${defaultPort}).`
        : `EXPOSE says that it listens on ${port}.`,
    ],
  };
}

function planGenerated(kind: GeneratedPlan["kind"], tree: SourceTree, manifest: Manifest | undefined): GeneratedPlan {
  const version = manifest?.version;
  switch (kind) {
    case "node":
      return planNode(tree, version);
    case "python":
      return planPython(tree, version);
    case "go":
      return planGo(tree, version);
    case "php":
      return planPhp(tree, version);
    case "static":
      // What a command of the manifest builds is not there yet; only its own folder can be looked at then.
      return manifest?.build?.command === undefined ? planStatic(tree, given(manifest?.static)) : builtSite(manifest);
    case "base": {
      const plan = emptyPlan("base", {
        runtime: "base",
        version: chooseVersion("base", version ?? "*", manifestFile, version ?? "*"),
      });
      plan.explanation.push(`No language was recognised: it runs on a bare Debian ${versionsOf("base")[0]}.`);
      return plan;
    }
  }
}

const given = <T extends object>(value: T | undefined): { [K in keyof T]: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(value ?? {}).filter(([, each]) => each !== undefined)) as never;

function builtSite(manifest: Manifest): GeneratedPlan {
  const plan = emptyPlan("static", { runtime: "base", version: chooseVersion("base", "*", manifestFile, "*") });
  plan.runBase = { runtime: "static", version: chooseVersion("static", "*", manifestFile, "*") };
  plan.output = manifest.static?.folder ?? "";
  plan.configuration[staticConfigurationFile] = staticSite({ ...given(manifest.static), folder: "" }, plan.port);
  plan.processes["web"] = { command: staticCommand, stopSignal: "SIGQUIT" };
  return plan;
}

function applyProcfile(tree: SourceTree, plan: BuildPlan): void {
  const text = tree.read("Procfile");
  if (text === undefined) return;
  const { processes, wrong } = readProcfile(text);
  if (wrong.length > 0) throw cannotBuild("Procfile", `line ${wrong[0]} is not "name: command", or its name is there twice.`);
  if (Object.keys(processes).length === 0)
    throw cannotBuild("Procfile", 'it has no process. Add one, such as "web: node server.js".');
  const { release, ...others } = processes;
  if (release !== undefined) plan.releaseCommand = release;
  for (const [name, command] of Object.entries(others)) plan.processes[processName(name)] = { command };
  plan.explanation.push(`Processes from Procfile: ${Object.keys(processes).join(", ")}.`);
}

/** As they are called everywhere else: small letters and hyphens. */
function processName(name: string): string {
  const plain = name.toLowerCase().replaceAll("_", "-");
  if (!/^[a-z][a-z0-9-]{0,30}$/.test(plain))
    throw cannotBuild("Procfile", `${name} cannot be the name of a process. Take letters, digits and hyphens.`);
  return plain;
}

function applyManifest(plan: BuildPlan, manifest: Manifest): void {
  const { processes = {}, release, port, health, mounts, cron, settings, capabilities, user, links } = manifest;
  for (const [name, each] of Object.entries(processes)) plan.processes[name] = plannedProcess(plan, name, each);
  if (capabilities !== undefined) plan.capabilities = [...new Set(capabilities)];
  if (user !== undefined) plan.user = user;
  if (links !== undefined) plan.links = links;
  if (release !== undefined) plan.releaseCommand = release;
  if (health) plan.healthCheck = { ...plan.healthCheck, ...given(health) };
  if (mounts) plan.mounts = checkedMounts(mounts);
  if (cron) plan.cron = namedCron(cron);
  if (settings)
    plan.settings = Object.fromEntries(
      Object.entries(settings).map(([name, each]) => {
        const { value, ...said } = each as { value?: string; description?: string; required?: boolean; generate?: "secret" };
        return [
          name,
          {
            ...(value === undefined ? {} : { value }),
            ...(said.description === undefined ? {} : { description: said.description }),
            required: said.required ?? false,
            generate: said.generate === "secret",
          },
        ];
      }),
    );
  if (plan.kind !== "dockerfile") applyBuild(plan, manifest);
  if (port !== undefined) setPort(plan, port);
}

/** One that is known from elsewhere may only be scaled here. */
function plannedProcess(
  plan: BuildPlan,
  name: string,
  said: NonNullable<Manifest["processes"]>[string],
): BuildPlan["processes"][string] {
  if (typeof said === "string") return { command: said };
  const { memoryMegabytes, ...others } = given(said);
  const scale = { ...others, ...(memoryMegabytes === undefined ? {} : { memoryBytes: memoryMegabytes * 1024 ** 2 }) };
  if (said.command !== undefined) return scale;
  if (plan.processes[name] === undefined && !(plan.kind === "dockerfile" && name === "web"))
    throw cannotBuild(manifestFile, `processes.${name}: say which command to run; nothing else says what ${name} is.`);
  return { ...plan.processes[name], ...scale };
}

function setPort(plan: BuildPlan, port: number): void {
  const usesOurServer = plan.kind !== "dockerfile" && Object.keys(plan.configuration).length > 0;
  if (usesOurServer && port < 1024)
    throw cannotBuild(
      manifestFile,
      `port: ours listens above 1023, since it has no rights of root. Leave the port out, or take ${defaultPort}.`,
    );
  if (plan.kind !== "dockerfile")
    for (const [file, text] of Object.entries(plan.configuration))
      plan.configuration[file] = text.replaceAll(new RegExp(`^(\\s*[Ll]isten (?:\\[::\\]:)?)${plan.port}\\b`, "gm"), `$1${port}`);
  plan.port = port;
}

function applyBuild(plan: GeneratedPlan, { build, packages = [], buildPackages = [], static: site }: Manifest): void {
  plan.packages.push(...packages);
  plan.buildPackages.push(...buildPackages);
  if (build?.environment) Object.assign(plan.buildEnvironment, build.environment);
  if (build?.install !== undefined) {
    plan.install = [{ name: "install dependencies (khmara.json)", command: build.install }];
    // Nobody knows what it reads.
    plan.dependencyFiles = "all";
  }
  if (build?.command !== undefined) plan.build = [{ name: "build (khmara.json)", command: build.command }];
  if (site && plan.kind !== "static") {
    const { folder = plan.output, ...others } = given(site);
    if (folder === undefined)
      throw cannotBuild(manifestFile, "static.folder: name the folder that the build writes, such as dist.");
    plan.runBase = { runtime: "static", version: chooseVersion("static", "*", manifestFile, "*") };
    plan.output = folder;
    plan.dependencyFolders = [];
    plan.packages = [];
    plan.environment = {};
    plan.configuration = { [staticConfigurationFile]: staticSite({ ...others, folder: "" }, plan.port) };
    plan.processes = { web: { command: staticCommand, stopSignal: "SIGQUIT" } };
    plan.explanation.push(`khmara.json: what is built into ${folder} is served by nginx.`);
  }
}

function checkedMounts(mounts: NonNullable<Manifest["mounts"]>): RunPlan["mounts"] {
  for (const [index, { name, path }] of mounts.entries()) {
    if (mounts.findIndex((each) => each.name === name) !== index)
      throw cannotBuild(manifestFile, `mounts: ${name} is there twice.`);
    if (mounts.some((each, other) => other !== index && (each.path === path || each.path.startsWith(`${path}/`))))
      throw cannotBuild(manifestFile, `mounts: ${path} lies in, or holds, the path of another.`);
  }
  return mounts;
}

function namedCron(cron: NonNullable<Manifest["cron"]>): RunPlan["cron"] {
  const named = cron.map(({ name, ...job }, index) => ({ name: name ?? `cron-${index + 1}`, ...given(job) }));
  const twice = named.find(({ name }, index) => named.findIndex((each) => each.name === name) !== index);
  if (twice) throw cannotBuild(manifestFile, `cron: the name ${twice.name} is there twice.`);
  return named;
}

function finish(plan: GeneratedPlan, tree: SourceTree): void {
  plan.packages = [...new Set(plan.packages)].sort();
  plan.buildPackages = [...new Set(plan.buildPackages)].sort();
  if (plan.output !== undefined && !/^[\w.@+/-]*$/.test(plan.output))
    throw cannotBuild(
      mainFile(plan, tree),
      `the folder ${plan.output} cannot be served: letters, digits and . _ @ + - / are allowed in its name. Rename it.`,
    );
  if (Object.keys(plan.processes).length === 0) throw cannotBuild(mainFile(plan, tree), whatToStart[plan.kind]);
  if (tree.has(".env") && plan.runBase?.runtime !== "static")
    plan.warnings.push(
      ".env lies in the source and so in the image. Secrets belong into the settings of the app; name .env in .khmaraignore.",
    );
}

const mainFile = (plan: GeneratedPlan, tree: SourceTree): string =>
  languages.find(([kind]) => kind === plan.kind)?.[1].find((file) => tree.has(file)) ?? manifestFile;

const whatToStart: Record<GeneratedPlan["kind"], string> = {
  node: 'there is nothing to start. Add a script "start", such as "node server.js", or a Procfile with "web: …".',
  python:
    'there is nothing to start that is known (Django, Flask, FastAPI, main.py, app.py). Add a Procfile with "web: …", such as "web: gunicorn shop:app --bind 0.0.0.0:$PORT".',
  go: 'there are several programs, and none is called web, server or api. Add a Procfile with "web: bin/NAME".',
  php: 'there is nothing to start. Add a Procfile with "web: …".',
  static: 'there is nothing to serve. Name the folder in khmara.json: {"static": {"folder": "…"}}.',
  base: 'no process is named. Add {"processes": {"web": "…"}}, or a Procfile with "web: …".',
};
