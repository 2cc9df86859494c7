/** PHP in Apache, which keeps to one process tree and reads the `.htaccess` that the frameworks bring. */
import { phpIncluded } from "../baseImages/recipes.ts";
import type { SourceTree } from "../source/tree.ts";
import { cannotBuild, emptyPlan, type GeneratedPlan } from "./plan.ts";
import { chooseVersion, composerRange } from "./versions.ts";
import { phpCommand, phpConfigurationFile, phpSite } from "./webServers.ts";

interface ComposerJson {
  require?: Record<string, string>;
  scripts?: Record<string, unknown>;
}

function readComposer(tree: SourceTree): ComposerJson | undefined {
  const text = tree.read("composer.json");
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as ComposerJson;
  } catch (error) {
    throw cannotBuild("composer.json", `it is no JSON (${(error as Error).message}).`);
  }
}

export function planPhp(tree: SourceTree, wantedVersion?: string): GeneratedPlan {
  const composer = readComposer(tree);
  const required = composer?.require ?? {};
  const asked = wantedVersion ?? (typeof required["php"] === "string" ? required["php"] : undefined);
  const file = wantedVersion === undefined ? "composer.json" : "khmara.json";
  const version = chooseVersion("php", asked === undefined ? "*" : composerRange(asked), file, asked ?? "*");
  const plan = emptyPlan("php", { runtime: "php", version });
  plan.explanation.push(
    `PHP ${version} in Apache: ${asked === undefined ? "nothing asks for a version" : `${file} asks for ${asked}`}.`,
  );
  const extensions = Object.keys(required)
    .filter((name) => /^ext-[a-z0-9_-]+$/i.test(name))
    .map((name) => name.slice(4).toLowerCase())
    .filter((name) => !phpIncluded.includes(name));
  plan.packages.push(...extensions.map((name) => `php${version}-${name.replaceAll("_", "-")}`));
  if (extensions.length > 0) plan.explanation.push(`Extensions: ${extensions.join(", ")}.`);
  if (composer !== undefined) {
    plan.install.push({
      name: "install dependencies (Composer)",
      command: "composer install --no-dev --no-interaction --no-progress --prefer-dist --no-scripts --no-autoloader",
    });
    plan.build.push({
      name: "make the autoloader",
      command: "composer dump-autoload --no-dev --optimize --no-interaction",
    });
    plan.dependencyFiles = ["composer.json", "composer.lock", "symfony.lock"].filter((each) => tree.has(each));
    if (!tree.has("composer.lock"))
      plan.warnings.push("There is no composer.lock: each build may get other versions. Commit it.");
    if (/"type"\s*:\s*"path"/.test(tree.read("composer.json") ?? "")) plan.dependencyFiles = "all";
    plan.explanation.push("Dependencies by Composer.");
  }
  const root = ["public", "web", "webroot", "htdocs", "public_html"].find((folder) => tree.has(`${folder}/index.php`)) ?? "";
  plan.configuration[phpConfigurationFile] = phpSite(root, tree.has(root === "" ? "index.php" : `${root}/index.php`), plan.port);
  plan.explanation.push(`Served from ${root === "" ? "the root of the source" : root}.`);
  plan.processes["web"] = { command: phpCommand, stopSignal: "SIGWINCH" };
  plan.environment["APACHE_RUN_DIR"] = "/tmp";
  if (tree.has("artisan"))
    plan.explanation.push('Migrations run before a release when khmara.json has "release": "php artisan migrate --force".');
  return plan;
}
