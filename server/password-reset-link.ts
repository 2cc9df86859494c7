/**
 * `./khmara password-reset-link EMAIL`: the way back in for an owner who is locked out. Whoever may read the secrets of the
 * data folder owns the cloud anyway, so that is all that is asked for.
 */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { socketUrl } from "../kernel/config.ts";
import { openDatabase } from "../kernel/db/database.ts";
import { CloudError } from "../kernel/errors.ts";
import { silentLog } from "../kernel/log.ts";
import { openSecrets, readMasterKey } from "../kernel/secrets.ts";
import { createIdentity } from "../services/identity/index.ts";
import { dataPaths, runningKhmara } from "./data-folder.ts";
import { defaultDataDirectory } from "./options.ts";
import { databaseName, databasePort, databaseRole } from "./postgres-settings.ts";
import { errorCode, StartError } from "./start-error.ts";

const help = `Prints a link that sets a new password for somebody who is locked out. It works once, for 24 hours.
Khmara has to run, and you need to be the user who started it, or root.

  ./khmara password-reset-link EMAIL [options]

  --data DIR                  the data folder, as for ./khmara up (or KHMARA_DATA)
  --remove-second-factor      the link also removes the authenticator app and the passkeys

With a PostgreSQL of your own, set KHMARA_DATABASE_URL as for ./khmara up.
`;

interface Asked {
  email: string;
  dataDirectory: string;
  removeSecondFactor: boolean;
}

function read(words: string[], environment: NodeJS.ProcessEnv): Asked {
  let email: string | undefined;
  let data = environment["KHMARA_DATA"] || defaultDataDirectory(environment);
  let removeSecondFactor = false;
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    if (word === "--remove-second-factor") removeSecondFactor = true;
    else if (word === "--data" || word.startsWith("--data=")) {
      data = word === "--data" ? (words[++i] ?? "") : word.slice("--data=".length);
      if (data === "") throw new StartError("--data needs a value: --data DIR.");
    } else if (word.startsWith("-")) {
      throw new StartError(`Unknown option ${word}. See ./khmara password-reset-link --help.`);
    } else if (email !== undefined) throw new StartError(`"${word}" is one word too many: one e-mail address at a time.`);
    else email = word;
  }
  if (email === undefined) throw new StartError("Whose password? Use: ./khmara password-reset-link EMAIL");
  return { email, dataDirectory: resolve(data), removeSecondFactor };
}

const closed = (path: string): StartError =>
  new StartError(`${path} cannot be read by this user. Be the user who started Khmara, or root.`);

/** Of the PostgreSQL that the running Khmara brought with it: where its socket is, it says itself. */
function embeddedDatabaseUrl(dataDirectory: string): string {
  const { postgresql, databasePassword } = dataPaths(dataDirectory);
  const file = join(postgresql, "postmaster.pid");
  try {
    const folder = readFileSync(file, "utf8").split("\n")[4]?.trim();
    if (!folder) throw new StartError("The database is just being started. Try again in a moment.");
    const password = readFileSync(databasePassword, "utf8").trim();
    return socketUrl({ folder, port: databasePort, user: databaseRole, password, database: databaseName });
  } catch (error) {
    if (errorCode(error) === "EACCES") throw closed(file);
    if (errorCode(error) !== "ENOENT") throw error;
    throw new StartError(
      `No database runs in ${dataDirectory}. If this Khmara uses a PostgreSQL of your own, set KHMARA_DATABASE_URL as for ./khmara up.`,
    );
  }
}

async function passwordResetLink({ email, dataDirectory, removeSecondFactor }: Asked): Promise<string> {
  const { masterKey } = dataPaths(dataDirectory);
  const running = runningKhmara(dataDirectory);
  if (running === undefined) {
    throw new StartError(
      `No Khmara runs on ${dataDirectory}. Start it with ./khmara up, or name the data folder with --data DIR.`,
    );
  }
  let key: Uint8Array;
  try {
    key = readMasterKey(masterKey);
  } catch (error) {
    throw errorCode(error) === "EACCES" ? closed(masterKey) : error;
  }
  const database = openDatabase({
    url: process.env["KHMARA_DATABASE_URL"] || embeddedDatabaseUrl(dataDirectory),
    maxConnections: 1,
  });
  try {
    const identity = createIdentity({
      database,
      secrets: openSecrets(key),
      log: silentLog,
      publicUrl: running.url,
      s3Url: "",
      region: "",
      version: "",
    });
    return (await identity.passwordResetLinkFor(email, { removeSecondFactor })).link;
  } finally {
    await database.close();
  }
}

const words = process.argv.slice(2);
if (words.includes("--help") || words.includes("-h")) {
  process.stdout.write(help);
  process.exit(0);
}
try {
  // The link alone on the standard output: it may be handed on by a program.
  process.stdout.write(`${await passwordResetLink(read(words, process.env))}\n`);
  process.stderr.write("It works once, for 24 hours. Send it to nobody but the person it is for.\n");
} catch (error) {
  const known = error instanceof StartError || CloudError.is(error);
  process.stderr.write(`khmara: ${known ? error.message : ((error as Error).stack ?? String(error))}\n`);
  process.exitCode = 1;
}
