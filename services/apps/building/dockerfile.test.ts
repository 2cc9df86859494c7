import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { extract } from "tar-stream";
import { openSourceTree } from "../source/tree.ts";
import { buildContext } from "./buildContext.ts";
import { planBuild } from "./detection.ts";
import { dependencyFingerprint, dockerfile } from "./dockerfile.ts";
import { exposedPort, lintDockerfile } from "./dockerfileLint.ts";
import type { DockerfilePlan } from "./plan.ts";
import { type Files, plan, refuses, tree } from "./testing/plans.ts";

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
