/** `./khmara objects rebuild-index`: makes the index of the object store anew from its journal, while Khmara is stopped. */
import { existsSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { CloudError } from "../kernel/errors.ts";
import { fetchIndexCopy, rebuildIndex } from "../services/objects/index.ts";
import { dataPaths, runningKhmara } from "./data-folder.ts";
import { lockFile } from "./file-lock.ts";
import { clusterSettings, readClusterKeys } from "./object-options.ts";
import { defaultDataDirectory } from "./options.ts";
import { StartError } from "./start-error.ts";

const help = `Makes the index of the object store anew, when it is lost or damaged: from its journal, which holds every change of it.
Stop Khmara first, and be the user who starts it. The old index is put aside, and so are files that no object names any more.

  ./khmara objects rebuild-index [--data DIR] [--object-cluster URL --object-cluster-keys FILE]

  --data DIR                   the data folder, as for ./khmara up (or KHMARA_DATA)
  --object-cluster URL         take the journal from the storage cluster, as for ./khmara up: when this machine's is lost
  --object-cluster-keys FILE   its keys
`;

const flags = { "--data": "DIR", "--object-cluster": "URL", "--object-cluster-keys": "FILE" } as const;
type Flag = keyof typeof flags;

function read(words: string[], environment: NodeJS.ProcessEnv) {
  const given: Partial<Record<Flag, string>> = {};
  for (let i = 0; i < words.length; i++) {
    const [flag, attached] = (words[i] as string).split(/=(.*)/s) as [Flag, string?];
    if (!(flag in flags)) throw new StartError(`Unknown word ${flag}. See ./khmara objects rebuild-index --help.`);
    const value = attached ?? words[++i];
    if (!value) throw new StartError(`${flag} needs a value: ${flag} ${flags[flag]}.`);
    given[flag] = value;
  }
  const option = (flag: Flag) => given[flag] && { value: given[flag], from: flag };
  const [objectCluster, objectClusterKeys] = [option("--object-cluster"), option("--object-cluster-keys")];
  return {
    dataDirectory: resolve(given["--data"] ?? (environment["KHMARA_DATA"] || defaultDataDirectory(environment))),
    cluster: clusterSettings({ ...(objectCluster && { objectCluster }), ...(objectClusterKeys && { objectClusterKeys }) }),
  };
}

async function rebuild({ dataDirectory, cluster }: ReturnType<typeof read>): Promise<string[]> {
  const objects = join(dataDirectory, "objects");
  if (cluster !== undefined) mkdirSync(objects, { recursive: true });
  if (!existsSync(objects)) throw new StartError(`${dataDirectory} has no objects. Name the data folder with --data DIR.`);
  const running = runningKhmara(dataDirectory);
  const lock = running === undefined ? lockFile(dataPaths(dataDirectory).lock) : undefined;
  if (lock === undefined)
    throw new StartError(
      `Khmara runs on ${dataDirectory}${running === undefined ? "" : ` (process ${running.pid})`}. Stop it first.`,
    );
  try {
    if (cluster !== undefined) await fetchIndexCopy({ ...cluster, ...readClusterKeys(cluster.keysFile) }, objects);
    let told = Date.now();
    const report = await rebuildIndex(objects, (commits) => {
      if (Date.now() - told < 1000) return;
      told = Date.now();
      process.stderr.write(`${commits} changes\n`);
    });
    return [
      `The index is made anew: ${report.objects} objects, ${report.commits} changes since the last snapshot.`,
      ...(report.oldIndexFolder === undefined ? [] : [`The old one is in ${report.oldIndexFolder}.`]),
      ...(report.gaps === 0
        ? []
        : [`The journal has ${report.gaps} gaps: what was changed there may be missing, or be as it was before.`]),
      ...(report.lostFiles === 0
        ? []
        : [`${report.lostFiles} files are missing: ./khmara objects verify names the objects that they belonged to.`]),
      ...(report.unnamedFolder === undefined
        ? []
        : [`${report.unnamedFiles} files that no object names are in ${report.unnamedFolder}.`]),
    ];
  } finally {
    lock.release();
  }
}

const words = process.argv.slice(2);
if (words.includes("--help") || words.includes("-h")) {
  process.stdout.write(help);
  process.exit(0);
}
try {
  for (const line of await rebuild(read(words, process.env))) process.stdout.write(`${line}\n`);
} catch (error) {
  const known = error instanceof StartError || CloudError.is(error);
  process.stderr.write(`khmara: ${known ? error.message : ((error as Error).stack ?? String(error))}\n`);
  process.exitCode = 1;
}
