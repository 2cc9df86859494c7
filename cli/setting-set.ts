import { parseEnv } from "node:util";
import { seeThrough } from "./deployment.ts";
import type { Run } from "./run.ts";
import { readSecret } from "./secret.ts";
import { askSecret } from "./terminal.ts";
import { UsageError } from "./usage-error.ts";

const usageLine = "Usage: khmara setting set APP KEY=VALUE… [--secret] [--file FILE]";

/** `khmara setting set APP KEY=VALUE…`: all at once, and the deployment that brings them is followed. */
export async function runSet(run: Run): Promise<number> {
  const { cloud, extra, options, terminal, values, named } = run;
  const given = await pairs(run);
  const names = Object.keys(given);
  if (names.length === 0) throw new UsageError("Which settings?", usageLine);
  for (const name of names) {
    if (!/^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(name))
      throw new UsageError(`"${name}" is no name of a setting: letters, digits and underscores.`, usageLine);
  }
  const app = String(values["app"]);
  const answer = await cloud.client.settingUpdate({
    app: app as never,
    ...(extra["secret"] ? { setSecrets: given } : { set: given }),
    deploy: !extra["no-deploy"],
  });
  const what = `${names.length === 1 ? names[0] : `${names.length} settings`} of ${named["app"] ?? app}`;
  if (answer.deploymentId === undefined) {
    if (options.json) terminal.out(`${JSON.stringify(answer, null, 2)}\n`);
    else if (!options.quiet) terminal.out(`Set ${what}. The next deployment brings it.\n`);
    return 0;
  }
  if (!options.quiet) terminal.note(`Set ${what}.\n`);
  return seeThrough(run, app, answer.deploymentId);
}

async function pairs({ rest, extra, terminal }: Run): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const file = extra["file"];
  // As Node and most others read such files: KEY=VALUE, # comments, quotes.
  if (typeof file === "string") Object.assign(found, parseEnv(readSecret(file)));
  for (const word of rest) {
    const at = word.indexOf("=");
    if (at > 0) found[word.slice(0, at)] = word.slice(at + 1);
    else if (at < 0 && extra["secret"] && terminal.interactive) found[word] = await askSecret(terminal, `${word}: `);
    else if (at < 0 && extra["secret"] && rest.length === 1 && file === undefined) found[word] = readSecret("-");
    else throw new UsageError(`"${word}" is not KEY=VALUE.`, usageLine);
  }
  return found;
}
