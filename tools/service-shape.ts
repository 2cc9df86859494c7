import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Contract, routeWords } from "../kernel/contract.ts";
import { errorCodes } from "../kernel/errors.ts";
import { repository } from "./checks.ts";

/** Every service looks the same inside, and every contract keeps the rules of names that the rest derives from. */
export async function checkServiceShape(): Promise<string[]> {
  const problems: string[] = [];
  const folder = join(repository, "services");
  const services = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const { contracts } = (await import(pathToFileURL(join(folder, "contracts.ts")).href)) as { contracts: readonly Contract[] };
  const listed = readFileSync(join(folder, "contracts.ts"), "utf8");
  for (const file of readdirSync(folder, { recursive: true, encoding: "utf8" }))
    if (/\/contract\.ts$/.test(file) && file.split("/").length > 2 && !listed.includes(`"./${file}"`))
      problems.push(
        `services/${file}: the reference of the API does not know what it exports, as services/contracts.ts does not import it`,
      );
  const keys = new Set<string>();
  const paths = new Set<string>();
  for (const { name } of services) {
    const say = (problem: string) => problems.push(`services/${name}: ${problem}`);
    for (const file of ["README.md", "contract.ts", "index.ts"])
      if (!existsSync(join(folder, name, file))) say(`${file} is missing`);
    const contract = contracts.find((each) => each.name === name);
    if (!contract) {
      say("its contract is not in services/contracts.ts");
      continue;
    }
    for (const [key, route] of Object.entries(contract.routes)) {
      const { resource, verb } = routeWords(key);
      if (keys.has(key)) say(`${key} is a route of another service too`);
      keys.add(key);
      if (resource === "" || verb === "") say(`${key} is not <resource><Verb>`);
      const address = `${route.method} ${route.path}`;
      if (paths.has(address)) say(`${address} is there twice`);
      paths.add(address);
      const special = route.permission === "public" || route.permission === "self";
      if (!special && !route.permission.startsWith(`${name}.`))
        say(`${key}: its permission ${route.permission} does not begin with ${name}.`);
      if (special !== (route.roles === undefined)) say(`${key}: roles are for permissions, and each permission needs them`);
      for (const code of route.errors ?? []) if (!errorCodes.includes(code)) say(`${key}: ${code} is no error code`);
      const names = [route.params, route.query, route.body].flatMap((schema) => Object.keys(schema?.shape ?? {}));
      if (new Set(names).size !== names.length) say(`${key}: a name stands in two of params, query and body`);
      const inPath = [...route.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      if (
        inPath.sort().join() !==
        Object.keys(route.params?.shape ?? {})
          .sort()
          .join()
      )
        say(`${key}: params and the path differ`);
      if (
        verb === "list" &&
        !("cursor" in (route.query?.shape ?? {})) &&
        !route.query?.shape["project"] &&
        !route.query?.shape["organisation"]
      )
        say(`${key}: lists are paginated`);
      if (route.status === 204 && route.response) say(`${key}: 204 has no response`);
    }
  }
  const words = /\b(utils?|helpers?|managers?|misc|common)\b/;
  for (const file of readdirSync(repository, { recursive: true, encoding: "utf8" })) {
    if (/(^|\/)(node_modules|\.git|dist|\.cache)\//.test(`${file}/`)) continue;
    if (/\.(ts|tsx)$/.test(file) && words.test(file.replace(/[-_./]/g, " ")))
      problems.push(`${file}: name it after what it does`);
    if (/\.(ts|tsx)$/.test(file) && !/\.(fr|uk|en)\.ts$|routes\.ts$|contract\.ts$|authorization\.test\.ts$/.test(file)) {
      const lines = readFileSync(join(repository, file), "utf8").split("\n").length;
      if (lines > 700) problems.push(`${file}: ${lines} lines; it holds more than one thing`);
    }
  }
  return problems;
}

/** Paths in our documents, in backticks or links, that are not there. */
export function checkDocumentPaths(): string[] {
  const problems: string[] = [];
  const documents = readdirSync(repository, { recursive: true, encoding: "utf8" }).filter(
    (file) => file.endsWith(".md") && !/(^|\/)(node_modules|\.git)\//.test(`${file}/`),
  );
  for (const document of documents) {
    const text = readFileSync(join(repository, document), "utf8");
    const paths = [
      ...[...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].map((match) => ({
        path: match[1] as string,
        base: join(repository, document, ".."),
      })),
      ...[...text.matchAll(/`((?:kernel|services|server|console|client|cli|testing|e2e|bench|docs|tools)\/[\w./-]*\w\/?)`/g)].map(
        (match) => ({
          path: match[1] as string,
          base: repository,
        }),
      ),
    ];
    for (const { path, base } of paths) if (!existsSync(join(base, path))) problems.push(`${document}: ${path} is not there`);
  }
  return problems;
}
