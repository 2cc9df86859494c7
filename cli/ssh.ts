import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { CloudError } from "../kernel/errors.ts";
import { globalFlags, readFlags, readOptions } from "./arguments.ts";
import { Cloud } from "./cloud.ts";
import { findCommand } from "./commands.ts";
import { idOf } from "./names.ts";
import { profilesPath, type Settings, settings } from "./profiles.ts";
import type { Terminal } from "./terminal.ts";
import { UsageError } from "./usage-error.ts";

const usage = "khmara ssh [-l USER] [-p PORT] [OPTIONS OF SSH] NAME [COMMAND…]";

export const sshHelp = `Sign in to an instance by SSH, through the cloud: it needs no public address.

Usage: ${usage}

The instance is found by its name or id. The user is that of its image, unless -l says otherwise. The instance proves itself by keys
that the cloud has read inside of it: there is nothing to confirm by hand, and a rebuilt instance raises no alarm.
Your own key must be inside: \`khmara instance create --ssh-key\` puts it there.

  --print-config    prints a block for ~/.ssh/config instead, so that scp, rsync, git and editors reach it too

Examples:
  khmara ssh web
  khmara ssh web uptime
  khmara ssh -l root -L 8080:localhost:80 web
  khmara ssh --project shop web -- tail -f /var/log/syslog
  khmara ssh --print-config web >> ~/.ssh/config; rsync -a site/ web.khmara:/srv/site/
`;

/** ssh(1): options with a value. */
const valued = new Set("BbcDEeFIiJLlmOopQRSWw");

interface Line {
  name: string;
  user: string | undefined;
  port: number;
  /** For ssh, before and after the name. */
  options: string[];
  command: string[];
  own: string[];
  printConfig: boolean;
}

/** What stands before the name is for us or for ssh, what stands after it is the command. */
function readLine(words: string[]): Line {
  const line: Line = { name: "", user: undefined, port: 22, options: [], command: [], own: [], printConfig: false };
  const rest = [...words];
  const value = (flag: string): string => {
    const word = rest.shift();
    if (word === undefined) throw new UsageError(`${flag} needs a value.`, usage);
    return word;
  };
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === "--print-config") line.printConfig = true;
    else if (word.startsWith("--") && word.length > 2) {
      line.own.push(word);
      const flag = globalFlags[word.slice(2) as keyof typeof globalFlags];
      if (flag?.value) line.own.push(value(word));
    } else if (word.startsWith("-") && word.length > 1 && word !== "--") {
      const letter = word.charAt(1);
      const given = valued.has(letter) ? word.slice(2) || value(word) : undefined;
      if (letter === "l") line.user = given;
      else if (letter === "p") line.port = Number(given);
      else line.options.push(...(given === undefined ? [word] : [`-${letter}`, given]));
    } else if (word !== "--") {
      const [, user, name = word] = /^([^@]+)@(.+)$/.exec(word) ?? [];
      line.name = name;
      line.user ??= user;
      line.command = rest[0] === "--" ? rest.slice(1) : rest;
      break;
    }
  }
  if (!Number.isInteger(line.port) || line.port < 1 || line.port > 65_535)
    throw new UsageError("-p needs a port: 1 to 65535.", usage);
  return line;
}

export async function ssh(words: string[], terminal: Terminal): Promise<number> {
  const line = readLine(words);
  const known = Object.keys(globalFlags);
  const { flags } = readFlags(
    line.own,
    (flag) => globalFlags[flag as keyof typeof globalFlags]?.value,
    () => known,
  );
  const options = readOptions(flags);
  if (options.help || words.length === 0) {
    terminal.out(sshHelp);
    return words.length === 0 ? 2 : 0;
  }
  if (line.name === "") throw new UsageError("Which instance?", usage);
  const chosen = settings(terminal.env, options);
  if (chosen.token === undefined) throw new CloudError("unauthenticated", `You are not signed in to ${chosen.endpoint}.`);
  const cloud = new Cloud(chosen);
  const named = findCommand("instance", "get")?.positionals[0]?.named;
  if (!named) throw new Error("There is no command `instance get`.");
  const place = { organisation: options.organisation ?? chosen.organisation, project: options.project ?? chosen.project };
  const instance = await idOf(cloud, named, line.name, place);
  const { user, hostKeys } = await cloud.client.instanceSshGet({ instance: instance as never });
  if (hostKeys.length === 0) {
    throw new CloudError(
      "failed_precondition",
      `${line.name} has no SSH server, or its first start is not over yet. Look inside: khmara instance terminal ${line.name}`,
    );
  }
  const knownHosts = keepHostKeys(terminal, instance, hostKeys);
  const proxy = { command: proxyCommand(chosen, instance, line.port, line.printConfig), knownHosts, instance };
  if (line.printConfig) {
    const host = line.name === instance ? instance : `${line.name}.khmara`;
    terminal.out(`Host ${host}\n${[`User ${line.user ?? user}`, ...settingsOf(proxy)].map((one) => `  ${one}\n`).join("")}`);
    return 0;
  }
  const settingsWords = settingsOf(proxy).flatMap((one) => ["-o", one.replace(" ", "=")]);
  const all = [...settingsWords, "-l", line.user ?? user, ...line.options, "--", `${line.name}.khmara`, ...line.command];
  return run(terminal, chosen, all);
}

const settingsOf = ({ command, knownHosts, instance }: { command: string; knownHosts: string; instance: string }): string[] => [
  `ProxyCommand ${command}`,
  `HostKeyAlias ${instance}`,
  `UserKnownHostsFile ${/\s/.test(knownHosts) ? `"${knownHosts}"` : knownHosts}`,
  "GlobalKnownHostsFile /dev/null",
  "StrictHostKeyChecking yes",
  "CheckHostIP no",
];

/** For the shell that ssh runs it in; a percent sign means something to ssh. */
const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`).replaceAll("%", "%%")}'`;

function proxyCommand(chosen: Settings, instance: string, port: number, lasting: boolean): string {
  const words = [process.execPath, fileURLToPath(new URL("main.ts", import.meta.url))];
  words.push("instance", "tunnel", instance, "--port", String(port), "--endpoint", chosen.endpoint);
  // In a file that lasts, the profile is named; a token from the environment is never written into one.
  if (lasting || chosen.profile) words.push("--profile", chosen.profileName);
  return words.map(quoted).join(" ");
}

/** One file for each instance, replaced as a whole: its keys are as fresh as the last look, whatever it was rebuilt to. */
function keepHostKeys(terminal: Terminal, instance: string, keys: string[]): string {
  const path = join(dirname(profilesPath(terminal.env)), "known_hosts", instance);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const aside = `${path}.${randomUUID()}`;
  writeFileSync(aside, keys.map((key) => `${instance} ${key}\n`).join(""), { mode: 0o600 });
  renameSync(aside, path);
  return path;
}

function run(terminal: Terminal, chosen: Settings, words: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn("ssh", words, {
      stdio: "inherit",
      env: { ...terminal.env, ...(chosen.token !== undefined && !chosen.profile && { KHMARA_TOKEN: chosen.token }) },
    });
    // It is ssh that Ctrl-C is for.
    const ignore = () => {};
    process.on("SIGINT", ignore);
    const over = () => process.off("SIGINT", ignore);
    child.once("error", (error: NodeJS.ErrnoException) => {
      over();
      reject(
        error.code === "ENOENT"
          ? new UsageError("The program ssh is not installed here.", "khmara instance terminal NAME needs none.")
          : error,
      );
    });
    child.once("close", (code, signal) => {
      over();
      resolve(code ?? (signal ? 128 : 1));
    });
  });
}
