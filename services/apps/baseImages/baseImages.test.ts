import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { createAuthority } from "../../../gateway/certificates/authority.ts";
import { CloudError, type ErrorCode } from "../../../kernel/errors.ts";
import { processIds } from "../../../server/processes.ts";
import { baseImagesMissing, testBaseImage } from "../../../testing/baseImages.ts";
import { eventually } from "../../../testing/launcher.ts";
import { freePort } from "../../../testing/ports.ts";
import { staticCommand, staticSite } from "../building/webServers.ts";
import { hostAuthorities } from "./authorities.ts";
import { baseImageRecipe, buildBaseImage, recipeDigest } from "./build.ts";
import { baseImageRecipes, baseImageReference, defaultVersions, runtimes } from "./recipes.ts";

const skip = baseImagesMissing();
const refused = (code: ErrorCode, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof CloudError, String((error as Error).stack));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
  return true;
};

let place: string;
before(() => {
  // Those of a run that was killed.
  for (const old of globSync("khmara-base-*", { cwd: tmpdir() }))
    if (!existsSync(`/proc/${old.split("-")[2]}`)) rmSync(join(tmpdir(), old), { recursive: true, force: true });
  place = mkdtempSync(join(tmpdir(), `khmara-base-${process.pid}-`));
});
after(() => rmSync(place, { recursive: true, force: true }));

const unpacked = async (runtime: "node" | "static"): Promise<string> => {
  const file = await testBaseImage(runtime, defaultVersions[runtime]);
  const root = join(place, runtime);
  mkdirSync(root);
  assert.equal(spawnSync("tar", ["-xpf", file, "--numeric-owner", "-C", root, "--exclude=./dev/*"]).status, 0);
  return root;
};
/** As the app's user, with the environment that the image has. */
const runIn = (root: string, command: string): { status: number | null; output: string } => {
  const environment = {
    ...baseImageRecipe(root.endsWith("node") ? "node" : "static", defaultVersions[root.endsWith("node") ? "node" : "static"])
      .environment,
  };
  const { status, stdout, stderr } = spawnSync("chroot", ["--userspec=10001:10001", root, "/bin/sh", "-c", command], {
    encoding: "utf8",
    env: environment,
    timeout: 120_000,
  });
  return { status, output: `${stdout}${stderr}`.trim() };
};

describe("Node", { skip }, () => {
  let root: string;
  before(async () => {
    root = await unpacked("node");
  });
  const output = (command: string) => {
    const { status, output: text } = runIn(root, command);
    assert.equal(status, 0, text);
    return text;
  };

  // First: what runs in it later leaves files in its home.
  test("nothing of the build and of this host is in it", () => {
    assert.equal(readFileSync(join(root, "etc/machine-id"), "utf8"), "");
    for (const path of ["etc/resolv.conf", "etc/hostname", "etc/apt/apt.conf.d/99mmdebstrap", "usr/sbin/policy-rc.d"])
      assert.equal(existsSync(join(root, path)), false, path);
    assert.deepEqual(
      globSync(["var/lib/apt/lists/*Packages*", "var/cache/apt/archives/*.deb", "tmp/*", "run/*", "usr/share/man/man1/*"], {
        cwd: root,
      }),
      [],
    );
    assert.ok(existsSync(join(root, "usr/share/doc/libc6/copyright")));
    assert.equal(spawnSync("find", [root, "-xdev", "-perm", "/6000", "-type", "f"], { encoding: "utf8" }).stdout, "");
    assert.equal(spawnSync("find", [join(root, "app"), join(root, "cache"), "-mindepth", "1"], { encoding: "utf8" }).stdout, "");
    assert.match(
      readFileSync(join(root, "etc/apt/sources.list"), "utf8"),
      /^deb http\S+ bookworm main\n+deb \S+ bookworm-updates main\n+deb \S+ bookworm-security main\n*$/,
    );
  });

  test("Node, npm, pnpm and Yarn are there, for the user of the app", () => {
    assert.match(output("node --version"), /^v24\./);
    assert.match(output("npm --version"), /^11\./);
    assert.match(output("pnpm --version"), /^10\./);
    assert.match(output("yarn --version"), /^1\.22\./);
    assert.equal(output("id -u; id -g; id -un; echo $HOME").replaceAll("\n", " "), "10001 10001 app /app");
    assert.equal(output("touch /app/a /cache/a && rm /app/a /cache/a && pwd"), "/");
    assert.equal(
      output(
        `node -p 'require("tls").rootCertificates.length > 50 && require("fs").existsSync("/etc/ssl/certs/ca-certificates.crt")'`,
      ),
      "true",
    );
  });

  test("who is trusted on this host is trusted in it", () => {
    const authorities = hostAuthorities();
    const trusted = readFileSync(join(root, "etc/ssl/certs/ca-certificates.crt"), "latin1").replaceAll(/\s/g, "");
    for (const pem of authorities) assert.ok(trusted.includes(pem.replaceAll(/\s/g, "")), pem);
    const known = output(`node -p 'require("tls").getCACertificates("default").join("").replace(/\\s/g, "")'`);
    for (const pem of authorities) assert.ok(known.includes(pem.replaceAll(/\s/g, "")), pem);
  });
});

describe("nginx", { skip }, () => {
  let root: string;
  let server: ChildProcess | undefined;
  let address: string;
  before(async () => {
    root = await unpacked("static");
    const port = await freePort();
    address = `http://127.0.0.1:${port}`;
    const files: Record<string, string> = {
      "index.html": "<h1>home</h1>",
      "404.html": "<h1>lost</h1>",
      "about.html": "about",
      "docs/index.html": "docs",
      "assets/app-BkX3a9Qz.js": `console.log(${JSON.stringify("x".repeat(3000))})`,
      "photo-2024.jpg": "jpg",
      ".secret": "no",
    };
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, "app", path)), { recursive: true });
      writeFileSync(join(root, "app", path), text);
    }
    writeFileSync(join(root, "etc/khmara/site.conf"), staticSite({ folder: "", notFound: "404.html" }, port));
    server = startIn(root, staticCommand);
    await eventually(
      () =>
        fetch(address).then(
          ({ status }) => status,
          () => 0,
        ),
      (status) => status === 200,
      60_000,
    );
  });
  after(() => {
    server?.kill("SIGKILL");
  });

  test("files, folders, names without .html, what is hidden, and the page of a 404", async () => {
    const get = async (path: string) => {
      const response = await fetch(address + path, { redirect: "manual" });
      return [response.status, await response.text(), response.headers.get("cache-control")];
    };
    assert.deepEqual(await get("/"), [200, "<h1>home</h1>", "no-cache"]);
    assert.deepEqual(await get("/about"), [200, "about", "no-cache"]);
    assert.deepEqual(await get("/docs/"), [200, "docs", "no-cache"]);
    assert.deepEqual((await get("/photo-2024.jpg"))[2], "no-cache");
    assert.deepEqual((await get("/assets/app-BkX3a9Qz.js"))[2], "public, max-age=31536000, immutable");
    assert.deepEqual((await get("/nope")).slice(0, 2), [404, "<h1>lost</h1>"]);
    assert.equal((await get("/.secret"))[0], 404);
    assert.equal((await get("/../etc/passwd"))[0], 404);
    const moved = await fetch(`${address}/docs`, { redirect: "manual" });
    assert.deepEqual([moved.status, moved.headers.get("location")], [301, "/docs/"]);
  });

  test("compressed beforehand, asked for again, and without its version", async () => {
    const path = join(root, "app/assets/app-BkX3a9Qz.js");
    const small = await fetch(`${address}/assets/app-BkX3a9Qz.js`, { headers: { "accept-encoding": "gzip, br" } });
    assert.deepEqual([small.headers.get("content-encoding"), small.headers.get("vary")], ["br", "Accept-Encoding"]);
    assert.equal(await small.text(), readFileSync(path, "utf8"));
    assert.equal(spawnSync("gzip", ["-9kn", path]).status, 0);
    const response = await fetch(`${address}/assets/app-BkX3a9Qz.js`, { headers: { "accept-encoding": "gzip" } });
    assert.equal(response.headers.get("content-encoding"), "gzip");
    assert.equal(await response.text(), gunzipSync(readFileSync(`${path}.gz`)).toString());
    assert.equal(response.headers.get("server"), "nginx");
    const first = await fetch(address);
    const again = await fetch(address, { headers: { "if-none-match": first.headers.get("etag") ?? "" } });
    assert.equal(again.status, 304);
  });

  test("a site that routes in the browser, and settings that nginx accepts whatever is said", () => {
    for (const site of [
      { folder: "", fallback: "index.html" },
      { folder: "web/dist" },
      { folder: "docs", notFound: "404.html" },
    ]) {
      writeFileSync(join(root, "etc/khmara/site.conf"), staticSite(site, 8080));
      const { status, output } = runIn(root, "nginx -e stderr -t -c /etc/nginx/khmara.conf");
      assert.equal(status, 0, output);
    }
  });
});

/** In a process namespace of its own that ends with us, as in a container. */
const startIn = (root: string, command: string): ChildProcess =>
  spawn(
    "setpriv",
    [
      "--pdeathsig",
      "KILL",
      "--",
      "unshare",
      "--mount",
      "--pid",
      "--fork",
      "--",
      "chroot",
      "--userspec=10001:10001",
      root,
      // Once more: a change of user forgets it.
      "setpriv",
      "--pdeathsig",
      "KILL",
      "/bin/sh",
      "-c",
      `exec ${command}`,
    ],
    { stdio: "ignore", env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } },
  );

describe("builds that do not come to an end", { skip }, () => {
  const workersIn = (folder: string) =>
    processIds().filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(folder);
      } catch {
        return false;
      }
    });
  const nothingLeft = async (folder: string) => {
    await eventually(
      () => workersIn(folder),
      (pids) => pids.length === 0,
      30_000,
    );
    assert.ok(!readFileSync("/proc/self/mounts", "utf8").includes(folder));
  };

  test("cancelled in the middle", async () => {
    const folder = join(place, "cancelled");
    const stop = new AbortController();
    const build = buildBaseImage({
      runtime: "base",
      version: "12",
      folder,
      signal: stop.signal,
      progress: (fraction) => {
        if (fraction >= 0.25) stop.abort();
      },
    });
    await assert.rejects(build, refused("cancelled", /cancelled/));
    await nothingLeft(folder);
    assert.deepEqual(readdirSync(folder), []);
  });

  test("killed in the middle: nothing runs on, the next build tidies up", async () => {
    const folder = join(place, "killed");
    const source = `import { buildBaseImage } from ${JSON.stringify(join(import.meta.dirname, "build.ts"))};
      await buildBaseImage({ runtime: "base", version: "12", folder: ${JSON.stringify(folder)}, progress: (fraction) => console.log(fraction) });`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", source], {
      stdio: ["ignore", "pipe", "inherit"],
      env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("NODE_"))),
    });
    await new Promise<void>((resolve, reject) => {
      let text = "";
      child.stdout.on("data", (chunk) => {
        text += chunk;
        if (text.includes("0.25") || text.includes("0.5")) resolve();
      });
      child.on("exit", () => reject(new Error(`It ended by itself: ${text}`)));
    });
    child.kill("SIGKILL");
    await nothingLeft(folder);
    assert.equal(globSync(".build-*", { cwd: folder }).length, 1);
    await assert.rejects(
      buildBaseImage({ runtime: "base", version: "12", folder, signal: AbortSignal.abort() }),
      refused("cancelled", /cancelled/),
    );
    assert.deepEqual(globSync("{.build-*,*}", { cwd: folder }), []);
  });

  test("a mirror that is not there is named, and so is what there is to build", async () => {
    const folder = join(place, "mirror");
    await assert.rejects(
      buildBaseImage({ runtime: "base", version: "12", folder, mirror: "http://127.0.0.1:9/debian" }),
      refused("unavailable", /127\.0\.0\.1:9\/debian\/dists\/bookworm\S*\/InRelease cannot be reached/),
    );
    assert.deepEqual(readdirSync(folder), []);
    await assert.rejects(
      buildBaseImage({ runtime: "node", version: "4", folder }),
      refused("not_found", /There are: base 12, node 20/),
    );
  });
});

describe("authorities of this host", () => {
  test("every one once, and nothing but authorities", async () => {
    const folder = mkdtempSync(join(tmpdir(), "khmara-authorities-"));
    try {
      assert.deepEqual(hostAuthorities(join(folder, "absent")), []);
      const authority = await createAuthority({ name: "Test" });
      mkdirSync(join(folder, "sub"));
      writeFileSync(join(folder, "a.crt"), `of us\n${authority.certificate}\n`);
      writeFileSync(join(folder, "sub", "again.crt"), authority.certificate);
      writeFileSync(join(folder, "bundle.pem"), authority.certificate);
      writeFileSync(join(folder, "broken.crt"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
      assert.deepEqual(hostAuthorities(folder), [authority.certificate.trim()]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe("recipes", () => {
  test("each is named once, every runtime has its usual version, another recipe is another image", () => {
    const names = baseImageRecipes.map(baseImageReference);
    assert.equal(new Set(names).size, names.length);
    for (const name of names) assert.match(name, /^base\.khmara\.internal\/[a-z]+:[0-9.]+$/);
    for (const runtime of runtimes) assert.ok(baseImageRecipe(runtime, defaultVersions[runtime]));
    const digests = baseImageRecipes.map(recipeDigest);
    assert.equal(new Set(digests).size, digests.length);
    const recipe = baseImageRecipe("static", "12");
    assert.notEqual(recipeDigest(recipe), recipeDigest({ ...recipe, packages: [...recipe.packages, "less"] }));
  });
});
