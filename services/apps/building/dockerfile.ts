/**
 * From a plan to a Dockerfile: the same plan, the same text. For the classic builder of the Engine API, which has no mounted caches, no
 * here-documents and no `COPY --link`; why so, and how the cache works, is in docs/decisions/0008-building-apps.md.
 */
import { createHash } from "node:crypto";
import { appFolder, appUser, baseImageReference, cacheFolder } from "../baseImages/recipes.ts";
import type { SourceTree } from "../source/tree.ts";
import { commandWords } from "./commands.ts";
import type { BaseImage, BuildStep, GeneratedPlan } from "./plan.ts";

export interface DockerfileOptions {
  /** The image with what package managers kept from an earlier build of this app. Absent: they begin with nothing. */
  cacheImage?: string;
  /** The image of a base; a digest makes the build the same for ever. Unless said: base.khmara.internal/<runtime>:<version>. */
  imageOf?: (base: BaseImage) => string;
}

/** Names of stages: what is run, and what the next build's cache is made of. */
export const appTarget = "app";
export const cacheTarget = "cache";

/** Folders of the build context (`buildContext.ts`). */
export const contextFolders = { source: "app", manifests: "manifests", configuration: "configuration" } as const;

/** What an app may keep in its cache, in MB; beyond that the next build begins with an empty one. */
const mostCacheMegabytes = 2048;
const owner = `${appUser.uid}:${appUser.gid}`;

/** One line, whatever is in the command: JSON has no line ends, and the builder puts nothing into it. */
const run = (script: string): string => `RUN ${JSON.stringify(["/bin/sh", "-ec", script])}`;

const environment = (all: Readonly<Record<string, string>>): string[] => {
  const pairs = Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1));
  if (pairs.length === 0) return [];
  // The builder would put in variables at a dollar sign.
  return [`ENV ${pairs.map(([name, value]) => `${name}="${value.replace(/[\\"$]/g, "\\$&")}"`).join(" ")}`];
};

const installPackages = (packages: readonly string[]): string[] =>
  packages.length === 0
    ? []
    : [
        "USER root",
        run(
          `apt-get update -q\nDEBIAN_FRONTEND=noninteractive apt-get install -q -y ${packages.join(" ")}\napt-get clean\nrm -rf /var/lib/apt/lists/*`,
        ),
        `USER ${owner}`,
      ];

const steps = (all: readonly BuildStep[], after: readonly string[] = []): string[] =>
  all.length === 0
    ? []
    : [run([...all.flatMap(({ name, command }) => [`echo ${JSON.stringify(`--> ${name}`)}`, command]), ...after].join("\n"))];

const copy = (from: string, to: string): string => `COPY --chown=${owner} ${JSON.stringify([from, to])}`;
const copyFrom = (stage: string, from: string, to: string): string =>
  `COPY --from=${stage} --chown=${owner} ${JSON.stringify([from, to])}`;

/** Files that compress well are compressed once, here, and given out as they are (nginx, gzip_static). */
const precompress = run(
  `find ${appFolder} -type f -size +1k -regextype posix-extended -regex '.*\\.(html?|css|m?js|json|xml|svg|txt|wasm|map|ttf|webmanifest)' ` +
    `| while IFS= read -r file; do [ -e "$file.gz" ] || gzip -9kn "$file"; done`,
);

export function dockerfile(plan: GeneratedPlan, { cacheImage, imageOf = baseImageReference }: DockerfileOptions = {}): string {
  const lines = ["# Made by Khmara from what lies in the source. Bring a Dockerfile of your own to have it otherwise."];
  const { source, manifests, configuration } = contextFolders;
  const readsAll = plan.dependencyFiles === "all";
  const isBuilt = plan.install.length > 0 || plan.build.length > 0;
  const runBase = plan.runBase ?? plan.base;
  if (isBuilt) {
    lines.push(`FROM ${imageOf(plan.base)} AS build`);
    lines.push(...installPackages([...new Set([...plan.packages, ...plan.buildPackages])].sort()));
    lines.push(...environment({ ...plan.environment, ...plan.buildEnvironment }));
    if (plan.install.length > 0 && cacheImage !== undefined)
      lines.push(copyFrom(cacheImage, `${cacheFolder}/`, `${cacheFolder}/`));
    if (readsAll) lines.push(copy(`${source}/`, "./"));
    else if (plan.dependencyFiles.length > 0) lines.push(copy(`${manifests}/`, "./"));
    lines.push(...steps(plan.install, [...plan.dependencyFolders.map((folder) => `mkdir -p ${folder}`), boundCache]));
    if (!readsAll && !isAside(plan)) lines.push(copy(`${source}/`, "./"));
    lines.push(...steps(plan.build));
    // Without what has a layer of its own, so that it is not there twice.
    if (!isAside(plan) && plan.dependencyFolders.length > 0)
      lines.push("", "FROM build AS code", run(`rm -rf ${plan.dependencyFolders.join(" ")}`));
    lines.push("");
  }
  lines.push(`FROM ${imageOf(runBase)} AS ${appTarget}`);
  lines.push(...installPackages(plan.packages));
  lines.push(...environment({ ...plan.environment, PORT: String(plan.port) }));
  for (const folder of plan.dependencyFolders) lines.push(copyFrom("build", `${appFolder}/${folder}/`, `./${folder}/`));
  const output = plan.output === undefined || plan.output === "" ? "" : `${plan.output}/`;
  if (!isBuilt || isAside(plan)) lines.push(copy(`${source}/${output}`, "./"));
  else lines.push(copyFrom(plan.dependencyFolders.length > 0 ? "code" : "build", `${appFolder}/${output}`, "./"));
  if (runBase.runtime === "static") lines.push(precompress);
  if (Object.keys(plan.configuration).length > 0) lines.push(`COPY --chown=0:0 ${JSON.stringify([`${configuration}/`, "/"])}`);
  lines.push(`EXPOSE ${plan.port}`);
  const web = plan.processes["web"];
  if (web?.command !== undefined) lines.push(`CMD ${JSON.stringify(commandWords(web.command))}`);
  if (keepsCache(plan)) lines.push("", `FROM scratch AS ${cacheTarget}`, copyFrom("build", `${cacheFolder}/`, `${cacheFolder}/`));
  return `${lines.join("\n")}\n`;
}

/** Dependencies come from the build, and the code straight from the context: nothing is made of it. */
const isAside = (plan: GeneratedPlan): boolean =>
  plan.build.length === 0 && plan.dependencyFiles !== "all" && plan.dependencyFolders.length > 0;

/** Whether the stage `cache` is there. */
export const keepsCache = (plan: GeneratedPlan): boolean => plan.install.length > 0;

const boundCache = `if [ "$(du -sm ${cacheFolder} | cut -f1)" -gt ${mostCacheMegabytes} ]; then find ${cacheFolder} -mindepth 1 -delete; fi`;

/**
 * What the installation of dependencies depends on. While it is the same, the cache image must stay the same too, as the engine keeps layers
 * by what is copied into them; when it changes, the newest cache image is taken.
 */
export function dependencyFingerprint(
  plan: GeneratedPlan,
  tree: SourceTree,
  { imageOf = baseImageReference }: DockerfileOptions = {},
): string {
  const hash = createHash("sha256");
  hash.update(
    JSON.stringify([
      imageOf(plan.base),
      plan.packages,
      plan.buildPackages,
      plan.environment,
      plan.buildEnvironment,
      plan.install,
    ]),
  );
  // Where all of the source may be read, the cache is worth the most, and the layer is made anew in any case.
  if (plan.dependencyFiles === "all") hash.update("all");
  else for (const path of [...plan.dependencyFiles].sort()) hash.update(JSON.stringify([path, tree.read(path) ?? null]));
  return hash.digest("hex").slice(0, 32);
}
