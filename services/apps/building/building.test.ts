import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, test } from "node:test";
import { commandWords, readProcfile } from "./commands.ts";
import { planBuild } from "./detection.ts";
import { type Files, plan, refuses, tree } from "./testing/plans.ts";

const web = (files: Files) => plan(files).processes["web"]?.command;

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
