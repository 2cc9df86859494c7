import { randomBytes } from "node:crypto";

/** The role and database of the control plane. Not a superuser: row-level security binds it. */
export const databaseRole = "khmara";
export const databaseName = "khmara";
export const databasePort = 5432;
export const databaseMajor = "18";

/** Settings of the operator's own, in PostgreSQL's data folder; they have the last word. */
export const customFile = "custom.conf";

/** Small on purpose: the whole cloud is to idle below 250 MB. */
export function postgresConfiguration(options: {
  socketFolder: string;
  durable: boolean;
  maxConnections: number;
  custom: boolean;
}): string {
  const settings: Record<string, string | number> = {
    listen_addresses: "",
    port: databasePort,
    unix_socket_directories: options.socketFolder,
    unix_socket_permissions: "0700",
    password_encryption: "scram-sha-256",
    max_connections: options.maxConnections,
    superuser_reserved_connections: 1,
    // What is not there comes from the page cache, in microseconds.
    shared_buffers: "10MB",
    work_mem: "4MB",
    maintenance_work_mem: "32MB",
    temp_buffers: "1MB",
    huge_pages: "off",
    jit: "off",
    // Without worker processes for reading: each would cost memory, and the page cache serves what is hot.
    io_method: "sync",
    max_worker_processes: 2,
    max_parallel_workers: 2,
    max_parallel_workers_per_gather: 1,
    max_logical_replication_workers: 0,
    autovacuum_max_workers: 2,
    autovacuum_worker_slots: 2,
    // One for a base backup, one for the log that it needs.
    max_wal_senders: 2,
    max_replication_slots: 1,
    wal_level: "replica",
    min_wal_size: "32MB",
    max_wal_size: "256MB",
    checkpoint_timeout: "15min",
    fsync: options.durable ? "on" : "off",
    full_page_writes: options.durable ? "on" : "off",
    synchronous_commit: options.durable ? "on" : "off",
    // Lock waits that no one looks at would hold up others for good.
    idle_in_transaction_session_timeout: "5min",
    timezone: "UTC",
    log_timezone: "UTC",
    lc_messages: "C",
    log_checkpoints: "off",
    log_autovacuum_min_duration: "-1",
    log_line_prefix: "%m [%p] ",
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${String(value).replaceAll("'", "''")}'`);
  return [
    `# Written by Khmara at every start. Settings of your own go into ${customFile} beside this file, which it never touches.`,
    ...lines,
    options.custom ? `include '${customFile}'` : "",
    "",
  ].join("\n");
}

/** Every connection needs the password, even though only one system user can reach the socket. */
export const postgresAccess = "# Written by Khmara at every start.\nlocal all all scram-sha-256\n";

export const newPassword = (): string => randomBytes(24).toString("hex");

/** Statements for single-user mode, one a line. The superuser gets no password: it exists in single-user mode only. */
export const firstStatements = (password: string): string[] => [
  `CREATE ROLE ${databaseRole} LOGIN CREATEDB CREATEROLE REPLICATION PASSWORD '${password}'`,
  `GRANT pg_monitor, pg_checkpoint TO ${databaseRole}`,
  `CREATE DATABASE ${databaseName} OWNER ${databaseRole}`,
];

export const passwordStatement = (password: string): string => `ALTER ROLE ${databaseRole} PASSWORD '${password}'`;
