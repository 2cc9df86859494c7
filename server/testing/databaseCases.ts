import { newId } from "../../kernel/ids.ts";
import type { Case } from "./authorizationCase.ts";
import { bucket, cloud, organisation, project, unique } from "./authorizationWalk.ts";

function onDatabase(body?: object): Case {
  return { ownerStatus: 409, input: async () => ({ params: { database: await newDatabase() }, ...(body ? { body } : {}) }) };
}
async function newDatabase(): Promise<string> {
  const id = newId("database");
  await cloud.database
    .sql`insert into databases.databases (id, organisation_id, project_id, name, engine, version, state, memory_bytes, cpus, disk_bytes,
      database_name, owner_name, backup_hour, keep_days, created_at)
    values (${id}, ${organisation}, ${project}, ${unique("walked")}, 'postgres', '15', 'running', 268435456, 1, 1073741824, 'walked', 'walked', 2, 7,
      now())`;
  return id;
}
async function newDatabaseUser(): Promise<string> {
  const id = newId("databaseUser");
  await cloud.database
    .sql`insert into databases.users (id, organisation_id, project_id, database_id, name, access, state, created_at, changed_at)
    values (${id}, ${organisation}, ${project}, ${await newDatabase()}, 'walker', 'read_write', 'active', now(), now())`;
  return id;
}
async function newDatabaseBackup(): Promise<string> {
  const id = newId("databaseBackup");
  await cloud.database
    .sql`insert into databases.backups (id, organisation_id, project_id, database_id, database_name, inner_name, owner_name, version, memory_bytes,
      cpus, disk_bytes, state, bucket_id, bucket_name, prefix, automatic, created_at)
    values (${id}, ${organisation}, ${project}, ${newId("database")}, 'walked', 'walked', 'walked', '15', 268435456, 1, 1073741824, 'available',
      ${bucket}, 'walked', 'databases/walked/1/', false, now())`;
  return id;
}

/** Of databases. There is no engine. */
export const databaseCases: Record<string, Case> = {
  // databases (there is no engine)
  databaseList: { input: () => ({ query: { project } }) },
  databaseCreate: { ownerStatus: 409, input: () => ({ body: { project, name: unique("walk") } }) },
  databaseGet: { input: async () => ({ params: { database: await newDatabase() } }) },
  databaseUpdate: { input: async () => ({ params: { database: await newDatabase() }, body: { keepDays: 3 } }) },
  databaseConnectionGet: onDatabase(),
  databaseRestart: onDatabase(),
  databaseStop: onDatabase(),
  databaseStart: onDatabase(),
  databaseRename: onDatabase({ name: "walked-anew" }),
  databaseResize: onDatabase({ cpus: 2 }),
  databaseUpgrade: onDatabase({ version: "18" }),
  databaseClone: onDatabase({ name: "walked-clone" }),
  databaseRecover: onDatabase({ name: "walked-before", at: "2026-01-01T00:00:00Z" }),
  databaseDelete: {
    ownerStatus: 409,
    input: async () => ({ params: { database: await newDatabase() }, query: { confirm: "walked" } }),
  },
  databaseUserList: { input: async () => ({ params: { database: await newDatabase() } }) },
  databaseUserCreate: onDatabase({ name: "walker" }),
  databaseUserRotate: { ownerStatus: 409, input: async () => ({ params: { databaseUser: await newDatabaseUser() } }) },
  databaseUserDelete: { ownerStatus: 409, input: async () => ({ params: { databaseUser: await newDatabaseUser() } }) },
  databaseExtensionList: onDatabase(),
  databaseExtensionEnable: onDatabase({ extension: "hstore" }),
  databaseExtensionDisable: {
    ownerStatus: 409,
    input: async () => ({ params: { database: await newDatabase(), extension: "hstore" } }),
  },
  databaseTableList: onDatabase(),
  databaseQuery: onDatabase({ sql: "select 1" }),
  databaseStatementList: onDatabase(),
  databaseScriptRun: onDatabase({ sql: "select 1; select 2" }),
  databaseSessionList: onDatabase(),
  databaseSessionTerminate: { ownerStatus: 409, input: async () => ({ params: { database: await newDatabase(), pid: 42 } }) },
  databaseMetricsGet: onDatabase(),
  databaseHistoryGet: { input: async () => ({ params: { database: await newDatabase() } }) },
  databaseBackupList: { input: () => ({ query: { project } }) },
  databaseBackupCreate: onDatabase(),
  databaseBackupGet: { input: async () => ({ params: { databaseBackup: await newDatabaseBackup() } }) },
  databaseBackupVerify: { ownerStatus: 409, input: async () => ({ params: { databaseBackup: await newDatabaseBackup() } }) },
  databaseBackupRestore: {
    ownerStatus: 409,
    input: async () => ({ params: { databaseBackup: await newDatabaseBackup() }, body: { name: "walked-again" } }),
  },
  databaseBackupDelete: { ownerStatus: 409, input: async () => ({ params: { databaseBackup: await newDatabaseBackup() } }) },
};
