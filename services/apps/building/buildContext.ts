/** What an engine is asked to build: a plan and its source become a tar stream and the words that go with it. */
import type { Readable } from "node:stream";
import { packContext } from "../source/context.ts";
import { type IgnoreRules, readDockerignore } from "../source/dockerignore.ts";
import type { SourceTree } from "../source/tree.ts";
import { appTarget, cacheTarget, contextFolders, type DockerfileOptions, dockerfile, keepsCache } from "./dockerfile.ts";
import type { BuildPlan, PlanKind } from "./plan.ts";

export interface BuildContext {
  /** A tar. May be asked for once for each build: `POST /build` of the Engine API. */
  context(): Readable;
  /** Its path in the context. */
  dockerfile: string;
  /** The text of it. */
  dockerfileText: string;
  /** The stage that is run; absent: the last. */
  target?: string;
  /** The stage whose image is the next build's cache; build it after the other, which costs one copy. */
  cacheTarget?: string;
  buildArguments: Record<string, string>;
}

export interface BuildContextOptions extends DockerfileOptions {
  /** The folder that the tree was read from. */
  folder: string;
  tree: SourceTree;
  /** Instead of what a person's own Dockerfile says. */
  dockerfileText?: string;
  signal?: AbortSignal;
}

/** What is installed anew in the image, or never meant for it. */
const leftOut: Record<Exclude<PlanKind, "dockerfile">, RegExp> = {
  node: /(^|\/)node_modules(\/|$)/,
  python: /^\.?venv(\/|$)|(^|\/)__pycache__(\/|$)/,
  php: /^vendor(\/|$)/,
  go: /^bin(\/|$)/,
  static: /^node_modules(\/|$)/,
  base: /^$/,
};
const ownMachine = /(^|\/)(\.git|\.env\.local|\.env\.[^/]*\.local)(\/|$)/;

export function buildContext(plan: BuildPlan, options: BuildContextOptions): BuildContext {
  const { folder, tree, signal, dockerfileText } = options;
  const rules = readDockerignore(tree.read(".dockerignore") ?? "");
  const more = signal ? { signal } : {};
  if (plan.kind === "dockerfile") {
    // Docker's own client always sends these two.
    const always = new Set([plan.dockerfile, ".dockerignore"]);
    const own = dockerfileText === undefined ? {} : { [plan.dockerfile]: dockerfileText };
    const only = ({ path }: { path: string }) =>
      !Object.hasOwn(own, path) && (always.has(path) || isWanted(rules, tree, path, always));
    return {
      context: () => packContext({ folder, tree, files: own, parts: [{ at: "", only }], ...more }),
      dockerfile: plan.dockerfile,
      dockerfileText: dockerfileText ?? tree.read(plan.dockerfile) ?? "",
      ...(plan.target === undefined ? {} : { target: plan.target }),
      buildArguments: plan.buildArguments,
    };
  }
  const text = dockerfile(plan, options);
  const { source, manifests, configuration } = contextFolders;
  const out = plan.kind === "php" && !tree.has("composer.json") ? /^$/ : leftOut[plan.kind];
  const only = ({ path }: { path: string }) =>
    !out.test(path) && !ownMachine.test(path) && path !== ".dockerignore" && isWanted(rules, tree, path, new Set());
  const dependencies = plan.dependencyFiles === "all" ? [] : plan.dependencyFiles;
  const files = Object.fromEntries(
    Object.entries(plan.configuration).map(([path, content]) => [`${configuration}${path}`, content]),
  );
  return {
    context: () =>
      packContext({
        folder,
        tree,
        files: { Dockerfile: text, ...files },
        parts: [
          ...(dependencies.length > 0
            ? [{ at: manifests, only: ({ path }: { path: string }) => dependencies.includes(path) }]
            : []),
          { at: source, only },
        ],
        ...more,
      }),
    dockerfile: "Dockerfile",
    dockerfileText: text,
    target: appTarget,
    ...(keepsCache(plan) ? { cacheTarget } : {}),
    buildArguments: {},
  };
}

/** A folder that is ignored goes along when something in it is wanted again. */
function isWanted(rules: IgnoreRules, tree: SourceTree, path: string, always: ReadonlySet<string>): boolean {
  if (!rules.ignores(path)) return true;
  if (!tree.hasFolder(path)) return false;
  if ([...always].some((each) => each.startsWith(`${path}/`))) return true;
  return rules.hasExceptions && tree.entries.some((entry) => entry.path.startsWith(`${path}/`) && !rules.ignores(entry.path));
}
