import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { readSettings } from "./options.ts";
import { environmentText, unitText } from "./service-install.ts";

const unit = (words: string[], managesHost = false) =>
  unitText({
    managesHost,
    repository: "/opt/khmara",
    words,
    settings: readSettings(words, {}),
    cacheFolder: "/var/cache/khmara",
    path: "/usr/bin:/bin",
  });

test("the unit starts the launcher with the same options, and may write to its own folders only", () => {
  const text = unit(["--data", "/srv/my cloud", "--port", "80"]);
  assert.match(text, /^ExecStart=\/opt\/khmara\/khmara up --data "\/srv\/my cloud" --port 80$/m);
  assert.match(text, /^ReadWritePaths="-\/srv\/my cloud" -\/var\/cache\/khmara -\/opt\/khmara$/m);
  for (const line of ["Type=exec", "Restart=always", "KillMode=mixed", "ProtectSystem=strict", "ProtectHome=yes"]) {
    assert.ok(text.split("\n").includes(line), line);
  }
});

test("a folder below a home stays reachable, and paths become absolute", () => {
  const text = unit([
    "--data",
    "/home/ann/cloud",
    "--owner-email=a@b.c",
    "--owner-password-file=/dev/null".replace("/dev/null", "/etc/hostname"),
  ]);
  assert.match(text, /^ProtectHome=no$/m);
  assert.match(unit(["--data=relative", "--engine-socket=none"]), new RegExp(`--data=${join(process.cwd(), "relative")}`));
});

test("with virtual servers the networks of the host are its own, and outlive it", () => {
  const lines = unit(["--install-engines"], true).split("\n");
  assert.ok(lines.includes("KillMode=process"));
  // Each of these brings a mount namespace, in which the names of network namespaces would be lost at a restart.
  const names = /^(Protect\w+|Private\w+|ReadWritePaths|RuntimeDirectory|CapabilityBoundingSet|RestrictSUIDSGID)=/;
  assert.deepEqual(
    lines.filter((line) => names.test(line)),
    [],
  );
  assert.ok(lines.includes("NoNewPrivileges=yes"));
  assert.ok(lines.some((line) => /^After=.* lxd\.socket .*incus\.socket/.test(line)));
});

test("secrets of the environment go into a file of root's, quoted", () => {
  const text = environmentText({ KHMARA_OWNER_PASSWORD: 'a "b" \\c', KHMARA_PORT: "81", HOME: "/root" });
  assert.equal(text, 'KHMARA_PORT="81"\nKHMARA_OWNER_PASSWORD="a \\"b\\" \\\\c"\n');
});

test("systemd itself understands the unit", { skip: spawnSync("systemd-analyze", ["--version"]).status !== 0 }, (t) => {
  const folder = mkdtempSync(join(tmpdir(), "khmara-unit-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "khmara.service");
  for (const managesHost of [false, true]) {
    writeFileSync(file, unit(["--data", "/srv/100% $mine"], managesHost).replace("/opt/khmara/khmara", "/bin/true"));
    const { stdout, stderr } = spawnSync("systemd-analyze", ["verify", file], { encoding: "utf8" });
    assert.equal(
      `${stdout}${stderr}`
        .split("\n")
        .filter((line) => line.includes("khmara.service"))
        .join("\n"),
      "",
    );
  }
});

test("without systemd there is one clear line", { skip: existsSync("/run/systemd/system") }, () => {
  const script = join(import.meta.dirname, "service-install.ts");
  const run = spawnSync(process.execPath, [script, "install"], { encoding: "utf8" });
  assert.equal(run.status, 1);
  assert.equal(run.stderr, "khmara: This machine does not run systemd. Let its own init start this instead: ./khmara up\n");
  assert.match(spawnSync(process.execPath, [script, "install", "--print"], { encoding: "utf8" }).stdout, /^ExecStart=/m);
});
