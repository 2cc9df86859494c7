/** PostgreSQL, each database a server of its own in a container of the applications' engine. */
import { PassThrough } from "node:stream";
import { pipeline } from "node:stream/promises";
import { CloudError } from "../../../../kernel/errors.ts";
import type { ContainerHost, DatabaseDriver } from "../../driver.ts";
import * as backups from "./backups.ts";
import { ensureImage, versions } from "./image.ts";
import * as queries from "./queries.ts";
import { script } from "./script.ts";
import * as server from "./server.ts";
import * as sessions from "./sessions.ts";
import * as users from "./users.ts";

export interface PostgresOptions {
  host: ContainerHost;
  /** Where root file systems are kept that were made. */
  folder: string;
}

export function openPostgres({ host, folder }: PostgresOptions): DatabaseDriver {
  return {
    kind: "postgres",
    versions,
    port: 5432,
    async prepare(version, options) {
      await ensureImage(host, folder, version, options);
    },
    async initialise(spec, options) {
      await host.volumeCreate({ name: spec.volume, labels: spec.labels }, options);
      await server.initialise(host, spec, options);
    },
    async restore(spec, source, options) {
      await host.volumeCreate({ name: spec.volume, labels: spec.labels }, options);
      await backups.restore(host, spec, source, options);
      await server.start(host, spec, options);
      await backups.forgetRecovery(host, spec.name, options);
    },
    start: (spec, options) => server.start(host, spec, options),
    configure: (spec, options) => server.configure(host, spec, options),
    stop: (name, options) => server.stop(host, name, options),
    remove: (name, options) => host.containerRemove(name, options),
    async discard(volume, options) {
      await host.volumeRemove(volume, options);
    },
    state: (name, options) => server.state(host, name, options),
    setUp: (name, wanted, options) => users.setUp(host, name, wanted, options),
    users: (name, options) => users.users(host, name, options),
    userPut: (name, user, options) => users.userPut(host, name, user, options),
    userRemove: (name, user, options) => users.userRemove(host, name, user, options),
    query: (name, sql, options) => queries.query(host, name, sql, options),
    script: (name, sql, options) => script(host, name, sql, options),
    tables: (name, database, page) => queries.tables(host, name, database, page),
    extensions: (name, database) => queries.extensions(host, name, database),
    extensionEnable: (name, database, extension) => queries.extensionEnable(host, name, database, extension),
    extensionDisable: (name, database, extension) => queries.extensionDisable(host, name, database, extension),
    statements: (name, database, limit) => queries.statements(host, name, database, limit),
    sessions: (name, database, limit) => sessions.sessions(host, name, database, limit),
    sessionEnd: (name, database, pid) => sessions.sessionEnd(host, name, database, pid),
    metrics: (name, database) => queries.metrics(host, name, database),
    usedBytes: (name, options) => queries.usedBytes(host, name, options),
    backup: (name, take, options) => backups.backup(host, name, take, options),
    archived: (name, options) => backups.archived(host, name, options),
    archivedRead: (name, file, options) => backups.archivedRead(host, name, file, options),
    archivedRemove: (name, files, options) => backups.archivedRemove(host, name, files, options),
    archiveNow: (name, options) => backups.archiveNow(host, name, options),
    logNeeded: backups.logNeeded,
    logObsolete: backups.logObsolete,
    check: (name, options) => queries.check(host, name, options),
    copy: (from, to, options) => copy(host, from, to, options?.signal),
  };
}

/** pg_dumpall of the old one's own version, read by psql in the new one: roles with what checks their passwords, and all databases. */
async function copy(host: ContainerHost, from: string, to: string, signal: AbortSignal | undefined): Promise<void> {
  const source = await host.containerOpen(from, {
    command: ["pg_dumpall", "--username=postgres", "--no-tablespaces", "--quote-all-identifiers"],
    signal,
  });
  source.stdin.end();
  const target = await host.containerOpen(to, {
    command: ["psql", "--username=postgres", "--dbname=postgres", "--no-psqlrc", "--quiet", "--output=/dev/null"],
    signal,
  });
  const words = { dump: "", load: "" };
  source.stderr.on("data", (piece: Buffer) => {
    words.dump = `${words.dump}${piece}`.slice(-4000);
  });
  target.stderr.on("data", (piece: Buffer) => {
    words.load = `${words.load}${piece}`.slice(-16_000);
  });
  target.stdout.resume();
  target.stdin.on("error", () => {});
  try {
    await pipeline(source.stdout, new PassThrough(), target.stdin, signal ? { signal } : {});
    const [dumped, loaded] = await Promise.all([source.exited, target.exited]);
    // The superuser is there already; everything else has to go through.
    const failures = words.load
      .split("\n")
      .filter((line) => /ERROR|FATAL/.test(line) && !/role "postgres" already exists/.test(line));
    if (dumped !== 0 || loaded !== 0 || failures.length > 0) {
      const said = (failures[0] ?? words.dump.split("\n")[0] ?? "").slice(0, 500);
      throw new CloudError(
        "failed_precondition",
        `The content cannot be taken over by the new version: ${said} The database stays as it was.`,
        { cause: new Error(`${words.dump}\n${words.load}`), details: { reason: "upgrade_failed", said } },
      );
    }
  } finally {
    source.close();
    target.close();
  }
}
