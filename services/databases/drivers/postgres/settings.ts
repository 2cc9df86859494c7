/** The files that say how a server runs; made of its size. Paths are those inside the container. */
import type { ServerSpec } from "../../driver.ts";

const MiB = 1024 ** 2;

/** Where everything lies in the volume, so that it can be put aside and brought back as one. */
export const paths = {
  volume: "/data",
  data: "/data/pg",
  settings: "/data/conf",
  /** Finished files of the log, until they are in the bucket. */
  spool: "/data/spool",
  /** Files of the log for a recovery. */
  recovery: "/data/restore",
  /** A folder that the image has: of one that it lacks runc forgets the mode when the container starts again. */
  socket: "/tmp",
} as const;

const between = (least: number, value: number, most: number): number => Math.round(Math.min(most, Math.max(least, value)));

/** After PostgreSQL's manual, chapter 20 (Server Configuration). */
export function serverSettings(
  spec: Pick<ServerSpec, "memoryBytes" | "diskBytes" | "archive" | "readOnly" | "certificate">,
): string {
  const memory = spec.memoryBytes / MiB;
  const settings: Record<string, string | number> = {
    data_directory: paths.data,
    hba_file: `${paths.settings}/pg_hba.conf`,
    ident_file: `${paths.settings}/pg_ident.conf`,
    external_pid_file: "/tmp/postgres.pid",
    listen_addresses: "*",
    port: 5432,
    unix_socket_directories: paths.socket,
    unix_socket_permissions: "0700",
    max_connections: between(25, memory / 10, 500),
    superuser_reserved_connections: 5,
    tcp_keepalives_idle: 60,
    // A client that has gone does not keep its statement running.
    client_connection_check_interval: "10s",
    authentication_timeout: "20s",
    password_encryption: "scram-sha-256",
    shared_buffers: `${between(32, memory / 4, 16_384)}MB`,
    effective_cache_size: `${between(64, (memory * 3) / 4, 262_144)}MB`,
    maintenance_work_mem: `${between(16, memory / 16, 2048)}MB`,
    work_mem: `${between(2, memory / 128, 64)}MB`,
    jit: "off",
    wal_level: "replica",
    wal_compression: "on",
    min_wal_size: "32MB",
    max_wal_size: `${between(128, spec.diskBytes / MiB / 20, 4096)}MB`,
    checkpoint_completion_target: 0.9,
    archive_mode: "on",
    archive_command: spec.archive ? "/usr/local/bin/khmara-archive %p %f" : "/bin/true",
    // Half of what may be lost at the most; the other half is for taking it to the bucket.
    archive_timeout: "30s",
    restore_command: "/usr/local/bin/khmara-restore %f %p",
    shared_preload_libraries: "pg_stat_statements",
    track_io_timing: "on",
    log_destination: "stderr",
    log_line_prefix: "%m [%p] %q%u@%d ",
    log_checkpoints: "off",
    log_lock_waits: "on",
    log_timezone: "UTC",
    timezone: "UTC",
    default_transaction_read_only: spec.readOnly ? "on" : "off",
    ...(spec.certificate === undefined
      ? { ssl: "off" }
      : {
          ssl: "on",
          ssl_cert_file: `${paths.settings}/server.crt`,
          ssl_key_file: `${paths.settings}/server.key`,
          ssl_min_protocol_version: "TLSv1.2",
        }),
  };
  return `${Object.entries(settings)
    .map(([name, value]) => `${name} = '${String(value).replaceAll("'", "''")}'`)
    .join("\n")}\n`;
}

/**
 * Whoever is in the container is its superuser: only we are, by the engine. From the network there is no way without TLS and password, and none
 * at all for the superuser.
 */
export const accessRules = `local all all trust
hostssl all postgres all reject
hostssl all all all scram-sha-256
`;

export const sharedMemoryBytes = (memoryBytes: number): number => Math.max(64 * MiB, Math.floor(memoryBytes / 4));
