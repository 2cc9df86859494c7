import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type GuestCommand, installScript } from "./guestScripts.ts";

const folder = mkdtempSync(join(tmpdir(), "khmara-guest-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** The shells of Debian (dash) and of Alpine (BusyBox), each with its own programs. */
const shells: Record<string, string> = { "the shell here": process.env["PATH"] as string };
if (spawnSync("busybox", ["true"]).status === 0) {
  const programs = join(folder, "programs");
  execFileSync("sh", ["-c", `mkdir ${programs} && busybox --install -s ${programs}`]);
  shells["BusyBox"] = programs;
}

for (const [shell, PATH] of Object.entries(shells)) {
  const newGuest = (command: Partial<GuestCommand>) => {
    const root = mkdtempSync(join(folder, "root-"));
    const script = installScript({ environment: { PATH }, timeoutSeconds: 60, logLimitBytes: 1_000_000, ...command }, root);
    const sh = (args: string[], input?: string) =>
      spawnSync(shell === "BusyBox" ? join(PATH, "sh") : "/bin/sh", args, { input, env: { PATH } });
    return {
      root,
      install() {
        const { status, stderr } = sh(["-s"], script);
        assert.equal(status, 0, String(stderr));
      },
      poll(offset: number, limit = 100_000, waits = 0) {
        const { stdout } = sh([join(root, "khmara/poll"), String(offset), String(limit), String(waits)]);
        const end = stdout.indexOf(10);
        const [state, code, size, cut] = stdout.subarray(0, end).toString().split(" ");
        return { state, code, size: Number(size), cut, log: stdout.subarray(end + 1) };
      },
      async over() {
        for (let tries = 0; tries < 200; tries++) {
          const found = this.poll(0);
          if (found.state !== "running") return found;
          await sleep(50);
        }
        throw new Error("It did not end.");
      },
      file: (name: string) => readFileSync(join(root, name), "utf8"),
    };
  };

  test(`${shell}: a command's arguments and variables come through as they are`, async () => {
    const words = ["a b", "it's", '"$HOME"', "`id`", "back\\slash", "line\nbreak", "*", "", "ü€"];
    const guest = newGuest({
      command: ["sh", "-c", 'for word in "$@"; do printf "<%s>" "$word"; done; printf "[%s]" "$SECRET"; exit 7', "sh", ...words],
      environment: { PATH, SECRET: "it's a 'secret'\nof two lines $(date)" },
    });
    guest.install();
    const { state, code, log } = await guest.over();
    assert.deepEqual([state, code], ["exited", "7"]);
    assert.equal(log.toString(), `${words.map((word) => `<${word}>`).join("")}[it's a 'secret'\nof two lines $(date)]`);
    assert.ok(!existsSync(join(guest.root, "khmara/environment")), "no secret is left behind");
  });

  test(`${shell}: a script runs by its #! line or by the shell; standard error is in the log`, async () => {
    const plain = newGuest({ script: "echo out; echo err >&2; pwd; exit 3" });
    plain.install();
    const first = await plain.over();
    assert.deepEqual([first.code, first.log.toString().split("\n").slice(0, 2)], ["3", ["out", "err"]]);
    const awk = newGuest({
      script: `#!${PATH === shells["BusyBox"] ? join(PATH, "awk") : "/usr/bin/awk"} -f\nBEGIN { print 6 * 7 }`,
    });
    awk.install();
    const second = await awk.over();
    assert.deepEqual([second.code, second.log.toString()], ["0", "42\n"]);
  });

  test(`${shell}: installed twice, it runs once`, async () => {
    const guest = newGuest({
      script: `echo once >> "$PROOF"; sleep 0.5`,
      environment: { PATH, PROOF: join(folder, `${shell}-once`) },
    });
    guest.install();
    guest.install();
    await guest.over();
    guest.install();
    await sleep(300);
    assert.equal(readFileSync(join(folder, `${shell}-once`), "utf8"), "once\n");
  });

  test(`${shell}: the log is followed while it runs, from any offset`, async () => {
    const guest = newGuest({ script: "echo first; sleep 1; echo second" });
    guest.install();
    const early = guest.poll(0, 100, 3);
    assert.deepEqual([early.state, early.log.toString()], ["running", "first\n"]);
    const late = await guest.over();
    assert.equal(late.size, 13);
    assert.equal(guest.poll(6).log.toString(), "second\n");
    assert.equal(guest.poll(6, 3).log.toString(), "sec");
    assert.equal(guest.poll(13).log.length, 0);
  });

  test(`${shell}: it is killed at its timeout, and what it started with it`, async () => {
    const guest = newGuest({ script: "sleep 300 & sleep 300; echo never", timeoutSeconds: 1 });
    guest.install();
    const began = Date.now();
    const { state, log } = await guest.over();
    assert.equal(state, "timed_out");
    assert.ok(Date.now() - began < 8000);
    assert.equal(log.toString().includes("never"), false);
  });

  test(`${shell}: a command that ignores SIGTERM is killed all the same`, async () => {
    const guest = newGuest({ script: "trap '' TERM; while :; do sleep 1; done", timeoutSeconds: 1 });
    guest.install();
    assert.equal((await guest.over()).state, "timed_out");
  });

  test(`${shell}: a log without end keeps its beginning, and takes no more room`, async () => {
    const guest = newGuest({
      script: "i=0; while [ $i -lt 60000 ]; do echo line-$i; i=$((i+1)); done; sleep 2.2; echo end",
      logLimitBytes: 10_000,
    });
    guest.install();
    const { state, cut, size, log } = await guest.over();
    assert.deepEqual([state, cut, size], ["exited", "yes", 10_000]);
    assert.ok(log.toString().startsWith("line-0\nline-1\n"));
    assert.ok(guest.file("khmara/log").length < 1000);
  });

  test(`${shell}: what goes on in the background holds nothing up`, async () => {
    const guest = newGuest({ script: "sleep 30 & echo done" });
    guest.install();
    const began = Date.now();
    const { state, code, log } = await guest.over();
    assert.deepEqual([state, code, log.toString()], ["exited", "0", "done\n"]);
    assert.ok(Date.now() - began < 25_000);
  });

  test(`${shell}: a runner that was killed is told as lost; one never begun as none`, async () => {
    const guest = newGuest({ script: "sleep 30" });
    guest.install();
    assert.equal(guest.poll(0).state, "running");
    process.kill(Number(guest.file("khmara/runner.pid").split(" ")[0]), "SIGKILL");
    await sleep(50);
    assert.equal(guest.poll(0).state, "lost");
    // The number of a process is used again after a restart; its start time is another one then.
    writeFileSync(join(guest.root, "khmara/runner.pid"), `${process.pid} 1\n`);
    assert.equal(guest.poll(0).state, "lost");
    rmSync(join(guest.root, "khmara/runner.pid"));
    assert.equal(guest.poll(0).state, "none");
  });

  test(`${shell}: a program that is not there`, async () => {
    const guest = newGuest({ command: ["no-such-program"] });
    guest.install();
    const { code, log } = await guest.over();
    assert.equal(code, "127");
    assert.match(log.toString(), /not found/);
  });
}
