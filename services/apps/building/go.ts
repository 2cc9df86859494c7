/** Go modules: programs without anything around them, on a bare Debian. */
import type { SourceTree } from "../source/tree.ts";
import { quoted, readProcfile } from "./commands.ts";
import { cannotBuild, defaultPort, emptyPlan, type GeneratedPlan } from "./plan.ts";
import { chooseVersion } from "./versions.ts";

export function planGo(tree: SourceTree, wantedVersion?: string): GeneratedPlan {
  const text = tree.read("go.mod") ?? "";
  const module = /^module\s+"?([^\s"]+)"?/m.exec(text)?.[1];
  if (module === undefined) throw cannotBuild("go.mod", 'it has no line "module NAME". Run go mod init.');
  const version = chooseVersion("go", wantedVersion ?? "*", "khmara.json", wantedVersion ?? "*");
  const plan = emptyPlan("go", { runtime: "go", version });
  plan.runBase = { runtime: "base", version: chooseVersion("base", "*", "go.mod", "*") };
  const asked = /^go\s+(\d+\.\d+)/m.exec(text)?.[1];
  plan.explanation.push(`Go ${version}${asked === undefined ? "" : `; go.mod asks for ${asked}`}.`);
  if (asked !== undefined && Number(asked.split(".")[1]) > Number(version.split(".")[1]))
    plan.warnings.push(
      `go.mod asks for Go ${asked}, newer than ${version}: Go fetches it from its module proxy, where that can be reached.`,
    );
  plan.buildEnvironment = { GOFLAGS: "-buildvcs=false", CGO_ENABLED: "0" };
  const vendored = tree.has("vendor/modules.txt");
  if (vendored) plan.explanation.push("Dependencies from the folder vendor.");
  else if (/^(require|tool)\b/m.test(text)) {
    plan.dependencyFiles = ["go.mod", "go.sum", "go.work", "go.work.sum"].filter((file) => tree.has(file));
    if (tree.has("go.work") || /^\s*replace\b.*=>\s*\.{1,2}\//m.test(text)) plan.dependencyFiles = "all";
    plan.install.push({ name: "download modules", command: "go mod download" });
  }
  const programs = mainPackages(tree);
  if (programs.length === 0)
    throw cannotBuild("go.mod", 'there is no program: neither the root nor a folder below cmd has a file with "package main".');
  plan.build.push({
    name: "build",
    command: `mkdir -p bin && ${programs
      .map(({ name, folder }) => `go build -trimpath -ldflags='-s -w' -o bin/${quoted(name)} ${quoted(`./${folder}`)}`)
      .join(" && ")}`,
  });
  // What programs read while they run (templates, migrations) lies in the source.
  plan.explanation.push(`Programs: ${programs.map(({ name }) => `bin/${name}`).join(", ")}.`);
  plan.port = defaultPort;
  if (tree.has("Procfile") && readProcfile(tree.read("Procfile") ?? "").processes["web"] !== undefined) return plan;
  const last = module
    .split("/")
    .filter((part) => !/^v\d+$/.test(part))
    .at(-1);
  const web =
    programs.length === 1
      ? programs[0]
      : (programs.find(({ folder }) => folder === "") ??
        ["web", "server", "api", "app", last]
          .map((name) => programs.find((each) => each.name === name))
          .find((each) => each !== undefined));
  if (web !== undefined) {
    plan.processes["web"] = { command: `bin/${quoted(web.name)}` };
    plan.explanation.push(`web: bin/${web.name}, which must listen on $PORT.`);
  }
  return plan;
}

interface Program {
  name: string;
  folder: string;
}

function mainPackages(tree: SourceTree): Program[] {
  const isMain = (folder: string) =>
    tree
      .names(folder)
      .filter((name) => name.endsWith(".go") && !name.endsWith("_test.go"))
      .some((name) => /^package main\b/m.test(tree.read(folder === "" ? name : `${folder}/${name}`) ?? ""));
  const module = /^module\s+"?([^\s"]+)"?/m.exec(tree.read("go.mod") ?? "")?.[1] ?? "app";
  const own =
    module
      .split("/")
      .filter((part) => !/^v\d+$/.test(part))
      .at(-1) ?? "app";
  const root = isMain("") ? [{ name: own, folder: "" }] : [];
  const below = tree
    .names("cmd")
    .filter((name) => tree.hasFolder(`cmd/${name}`) && isMain(`cmd/${name}`))
    .map((name) => ({ name, folder: `cmd/${name}` }));
  const alone = isMain("cmd") ? [{ name: own, folder: "cmd" }] : [];
  return [...root, ...below, ...alone].filter(({ name }, index, all) => all.findIndex((each) => each.name === name) === index);
}
