import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { extract } from "tar-stream";
import { CloudError } from "../../../kernel/errors.ts";
import { openSourceTree, treeOfTexts } from "../source/tree.ts";
import { buildContext } from "./buildContext.ts";
import { commandWords, readProcfile } from "./commands.ts";
import { planBuild } from "./detection.ts";
import { dependencyFingerprint, dockerfile } from "./dockerfile.ts";
import { exposedPort, lintDockerfile } from "./dockerfileLint.ts";
import type { DockerfilePlan, GeneratedPlan } from "./plan.ts";

type Files = Record<string, string | object>;
const tree = (files: Files) =>
  treeOfTexts(
    Object.fromEntries(
      Object.entries(files).map(([path, content]) => [path, typeof content === "string" ? content : JSON.stringify(content)]),
    ),
  );
const plan = (files: Files) => planBuild(tree(files)) as GeneratedPlan;
const web = (files: Files) => plan(files).processes["web"]?.command;
const refuses = (files: Files, words: RegExp, field?: string) =>
  assert.throws(
    () => planBuild(tree(files)),
    (error) => {
      assert.ok(error instanceof CloudError, String((error as Error).stack));
      assert.equal(error.code, "invalid_argument");
      assert.match(error.message, words);
      if (field !== undefined)
        assert.ok(
          error.details.fields?.some(({ path }) => path === field),
          JSON.stringify(error.details),
        );
      return true;
    },
  );

describe("which kind it is", () => {
  const everything: Files = {
    "khmara.json": { runtime: "static" },
    Dockerfile: "FROM base.khmara.internal/base:12\n",
    Procfile: "web: ./run",
    "package.json": { scripts: { start: "node a.js" } },
    "requirements.txt": "",
    "main.py": "",
    "go.mod": "module example.org/shop\n",
    "main.go": "package main\n",
    "index.php": "<?php",
    "index.html": "",
  };
  test("one goes before the other", () => {
    const order: [take: string[], kind: string][] = [
      [["khmara.json"], "static"],
      [["Dockerfile"], "dockerfile"],
      [["package.json"], "node"],
      [["requirements.txt", "main.py"], "python"],
      [["go.mod", "main.go"], "go"],
      [["index.php"], "php"],
      [["Procfile"], "base"],
      [["index.html"], "static"],
    ];
    const left = { ...everything };
    for (const [take, kind] of order) {
      assert.equal(planBuild(tree(left)).kind, kind);
      for (const path of take) delete left[path];
    }
  });

  test("nothing fits: what was looked for, what is there, what to add", () => {
    refuses(
      { "README.md": "", "src/notes.txt": "" },
      /Looked for: khmara\.json, Dockerfile, Procfile, package\.json.*There is: README\.md, src\. Add one/,
    );
    refuses({ "backend/package.json": {} }, /There is something in the folder backend/);
    refuses({}, /There is: nothing/);
  });
});

describe("Node", () => {
  const start = { scripts: { start: "node server.js" } };
  test("versions", () => {
    const version = (engines: string, files: Files = {}) =>
      plan({ "package.json": { ...start, ...(engines ? { engines: { node: engines } } : {}) }, ...files }).base.version;
    assert.equal(version(""), "24");
    for (const [range, wanted] of [
      [">=18", "24"],
      ["22.x", "22"],
      ["^20.11.0 || ^22", "22"],
      ["20", "20"],
      [">=26", "26"],
      ["24.1.0", "24"],
      ["*", "24"],
      ["lts/*", "24"],
      ["<22", "20"],
    ] as const)
      assert.equal(version(range), wanted, range);
    for (const [text, wanted] of [
      ["v22.3.0\n", "22"],
      ["lts/jod", "24"],
      ["20", "20"],
    ] as const)
      assert.equal(version("", { ".nvmrc": text }), wanted, text);
    assert.equal(version("22", { ".nvmrc": "20" }), "22");
    assert.equal(version("22", { "khmara.json": { version: 26 } }), "26");
    refuses(
      { "package.json": { ...start, engines: { node: "^16" } } },
      /version \^16 is not among those that are built here \(20, 22, 24, 26\)/,
    );
    refuses({ "package.json": { ...start, engines: { node: "newest please" } } }, /no version that is understood/);
    refuses({ "package.json": "{ nope" }, /package\.json: it is no JSON/);
  });

  test("package managers", () => {
    const install = (files: Files) =>
      plan({ "package.json": start, ...files })
        .install.map(({ command }) => command)
        .join("; ");
    assert.equal(install({ "package-lock.json": "{}" }), "npm ci --include=dev --no-audit");
    assert.match(install({}), /^npm install/);
    assert.match(
      install({ "pnpm-lock.yaml": "lockfileVersion: '9.0'\n" }),
      /^npm_config_store_dir=\/cache\/pnpm pnpm install --prod=false --frozen-lockfile$/,
    );
    assert.match(
      install({ "yarn.lock": "# yarn lockfile v1\n" }),
      /^yarn install --production=false --non-interactive --frozen-lockfile$/,
    );
    assert.match(
      install({ "yarn.lock": "__metadata:\n  version: 8\n" }),
      /^npm install .*@yarnpkg\/cli-dist@4; yarn install --immutable$/,
    );
    assert.equal(
      install({ "yarn.lock": "__metadata:\n", ".yarn/releases/yarn-4.1.0.cjs": "", ".yarnrc.yml": "" }),
      "yarn install --immutable",
    );
    assert.match(
      install({ "package.json": { ...start, packageManager: "pnpm@9.1.0+sha512.abc" }, "pnpm-lock.yaml": "" }),
      /pnpm@9\.1\.0; npm_config_store_dir=\S+ pnpm install/,
    );
    assert.ok(
      plan({ "package.json": start, "yarn.lock": "", "package-lock.json": "" }).warnings.some((each) => /both there/.test(each)),
    );
    assert.ok(plan({ "package.json": start }).warnings.some((each) => /no lock file/.test(each)));
  });

  test("what the installation reads", () => {
    const reads = (files: Files) =>
      plan({ "package.json": start, "package-lock.json": "", "server.js": "", ...files }).dependencyFiles;
    assert.deepEqual(reads({ ".npmrc": "" }), [".npmrc", "package-lock.json", "package.json"]);
    assert.deepEqual(
      reads({
        "package.json": { ...start, workspaces: ["apps/*"] },
        "apps/a/package.json": {},
        "node_modules/x/package.json": {},
      }),
      ["apps/a/package.json", "package-lock.json", "package.json"],
    );
    assert.equal(reads({ "package.json": { scripts: { start: "node a", postinstall: "prisma generate" } } }), "all");
    assert.equal(reads({ "package.json": { ...start, dependencies: { a: "file:./a" } } }), "all");
  });

  test("servers", () => {
    assert.equal(web({ "package.json": start }), "node server.js");
    assert.equal(web({ "package.json": { scripts: { start: "node server.js", prestart: "x" } } }), "npm run start");
    assert.equal(
      web({ "package.json": { scripts: { start: "NODE_ENV=x node a.js && b" } }, "pnpm-lock.yaml": "" }),
      "pnpm run start",
    );
    assert.equal(web({ "package.json": {}, "index.js": "" }), "node index.js");
    assert.equal(web({ "package.json": { main: "./lib/own.js" }, "lib/own.js": "" }), "node lib/own.js");
    assert.equal(
      web({ "package.json": { scripts: { build: "next build", start: "next start" }, dependencies: { next: "15" } } }),
      "npm run start",
    );
    assert.equal(
      web({ "package.json": { scripts: { build: "nuxt build" }, dependencies: { nuxt: "3" } } }),
      "node .output/server/index.mjs",
    );
    refuses({ "package.json": { scripts: { test: "x" } } }, /package\.json: there is nothing to start/);
    const made = plan({
      "package.json": { ...start, scripts: { start: "node dist/a.js", build: "tsc" }, devDependencies: { typescript: "5" } },
      "package-lock.json": "",
    });
    assert.deepEqual(
      made.build.map(({ command }) => command),
      ["npm run build", "npm prune --omit=dev --no-audit"],
    );
    assert.deepEqual(plan({ "package.json": { ...start, dependencies: { bcrypt: "5" } } }).buildPackages, [
      "g++",
      "make",
      "python3",
    ]);
  });

  test("front ends become static sites", () => {
    const site = (manifest: object, files: Files = {}) => {
      const { kind, runBase, output, configuration, processes } = plan({
        "package.json": { scripts: { build: "x", start: "vite" }, ...manifest },
        "index.html": "",
        ...files,
      });
      assert.deepEqual([kind, runBase?.runtime, processes["web"]?.stopSignal], ["node", "static", "SIGQUIT"]);
      return [output, /try_files .* \/index\.html;/.test(Object.values(configuration)[0] ?? "")];
    };
    assert.deepEqual(site({ devDependencies: { vite: "6" } }), ["dist", true]);
    assert.deepEqual(site({ devDependencies: { vite: "6" } }, { "vite.config.ts": 'build: { outDir: "./web/out" }' }), [
      "web/out",
      true,
    ]);
    assert.deepEqual(site({ dependencies: { "react-scripts": "5" }, scripts: { build: "x", start: "react-scripts start" } }), [
      "build",
      true,
    ]);
    assert.deepEqual(
      site({
        dependencies: { astro: "5" },
        devDependencies: { vite: "6" },
        scripts: { build: "astro build", start: "astro dev" },
      }),
      ["dist", false],
    );
    assert.deepEqual(
      site({ dependencies: { next: "15" }, scripts: { build: "next build" } }, { "next.config.js": 'output: "export"' }),
      ["out", false],
    );
    const angular = { projects: { shop: { architect: { build: { builder: "@angular/build:application", options: {} } } } } };
    assert.deepEqual(
      site(
        { dependencies: { "@angular/core": "20" }, scripts: { build: "ng build", start: "ng serve" } },
        { "angular.json": angular },
      ),
      ["dist/shop/browser", true],
    );
    refuses({ "package.json": { devDependencies: { vite: "6" } } }, /needs a script "build"/);
    assert.equal(
      plan({
        "package.json": {
          devDependencies: { vite: "6" },
          dependencies: { express: "5" },
          scripts: { start: "node s.js", build: "vite build" },
        },
      }).runBase,
      undefined,
    );
  });
});

describe("Python", () => {
  test("versions", () => {
    const version = (files: Files) => plan({ "main.py": "", ...files }).base.version;
    assert.equal(version({}), "3.13");
    assert.equal(version({ ".python-version": "3.11.9\n" }), "3.11");
    assert.equal(version({ "runtime.txt": "python-3.11.4" }), "3.11");
    for (const [range, wanted] of [
      [">=3.9", "3.13"],
      [">=3.10,<3.12", "3.11"],
      ["~=3.11", "3.13"],
      ["~=3.11.0", "3.11"],
      ["==3.11.*", "3.11"],
    ] as const)
      assert.equal(version({ "pyproject.toml": `[project]\nname = "a"\nrequires-python = "${range}"\n` }), wanted, range);
    assert.equal(version({ "pyproject.toml": '[tool.poetry.dependencies]\npython = "~3.11"\n' }), "3.11");
    refuses({ "main.py": "", ".python-version": "2.7" }, /version 2\.7 is not among those that are built here \(3\.11, 3\.13\)/);
    refuses({ "main.py": "", "pyproject.toml": "[project\n" }, /pyproject\.toml: it is no TOML/);
  });

  test("where dependencies come from", () => {
    const install = (files: Files) => plan({ "main.py": "", ...files }).install[0]?.command ?? "";
    assert.match(install({ "requirements.txt": "flask" }), /pip install -r requirements\.txt$/);
    assert.match(install({ "pyproject.toml": '[project]\nname="a"\n', "uv.lock": "" }), /uv sync --frozen/);
    assert.match(install({ "pyproject.toml": '[tool.poetry]\nname="a"\n' }), /poetry install/);
    assert.match(install({ Pipfile: "[packages]\n", "Pipfile.lock": "{}" }), /pipenv sync$/);
    assert.match(install({ "pyproject.toml": '[project]\nname="a"\n' }), /pip install \.$/);
    assert.equal(install({}), "python3 -m venv /app/.venv");
    assert.equal(plan({ "main.py": "", "requirements.txt": "-e .\n" }).dependencyFiles, "all");
    assert.deepEqual(plan({ "main.py": "", "requirements.txt": "flask\n" }).dependencyFiles, ["requirements.txt"]);
    assert.deepEqual(
      plan({ "main.py": "", "requirements.txt": "-r requirements/base.txt", "requirements/base.txt": "psycopg2==2.9" }).packages,
      ["libpq5"],
    );
  });

  test("servers for production", () => {
    const django: Files = {
      "manage.py": "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')",
      "shop/settings.py": "STATIC_ROOT = 'x'\n",
      "shop/wsgi.py": "",
    };
    const made = plan({ ...django, "requirements.txt": "Django>=5\n" });
    assert.match(made.processes["web"]?.command ?? "", /^gunicorn shop\.wsgi --bind 0\.0\.0\.0:\$PORT/);
    assert.ok(made.install.some(({ command }) => /pip install gunicorn$/.test(command)));
    assert.ok(made.build.some(({ command }) => /collectstatic/.test(command)));
    assert.ok(
      !plan({ ...django, "requirements.txt": "Django\ngunicorn\n" }).install.some(({ name }) => name === "install gunicorn"),
    );
    assert.match(
      web({ ...django, "shop/asgi.py": "", "requirements.txt": "Django\nuvicorn\n" }) ?? "",
      /^uvicorn shop\.asgi:application /,
    );
    assert.match(
      web({ "requirements.txt": "Flask==3\n", "app.py": "from flask import Flask\napp = Flask(__name__)\n" }) ?? "",
      /^gunicorn app:app --bind/,
    );
    assert.match(
      web({ "requirements.txt": "flask", "app/__init__.py": "def create_app(config=None):\n" }) ?? "",
      /^gunicorn 'app:create_app\(\)' /,
    );
    assert.match(
      web({ "requirements.txt": "fastapi[standard]", "app/main.py": "api: FastAPI = FastAPI()\n" }) ?? "",
      /^uvicorn app\.main:api --host 0\.0\.0\.0 --port \$PORT/,
    );
    assert.equal(web({ "main.py": "print(1)" }), "python main.py");
    refuses({ "requirements.txt": "celery" }, /requirements\.txt: there is nothing to start/);
  });
});

describe("Go, PHP, static", () => {
  test("Go: programs and the one that is web", () => {
    const mod = { "go.mod": "module example.org/team/shop/v2\n\ngo 1.22\nrequire x/y v1.0.0\n", "go.sum": "" };
    const one = plan({ ...mod, "main.go": "package main\n" });
    assert.deepEqual(
      [one.processes["web"]?.command, one.runBase?.runtime, one.dependencyFiles],
      ["bin/shop", "base", ["go.mod", "go.sum"]],
    );
    const two = plan({
      ...mod,
      "cmd/server/main.go": "package main\n",
      "cmd/worker/main.go": "// x\npackage main\n",
      "cmd/server/x_test.go": "",
    });
    assert.match(two.build[0]?.command ?? "", /-o bin\/server \.\/cmd\/server && .*-o bin\/worker/);
    assert.equal(two.processes["web"]?.command, "bin/server");
    refuses({ ...mod, "cmd/a/main.go": "package main", "cmd/b/main.go": "package main" }, /several programs/);
    refuses({ ...mod, "lib.go": "package lib" }, /there is no program/);
    assert.deepEqual(plan({ ...mod, "main.go": "package main", "vendor/modules.txt": "" }).install, []);
    assert.ok(
      plan({ "go.mod": "module a\ngo 1.99\n", "main.go": "package main" }).warnings.some((each) => /newer than/.test(each)),
    );
  });

  test("PHP: version, extensions, document root", () => {
    const made = plan({
      "composer.json": { require: { php: "^8.1", "ext-redis": "*", "ext-mbstring": "*" } },
      "composer.lock": "{}",
      "public/index.php": "",
      artisan: "",
    });
    assert.deepEqual([made.base.version, made.packages], ["8.4", ["php8.4-redis"]]);
    assert.match(Object.values(made.configuration)[0] ?? "", /DocumentRoot "\/app\/public"/);
    assert.equal(made.processes["web"]?.stopSignal, "SIGWINCH");
    for (const [range, wanted] of [
      ["~8.2.0", "8.2"],
      ["^7.4|^8.2", "8.4"],
      [">=8.0 <8.3", "8.2"],
      ["8.2.*", "8.2"],
      ["~8.1", "8.4"],
    ] as const)
      assert.equal(plan({ "composer.json": { require: { php: range } }, "index.php": "" }).base.version, wanted, range);
    refuses({ "composer.json": { require: { php: "^5.6" } }, "index.php": "" }, /8\.2, 8\.4/);
    assert.deepEqual(plan({ "index.php": "<?php" }).install, []);
  });

  test("static: folder, 404, fallback", () => {
    const made = plan({ "public/index.html": "", "public/404.html": "" });
    assert.equal(made.output, "public");
    assert.match(Object.values(made.configuration)[0] ?? "", /error_page 404 "\/404\.html";/);
    const said = plan({ "khmara.json": { static: { folder: "web", fallback: "index.html" }, port: 9000 }, "web/index.html": "" });
    assert.match(
      Object.values(said.configuration)[0] ?? "",
      /listen 9000;[\s\S]*listen \[::\]:9000;[\s\S]*\$uri\.html \/index\.html/,
    );
    refuses({ "khmara.json": { static: { folder: "nope" } } }, /static\.folder: there is no folder nope/);
    refuses({ "khmara.json": { static: { folder: "w", notFound: "x.html" } }, "w/index.html": "" }, /static\.notFound/);
    refuses({ "khmara.json": { static: { folder: 'a";' }, runtime: "static" }, 'a";/index.html': "" }, /cannot be served/);
    refuses({ "khmara.json": { port: 80 }, "index.html": "" }, /above 1023/);
  });
});

describe("Procfile and manifest", () => {
  test("Procfile", () => {
    const made = plan({
      Procfile: "# note\nweb: node a.js\nmail_worker: node w.js\nrelease: node migrate.js\n",
      "package.json": {},
    });
    assert.deepEqual(Object.keys(made.processes), ["web", "mail-worker"]);
    assert.equal(made.releaseCommand, "node migrate.js");
    refuses({ Procfile: "web node", "package.json": {} }, /line 1 is not "name: command"/);
    assert.deepEqual(readProcfile("a: b:c\n\nx\na: d").wrong, [3, 4]);
  });

  test("the manifest goes before all", () => {
    const made = plan({
      "package.json": { scripts: { start: "node a.js" } },
      Procfile: "web: node b.js\nworker: node w.js",
      "khmara.json": {
        processes: {
          web: { command: "node c.js", count: 2, memoryMegabytes: 256 },
          worker: { cpus: 0.5 },
        },
        capabilities: ["SETUID", "CHOWN", "SETUID"],
        user: "www-data",
        release: "node migrate.js",
        health: { path: "/healthz", startSeconds: 20 },
        packages: ["imagemagick"],
        build: { install: "npm install --omit=optional", command: "make", environment: { A: "b" } },
        mounts: [{ name: "data", path: "/data" }],
        cron: [
          { schedule: "*/5 0-6 * jan mon-fri", command: "node x.js" },
          { schedule: "@daily", command: "y", name: "tidy" },
        ],
        settings: {
          LOG_LEVEL: "info",
          SESSION_SECRET: { generate: "secret" },
          API_KEY: { required: true, description: "of the shop" },
        },
      },
    });
    assert.deepEqual(made.processes, {
      web: { command: "node c.js", count: 2, memoryBytes: 256 * 1024 ** 2 },
      worker: { command: "node w.js", cpus: 0.5 },
    });
    assert.deepEqual(made.healthCheck, { path: "/healthz", intervalSeconds: 5, timeoutSeconds: 5, startSeconds: 20 });
    assert.deepEqual(made.packages, ["imagemagick"]);
    assert.deepEqual(made.mounts, [{ name: "data", path: "/data", sizeGigabytes: 1 }]);
    assert.deepEqual(
      made.cron.map(({ name }) => name),
      ["cron-1", "tidy"],
    );
    assert.deepEqual(made.settings["SESSION_SECRET"], { required: false, generate: true });
    assert.deepEqual(made.settings["LOG_LEVEL"], { value: "info", required: false, generate: false });
    assert.deepEqual([made.capabilities, made.user], [["SETUID", "CHOWN"], "www-data"]);
    assert.equal(made.dependencyFiles, "all");
    assert.deepEqual(
      made.build.map(({ command }) => command),
      ["make"],
    );
  });

  test("every problem names its field and what is allowed", () => {
    const wrong = (manifest: object | string, words: RegExp, field?: string) =>
      refuses({ "khmara.json": manifest, "index.html": "" }, words, field);
    wrong("{ a", /khmara\.json: is no JSON/);
    wrong({ prot: 1 }, /prot: is not known here; allowed are name, runtime, version/, "khmara.json.prot");
    wrong({ health: { url: "/" } }, /health\.url: is not known here; allowed are path, intervalSeconds/);
    wrong({ runtime: "ruby" }, /runtime: is one of dockerfile, node, python, go, php, static, base/, "khmara.json.runtime");
    wrong({ port: "80" }, /port: must be a (whole )?number/);
    wrong({ port: 70_000 }, /port: is between 1 and 65535/);
    wrong({ processes: { Web: "x" } }, /processes\.Web: names are small letters/);
    wrong({ processes: { web: "" } }, /processes\.web: say which command to run/);
    wrong({ processes: { web: { comand: "x" } } }, /processes\.web.*command/);
    wrong({ processes: { mail: { count: 2 } } }, /processes\.mail: say which command to run/);
    wrong({ processes: { web: { command: "x", count: 101 } } }, /processes\.web\.count: is between 0 and 100/);
    wrong({ capabilities: ["SYS_ADMIN"] }, /capabilities\.0: is one of CHOWN, DAC_OVERRIDE/);
    wrong({ user: "a b" }, /user: a user of the image/i);
    wrong({ static: { folder: "../x" } }, /static\.folder: is a path inside/);
    wrong({ cron: [{ schedule: "every day", command: "x" }] }, /cron\.0\.schedule: has five fields/);
    wrong({ mounts: [{ name: "a", path: "/etc/x" }] }, /mounts\.0\.path: may not hide/);
    wrong(
      {
        mounts: [
          { name: "a", path: "/d" },
          { name: "b", path: "/d/e" },
        ],
      },
      /mounts: \/d/,
    );
    wrong({ settings: { DB_PASSWORD: "abc" } }, /settings\.DB_PASSWORD: looks like a secret/);
    wrong({ settings: { PORT: "1" } }, /settings\.PORT: is set by Khmara/);
    wrong({ packages: ["a b"] }, /packages\.0: is the name of a Debian package/);
    wrong({ runtime: "ruby", port: 0 }, /runtime: .*; port: /);
    wrong([], /must be an object/);
  });
});

describe("a Dockerfile of one's own", () => {
  test("is taken as it is, with its port", () => {
    const made = planBuild(
      tree({
        "deploy/Dockerfile": "FROM a:1 AS x\nEXPOSE 53/udp 3000\nUSER 5\n",
        "khmara.json": { build: { dockerfile: "deploy/Dockerfile", target: "x", arguments: { A: "1" } } },
      }),
    ) as DockerfilePlan;
    assert.deepEqual(
      [made.dockerfile, made.target, made.port, made.buildArguments, made.warnings],
      ["deploy/Dockerfile", "x", 3000, { A: "1" }, []],
    );
    refuses({ "khmara.json": { build: { dockerfile: "nope" } } }, /nope: it is not there/);
  });

  test("lint", () => {
    const lint = (text: string) => lintDockerfile(text);
    assert.deepEqual(lint("ARG V=1\nFROM debian:12 AS build\n# note\nRUN a && \\\n  # inside\n  b\nFROM build\nUSER 5\n"), {
      errors: [],
      warnings: [],
      bases: ["debian:12"],
    });
    const errors = (text: string) => lint(text).errors.join(" ");
    const warnings = (text: string) => lint(text).warnings.join(" ");
    assert.match(errors("RUN x\n"), /no FROM.*Line 1: only ARG/);
    assert.match(errors("FROM a:1\nRUN --mount=type=cache,target=/x make\n"), /Line 2: RUN --mount needs BuildKit/);
    assert.match(errors("FROM a:1\nCOPY --chown=1:1 --link a b\n"), /COPY --link needs BuildKit/);
    assert.match(errors("FROM a:1\nRUN <<EOF\n"), /<<… needs BuildKit/);
    assert.match(errors("FROM a:1\nRUM x\n"), /no instruction RUM/);
    assert.equal(errors("FROM a:1\nRUN cat <<EOF >x \\\n && b\n"), "");
    assert.match(warnings("FROM a\nUSER root\n"), /has no version.*last USER is root/);
    assert.match(warnings("FROM a:latest\nENV DB_PASSWORD=x\n"), /another image each time.*looks like a secret.*no USER/);
    assert.equal(warnings("FROM base.khmara.internal/node:24\nENV TOKEN_TTL\n"), "");
    assert.equal(warnings("FROM localhost:5000/a@sha256:aa AS x\nUSER 7\nFROM x\n"), "");
    assert.equal(exposedPort("FROM a:1\nEXPOSE 1\nFROM b:1\nEXPOSE 8000/tcp\n"), 8000);
    assert.match(lintDockerfile("FROM a:1\n", "prod").errors.join(), /no stage prod/);
  });
});

describe("the Dockerfile that is made", () => {
  const node: Files = {
    "package.json": { scripts: { start: "node dist/a.js", build: "tsc" }, devDependencies: { typescript: "5" } },
    "package-lock.json": "{}",
    "src/a.ts": "",
  };
  test("with a build: dependencies first, a layer of their own, no root, the cache apart", () => {
    const text = dockerfile(plan(node), { cacheImage: "sha256:abc" });
    const order = [
      "FROM base.khmara.internal/node:24 AS build",
      'COPY --from=sha256:abc --chown=10001:10001 ["/cache/","/cache/"]',
      'COPY --chown=10001:10001 ["manifests/","./"]',
      "npm ci",
      'COPY --chown=10001:10001 ["app/","./"]',
      "npm run build",
      "npm prune",
      "FROM build AS code",
      "rm -rf node_modules",
      "FROM base.khmara.internal/node:24 AS app",
      'COPY --from=build --chown=10001:10001 ["/app/node_modules/","./node_modules/"]',
      'COPY --from=code --chown=10001:10001 ["/app/","./"]',
      "EXPOSE 8080",
      'CMD ["/bin/sh","-c","exec node dist/a.js"]',
      "FROM scratch AS cache",
    ];
    let at = 0;
    for (const part of order) {
      const found = text.indexOf(part, at);
      assert.ok(found >= 0, `${part} is not after the others in\n${text}`);
      at = found;
    }
    assert.ok(!text.includes("USER root"));
    assert.equal(text, dockerfile(plan(node), { cacheImage: "sha256:abc" }));
    assert.deepEqual(lintDockerfile(text.replace("sha256:abc", "x:1"), "app"), {
      errors: [],
      warnings: [],
      bases: ["base.khmara.internal/node:24", "scratch"],
    });
  });

  test("without a build the code comes straight from the context", () => {
    const text = dockerfile(plan({ "package.json": { scripts: { start: "node a.js" } }, "package-lock.json": "", "a.js": "" }));
    assert.ok(!text.includes("AS code"));
    assert.match(text, /COPY --from=build [^\n]*node_modules\/"\]\nCOPY --chown=10001:10001 \["app\/","\.\/"\]/);
  });

  test("packages are root's, and what is in commands and values stays text", () => {
    const text = dockerfile(
      plan({
        "package.json": {},
        "khmara.json": {
          packages: ["ffmpeg"],
          processes: { web: `node -e "a\\\\b$X'" && b` },
          build: { command: 'echo "$HOME"\nb', environment: { A: 'x"$y\\z' } },
        },
      }),
    );
    assert.match(text, /USER root\nRUN .*apt-get install -q -y ffmpeg.*\nUSER 10001:10001/);
    assert.match(text, /A="x\\"\\\$y\\\\z"/);
    assert.ok(text.includes('echo \\"$HOME\\"\\nb'));
    for (const line of text.split("\n")) assert.match(line, /^(#|FROM|RUN \[|COPY|ENV|USER|EXPOSE|CMD \[|$)/);
  });

  test("the context: manifests apart, what is installed anew left out, .dockerignore followed", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "khmara-context-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const names = async (files: Record<string, string>) => {
      const place = mkdtempSync(join(folder, "p-"));
      for (const [path, content] of Object.entries(files)) {
        mkdirSync(dirname(join(place, path)), { recursive: true });
        writeFileSync(join(place, path), content);
      }
      const source = await openSourceTree(place);
      const built = buildContext(planBuild(source), { folder: place, tree: source });
      const reader = extract();
      built.context().pipe(reader as unknown as NodeJS.WritableStream);
      const found: string[] = [];
      for await (const entry of reader) {
        if (entry.header.type === "file") found.push(entry.header.name);
        entry.resume();
      }
      return { found, ...built };
    };
    const generated = await names({
      "package.json": '{"scripts":{"start":"node a.js"}}',
      "package-lock.json": "{}",
      "a.js": "",
      "node_modules/x/index.js": "",
      ".env.local": "SECRET=1",
      ".dockerignore": "*.md\ntest\n!test/keep.js\n",
      "README.md": "",
      "test/a.js": "",
      "test/keep.js": "",
    });
    assert.deepEqual(generated.found, [
      "Dockerfile",
      "manifests/package-lock.json",
      "manifests/package.json",
      "app/a.js",
      "app/package-lock.json",
      "app/package.json",
      "app/test/keep.js",
    ]);
    assert.deepEqual([generated.dockerfile, generated.target, generated.cacheTarget], ["Dockerfile", "app", "cache"]);
    const own = await names({ Dockerfile: "FROM a:1\n", ".dockerignore": "*\n!src\n", "src/a": "", x: "", ".git/HEAD": "" });
    assert.deepEqual(own.found, [".dockerignore", "Dockerfile", "src/a"]);
    assert.equal(own.dockerfileText, "FROM a:1\n");
    const site = await names({ "index.html": "<p>hi" });
    assert.deepEqual(site.found, ["Dockerfile", "configuration/etc/khmara/site.conf", "app/index.html"]);
  });

  test("the fingerprint of dependencies changes with them alone", () => {
    const print = (files: Files) => dependencyFingerprint(plan(files), tree(files));
    assert.equal(print(node), print({ ...node, "src/a.ts": "changed" }));
    assert.notEqual(print(node), print({ ...node, "package-lock.json": '{"a":1}' }));
    assert.notEqual(print(node), print({ ...node, ".nvmrc": "22" }));
  });
});

test("a program gets the signals itself; what needs a shell keeps it", () => {
  const runs = (command: string) => {
    const [program, ...words] = commandWords(command) as [string, ...string[]];
    const { stdout, status } = spawnSync(program, words, { encoding: "utf8", env: { ...process.env, PORT: "81" } });
    return [stdout.trim(), status];
  };
  assert.deepEqual(commandWords("node a.js --port $PORT"), ["/bin/sh", "-c", "exec node a.js --port $PORT"]);
  assert.deepEqual(runs("echo $PORT 'a b'"), ["81 a b", 0]);
  assert.deepEqual(runs("A=1 B=\"x y\" sh -c 'echo $A $B'"), ["1 x y", 0]);
  assert.deepEqual(runs("cd / && pwd"), ["/", 0]);
  assert.deepEqual(runs("export A=2; echo $A | cat"), ["2", 0]);
  assert.deepEqual(runs("if true; then echo y; fi"), ["y", 0]);
});
