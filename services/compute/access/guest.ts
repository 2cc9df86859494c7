import { Buffer } from "node:buffer";
import type { InstanceFile } from "./contract.ts";

/**
 * The commands that are run inside guests, whatever distribution they are: `sh` and either util-linux and GNU or BusyBox. Names and paths are
 * always arguments, never part of a script.
 */

/** A login shell as the user's own: with PAM's session, groups and environment where there is `su`. */
export const loginCommand = (user: string): string[] => [
  "sh",
  "-c",
  'command -v su >/dev/null 2>&1 && exec su -l -- "$0"; cd; command -v bash >/dev/null 2>&1 && exec bash -l; exec sh -l',
  user,
];

/** A line for the user's shell. util-linux would take the terminal away from a command that is given by -c. */
export const lineCommand = (user: string, line: string): string[] => [
  "sh",
  "-c",
  'if su --help 2>&1 | grep -q session-command; then exec su -l --session-command="$1" -- "$0"; fi; exec su -l -c "$1" -- "$0"',
  user,
  line,
];

/** A program with its arguments as another user than root. It begins in the user's home unless a folder is given. */
export const commandAs = (user: string, command: readonly string[], workingDirectory: string | undefined): string[] => [
  "su",
  "-s",
  "/bin/sh",
  "-c",
  'if [ -n "$1" ]; then cd -- "$1"; else cd; fi || exit 126; shift; exec "$@"',
  "--",
  user,
  "sh",
  workingDirectory ?? "",
  ...command,
];

/** Exit codes of our scripts. */
export const guestExit = { missing: 44, kind: 45, unknownUser: 46 } as const;

/** Every entry of a folder: GNU's find says it in one go, BusyBox with one stat for all. */
export const listCommand = (path: string): string[] => [
  "sh",
  "-c",
  `[ -e "$1" ] || exit ${guestExit.missing}
[ -d "$1" ] || exit ${guestExit.kind}
if find --version >/dev/null 2>&1; then
  exec find "$1/" -mindepth 1 -maxdepth 1 -printf '%m %s %T@ %u %g %y %f/%l\\0'
fi
cd "$1" || exit 1
find . -mindepth 1 -maxdepth 1 -print0 | xargs -0 -r stat -c '%a %s %Y %U %G %F %n/' --
`,
  "sh",
  path,
];

const kindOf = (word: string): InstanceFile["kind"] =>
  word === "f" || word.startsWith("regular")
    ? "file"
    : word === "d" || word === "directory"
      ? "directory"
      : word === "l" || word.startsWith("symbolic")
        ? "link"
        : "other";

/** What listCommand printed, by name. */
export function parseListing(output: Uint8Array): InstanceFile[] {
  const text = Buffer.from(output).toString();
  const isGnu = text.endsWith("\0");
  const files: InstanceFile[] = [];
  // BusyBox ends each entry with the slash of our format, which no name can hold, and a line break.
  for (const record of text.split(isGnu ? "\0" : "/\n")) {
    const match = isGnu
      ? /^(\d+) (\d+) ([\d.-]+) (\S+) (\S+) (\S) ([^/]*)\/([\s\S]*)$/.exec(record)
      : /^(\d+) (\d+) ([\d.-]+) (\S+) (\S+) (regular empty file|regular file|directory|symbolic link|[a-z ]+?) \.\/([\s\S]*)$/.exec(
          record,
        );
    if (!match) continue;
    const [, mode = "", size, modified, user = "", group = "", kind = "", name = "", target = ""] = match;
    files.push({
      name,
      kind: kindOf(kind),
      sizeBytes: Number(size),
      mode: mode.padStart(4, "0"),
      user,
      group,
      modifiedAt: new Date(Math.floor(Number(modified) * 1000)).toISOString(),
      ...(target !== "" && { target }),
    });
  }
  return files.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Prints the numbers of a user and of its group. */
export const userCommand = (user: string): string[] => [
  "sh",
  "-c",
  `id -u -- "$1" && id -g -- "$1" || exit ${guestExit.unknownUser}`,
  "sh",
  user,
];

/** Puts a file that is fully there in the place of another one. */
export const placeCommand = (from: string, to: string): string[] => [
  "sh",
  "-c",
  `[ -d "$2" ] && exit ${guestExit.kind}; exec mv -f -- "$1" "$2"`,
  "sh",
  from,
  to,
];

export const removeCommand = (path: string): string[] => ["rm", "-f", "--", path];
