import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { commandAs, guestExit, lineCommand, listCommand, parseListing, placeCommand, userCommand } from "./guest.ts";

/** The scripts run on this machine, with its own tools and with BusyBox's: what guests have is one of the two. */
const folder = mkdtempSync(join(tmpdir(), "khmara-guest-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const hasBusybox = spawnSync("busybox", ["true"]).status === 0;
const busyboxPath = join(folder, "busybox");
if (hasBusybox) {
  mkdirSync(busyboxPath);
  for (const tool of ["sh", "find", "xargs", "stat", "id", "mv", "rm", "grep", "su"])
    symlinkSync(execFileSync("which", ["busybox"], { encoding: "utf8" }).trim(), join(busyboxPath, tool));
}
const paths = [process.env["PATH"] as string, ...(hasBusybox ? [busyboxPath] : [])];
const run = ([program, ...words]: string[], path: string) =>
  spawnSync(program as string, words, { env: { PATH: path, LC_ALL: "C" }, input: "" });

for (const path of paths) {
  const tools = path === busyboxPath ? "BusyBox" : "this machine";
  test(`a folder is listed, whatever its files are called (${tools})`, () => {
    const at = mkdtempSync(join(folder, "list-"));
    const names = ["plain", "with space", "new\nline", "-n", ".hidden", "sláva", "it's", '"quoted"', "a/\n".replace("/", "\\")];
    for (const name of names) writeFileSync(join(at, name), "12345");
    writeFileSync(join(at, "empty"), "");
    chmodSync(join(at, "plain"), 0o4750);
    utimesSync(join(at, "plain"), 1_700_000_000, 1_700_000_000);
    mkdirSync(join(at, "folder"));
    symlinkSync("plain", join(at, "link"));
    const listed = run(listCommand(at), path);
    assert.equal(listed.status, 0, String(listed.stderr));
    const files = parseListing(listed.stdout);
    assert.deepEqual(
      files.map(({ name }) => name),
      [...names, "empty", "folder", "link"].sort((a, b) => (a < b ? -1 : 1)),
    );
    const byName = Object.fromEntries(files.map((file) => [file.name, file]));
    assert.deepEqual(
      { ...byName["plain"], user: "", group: "" },
      { name: "plain", kind: "file", sizeBytes: 5, mode: "4750", user: "", group: "", modifiedAt: "2023-11-14T22:13:20.000Z" },
    );
    assert.deepEqual(
      ["empty", "folder", "link"].map((name) => byName[name]?.kind),
      ["file", "directory", "link"],
    );
    if (path !== busyboxPath) assert.equal(byName["link"]?.target, "plain");
    assert.deepEqual(parseListing(run(listCommand(join(at, "folder")), path).stdout), []);
    assert.equal(run(listCommand(join(at, "plain")), path).status, guestExit.kind);
    assert.equal(run(listCommand(join(at, "nothing")), path).status, guestExit.missing);
  });

  test(`users are found, files put in place (${tools})`, () => {
    assert.equal(String(run(userCommand("root"), path).stdout), "0\n0\n");
    assert.equal(run(userCommand("nobody-of-that-name"), path).status, guestExit.unknownUser);
    const at = mkdtempSync(join(folder, "place-"));
    for (const [from, to] of [["-a", "-b"]] as const) {
      writeFileSync(join(at, from), "new");
      writeFileSync(join(at, to), "old");
      assert.equal(run(placeCommand(join(at, from), join(at, to)), path).status, 0);
      assert.equal(readFileSync(join(at, to), "utf8"), "new");
    }
    writeFileSync(join(at, "c"), "new");
    assert.equal(run(placeCommand(join(at, "c"), at), path).status, guestExit.kind);
  });

  // Debian's BusyBox has no su.
  const skip = process.getuid?.() !== 0 ? "needs root" : path === busyboxPath && "no su";
  test(`another user's commands get their words as they are (${tools})`, { skip }, () => {
    const words = ["$HOME", "`id`", "a b", "-l", "it's", "", "\\"];
    const seen = run(commandAs("nobody", ["printf", "%s\\n", ...words], "/tmp"), path);
    assert.equal(seen.status, 0, String(seen.stderr));
    assert.equal(String(seen.stdout), `${words.join("\n")}\n`);
    assert.equal(String(run(commandAs("nobody", ["id", "-un"], "/"), path).stdout), "nobody\n");
    assert.equal(String(run(commandAs("nobody", ["pwd"], "/usr"), path).stdout), "/usr\n");
    assert.equal(run(commandAs("nobody", ["pwd"], "/nothing/there"), path).status, 126);
    assert.equal(run(commandAs("nobody", ["sh", "-c", "exit 7"], "/"), path).status, 7);
    const line = run(lineCommand("root", "printf '%s' \"$0 $HOME\"; exit 3"), path);
    assert.equal(line.status, 3);
    assert.match(String(line.stdout), /\/root$/);
  });
}
