/** Python: pip, Poetry, uv and Pipenv; Django, Flask and FastAPI behind a server for production. */
import { parse } from "smol-toml";
import type { SourceTree } from "../source/tree.ts";
import { readProcfile } from "./commands.ts";
import { cannotBuild, emptyPlan, type GeneratedPlan } from "./plan.ts";
import { chooseVersion, minorOf, pythonRange } from "./versions.ts";

export const pythonFiles = ["requirements.txt", "pyproject.toml", "Pipfile", "uv.lock", "setup.py"] as const;

interface Pyproject {
  project?: { dependencies?: unknown; "requires-python"?: unknown };
  tool?: { poetry?: { dependencies?: Record<string, unknown> }; uv?: unknown };
}

function readPyproject(tree: SourceTree): Pyproject | undefined {
  const text = tree.read("pyproject.toml");
  if (text === undefined) return undefined;
  try {
    return parse(text) as Pyproject;
  } catch (error) {
    throw cannotBuild("pyproject.toml", `it is no TOML (${(error as Error).message.split("\n")[0]}).`);
  }
}

/** Packages whose wheels are not there for all: what they are compiled with. */
const compiled: Record<string, { build: string[]; run: string[] }> = {
  psycopg2: { build: ["gcc", "libpq-dev", "python3-dev"], run: ["libpq5"] },
  "psycopg[c]": { build: ["gcc", "libpq-dev", "python3-dev"], run: ["libpq5"] },
  mysqlclient: { build: ["gcc", "libmariadb-dev", "pkg-config", "python3-dev"], run: ["libmariadb3"] },
  "python-ldap": { build: ["gcc", "libldap-dev", "libsasl2-dev", "python3-dev"], run: ["libldap2", "libsasl2-2"] },
  uwsgi: { build: ["gcc", "python3-dev"], run: [] },
  pycairo: { build: ["gcc", "libcairo2-dev", "pkg-config", "python3-dev"], run: ["libcairo2"] },
  xmlsec: { build: ["gcc", "libxmlsec1-dev", "pkg-config", "python3-dev"], run: ["libxmlsec1-openssl"] },
};

/** The names of what is depended on, small and with hyphens (PEP 503), from whichever file has them. */
function dependenciesOf(tree: SourceTree, pyproject: Pyproject | undefined): Set<string> {
  const lines = [
    ...requirements(tree, "requirements.txt", 0),
    ...(Array.isArray(pyproject?.project?.dependencies)
      ? pyproject.project.dependencies.filter((each) => typeof each === "string")
      : []),
    ...Object.keys(pyproject?.tool?.poetry?.dependencies ?? {}),
    ...[...(tree.read("Pipfile") ?? "").matchAll(/^"?([\w.-]+)"?\s*=/gm)].map((match) => match[1] as string),
  ];
  const names = new Set<string>();
  for (const line of lines) {
    const [, name, extras] = /^\s*([A-Za-z0-9][\w.-]*)(\[[^\]]*\])?/.exec(line) ?? [];
    if (name === undefined) continue;
    const plain = name.toLowerCase().replace(/[-_.]+/g, "-");
    names.add(plain);
    if (extras !== undefined) names.add(`${plain}${extras.replaceAll(" ", "")}`);
  }
  return names;
}

/** With those that it names by `-r`. */
function requirements(tree: SourceTree, file: string, depth: number): string[] {
  if (depth > 5) return [];
  return (tree.read(file) ?? "").split(/\r?\n/).flatMap((line) => {
    const other = /^\s*(?:-r|--requirement)[\s=]+(\S+)/.exec(line)?.[1];
    return other === undefined ? [line] : requirements(tree, join(file, other), depth + 1);
  });
}

const join = (file: string, other: string): string =>
  [...file.split("/").slice(0, -1), ...other.split("/").filter((part) => part !== ".")].join("/");

function pythonVersion(
  tree: SourceTree,
  pyproject: Pyproject | undefined,
  wanted: string | undefined,
): { version: string; why: string } {
  const poetry = pyproject?.tool?.poetry?.dependencies?.["python"];
  const required = pyproject?.project?.["requires-python"];
  const pinned = (file: string, text: string | undefined): [string, string | undefined, string] => {
    const value = text
      ?.trim()
      .split(/\s+/)[0]
      ?.replace(/^python-/, "");
    return [file, value, value === undefined ? "" : minorOf(value)];
  };
  const sources: [file: string, said: string | undefined, range: string][] = [
    ["khmara.json", wanted, wanted ?? ""],
    pinned(".python-version", tree.read(".python-version")),
    pinned("runtime.txt", tree.read("runtime.txt")),
    [
      "pyproject.toml",
      typeof required === "string" ? required : undefined,
      typeof required === "string" ? pythonRange(required) : "",
    ],
    ["pyproject.toml", typeof poetry === "string" ? poetry : undefined, typeof poetry === "string" ? pythonRange(poetry) : ""],
    pinned("Pipfile", /^python_version\s*=\s*"([\d.]+)"/m.exec(tree.read("Pipfile") ?? "")?.[1]),
  ];
  const found = sources.find(([, said]) => said !== undefined && said !== "");
  if (found === undefined)
    return { version: chooseVersion("python", "*", "requirements.txt", "*"), why: "nothing asks for a version" };
  const [file, said, range] = found;
  return { version: chooseVersion("python", range, file, said ?? ""), why: `${file} asks for ${said}` };
}

export function planPython(tree: SourceTree, wantedVersion?: string): GeneratedPlan {
  const pyproject = readPyproject(tree);
  const { version, why } = pythonVersion(tree, pyproject, wantedVersion);
  const plan = emptyPlan("python", { runtime: "python", version });
  plan.explanation.push(`Python ${version}: ${why}.`);
  const names = dependenciesOf(tree, pyproject);
  for (const [name, { build, run }] of Object.entries(compiled))
    if (names.has(name)) {
      plan.buildPackages.push(...build);
      plan.packages.push(...run);
      plan.explanation.push(`${name} is compiled: ${build.join(", ")} while it is built.`);
    }
  plan.environment = {
    PATH: "/app/.venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    VIRTUAL_ENV: "/app/.venv",
  };
  plan.dependencyFolders = [".venv"];
  planInstall(tree, pyproject, plan);
  const own = tree.has("Procfile") ? readProcfile(tree.read("Procfile") ?? "").processes["web"] : undefined;
  const needs = (server: string, reason: string) => {
    if (names.has(server) || names.has("uvicorn[standard]") || (server === "uvicorn" && names.has("fastapi[standard]"))) return;
    plan.install.push({ name: `install ${server}`, command: `/app/.venv/bin/python -m pip install ${server}` });
    plan.explanation.push(`${server} is added: ${reason}`);
  };
  if (tree.has("manage.py") && names.has("django")) planDjango(tree, names, plan, own, needs);
  else if (own === undefined) planServer(tree, names, plan, needs);
  return plan;
}

function planInstall(tree: SourceTree, pyproject: Pyproject | undefined, plan: GeneratedPlan): void {
  const venv = "python3 -m venv /app/.venv";
  // A tool of its own, outside of the app: what it needs itself must not meet what the app needs.
  const tool = (name: string, version: string) =>
    `python3 -m venv /tmp/tool && /tmp/tool/bin/pip install --quiet "${name}${version}"`;
  const step = (name: string, command: string) => plan.install.push({ name: `install dependencies (${name})`, command });
  const has = (path: string) => tree.has(path);
  const files = (...paths: string[]) => paths.filter(has);
  if (has("uv.lock") && pyproject) {
    step(
      "uv",
      `${venv} && ${tool("uv", ">=0.5")} && UV_PROJECT_ENVIRONMENT=/app/.venv /tmp/tool/bin/uv sync --frozen --no-dev --no-install-project`,
    );
    plan.dependencyFiles = files("pyproject.toml", "uv.lock", ".python-version");
    plan.explanation.push("Dependencies by uv, as uv.lock says.");
  } else if (pyproject?.tool?.poetry !== undefined || has("poetry.lock")) {
    step(
      "Poetry",
      `${venv} && ${tool("poetry", ">=1.8,<3")} && . /app/.venv/bin/activate && /tmp/tool/bin/poetry install --only main --no-root --no-interaction`,
    );
    plan.dependencyFiles = files("pyproject.toml", "poetry.lock");
    plan.explanation.push("Dependencies by Poetry.");
  } else if (has("requirements.txt")) {
    step("pip", `${venv} && /app/.venv/bin/pip install -r requirements.txt`);
    const text = requirements(tree, "requirements.txt", 0).join("\n");
    const local = /^\s*(-e\s|\.|file:|-f\s|--find-links|.*@\s*file:)/m.test(text);
    if (local) {
      plan.dependencyFiles = "all";
      plan.explanation.push(
        "requirements.txt names files of the source, so dependencies are installed anew when any of it changes.",
      );
    } else
      plan.dependencyFiles = tree.entries
        .filter(({ path, kind }) => kind === "file" && /^(requirements[\w./-]*|constraints[\w.-]*)\.txt$/.test(path))
        .map(({ path }) => path);
    plan.explanation.push("Dependencies by pip, from requirements.txt.");
  } else if (has("Pipfile")) {
    const how = has("Pipfile.lock") ? "sync" : "install --skip-lock";
    step("Pipenv", `${venv} && ${tool("pipenv", "")} && VIRTUAL_ENV=/app/.venv PIPENV_VERBOSITY=-1 /tmp/tool/bin/pipenv ${how}`);
    plan.dependencyFiles = files("Pipfile", "Pipfile.lock");
    plan.explanation.push("Dependencies by Pipenv.");
  } else if (has("pyproject.toml") || has("setup.py")) {
    // What is installed is the project itself.
    step("pip", `${venv} && /app/.venv/bin/pip install .`);
    plan.dependencyFiles = "all";
    plan.explanation.push("Dependencies by pip, from the project itself.");
  } else {
    step("none", venv);
    plan.explanation.push("There is no file of dependencies: only what Python brings is there.");
  }
}

type Needs = (server: string, reason: string) => void;

function planDjango(
  tree: SourceTree,
  names: ReadonlySet<string>,
  plan: GeneratedPlan,
  own: string | undefined,
  needs: Needs,
): void {
  const settings = /DJANGO_SETTINGS_MODULE["'],\s*["']([\w.]+)["']/.exec(tree.read("manage.py") ?? "")?.[1];
  const parts = settings?.split(".") ?? [];
  const settingsText =
    tree.read(`${parts.join("/")}.py`) ??
    tree.read(`${parts.join("/")}/__init__.py`) ??
    tree.read(`${parts.slice(0, -1).join("/")}/base.py`) ??
    "";
  if (/^\s*STATIC_ROOT\s*=/m.test(settingsText)) {
    plan.build.push({ name: "collect static files", command: "python manage.py collectstatic --noinput" });
    // Django refuses to begin without one; this one is no secret and is never in the image.
    plan.buildEnvironment["SECRET_KEY"] = "only-while-building";
  }
  if (own !== undefined) return;
  // The package that has settings, or the one above a folder of settings.
  const candidates = [parts.slice(0, -1), parts.slice(0, -2)].filter((each) => each.length > 0);
  const find = (name: string) => candidates.find((each) => tree.has(`${each.join("/")}/${name}.py`))?.join(".");
  const asynchronous = ["daphne", "uvicorn", "channels"].some((name) => names.has(name)) ? find("asgi") : undefined;
  const synchronous = find("wsgi");
  if (asynchronous !== undefined) {
    needs("uvicorn", "Django's own server is not for production.");
    plan.processes["web"] = {
      command: `uvicorn ${asynchronous}.asgi:application --host 0.0.0.0 --port $PORT --proxy-headers --forwarded-allow-ips='*'`,
    };
  } else if (synchronous !== undefined) {
    needs("gunicorn", "Django's own server is not for production.");
    plan.processes["web"] = { command: gunicorn(`${synchronous}.wsgi`) };
  } else return;
  plan.explanation.push(
    `web: Django (${settings}).`,
    'Migrations run before a release when khmara.json has "release": "python manage.py migrate --noinput".',
  );
}

const gunicorn = (target: string): string =>
  `gunicorn ${target} --bind 0.0.0.0:$PORT --access-logfile - --forwarded-allow-ips='*'`;

const modules = [
  "main",
  "app",
  "wsgi",
  "asgi",
  "server",
  "api",
  "application",
  "run",
  "app/main",
  "app/app",
  "app/__init__",
  "src/main",
  "src/app",
  "api/main",
];

function planServer(tree: SourceTree, names: ReadonlySet<string>, plan: GeneratedPlan, needs: Needs): void {
  const found = (pattern: RegExp): [module: string, name: string, file: string] | undefined => {
    for (const module of modules) {
      const name = pattern.exec(tree.read(`${module}.py`) ?? "")?.[1];
      if (name !== undefined) return [module.replace(/\/__init__$/, "").replaceAll("/", "."), name, `${module}.py`];
    }
    return undefined;
  };
  const fast = [...names].some((name) => /^(fastapi|starlette|litestar)\b/.test(name))
    ? found(/^(\w+)\s*(?::[^=]+)?=\s*(?:fastapi\.|starlette\.\w+\.)?(?:FastAPI|Starlette|Litestar)\(/m)
    : undefined;
  if (fast) {
    needs("uvicorn", "FastAPI needs a server that speaks ASGI.");
    plan.processes["web"] = {
      command: `uvicorn ${fast[0]}:${fast[1]} --host 0.0.0.0 --port $PORT --proxy-headers --forwarded-allow-ips='*'`,
    };
    plan.explanation.push(`web: uvicorn with "${fast[1]}" of ${fast[2]}.`);
    return;
  }
  if (names.has("flask")) {
    const made = found(/^(\w+)\s*(?::[^=]+)?=\s*(?:flask\.)?Flask\(/m) ?? found(/^((?!_)\w+)\s*=\s*create_app\(/m);
    const factory = made ? undefined : found(/^def (create_app|make_app)\(\s*(?:\w+[^,)]*=[^)]*)?\)/m);
    if (made || factory) {
      needs("gunicorn", "Flask's own server is not for production.");
      const [module, name, file] = (made ?? factory) as [string, string, string];
      plan.processes["web"] = { command: gunicorn(made ? `${module}:${name}` : `'${module}:${name}()'`) };
      plan.explanation.push(`web: gunicorn with "${name}" of ${file}.`);
      return;
    }
  }
  const script = ["main.py", "app.py", "server.py", "run.py"].find((path) => tree.has(path));
  if (script !== undefined) {
    plan.processes["web"] = { command: `python ${script}` };
    plan.explanation.push(`web: python ${script}, which must listen on $PORT.`);
  }
}
