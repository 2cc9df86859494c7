import type { SourceTree } from "../source/tree.ts";
import { cannotBuild, emptyPlan, type GeneratedPlan } from "./plan.ts";
import { chooseVersion } from "./versions.ts";
import { type StaticSite, staticCommand, staticConfigurationFile, staticSite } from "./webServers.ts";

/** Where people and tools put a finished site; the root first. */
export const siteFolders = ["", "public", "dist", "build", "out", "_site", "site", "www", "docs"] as const;

const inside = (folder: string, file: string): string => (folder === "" ? file : `${folder}/${file}`);

export const findSite = (tree: SourceTree): string | undefined =>
  siteFolders.find((folder) => tree.has(inside(folder, "index.html")));

/** Files that a web server gives out as they are. Throws invalid_argument where what was named is not there. */
export function planStatic(tree: SourceTree, said: Partial<StaticSite> = {}): GeneratedPlan {
  const version = chooseVersion("static", "*", "khmara.json", "*");
  const plan = emptyPlan("static", { runtime: "static", version });
  const folder = said.folder ?? findSite(tree);
  if (folder === undefined)
    throw cannotBuild(
      "index.html",
      `it is in none of ${siteFolders.map((each) => each || "the root").join(", ")}. Name the folder in khmara.json: {"static": {"folder": "…"}}.`,
    );
  if (folder !== "" && !tree.hasFolder(folder))
    throw cannotBuild("khmara.json", `static.folder: there is no folder ${folder} in the source.`);
  for (const [field, file] of [
    ["fallback", said.fallback],
    ["notFound", said.notFound],
  ] as const)
    if (file !== undefined && !tree.has(inside(folder, file)))
      throw cannotBuild("khmara.json", `static.${field}: there is no file ${inside(folder, file)} in the source.`);
  const notFound = said.notFound ?? (tree.has(inside(folder, "404.html")) ? "404.html" : undefined);
  plan.configuration[staticConfigurationFile] = staticSite(
    {
      folder: "",
      ...(said.fallback === undefined ? {} : { fallback: said.fallback }),
      ...(notFound === undefined ? {} : { notFound }),
    },
    plan.port,
  );
  plan.output = folder;
  plan.processes["web"] = { command: staticCommand, stopSignal: "SIGQUIT" };
  plan.explanation.push(`A static site: ${folder === "" ? "the whole source" : folder} is served by nginx.`);
  return plan;
}
