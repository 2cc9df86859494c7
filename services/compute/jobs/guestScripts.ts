/**
 * What runs inside the guest: POSIX shell, for dash and BusyBox alike. All of it lies in one folder (/khmara), so that whoever comes
 * later, after a crash of the control plane, reads there how it stands:
 *
 *   runner.pid   process id and start time of the runner; made by link(2), so that only one runner ever begins
 *   log          what the command writes; once it is too long, log.kept has its beginning and log is emptied again and again
 *   timed-out    there when the runner killed the command
 *   exit-code    there when all is over
 */

/** Begins the command and waits for its end; on its own, whatever becomes of the connection that started it. */
export const runnerScript = `#!/bin/sh
# runner TIMEOUT_SECONDS LOG_LIMIT_BYTES
cd "\${0%/*}" || exit 1
started_of() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20; }
echo "$$ $(started_of $$)" > "runner.$$"
ln "runner.$$" runner.pid 2>/dev/null || exit 0
uptime() { read -r up rest < /proc/uptime; echo "\${up%%.*}"; }
keep() {
  if [ ! -e log.kept ] && [ "$(wc -c < log)" -gt "$2" ]; then head -c "$2" log > log.cut && mv log.cut log.kept; fi
  if [ -e log.kept ]; then : > log; fi
}
: > log
mkfifo pipe
cat pipe >> log &
collector=$!
if command -v setsid > /dev/null; then setsid sh ./launch > pipe 2>&1 < /dev/null & else sh ./launch > pipe 2>&1 < /dev/null & fi
child=$!
end=$(($(uptime) + $1))
(
  while sleep 1; do
    keep "$@"
    [ "$(uptime)" -ge "$end" ] || continue
    : > timed-out
    kill -s TERM -- "-$child" 2>/dev/null || kill -s TERM "$child" 2>/dev/null
    for wait in 1 2 3 4 5; do sleep 1; keep "$@"; done
    kill -s KILL -- "-$child" 2>/dev/null || kill -s KILL "$child" 2>/dev/null
    exit
  done
) &
watchdog=$!
wait "$child"
code=$?
kill "$watchdog" 2>/dev/null
# The rest of the output; what the command left running in the background may hold the pipe open for ever.
tries=0
while kill -0 "$collector" 2>/dev/null && [ "$tries" -lt 20 ]; do sleep 0.1 2>/dev/null || sleep 1; tries=$((tries + 1)); done
kill "$collector" 2>/dev/null
keep "$@"
echo "$code" > exit-code.new
mv exit-code.new exit-code
`;

/**
 * Waits until there is something to tell, then tells it: a line `STATE CODE SIZE CUT`, and the log from the offset on. STATE is
 * running, exited, timed_out, lost (the runner is gone and left no result) or none (it was never begun).
 */
export const pollScript = `#!/bin/sh
# poll OFFSET LIMIT WAIT_SECONDS
cd "\${0%/*}" || exit 1
alive() {
  read -r pid started < runner.pid || return 1
  # A zombie has ended too.
  set -- $(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null)
  [ "\${20}" = "$started" ] && [ "$1" != Z ]
}
over() {
  [ -e exit-code ] || return 1
  if [ -e timed-out ]; then state=timed_out; else state=exited; fi
  code=$(cat exit-code)
}
tries=0
while :; do
  code=-
  if [ ! -e runner.pid ]; then state=none
  elif over; then :
  elif alive; then state=running
  elif over; then :
  else state=lost
  fi
  file=log cut=no
  if [ -e log.kept ]; then file=log.kept cut=yes; fi
  size=$(wc -c < "$file" 2>/dev/null || echo 0)
  size=$((size))
  if [ "$state" != running ] || [ "$tries" -ge "$3" ]; then break; fi
  if [ "$size" -gt "$1" ] && [ "$tries" -ge 1 ]; then break; fi
  if [ "$tries" -lt 3 ]; then sleep 0.3 2>/dev/null || sleep 1; else sleep 1; fi
  tries=$((tries + 1))
done
echo "$state $code $size $cut"
if [ "$size" -gt "$1" ]; then tail -c "+$(($1 + 1))" "$file" | head -c "$2"; fi
`;

/** Waits until the network cards have what DHCP gives them: a command that downloads something would fail at once otherwise. */
export const readyScript = `
tries=0
while [ "$tries" -lt 60 ]; do
  cards=0
  for card in /sys/class/net/*; do case "$card" in */lo|*'*') ;; *) cards=1 ;; esac; done
  if [ "$cards" = 0 ] || [ "$(wc -l < /proc/net/route)" -gt 1 ]; then break; fi
  sleep 0.5 2>/dev/null || sleep 1
  tries=$((tries + 1))
done
`;

/** A word as the shell reads it back, whatever it holds. */
export const quote = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

/** Everything is written to a file of its own by printf: here-documents would add a line end, and end at a line of the script. */
const writeFile = (name: string, content: string, mode: "600" | "700"): string =>
  `printf %s ${quote(content)} > ${name}.new && chmod ${mode} ${name}.new && mv ${name}.new ${name}\n`;

export interface GuestCommand {
  command?: readonly string[] | undefined;
  script?: string | undefined;
  /** Secret: travels on standard input, and its file is gone before the command begins. */
  environment: Readonly<Record<string, string>>;
  timeoutSeconds: number;
  logLimitBytes: number;
}

/**
 * Writes the files and starts the runner: the text of a script for \`sh -s\`. Harmless to repeat: a runner that began is never begun
 * again. `root` is where the guest's folders are, empty but for tests.
 */
export function installScript({ command, script, environment, timeoutSeconds, logLimitBytes }: GuestCommand, root = ""): string {
  const program =
    script === undefined
      ? `#!/bin/sh\nexec ${(command ?? []).map(quote).join(" ")}\n`
      : script.startsWith("#!")
        ? script
        : `#!/bin/sh\n${script}`;
  const variables = Object.entries(environment)
    .map(([name, value]) => `export ${name}=${quote(value)}\n`)
    .join("");
  const home = root === "" ? "/root" : root;
  return `set -eu
umask 077
mkdir -p ${quote(`${root}/khmara`)} ${quote(`${root}/input`)} ${quote(`${root}/output`)}
chmod 755 ${quote(`${root}/input`)} ${quote(`${root}/output`)}
cd ${quote(`${root}/khmara`)}
[ ! -e runner.pid ] || exit 0
${writeFile("environment", variables, "600")}${writeFile("program", program, "700")}${writeFile("runner", runnerScript, "700")}${writeFile("poll", pollScript, "700")}${writeFile(
  "launch",
  `cd ${quote(`${root}/khmara`)}
. ./environment
rm -f environment
umask 022
cd ${quote(home)} 2>/dev/null || cd /
exec ${quote(`${root}/khmara/program`)}
`,
  "700",
)}if command -v setsid > /dev/null
then setsid sh ${quote(`${root}/khmara/runner`)} ${timeoutSeconds} ${logLimitBytes} < /dev/null > /dev/null 2>&1 &
else sh ${quote(`${root}/khmara/runner`)} ${timeoutSeconds} ${logLimitBytes} < /dev/null > /dev/null 2>&1 &
fi
tries=0
while [ ! -e runner.pid ] && [ "$tries" -lt 100 ]; do sleep 0.1 2>/dev/null || sleep 1; tries=$((tries + 1)); done
[ -e runner.pid ]
`;
}
