import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

const repository = resolve(import.meta.dirname, "..");

/** What a process tells: the modules that it has loaded in the end. */
async function loadedIn(words: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, words, {
    cwd: repository,
    maxBuffer: 2 ** 22,
  });
  return stdout;
}

const tellLoaded = "process.stdout.write(process.moduleLoadList.join(), () => process.exit(0));";

test("no process of a cloud loads undici, which is 7 MB in each", async () => {
  const modules = ["server/cloud.ts", "server/control-plane.ts", "server/gateway.ts", "server/core.ts", "server/object-door.ts"];
  const late = ["apps/drivers/docker/index.ts", "apps/drivers/swarm/index.ts", "compute/drivers/lxd/index.ts"];
  const engines = ["server/engines/ask.ts", "server/engines/provide.ts", "server/engines/docker.ts", "server/gateway-process.ts"];
  const all = [...modules, ...late.map((file) => `services/${file}`), ...engines];
  // As services/apps/mailAccounts/trying.ts loads it.
  const mail = `(await import("node:module")).createRequire("${repository}/")("nodemailer/lib/smtp-connection");`;
  const script = `${all.map((file) => `await import("./${file}");`).join("\n")}\n${mail}\n${tellLoaded}`;
  const loaded = await loadedIn(["--input-type=module", "--eval", script]);
  assert.match(loaded, /NativeModule http\b/);
  assert.doesNotMatch(loaded, /undici/, "import types alone from node:http; its values come from process.getBuiltinModule");
});

test("no process of a cloud loads the S3 client before it calls another S3: it is 10 MB in each", async () => {
  const script = (...modules: string[]) => `const { registerHooks } = await import("node:module");
    const loaded = [];
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) });
    ${modules.map((file) => `await import("./${file}");`).join("\n")}
    process.stdout.write(loaded.join("\\n"), () => process.exit(0));`;
  const loadedBy = (...modules: string[]) => loadedIn(["--input-type=module", "--eval", script(...modules)]);
  const first = await loadedBy("server/cloud.ts", "server/control-plane.ts", "server/core.ts", "server/object-door.ts");
  assert.match(first, /services\/objects\/backup\/send\.ts/);
  assert.doesNotMatch(first, /client-s3/);
  assert.match(await loadedBy("services/objects/backup/remote.ts"), /client-s3/, "the name by which it would be seen");
});
